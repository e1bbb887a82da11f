//! Optimized routes: found by both ends, changed by one store, kept as long as a worker looks at them.

mod support;

use core::net::Ipv6Addr;

use dhp_segment::{Geometry, OptimizedRoute, Segment, SegmentError, Table};
use support::{SMALL, home, tunnel};

const EIGHT: Geometry = Geometry {
    optimized_routes: 8,
    ..SMALL
};

fn correspondent(n: u64) -> Ipv6Addr {
    Ipv6Addr::from(0x2001_0db8_00cc_u128 << 80 | u128::from(n))
}

fn route(correspondent_number: u64, home_number: u64, generation: u16) -> OptimizedRoute {
    OptimizedRoute {
        correspondent: correspondent(correspondent_number),
        home_address: home(home_number),
        care_of: Ipv6Addr::from(0xb_u128 << 124 | u128::from(generation)),
        previous: (generation % 2 == 1).then(|| (correspondent(99), u64::from(generation))),
        next_hop: u32::from(generation),
        path_mtu: 1_280 + generation,
    }
}

#[test]
fn a_route_is_found_by_both_its_ends_and_by_no_others() {
    let segment = Segment::anonymous(&EIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let found = |correspondent: Ipv6Addr, home: Ipv6Addr| {
        let entry = reader.find_optimized(&correspondent.octets(), &home.octets());
        entry.map(|entry| entry.route)
    };
    assert!(!reader.optimizes());
    let routes = [route(1, 1, 1), route(1, 2, 2), route(2, 1, 3)];
    for route in &routes {
        writer.publish_optimized(route).unwrap();
    }
    assert!(reader.optimizes());
    for route in &routes {
        let here = found(route.correspondent, route.home_address);
        assert_eq!(here, Some(*route));
    }
    assert_eq!(found(correspondent(2), home(2)), None);
    assert_eq!(found(home(1), correspondent(1)), None);
    assert_eq!(writer.optimized_routes().count(), 3);

    assert!(writer.remove_optimized(correspondent(1), home(1)));
    assert!(!writer.remove_optimized(correspondent(1), home(1)));
    assert_eq!(found(correspondent(1), home(1)), None);
    assert_eq!(found(correspondent(1), home(2)), Some(routes[1]));
}

#[test]
fn an_optimized_route_is_no_binding_of_the_home_table() {
    let segment = Segment::anonymous(&EIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    writer.publish_optimized(&route(1, 1, 1)).unwrap();
    assert!(reader.lookup_home(&home(1).octets()).is_none());
    assert!(writer.is_empty());
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    writer.remove_optimized(correspondent(1), home(1));
    assert!(reader.lookup_home(&home(1).octets()).is_some());
}

#[test]
fn a_change_keeps_what_was_carried_and_a_new_route_begins_at_nothing() {
    let segment = Segment::anonymous(&EIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let ends = (correspondent(1), home(1));
    writer.publish_optimized(&route(1, 1, 1)).unwrap();
    let entry = reader
        .find_optimized(&ends.0.octets(), &ends.1.octets())
        .unwrap();
    reader.carry_optimized(&entry, 100);
    writer.publish_optimized(&route(1, 1, 2)).unwrap();
    let carried = writer.carried_optimized(ends.0, ends.1).unwrap();
    assert_eq!((carried.packets, carried.octets), (1, 100));
    // Whoever has found the old one still has it whole.
    assert_eq!(entry.route, route(1, 1, 1));
    writer.remove_optimized(ends.0, ends.1);
    reader.quiescent();
    writer.publish_optimized(&route(1, 1, 3)).unwrap();
    assert_eq!(
        writer.carried_optimized(ends.0, ends.1).unwrap(),
        Default::default()
    );
}

#[test]
fn as_many_routes_fit_as_were_declared_and_all_of_them_can_change() {
    let segment = Segment::anonymous(&EIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    for n in 0..8 {
        writer.publish_optimized(&route(n, 1, 0)).unwrap();
    }
    assert!(matches!(
        writer.publish_optimized(&route(8, 1, 0)),
        Err(SegmentError::Full {
            table: Table::OptimizedRoutes,
            capacity: 8
        })
    ));
    // A worker that stands still holds what was replaced: then there is no room for more of it, and nothing changes.
    let mut generation = 1;
    let busy = loop {
        match writer.publish_optimized(&route(0, 1, generation)) {
            Ok(()) => generation += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(busy, SegmentError::Busy { .. }), "{busy}");
    let now = || generation_seen(&reader);
    assert_eq!(now(), Some(generation - 1));
    reader.quiescent();
    writer
        .publish_optimized(&route(0, 1, generation))
        .expect("room again");
    assert_eq!(now(), Some(generation));
}

/// The generation of the first route, as a worker sees it.
fn generation_seen(reader: &dhp_segment::Reader) -> Option<u16> {
    let entry = reader.find_optimized(&correspondent(0).octets(), &home(1).octets())?;
    u16::try_from(entry.route.next_hop).ok()
}

#[test]
fn where_none_were_declared_there_are_none() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    assert!(writer.publish_optimized(&route(1, 1, 1)).is_err());
    assert!(
        reader
            .find_optimized(&correspondent(1).octets(), &home(1).octets())
            .is_none()
    );
}

#[test]
fn a_new_writer_finds_the_routes_of_the_one_before() {
    let segment = Segment::anonymous(&EIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    for n in 0..8 {
        writer.publish_optimized(&route(n, n, 7)).unwrap();
    }
    writer.remove_optimized(correspondent(3), home(3));
    drop(writer);
    let mut writer = segment.writer().unwrap();
    assert_eq!(writer.optimized_routes().count(), 7);
    writer.publish_optimized(&route(3, 3, 8)).unwrap();
    assert!(writer.publish_optimized(&route(9, 9, 8)).is_err());
}

#[test]
fn only_the_previous_care_of_address_is_good_for_a_while() {
    let [here, before, other] =
        ["2001:db8:a::7", "2001:db8:b::9", "::"].map(|text| text.parse::<Ipv6Addr>().unwrap());
    let route = OptimizedRoute {
        care_of: here,
        previous: Some((before, 5_000)),
        ..route(1, 1, 1)
    };
    assert!(route.accepts_source(&here.octets(), u64::MAX));
    assert!(route.accepts_source(&before.octets(), 4_999));
    assert!(!route.accepts_source(&before.octets(), 5_000));
    assert!(!route.accepts_source(&other.octets(), 0));
}
