//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses its own part of this")]

use core::net::Ipv6Addr;
use dhp_segment::{Geometry, NextHop, NextHopState, Tunnel};

/// A geometry small enough to fill.
pub const SMALL: Geometry = Geometry {
    workers: 2,
    home_addresses: 64,
    templates: 128,
    next_hops: 4,
    routes: 32,
    flow_sets: 0,
    flows: 0,
    meters: 0,
    ring_slots: 4,
};

/// Home address number `n`.
pub fn home(n: u64) -> Ipv6Addr {
    Ipv6Addr::from(0x2001_0db8_000d_0001_u128 << 64 | u128::from(n))
}

/// A tunnel whose every field says `generation` and `n`.
pub fn tunnel(n: u64, generation: u64) -> Tunnel {
    let low = u128::from(n) << 64 | u128::from(generation);
    Tunnel {
        // Of those there are not so many as of home addresses.
        anchor: Ipv6Addr::from(0xa_u128 << 124 | u128::from((n ^ generation) % 251)),
        care_of: Ipv6Addr::from(0xb_u128 << 124 | low),
        next_hop: generation as u32,
        mtu: generation as u16,
        previous: (generation % 2 == 1)
            .then(|| (Ipv6Addr::from(0xc_u128 << 124 | low), generation)),
        metered: false,
        rate_cap: None,
        test: None,
    }
}

/// The generation that a tunnel of home address `n` says, if all its fields agree.
pub fn generation_of(n: u64, found: &Tunnel) -> Option<u64> {
    let generation = u128::from(found.care_of) as u64;
    (*found == tunnel(n, generation)).then_some(generation)
}

/// A next hop whose every field says `n`.
pub fn next_hop(n: u8) -> NextHop {
    NextHop {
        port: u16::from(n),
        state: if n.is_multiple_of(2) {
            NextHopState::Unresolved
        } else {
            NextHopState::Resolved
        },
        destination_mac: [n; 6],
        source_mac: [n; 6],
        mtu: u16::from(n),
    }
}
