//! The anchor and what is around it, the same for all parts of the benchmark

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorConfig, PoolConfig, PoolKind};
use dhp_proto::security_association::SecurityAssociation;
use dhpd::mirror::{NextHopFacts, NextHopKey, Plan, PlannedAction, PlannedRoute};
use ipnet::Ipv6Net;

use super::appliance::ANCHOR;

/// The pool of DHoAs.
pub const DHOAS: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, 0), 64);
/// The home prefix.
pub const HOMES: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0), 64);
/// The correspondents that the anchor is near to.
pub const COVERED: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0), 48);

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Home agent and DHP of these.
pub fn anchor(security_associations: Vec<SecurityAssociation>) -> AnchorConfig {
    AnchorConfig {
        pools: vec![
            PoolConfig::new(DHOAS, PoolKind::Dhoa),
            PoolConfig::new(HOMES, PoolKind::Home),
        ],
        coverage: vec![COVERED],
        security_associations,
        ..AnchorConfig::new(ANCHOR)
    }
}

/// The anchor, its pools, and everything else by one router.
pub fn plan() -> Plan {
    let router = NextHopKey {
        port: 0,
        address: ROUTER,
    };
    let facts = NextHopFacts {
        mac: Some([2, 0, 0, 0, 0, 2]),
        source_mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
    };
    let route = |prefix, action| PlannedRoute {
        prefix,
        action,
        mtu: 1500,
    };
    Plan {
        routes: vec![
            route(Ipv6Net::default(), PlannedAction::Via(router)),
            route(HOMES, PlannedAction::Pool),
            route(ANCHOR.into(), PlannedAction::Anchor),
            route(DHOAS, PlannedAction::Pool),
        ],
        coverage: vec![COVERED],
        next_hops: BTreeMap::from([(router, facts)]),
    }
}
