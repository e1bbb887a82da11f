//! Who has which address, and what the segment says of it

use std::net::Ipv6Addr;

use anyhow::Context;
use dhp_port_afpacket::Interface;
use dhp_segment::{Geometry, NextHop, NextHopState, Route, RouteAction, Segment, Tunnel};
use serde::Serialize;

use crate::namespace::Namespace;

/// Ports of each worker, in the order of their numbers in the segment.
pub const PORTS: [&str; 2] = ["mobile0", "correspondent0"];
const MOBILE: u16 = 0;
const CORRESPONDENT: u16 = 1;
const LINK_MTU: u16 = 1500;
const TUNNEL_MTU: u16 = LINK_MTU - 40;

/// The anchor's address.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// A plain host.
pub const CORRESPONDENT_NODE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the mobile nodes: into the tunnels.
    Downlink,
    /// From the mobile nodes: out of the tunnels.
    Uplink,
}

impl Direction {
    /// Where the generator sends, and where packets come out; both outside.
    pub const fn interfaces(self) -> (&'static str, &'static str) {
        match self {
            Self::Downlink => ("correspondent1", "mobile1"),
            Self::Uplink => ("mobile1", "correspondent1"),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Downlink => "downlink",
            Self::Uplink => "uplink",
        }
    }
}

/// The links, and the tables of the workers.
#[derive(Debug)]
pub struct Plan {
    pub bindings: u16,
    mobile: [[u8; 6]; 2],
    correspondent: [[u8; 6]; 2],
}

impl Plan {
    /// Connect the namespaces.
    pub fn new(inside: &Namespace, outside: &Namespace, bindings: u16) -> anyhow::Result<Self> {
        let mut macs = [[[0; 6]; 2]; 2];
        let links = [("mobile0", "mobile1"), ("correspondent0", "correspondent1")];
        for ((name, peer), pair) in links.into_iter().zip(&mut macs) {
            inside.connect(name, outside, peer)?;
            // The outside has no kernel that would take part: it would answer and solicit.
            let path = format!("/proc/sys/net/ipv6/conf/{peer}/disable_ipv6");
            outside
                .run(|| std::fs::write(&path, "1"))?
                .with_context(|| format!("write {path}"))?;
            *pair = [
                inside.run(|| Interface::find(name))??.mac,
                outside.run(|| Interface::find(peer))??.mac,
            ];
        }
        let [mobile, correspondent] = macs;
        Ok(Self {
            bindings,
            mobile,
            correspondent,
        })
    }

    /// The home address of binding `number`.
    pub fn home(&self, number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 1, number)
    }

    /// The care-of address of binding `number`.
    pub fn care_of(&self, number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 1, number)
    }

    /// MAC addresses of frames that the generator sends: destination and source.
    pub fn macs(&self, direction: Direction) -> ([u8; 6], [u8; 6]) {
        let [port, peer] = match direction {
            Direction::Downlink => self.correspondent,
            Direction::Uplink => self.mobile,
        };
        (port, peer)
    }

    /// A segment with all bindings, the way to the mobile nodes and the way to the correspondents.
    pub fn segment(&self, workers: u32) -> anyhow::Result<Segment> {
        let geometry = Geometry {
            workers,
            ..Geometry::default()
        };
        let segment = Segment::anonymous(&geometry)?;
        let mut writer = segment.writer()?;
        let mut next_hop = |port: u16, [own, neighbour]: [[u8; 6]; 2]| {
            let id = writer.allocate_next_hop()?;
            let next_hop = NextHop {
                port,
                state: NextHopState::Resolved,
                destination_mac: neighbour,
                source_mac: own,
                mtu: LINK_MTU,
            };
            writer.set_next_hop(id, next_hop).map(|()| id)
        };
        let to_mobile = next_hop(MOBILE, self.mobile)?;
        let to_correspondent = next_hop(CORRESPONDENT, self.correspondent)?;
        let route = |prefix: Ipv6Addr, len: u8, action: RouteAction| Route {
            prefix,
            len,
            action,
        };
        let to = |next_hop| RouteAction::Forward { next_hop };
        writer.publish_routes(&[
            route(ANCHOR, 128, RouteAction::Anchor),
            route(self.home(0), 64, RouteAction::Pool),
            route(self.care_of(0), 64, to(to_mobile)),
            route(CORRESPONDENT_NODE, 64, to(to_correspondent)),
        ])?;
        for number in 0..self.bindings {
            let tunnel = Tunnel {
                anchor: ANCHOR,
                care_of: self.care_of(number),
                next_hop: to_mobile,
                mtu: TUNNEL_MTU,
                previous: None,
                metered: false,
                rate_cap: None,
                test: None,
            };
            writer.publish_binding(self.home(number), &tunnel)?;
        }
        Ok(segment)
    }
}
