//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses its own part of this")]

use core::net::Ipv6Addr;
use dhp_segment::{
    ExactFlow, FlowKey, FlowSelector, FlowVerdict, Geometry, MAX_CARE_OFS, NextHop, NextHopState,
    Reader, Tunnel,
};

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
    optimized_routes: 0,
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

/// What the rules of home address `n` say about a packet, looked up in steps as a worker does: the generations of the tunnels that it
/// is sent through, the lowest first, or `None` for the default one.
pub fn decided(reader: &Reader, n: u64, key: &FlowKey) -> Option<Vec<u64>> {
    let id = reader.lookup_home(&home(n).octets())?.flows()?;
    reader.expect_flow_set(id);
    let set = reader.flow_set(id).unwrap();
    if let Some(place) = reader.expect_flow(set, key) {
        reader.expect_flow_entry(place);
    }
    let verdict = match reader.find_flow(set, key) {
        Some(flow) => set.overrules(key, &flow).unwrap_or(flow.verdict),
        None => set.verdict(key),
    };
    match verdict {
        FlowVerdict::Default => None,
        FlowVerdict::Discard => Some(Vec::new()),
        FlowVerdict::CareOfs(mask) => {
            let generations = (0..MAX_CARE_OFS)
                .filter(|position| mask >> position & 1 == 1)
                .map(|position| reader.template(set.template(position).unwrap()).unwrap())
                .map(|template| generation_of(n, &template.tunnel()).unwrap());
            let mut generations: Vec<u64> = generations.collect();
            generations.sort_unstable();
            Some(generations)
        }
    }
}

/// Exact flow number `f`; two in a row differ in one field.
pub fn flow(f: u64) -> ExactFlow {
    ExactFlow {
        source: Ipv6Addr::from(0x2001_0db8_000c_u128 << 80 | u128::from(f / 8)),
        next_header: if f & 4 == 0 { 17 } else { 6 },
        source_port: 443 + u16::from(f & 2 != 0),
        destination_port: 50_000 + u16::from(f & 1 != 0),
    }
}

/// A packet of that flow to home address `n`.
pub fn packet(n: u64, flow: &ExactFlow) -> FlowKey {
    FlowKey {
        source: flow.source.octets(),
        destination: home(n).octets(),
        spi: None,
        flow_label: 0,
        ports: Some((flow.source_port, flow.destination_port)),
        dscp: 0,
        next_header: flow.next_header,
    }
}

fn holds<T: Copy + PartialOrd>(range: Option<dhp_segment::FlowRange<T>>, value: Option<T>) -> bool {
    match (range, value) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(range), Some(value)) => value >= range.first && value <= range.last,
    }
}

/// RFC 6088 §3.2, word by word.
pub fn matches(selector: &FlowSelector, key: &FlowKey) -> bool {
    holds(selector.source, Some(key.source.into()))
        && holds(selector.destination, Some(key.destination.into()))
        && holds(selector.spi, key.spi)
        && holds(selector.flow_label, Some(key.flow_label))
        && holds(selector.source_port, key.ports.map(|ports| ports.0))
        && holds(selector.destination_port, key.ports.map(|ports| ports.1))
        && holds(selector.dscp, Some(key.dscp))
        && holds(selector.next_header, Some(key.next_header))
}
