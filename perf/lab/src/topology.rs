//! A lab's networks as they are built from their plan.
//!
//! `mn` is the mobile node. `air` holds a bridge per access network; the mobile node's radio is a veth whose far end is a port of
//! one of them. All else is the plan's.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::access::Access;
use crate::namespace::Namespace;
use crate::network_plan::{NetworkPlan, Role, WirePlan};
use crate::port_driver::PortDriver;
use crate::state::State;
use crate::wire::{End, Wire};

/// The nodes that every lab has, and what each is.
const MOBILE_NODES: [(&str, &str); 2] = [
    (
        "mn",
        "the mobile node: wlan0, wwan0, and dhpmn0 where its home addresses live",
    ),
    ("air", "the radio: one bridge per access network"),
];

/// All namespaces and wires. The wires end when this is dropped; the namespaces, when the lab's journal is released.
#[derive(Debug)]
pub struct Topology {
    plan: NetworkPlan,
    wires: Vec<Wire>,
    namespaces: BTreeMap<String, Namespace>,
}

impl Topology {
    /// Builds everything but the programs.
    pub fn build(state: &State, plan: NetworkPlan, ports: PortDriver) -> Result<Self> {
        let mut topology = Self {
            plan,
            wires: Vec::new(),
            namespaces: BTreeMap::new(),
        };
        for (node, _) in topology.nodes().collect::<Vec<_>>() {
            let namespace = Namespace::create(state, &node)?;
            topology.namespaces.insert(node, namespace);
        }
        for (index, wire) in (0_u8..).zip(&topology.plan.wires) {
            let wire = topology.connect(index, wire, ports)?;
            topology.wires.push(wire);
        }
        topology.radio().context("the access networks")?;
        topology.addresses().context("addresses and routes")?;
        topology
            .ingress_filters()
            .context("the access routers' ingress filters")?;
        Ok(topology)
    }

    /// The nodes by name, and what each is.
    pub fn nodes(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let every = MOBILE_NODES
            .into_iter()
            .map(|(name, what)| (name.to_owned(), what.to_owned()));
        let planned = self.plan.nodes.iter();
        every.chain(planned.map(|node| (node.name.clone(), node.what.clone())))
    }

    /// The access networks.
    pub fn accesses(&self) -> impl Iterator<Item = Access> + use<> {
        self.plan.accesses()
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

    /// The wire of an access network: what leaves its router for the rest of the world.
    pub fn access_wire(&self, access: Access) -> Result<&Wire> {
        let end = (access.router(), "core0".to_owned());
        let mut planned = self.plan.wires.iter().zip(&self.wires);
        let found = planned.find(|(plan, _)| plan.right == end);
        let (_, wire) = found.with_context(|| format!("{} has no wire", end.0))?;
        Ok(wire)
    }

    /// The wires as they were planned.
    pub fn planned_wires(&self) -> &[WirePlan] {
        &self.plan.wires
    }

    fn connect(&self, index: u8, wire: &WirePlan, ports: PortDriver) -> Result<Wire> {
        let is_anchor = |name: &str| {
            let mut nodes = self.plan.nodes.iter();
            nodes.any(|node| node.name == name && node.role == Role::Anchor)
        };
        let driver = |node: &str| match is_anchor(node) {
            true => ports,
            false => PortDriver::AfPacket,
        };
        let ends = [(&wire.left, mac(index, 1)), (&wire.right, mac(index, 2))];
        let names = ends.map(|((node, interface), _)| driver(node).wire_end(interface));
        let [left, right] = ends;
        let end = |((node, _), mac): (&(String, String), [u8; 6]), interface| -> Result<End<'_>> {
            Ok(End {
                namespace: self.node(node)?,
                interface,
                mac,
            })
        };
        let [left_name, right_name] = &names;
        let connected = Wire::connect(
            end(left, left_name)?,
            end(right, right_name)?,
            wire.settings,
        )?;
        for ((node, interface), mac) in ends {
            driver(node).prepare(self.node(node)?, interface, mac)?;
        }
        Ok(connected)
    }

    fn radio(&self) -> Result<()> {
        let air = self.node("air")?;
        // Bridges only: this node itself speaks no IPv6 and adds nothing to the links.
        air.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
        air.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        for access in self.accesses() {
            let (bridge, router) = (access.bridge(), access.router());
            air.ip_lines(&format!(
                "link add {bridge} type bridge mcast_snooping 0 forward_delay 0
                 link set {bridge} up
                 link add to-{router} type veth peer name radio0 netns {}
                 link set to-{router} master {bridge}
                 link set to-{router} up",
                self.node(&router)?.name()
            ))?;
            self.node(&router)?.ip("link set radio0 up")?;
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

    fn addresses(&self) -> Result<()> {
        let forwards = |role| matches!(role, Role::Router | Role::Anchor);
        for node in self.plan.nodes.iter().filter(|node| forwards(node.role)) {
            self.node(&node.name)?
                .sysctl("net/ipv6/conf/all/forwarding", "1")?;
        }
        let mut nodes = self.plan.nodes.iter();
        nodes.try_for_each(|node| self.node(&node.name)?.ip_lines(&node.setup))
    }

    /// BCP 38: an access network lets only its own addresses out, so that nothing but a tunnel from the current
    /// care-of address carries a home address to its anchor.
    fn ingress_filters(&self) -> Result<()> {
        for access in self.accesses() {
            self.node(&access.router())?.ip_lines(&format!(
                "-6 rule add pref 100 iif radio0 from {} lookup main
                 -6 rule add pref 101 iif radio0 blackhole",
                access.network()
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
