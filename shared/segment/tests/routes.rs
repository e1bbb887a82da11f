//! Longest-prefix match against the definition of it.
#![cfg(not(loom))]

mod support;

use core::net::Ipv6Addr;
use dhp_segment::{Route, RouteAction, Segment, SegmentError};
use proptest::prelude::*;
use support::SMALL;

fn contains(route: &Route, address: u128) -> bool {
    let host_bits = u128::MAX.checked_shr(u32::from(route.len)).unwrap_or(0);
    (u128::from(route.prefix) ^ address) & !host_bits == 0
}

/// The definition: of the longest prefixes that contain the address, the last one.
fn naive(routes: &[Route], address: u128) -> RouteAction {
    let matching = routes.iter().filter(|route| contains(route, address));
    matching
        .max_by_key(|route| route.len)
        .map_or(RouteAction::Unreachable, |route| route.action)
}

/// Addresses with few distinct bits, so that prefixes nest, touch and repeat.
fn address() -> impl Strategy<Value = u128> {
    let bits = prop_oneof![Just(0_u128), Just(1), Just(2), Just(3), Just(0xff)];
    let shift = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(63),
        Just(64),
        Just(72),
        Just(120)
    ];
    prop_oneof![
        (bits, shift).prop_map(|(bits, shift)| bits << shift),
        Just(u128::MAX),
        Just(u128::MAX << 64),
        any::<u128>(),
    ]
}

fn route() -> impl Strategy<Value = Route> {
    let len = prop_oneof![
        Just(0_u8),
        Just(1),
        Just(8),
        Just(56),
        Just(63),
        Just(64),
        Just(127),
        Just(128),
        0..=128_u8
    ];
    let action = prop_oneof![
        (0..4_u32).prop_map(|next_hop| RouteAction::Forward { next_hop }),
        Just(RouteAction::Pool),
        Just(RouteAction::Blackhole),
        Just(RouteAction::Unreachable),
    ];
    (address(), len, action).prop_map(|(prefix, len, action)| Route {
        prefix: prefix.into(),
        len,
        action,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn agrees_with_the_definition(
        tables in prop::collection::vec(prop::collection::vec(route(), 0..32), 1..4),
        addresses in prop::collection::vec(address(), 1..40),
    ) {
        let segment = Segment::anonymous(&SMALL).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        for routes in tables {
            reader.quiescent();
            writer.try_publish_routes(&routes).unwrap();
            let edges = routes.iter().flat_map(|route| {
                let first = u128::from(route.prefix);
                let last = first | u128::MAX.checked_shr(u32::from(route.len)).unwrap_or(0);
                [first, first.wrapping_sub(1), last, last.wrapping_add(1)]
            });
            for address in addresses.iter().copied().chain(edges) {
                prop_assert_eq!(
                    reader.route(&address.to_be_bytes()),
                    naive(&routes, address),
                    "{} in {:?}", Ipv6Addr::from(address), routes
                );
            }
        }
    }
}

/// RFC 2526: the home-agents anycast address of every /64 of a covered prefix, and nothing else of it.
#[test]
fn coverage_concerns_the_anycast_addresses_of_its_links_only() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    let route = |prefix: &str, len, action| Route {
        prefix: prefix.parse().unwrap(),
        len,
        action,
    };
    let onward = RouteAction::Forward { next_hop: 1 };
    writer
        .try_publish_routes(&[
            route("::", 0, onward),
            route("2001:db8:c::", 48, onward),
            route("2001:db8:c::", 48, RouteAction::QueryAnycast),
            route("2001:db8:e:1::80", 128, RouteAction::QueryAnycast),
        ])
        .unwrap();
    let action = |address: &str| reader.route(&address.parse::<Ipv6Addr>().unwrap().octets());
    for covered in [
        "2001:db8:c:0:fdff:ffff:ffff:fffe",
        "2001:db8:c:77:fdff:ffff:ffff:fffe",
        "2001:db8:c:ffff:fdff:ffff:ffff:fffe",
        "2001:db8:e:1:fdff:ffff:ffff:fffe",
    ] {
        assert_eq!(action(covered), RouteAction::QueryAnycast, "{covered}");
    }
    for other in [
        "2001:db8:b:ffff:fdff:ffff:ffff:fffe",
        "2001:db8:d:0:fdff:ffff:ffff:fffe",
        "2001:db8:e:0:fdff:ffff:ffff:fffe",
        "2001:db8:e:2:fdff:ffff:ffff:fffe",
        "2001:db8:c:77:fdff:ffff:ffff:ffff",
        "2001:db8:c:77:fdff:ffff:ffff:fffd",
        "2001:db8:c::",
        "2001:db8:e:1::80",
    ] {
        assert_eq!(action(other), onward, "{other}");
    }
}

#[test]
fn an_empty_table_reaches_nothing() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let reader = segment.reader(0).unwrap();
    for address in [[0; 16], [0xff; 16]] {
        assert_eq!(reader.route(&address), RouteAction::Unreachable);
    }
}

#[test]
fn as_many_disjoint_prefixes_fit_as_were_declared() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    // Every other /120: twice as many ranges as prefixes, and one more.
    let mut routes: Vec<Route> = (0..SMALL.routes)
        .map(|n| Route {
            prefix: (u128::from(2 * n + 1) << 8).into(),
            len: 120,
            action: RouteAction::Forward { next_hop: n },
        })
        .collect();
    writer.try_publish_routes(&routes).unwrap();
    for n in 0..u128::from(SMALL.routes) {
        let inside = (2 * n + 1) << 8 | 77;
        let between = (2 * n + 2) << 8;
        assert_eq!(
            reader.route(&inside.to_be_bytes()),
            RouteAction::Forward { next_hop: n as u32 }
        );
        assert_eq!(
            reader.route(&between.to_be_bytes()),
            RouteAction::Unreachable
        );
    }
    routes.push(routes[0]);
    assert!(matches!(
        writer.publish_routes(&routes),
        Err(SegmentError::Full { capacity: 32, .. })
    ));
    let wrong = Route {
        len: 129,
        ..routes[0]
    };
    assert!(matches!(
        writer.publish_routes(&[wrong]),
        Err(SegmentError::PrefixLength(129))
    ));
    assert_eq!(
        reader.route(&(0x100_u128).to_be_bytes()),
        RouteAction::Forward { next_hop: 0 }
    );
}
