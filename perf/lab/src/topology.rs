//! The lab's networks, from the mobile node to the correspondent.
//!
//! ```text
//!              ┌─ access-a ─ ara ─5 ms─┐
//!  mn ── air ──┤                       ├─ core ─4 ms─ dhp ─1 ms─ cn
//!              └─ access-b ─ arb ─5 ms─┘   └──35 ms── ha
//! ```
//!
//! `air` holds a bridge per access network; the mobile node's radio is a veth whose far end is a port of one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::delay_line::LineSettings;
use crate::namespace::Namespace;
use crate::port_driver::PortDriver;
use crate::state::State;
use crate::wire::{End, Wire};

/// The nodes, each a namespace, and what each is.
pub const NODES: [(&str, &str); 8] = [
    (
        "mn",
        "the mobile node: wlan0, wwan0, and dhpmn0 where its home addresses live",
    ),
    ("air", "the radio: one bridge per access network"),
    ("ara", "access router A, announces 2001:db8:a::/64"),
    ("arb", "access router B, announces 2001:db8:b::/64"),
    ("core", "the Internet: a plain router"),
    ("ha", "dhpd as home agent, 2001:db8:1::1"),
    (
        "dhp",
        "dhpd as Distributed Home-Proxy, 2001:db8:d::1, in the correspondent's path",
    ),
    (
        "cn",
        "the correspondent: plain Linux that knows nothing of mobility",
    ),
];

/// The wires: left node and interface, right node and interface, one-way delay in ms.
pub const WIRES: [(&str, &str, &str, &str, u64); 5] = [
    ("ara", "core0", "core", "ara0", 5),
    ("arb", "core0", "core", "arb0", 5),
    ("core", "dhp-site", "dhp", "core0", 4),
    ("dhp", "cn0", "cn", "net0", 1),
    ("core", "ha-site", "ha", "core0", 35),
];

/// The nodes where `dhpd` runs, on all their interfaces.
const ANCHORS: [&str; 2] = ["ha", "dhp"];

/// All namespaces and wires. The wires end when this is dropped; the namespaces, when the lab's journal is released.
#[derive(Debug)]
pub struct Topology {
    wires: Vec<Wire>,
    namespaces: BTreeMap<&'static str, Namespace>,
}

impl Topology {
    /// Builds everything but the programs.
    pub fn build(state: &State, ports: PortDriver) -> Result<Self> {
        let mut topology = Self {
            wires: Vec::new(),
            namespaces: BTreeMap::new(),
        };
        for (node, _) in NODES {
            topology
                .namespaces
                .insert(node, Namespace::create(state, node)?);
        }
        for (index, (left, left_interface, right, right_interface, delay_ms)) in (0_u8..).zip(WIRES)
        {
            let ends = [
                (left, left_interface, mac(index, 1)),
                (right, right_interface, mac(index, 2)),
            ];
            let wire = topology.connect(ends, delay_ms, ports)?;
            topology.wires.push(wire);
        }
        topology.radio().context("the access networks")?;
        topology.routers().context("addresses and routes")?;
        topology
            .ingress_filters()
            .context("the access routers' ingress filters")?;
        Ok(topology)
    }

    /// A node's namespace.
    pub fn node(&self, node: &str) -> Result<&Namespace> {
        self.namespaces
            .get(node)
            .with_context(|| format!("there is no node {node}"))
    }

    /// The wires.
    pub fn wires(&self) -> &[Wire] {
        &self.wires
    }

    /// A wire between two interfaces, each named by its node, its name and its MAC address.
    fn connect(
        &self,
        ends: [(&str, &str, [u8; 6]); 2],
        delay_ms: u64,
        ports: PortDriver,
    ) -> Result<Wire> {
        let driver = |node: &str| match ANCHORS.contains(&node) {
            true => ports,
            false => PortDriver::AfPacket,
        };
        let names = ends.map(|(node, interface, _)| driver(node).wire_end(interface));
        let [left, right] = &ends;
        let end = |(node, _, mac): (&str, &str, [u8; 6]), interface| -> Result<End<'_>> {
            Ok(End {
                namespace: self.node(node)?,
                interface,
                mac,
            })
        };
        let [left_name, right_name] = &names;
        let settings = LineSettings::delay(Duration::from_millis(delay_ms));
        let wire = Wire::connect(end(*left, left_name)?, end(*right, right_name)?, settings)?;
        for (node, interface, mac) in ends {
            driver(node).prepare(self.node(node)?, interface, mac)?;
        }
        Ok(wire)
    }

    fn radio(&self) -> Result<()> {
        let air = self.node("air")?;
        // Bridges only: this node itself speaks no IPv6 and adds nothing to the links.
        air.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        air.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        for (bridge, router) in [("access-a", "ara"), ("access-b", "arb")] {
            air.ip_lines(&format!(
                "link add {bridge} type bridge mcast_snooping 0 forward_delay 0
                 link set {bridge} up
                 link add to-{router} type veth peer name radio0 netns {}
                 link set to-{router} master {bridge}
                 link set to-{router} up",
                self.node(router)?.name()
            ))?;
            self.node(router)?.ip("link set radio0 up")?;
        }
        let mn = self.node("mn")?;
        for (setting, value) in [
            ("accept_ra", "1"),
            ("accept_dad", "1"),
            ("optimistic_dad", "1"),
            ("use_optimistic", "1"),
        ] {
            // RFC 4429: a node that moves uses its new address while duplicate address detection still runs.
            mn.sysctl(&format!("net/ipv6/conf/default/{setting}"), value)?;
            mn.sysctl(&format!("net/ipv6/conf/all/{setting}"), value)?;
        }
        air.ip_lines(&format!(
            "link add ap-wlan type veth peer name wlan0 netns {name}
             link add ap-wwan type veth peer name wwan0 netns {name}",
            name = mn.name()
        ))?;
        mn.ip_lines("link set wlan0 address 02:d5:00:00:ff:01\n link set wwan0 address 02:d5:00:00:ff:02\n link set wlan0 up\n link set wwan0 up")
    }

    fn routers(&self) -> Result<()> {
        for router in ["ara", "arb", "core", "ha", "dhp"] {
            self.node(router)?
                .sysctl("net/ipv6/conf/all/forwarding", "1")?;
        }
        let plan = [
            (
                "ara",
                "address add 2001:db8:a::1/64 dev radio0
                 address add 2001:db8:f:1::2/64 dev core0
                 route add default via 2001:db8:f:1::1",
            ),
            (
                "arb",
                "address add 2001:db8:b::1/64 dev radio0
                 address add 2001:db8:f:2::2/64 dev core0
                 route add default via 2001:db8:f:2::1",
            ),
            (
                "core",
                "address add 2001:db8:f:1::1/64 dev ara0
                 address add 2001:db8:f:2::1/64 dev arb0
                 address add 2001:db8:f:3::1/64 dev dhp-site
                 address add 2001:db8:f:5::1/64 dev ha-site
                 route add 2001:db8:a::/64 via 2001:db8:f:1::2
                 route add 2001:db8:b::/64 via 2001:db8:f:2::2
                 route add 2001:db8:c::/48 via 2001:db8:f:3::2
                 route add 2001:db8:d::/48 via 2001:db8:f:3::2
                 route add 2001:db8:f:4::/64 via 2001:db8:f:3::2
                 route add 2001:db8:1::/48 via 2001:db8:f:5::2",
            ),
            (
                "ha",
                "address add 2001:db8:1::1/128 dev lo
                 address add 2001:db8:f:5::2/64 dev core0
                 route add default via 2001:db8:f:5::1",
            ),
            (
                "dhp",
                "address add 2001:db8:d::1/128 dev lo
                 address add 2001:db8:f:3::2/64 dev core0
                 address add 2001:db8:f:4::1/64 dev cn0
                 route add default via 2001:db8:f:3::1
                 route add 2001:db8:c::/48 via 2001:db8:f:4::2",
            ),
            (
                "cn",
                "address add 2001:db8:c:1::80/128 dev lo
                 address add 2001:db8:c:2::80/128 dev lo
                 address add 2001:db8:c:3::80/128 dev lo
                 address add 2001:db8:f:4::2/64 dev net0
                 route add default via 2001:db8:f:4::1 src 2001:db8:c:1::80",
            ),
        ];
        plan.iter()
            .try_for_each(|(node, lines)| self.node(node)?.ip_lines(lines))
    }

    /// BCP 38: an access network lets only its own addresses out, so that nothing but a tunnel from the current
    /// care-of address carries a home address to its anchor.
    fn ingress_filters(&self) -> Result<()> {
        for (router, prefix) in [("ara", "2001:db8:a::/64"), ("arb", "2001:db8:b::/64")] {
            self.node(router)?.ip_lines(&format!(
                "-6 rule add pref 100 iif radio0 from {prefix} lookup main
                 -6 rule add pref 101 iif radio0 blackhole"
            ))?;
        }
        Ok(())
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        // The kernel takes its time for each interface: all wires end at once.
        self.wires.iter().for_each(Wire::request_end);
    }
}

/// A locally administered MAC address that tells wire and end.
fn mac(wire: u8, end: u8) -> [u8; 6] {
    [0x02, 0xd5, 0, 0, wire, end]
}
