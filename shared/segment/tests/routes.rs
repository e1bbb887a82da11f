//! Longest-prefix match against the definition of it.
#![cfg(not(loom))]

mod support;

use core::net::Ipv6Addr;
use dhp_segment::{Geometry, Reader, Route, RouteAction, Segment, SegmentError, Writer};
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

/// Does it, if need be after the worker has let go of what was replaced. It must not have to do so twice.
fn insist<T>(
    writer: &mut Writer,
    reader: &Reader,
    mut change: impl FnMut(&mut Writer) -> Result<T, SegmentError>,
) -> Result<T, SegmentError> {
    match change(writer) {
        Err(SegmentError::Busy { .. }) => {
            reader.quiescent();
            change(writer)
        }
        done => done,
    }
}

/// Where the route of the same prefix is.
fn contains_route(routes: &[Route], route: &Route) -> Option<usize> {
    let same = |other: &Route| other.len == route.len && contains(route, other.prefix.into());
    routes.iter().position(same)
}

#[derive(Debug, Clone)]
enum Step {
    Put(Route),
    /// The one with this number, modulo how many there are.
    Remove(usize),
    RemoveAnyway(Route),
    NewWriter,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => route().prop_map(Step::Put),
        4 => any::<usize>().prop_map(Step::Remove),
        1 => route().prop_map(Step::RemoveAnyway),
        1 => Just(Step::NewWriter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Puts and removals one by one, by writers that take over from each other.
    #[test]
    fn each_change_leaves_what_the_definition_says(
        steps in prop::collection::vec(step(), 1..120),
        addresses in prop::collection::vec(address(), 1..20),
    ) {
        let segment = Segment::anonymous(&SMALL).unwrap();
        let mut writer = Some(segment.writer().unwrap());
        let reader = segment.reader(0).unwrap();
        let mut routes: Vec<Route> = Vec::new();
        for step in steps {
            let active = writer.as_mut().unwrap();
            let touched = match step {
                Step::Put(route) => {
                    let done = insist(active, &reader, |writer| writer.put_route(&route));
                    match contains_route(&routes, &route) {
                        Some(known) => routes[known] = route,
                        None if routes.len() == SMALL.routes as usize => {
                            let full = matches!(done, Err(SegmentError::Full { .. }));
                            prop_assert!(full);
                            continue;
                        }
                        None => routes.push(route),
                    }
                    done.unwrap();
                    route
                }
                Step::Remove(number) if !routes.is_empty() => {
                    let route = routes.swap_remove(number % routes.len());
                    let done = insist(active, &reader, |writer| writer.remove_route(&route));
                    prop_assert!(done.unwrap());
                    route
                }
                Step::RemoveAnyway(route) => {
                    let known = contains_route(&routes, &route);
                    let done = insist(active, &reader, |writer| writer.remove_route(&route));
                    prop_assert_eq!(done.unwrap(), known.is_some());
                    known.map(|known| routes.remove(known)).unwrap_or(route)
                }
                Step::NewWriter => {
                    drop(writer.take());
                    let active = writer.insert(segment.writer().unwrap());
                    reader.quiescent();
                    // It does not know of prefixes that longer ones hide; the mirror tells it again.
                    for route in &routes {
                        insist(active, &reader, |writer| writer.put_route(route)).unwrap();
                    }
                    continue;
                }
                Step::Remove(_) => continue,
            };
            prop_assert_eq!(writer.as_ref().unwrap().routes(), routes.len());
            let edges = routes.iter().chain([&touched]).flat_map(|route| {
                let host_bits = u128::MAX.checked_shr(u32::from(route.len)).unwrap_or(0);
                let first = u128::from(route.prefix) & !host_bits;
                let last = first | host_bits;
                [first, first.wrapping_sub(1), last, last.wrapping_add(1)]
            });
            let asked: Vec<[u8; 16]> =
                addresses.iter().copied().chain(edges).map(u128::to_be_bytes).collect();
            let mut answers = vec![RouteAction::Local; asked.len()];
            reader.lookup_routes(&asked, &mut answers);
            for (address, answer) in asked.iter().zip(answers) {
                prop_assert_eq!(answer, reader.route(address));
                prop_assert_eq!(
                    answer,
                    naive(&routes, u128::from_be_bytes(*address)),
                    "{} in {:?}", Ipv6Addr::from(*address), routes
                );
            }
        }
    }

    /// However the nodes have been filled and emptied, there is always room for as many prefixes as were declared, and a
    /// change has to wait for the workers no more than once.
    #[test]
    fn no_order_of_changes_exhausts_a_table_below_its_capacity(
        seeds in prop::collection::vec((any::<u64>(), 0..4_u8), 1..12),
    ) {
        let geometry = Geometry { routes: 700, ..SMALL };
        let segment = Segment::anonymous(&geometry).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        let mut routes: Vec<Route> = Vec::new();
        for (seed, emptying) in seeds {
            // Disjoint prefixes, none beside another: each has two boundaries of its own.
            let fresh = |n: u64| Route {
                prefix: (u128::from((seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1) << 64).into(),
                len: 128,
                action: RouteAction::Forward { next_hop: n as u32 },
            };
            let mut n = 0;
            while routes.len() < geometry.routes as usize {
                n += 1;
                let route = fresh(n);
                if contains_route(&routes, &route).is_none() {
                    insist(&mut writer, &reader, |writer| writer.put_route(&route)).unwrap();
                    routes.push(route);
                }
            }
            let full = matches!(writer.put_route(&fresh(u64::MAX)), Err(SegmentError::Full { .. }));
            prop_assert!(full);
            for route in routes.iter().step_by(7) {
                prop_assert_eq!(reader.route(&route.prefix.octets()), route.action);
            }
            // In the order of addresses, against it, every other one, or as they came.
            match emptying {
                0 => routes.sort_by_key(|route| route.prefix),
                1 => routes.sort_by_key(|route| core::cmp::Reverse(route.prefix)),
                2 => routes.sort_by_key(|route| (u128::from(route.prefix) >> 65 & 1, route.prefix)),
                _ => {}
            }
            for route in routes.drain(..(seed % 700) as usize) {
                let gone = insist(&mut writer, &reader, |writer| writer.remove_route(&route)).unwrap();
                prop_assert!(gone);
                prop_assert_eq!(reader.route(&route.prefix.octets()), RouteAction::Unreachable);
            }
        }
        // The whole table at once has room as well.
        reader.quiescent();
        writer.try_publish_routes(&routes).unwrap();
        for route in &routes {
            prop_assert_eq!(reader.route(&route.prefix.octets()), route.action);
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
    let covered = route("2001:db8:c::", 48, RouteAction::QueryAnycast);
    assert!(writer.remove_route(&covered).unwrap());
    let anycast = "2001:db8:c:77:fdff:ffff:ffff:fffe";
    assert_eq!(action(anycast), onward, "its own route is still there");
    writer.put_route(&covered).unwrap();
    assert_eq!(action(anycast), RouteAction::QueryAnycast);
    let mut answers = [RouteAction::Local; 2];
    let asked = [anycast, "2001:db8:c::"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
    reader.lookup_routes(&asked, &mut answers);
    assert_eq!(answers, [RouteAction::QueryAnycast, onward]);
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

/// What a reader has been asked before, it remembers; that must not show.
#[test]
fn an_answer_given_before_follows_each_change_at_once() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let of = |text: &str| reader.route(&text.parse::<Ipv6Addr>().unwrap().octets());
    let route = |prefix: &str, len, action| Route {
        prefix: prefix.parse().unwrap(),
        len,
        action,
    };
    let forward = |next_hop| RouteAction::Forward { next_hop };
    let asked = [
        "2001:db8:1::1",
        "2001:db8:1::2",
        "2001:db8:1:0:fdff:ffff:ffff:fffe",
        "2001:db8:1:1::1",
    ];
    let all = || [asked.map(of), asked.map(of)];
    let mut expected = [RouteAction::Unreachable; 4];
    assert_eq!(all(), [expected; 2]);
    let around = route("2001:db8::", 32, forward(1));
    let host = route("2001:db8:1::1", 128, RouteAction::Anchor);
    let coverage = route("2001:db8:1::", 64, RouteAction::QueryAnycast);
    writer.put_route(&around).unwrap();
    expected = [forward(1); 4];
    assert_eq!(all(), [expected; 2]);
    writer.put_route(&host).unwrap();
    expected[0] = RouteAction::Anchor;
    assert_eq!(all(), [expected; 2]);
    writer.put_route(&coverage).unwrap();
    expected[2] = RouteAction::QueryAnycast;
    assert_eq!(all(), [expected; 2]);
    writer
        .put_route(&route("::", 0, RouteAction::Blackhole))
        .unwrap();
    assert_eq!(all(), [expected; 2]);
    assert!(writer.remove_route(&host).unwrap());
    expected[0] = forward(1);
    assert_eq!(all(), [expected; 2]);
    assert!(writer.remove_route(&coverage).unwrap());
    expected[2] = forward(1);
    assert_eq!(all(), [expected; 2]);
    assert!(writer.remove_route(&around).unwrap());
    assert_eq!(all(), [[RouteAction::Blackhole; 4]; 2]);
    writer.publish_routes(&[coverage, around]).unwrap();
    reader.quiescent();
    writer.reclaim();
    expected[2] = RouteAction::QueryAnycast;
    assert_eq!(all(), [expected; 2]);
}

/// More links than a reader remembers, so that they take each other's places.
#[test]
fn each_of_many_links_has_its_own_answer() {
    let segment = Segment::anonymous(&Geometry {
        routes: 1_024,
        ..SMALL
    })
    .unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let link = |number: u32| u128::from(0x2001_0db8_0000_0000 + u64::from(number)) << 64;
    let route = |number| Route {
        prefix: Ipv6Addr::from_bits(link(number)),
        len: if number % 3 == 0 { 128 } else { 64 },
        action: RouteAction::Forward { next_hop: number },
    };
    let routes: Vec<Route> = (0..1_000).map(route).collect();
    writer.publish_routes(&routes).unwrap();
    for _ in 0..2 {
        for number in 0..1_000 {
            let expected = [0, 1].map(|host| naive(&routes, link(number) | host));
            let asked = [0, 1].map(|host| reader.route(&(link(number) | host).to_be_bytes()));
            assert_eq!(asked, expected, "{number}");
        }
    }
}
