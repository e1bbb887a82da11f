//! Who has which address, and what the segment says of it

use std::net::Ipv6Addr;

use dhp_segment::{
    Geometry, NextHop, NextHopState, Route, RouteAction, Segment, SegmentError, Tunnel, Writer,
};

/// The anchor's address.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// A plain host.
pub const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const POOL: u64 = 0x2001_0db8_000d_0001;
const ACCESS: u64 = 0x2001_0db8_000a_0000;
const LINK_MTU: u16 = 1500;

/// Bindings, and a network with one neighbour: the port itself, at the other end of its ring.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub bindings: u32,
    /// Octets of a frame outside of the tunnel.
    pub size: usize,
}

/// A segment with all bindings of a plan.
pub struct Bound {
    pub segment: Segment,
    /// Who may change them.
    pub writer: Writer,
    next_hop: u32,
}

/// A binding moves to the care-of address of a generation.
#[derive(Clone, Copy, Debug)]
pub struct Handoff {
    pub number: u32,
    pub generation: u32,
    /// Until when packets are taken from the care-of address before, in monotonic nanoseconds; 0: not at all.
    pub previous_until_ns: u64,
}

impl Plan {
    pub const fn new(bindings: u32, size: usize) -> Self {
        Self { bindings, size }
    }

    /// The home address of binding `number`. Interface identifiers are as good as random, so that the table is hit all over.
    pub fn home(&self, number: u32) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(POOL) << 64 | u128::from(scattered(number)))
    }

    /// The care-of address that binding `number` has after so many handoffs. It tells both, as [`Self::read_care_of`] reads them.
    pub fn care_of(&self, number: u32, generation: u32) -> Ipv6Addr {
        let id = u64::from(number) << 32 | u64::from(generation);
        Ipv6Addr::from_bits(u128::from(ACCESS) << 64 | u128::from(id))
    }

    /// Number and generation of a care-of address; `None`: it is none of this plan's.
    pub fn read_care_of(&self, address: Ipv6Addr) -> Option<(u32, u32)> {
        let bits = address.to_bits();
        let (number, generation) = ((bits >> 32) as u32, bits as u32);
        (bits >> 64 == u128::from(ACCESS) && number < self.bindings).then_some((number, generation))
    }

    /// A segment with all bindings in their generation 0, for workers whose ports all have the address `mac`. It is as large as
    /// `dhpd` makes one for so many home addresses.
    ///
    /// # Errors
    /// The memory for it is not there.
    pub fn bind(&self, workers: u32, mac: [u8; 6]) -> anyhow::Result<Bound> {
        let home_addresses = self.bindings.max(64);
        let geometry = Geometry {
            workers,
            home_addresses,
            // As many as dhpd makes.
            templates: home_addresses / 16 + 1_024,
            // Tables of what is no binding.
            flows: 0,
            optimized_routes: 0,
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
        let mut bound = Bound {
            segment,
            writer,
            next_hop,
        };
        for number in 0..self.bindings {
            bound.hand_off(
                self,
                Handoff {
                    number,
                    generation: 0,
                    previous_until_ns: 0,
                },
            )?;
        }
        Ok(bound)
    }
}

impl Bound {
    /// Bind, or move to another care-of address.
    ///
    /// # Errors
    /// As of [`Writer::publish_binding`].
    pub fn hand_off(&mut self, plan: &Plan, handoff: Handoff) -> Result<(), SegmentError> {
        let Handoff {
            number,
            generation,
            previous_until_ns,
        } = handoff;
        let previous = match previous_until_ns {
            0 => None,
            until => Some((plan.care_of(number, generation.wrapping_sub(1)), until)),
        };
        let tunnel = Tunnel {
            anchor: ANCHOR,
            care_of: plan.care_of(number, generation),
            next_hop: self.next_hop,
            mtu: LINK_MTU - 40,
            previous,
            metered: false,
            rate_cap: None,
            test: None,
        };
        self.writer.publish_binding(plan.home(number), &tunnel)
    }
}

/// SplitMix64, which maps different numbers to different ones.
fn scattered(number: u32) -> u64 {
    let mut id = u64::from(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ id >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_care_of_address_tells_whose_it_is_and_which() {
        let plan = Plan::new(1_000, 64);
        let care_of = plan.care_of(999, u32::MAX);
        assert_eq!(plan.read_care_of(care_of), Some((999, u32::MAX)));
        assert_eq!(plan.read_care_of(plan.care_of(1_000, 0)), None);
        assert_eq!(plan.read_care_of(plan.home(1)), None);
    }
}
