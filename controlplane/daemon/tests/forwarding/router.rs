//! A router between two links: the kernel, or `dhpd` on the kernel's interfaces

use std::time::Instant;

use dhp_engine::{Batch, FramePool, PacketBuf, Port};
use dhp_port_afpacket::AfPacketPort;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cases::Case;
use crate::daemon;
use crate::outcome::{Outcome, comparable, is_chatter};
use crate::packets::{ANCHOR, LEFT, RIGHT, RIGHT_MTU, udp, with_hops};
use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::namespaces::Namespace;

/// What the router may send from.
pub const ROUTERS_OWN: [&str; 3] = [ANCHOR, "2001:db8:a0::1", "2001:db8:c0::1"];
const ROUTER_MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0xa, 1], [2, 0, 0, 0, 0xc, 1]];
const HOST_MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0xa, 2], [2, 0, 0, 0, 0xc, 2]];
const GATEWAYS: [&str; 2] = ["fe80::a2", "fe80::c2"];
/// Whom the router need not look for: the gateways, and a host of the link.
const NEIGHBOURS: [&[&str]; 2] = [&[GATEWAYS[0], "fe80::7"], &[GATEWAYS[1]]];
const PORTS: [&str; 2] = ["core0", "cn0"];
const SENTINEL: &[u8] = b"sentinel of the differential test";

/// Where a packet goes in or comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Left = 0,
    Right = 1,
}

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Kernel,
    Workers,
}

/// The router and the ends of both links. What is dropped first is what uses the rest.
pub struct Router {
    daemon: Option<Daemon>,
    links: [AfPacketPort; 2],
    _namespaces: [Namespace; 3],
    sent: u32,
}

impl Router {
    pub fn new(by: By) -> Self {
        let name = |role: &str| format!("{by:?}-{role}").to_lowercase();
        let router = Namespace::new(&name("router"));
        let hosts = [
            Namespace::new(&name("left")),
            Namespace::new(&name("right")),
        ];
        for setting in [
            "net.ipv6.conf.default.dad_transmits=0",
            "net.ipv6.conf.all.forwarding=1",
            // No error is held back: no type but 0, which is none, is limited.
            "net.ipv6.icmp.ratelimit=0",
            "net.ipv6.icmp.ratemask=0",
        ] {
            router.sysctl(setting);
        }
        for side in [0, 1] {
            connect(&router, &hosts[side], side);
        }
        let (left, right) = (GATEWAYS[0], GATEWAYS[1]);
        router.ip(&["address", "add", ANCHOR, "dev", "lo"]);
        let narrow = crate::packets::NARROW_MTU.to_string();
        for route in [
            &["2001:db8:a::/64", "via", left, "dev", "core0"][..],
            &["2001:db8:c::/48", "via", right, "dev", "cn0"],
            &[
                "2001:db8:f::/48",
                "via",
                right,
                "dev",
                "cn0",
                "mtu",
                &narrow,
            ],
            &["blackhole", "2001:db8:bad::/48"],
            &["unreachable", "2001:db8:bae::/48"],
            &["prohibit", "2001:db8:baf::/48"],
        ] {
            router.ip(&[&["route", "add"], route].concat());
        }
        let daemon = (by == By::Workers).then(|| daemon::start(&router));
        let [left, right] = hosts.each_ref().map(|host| {
            host.within(|| {
                let pool = FramePool::new(256, 2048);
                let mut ports = AfPacketPort::open("eth0", &[pool], 256).expect("it opens");
                ports.pop().expect("one queue")
            })
        });
        let [left_host, right_host] = hosts;
        Self {
            daemon,
            links: [left, right],
            _namespaces: [left_host, right_host, router],
            sent: 0,
        }
    }

    /// What each case leads to.
    pub fn treat(mut self, cases: &[Case]) -> Vec<Outcome> {
        let outcomes = cases.iter().map(|case| self.treat_one(case)).collect();
        if let Some(daemon) = &self.daemon {
            // A sentinel of each case, and the kernel none of them.
            assert!(
                daemon.forwarded() >= cases.len() as u64,
                "the workers forwarded"
            );
        }
        outcomes
    }

    fn treat_one(&mut self, case: &Case) -> Outcome {
        self.send(case.from, &case.packet);
        self.sent += 1;
        let tag = [SENTINEL, &self.sent.to_be_bytes()].concat();
        let (from, to, behind) = match case.from {
            Side::Left => (LEFT, RIGHT, Side::Right),
            Side::Right => (RIGHT, LEFT, Side::Left),
        };
        let sentinel = udp(from, to, &tag);
        self.send(case.from, &sentinel);
        self.send(case.from, &with_hops(&sentinel, 1));
        let mut outcome = Vec::new();
        // Each side has one: forwarded there, or quoted in a Time Exceeded here.
        let mut missing = vec![behind, case.from];
        let deadline = Instant::now() + PATIENCE;
        while !missing.is_empty() {
            let came = self.receive();
            assert!(
                !came.is_empty() || Instant::now() < deadline,
                "no sentinel on {missing:?} behind {}: {:02x?}",
                case.what,
                case.packet
            );
            for (side, packet) in came {
                if packet.ends_with(&tag) {
                    missing.retain(|awaited| *awaited != side);
                } else if !is_chatter(&packet) {
                    outcome.push((side, comparable(packet)));
                }
            }
        }
        outcome.sort();
        outcome
    }

    fn send(&mut self, side: Side, packet: &[u8]) {
        let link = &mut self.links[side as usize];
        let mut frame = link.alloc().expect("a frame");
        let octets = [
            &ROUTER_MACS[side as usize][..],
            &HOST_MACS[side as usize],
            &[0x86, 0xdd],
            packet,
        ];
        let octets = octets.concat();
        assert!(frame.set_len(octets.len()), "a packet fits in a frame");
        frame.bytes_mut().copy_from_slice(&octets);
        link.tx(frame).expect("room");
        assert_eq!(link.flush().sent, 1);
    }

    /// What has come out, after waiting for it.
    fn receive(&mut self) -> Vec<(Side, Vec<u8>)> {
        let watched = self
            .links
            .each_ref()
            .map(|link| link.poll_fd().expect("a descriptor"));
        let mut watched = watched.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let timeout = PollTimeout::try_from(PATIENCE).expect("it fits");
        poll(&mut watched, timeout).expect("it polls");
        let mut came = Vec::new();
        for (side, link) in [Side::Left, Side::Right].into_iter().zip(&mut self.links) {
            let mut batch = Batch::new();
            while link.rx_burst(&mut batch) > 0 {
                for frame in batch.drain() {
                    came.push((side, frame.bytes()[14..].to_vec()));
                }
            }
        }
        // To groups as well as to the host: chatter is told by what it says.
        came.retain(|(_, packet)| packet.len() >= 40);
        came
    }
}

/// A link between a port of the router and `eth0` of a host, which speaks no IPv6 of its own.
fn connect(router: &Namespace, host: &Namespace, side: usize) {
    let port = PORTS[side];
    router.link(port, host);
    host.sysctl("net.ipv6.conf.eth0.disable_ipv6=1");
    let mac = |octets: [u8; 6]| octets.map(|octet| format!("{octet:02x}")).join(":");
    let mtu = [1500, RIGHT_MTU][side].to_string();
    for (namespace, interface, address) in [
        (router, port, ROUTER_MACS[side]),
        (host, "eth0", HOST_MACS[side]),
    ] {
        // The host may send what the router cannot forward.
        let mtu = if interface == "eth0" { "1500" } else { &mtu };
        namespace.ip(&[
            "link",
            "set",
            interface,
            "address",
            &mac(address),
            "mtu",
            mtu,
            "up",
        ]);
    }
    router.ip(&[
        "address",
        "add",
        ROUTERS_OWN[side + 1],
        "dev",
        port,
        "nodad",
    ]);
    for neighbour in NEIGHBOURS[side] {
        let mac = mac(HOST_MACS[side]);
        let known = [
            "neighbour",
            "replace",
            neighbour,
            "lladdr",
            &mac,
            "dev",
            port,
        ];
        router.ip(&[&known[..], &["nud", "permanent"]].concat());
    }
}
