//! Who has which address, and what the segment says of it

use std::net::Ipv6Addr;

use dhp_segment::{Geometry, NextHop, NextHopState, Route, RouteAction, Segment, Tunnel};

/// The anchor's address.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// A plain host.
pub const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const POOL: u64 = 0x2001_0db8_000d_0001;
const ACCESS: u64 = 0x2001_0db8_000a_0000;
const LINK_MTU: u16 = 1500;

/// Bindings, and a network with one neighbour: the port itself, at the other end of its ring.
#[derive(Debug)]
pub struct Plan {
    pub bindings: u32,
    /// Octets of a frame outside of the tunnel.
    pub size: usize,
}

impl Plan {
    pub const fn new(bindings: u32, size: usize) -> Self {
        Self { bindings, size }
    }

    /// The home address of binding `number`. Interface identifiers are as good as random, so that the table is hit all over.
    pub fn home(&self, number: u32) -> Ipv6Addr {
        address(POOL, number)
    }

    /// The care-of address of binding `number`.
    pub fn care_of(&self, number: u32) -> Ipv6Addr {
        address(ACCESS, number)
    }

    /// A segment with all bindings, for a worker whose only port has the address `mac`.
    pub fn segment(&self, mac: [u8; 6]) -> anyhow::Result<Segment> {
        let home_addresses = self.bindings.max(64);
        let geometry = Geometry {
            workers: 1,
            home_addresses,
            templates: home_addresses / 8 + 1_024,
            ..Geometry::default()
        };
        let segment = Segment::anonymous(&geometry)?;
        let mut writer = segment.writer()?;
        let next_hop = writer.allocate_next_hop()?;
        writer.set_next_hop(
            next_hop,
            NextHop {
                port: 0,
                state: NextHopState::Resolved,
                destination_mac: mac,
                source_mac: mac,
                mtu: LINK_MTU,
            },
        )?;
        let prefix = |high: u64| Ipv6Addr::from_bits(u128::from(high) << 64);
        let route = |prefix, len, action| Route {
            prefix,
            len,
            action,
        };
        let forward = RouteAction::Forward { next_hop };
        writer.publish_routes(&[
            route(ANCHOR, 128, RouteAction::Anchor),
            route(prefix(POOL), 64, RouteAction::Pool),
            route(prefix(ACCESS), 64, forward),
            route(CORRESPONDENT, 64, forward),
        ])?;
        for number in 0..self.bindings {
            let tunnel = Tunnel {
                anchor: ANCHOR,
                care_of: self.care_of(number),
                next_hop,
                mtu: LINK_MTU - 40,
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

/// SplitMix64, which maps different numbers to different ones.
fn address(prefix: u64, number: u32) -> Ipv6Addr {
    let mut id = u64::from(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    Ipv6Addr::from_bits(u128::from(prefix) << 64 | u128::from(id ^ id >> 31))
}
