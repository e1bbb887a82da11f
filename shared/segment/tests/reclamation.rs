//! What waits for whom: space that was in use comes back when, and only when, no worker can hold it.
#![cfg(not(loom))]

mod support;

use dhp_segment::{Geometry, Route, RouteAction, Segment, SegmentError, Table};
use support::{SMALL, generation_of, home, next_hop, tunnel};

/// Two bindings, one template for a handoff.
const TIGHT: Geometry = Geometry {
    home_addresses: 2,
    templates: 1,
    next_hops: 1,
    ..SMALL
};

fn is_busy<T>(result: Result<T, SegmentError>, table: Table) -> bool {
    matches!(result, Err(SegmentError::Busy { table: found }) if found == table)
}

#[test]
fn a_template_in_use_is_not_reused_until_every_worker_is_quiescent() {
    let segment = Segment::anonymous(&TIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let (slow, fast) = (segment.reader(0).unwrap(), segment.reader(1).unwrap());
    slow.quiescent();
    fast.quiescent();
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    writer.publish_binding(home(2), &tunnel(2, 1)).unwrap();
    let held = slow.lookup_home(&home(1).octets()).unwrap();

    writer.publish_binding(home(1), &tunnel(1, 2)).unwrap();
    assert!(is_busy(
        writer.publish_binding(home(1), &tunnel(1, 3)),
        Table::Templates
    ));
    fast.quiescent();
    assert!(is_busy(
        writer.publish_binding(home(1), &tunnel(1, 3)),
        Table::Templates
    ));
    let template = slow.tunnel(&held).unwrap();
    assert_eq!(
        generation_of(1, &template.tunnel()),
        Some(1),
        "what is held stays as it is"
    );
    // Nothing was lost by being refused.
    assert_eq!(
        generation_of(1, &writer.binding(home(1)).unwrap().tunnel()),
        Some(2)
    );

    slow.quiescent();
    // The binding is plain again, but somebody may still look at the template.
    assert!(is_busy(
        writer.publish_binding(home(1), &tunnel(1, 3)),
        Table::Templates
    ));
    let template = slow.lookup_home(&home(1).octets()).unwrap();
    assert_eq!(
        generation_of(1, &slow.tunnel(&template).unwrap().tunnel()),
        Some(2)
    );
    slow.quiescent();
    fast.quiescent();
    writer.publish_binding(home(1), &tunnel(1, 3)).unwrap();
    let entry = slow.lookup_home(&home(1).octets()).unwrap();
    assert_eq!(
        generation_of(1, &slow.tunnel(&entry).unwrap().tunnel()),
        Some(3)
    );
}

#[test]
fn parked_and_dropped_workers_hold_nothing_up() {
    let segment = Segment::anonymous(&TIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let (parks, goes) = (segment.reader(0).unwrap(), segment.reader(1).unwrap());
    parks.quiescent();
    goes.quiescent();
    for n in 1..=2 {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
    writer.publish_binding(home(1), &tunnel(1, 2)).unwrap();
    assert!(writer.publish_binding(home(1), &tunnel(1, 3)).is_err());
    parks.park();
    assert!(writer.publish_binding(home(1), &tunnel(1, 3)).is_err());
    drop(goes);
    for generation in 3..10 {
        writer
            .publish_binding(home(1), &tunnel(1, generation))
            .unwrap();
    }
    writer.reclaim();
    parks.unpark();
    let entry = parks.lookup_home(&home(1).octets()).unwrap();
    assert_eq!(
        generation_of(1, &parks.tunnel(&entry).unwrap().tunnel()),
        Some(9)
    );
    // A worker that woke up holds things up again, and its number is free only when it has gone.
    writer.publish_binding(home(1), &tunnel(1, 10)).unwrap();
    assert!(writer.publish_binding(home(1), &tunnel(1, 11)).is_err());
    assert!(segment.reader(1).is_ok());
    assert!(matches!(segment.reader(0), Err(SegmentError::Taken(_))));
}

#[test]
fn a_removed_slot_is_not_reused_while_it_may_be_held() {
    let segment = Segment::anonymous(&TIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    // Slots for two bindings and twelve removals.
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    let held = reader.lookup_home(&home(1).octets()).unwrap();
    assert!(writer.remove_binding(home(1)));
    assert_eq!(reader.lookup_home(&home(1).octets()), None);
    writer.publish_binding(home(2), &tunnel(2, 1)).unwrap();
    writer.publish_binding(home(3), &tunnel(3, 1)).unwrap();
    assert!(writer.remove_binding(home(2)));
    for generation in 2..12 {
        writer
            .publish_binding(home(2), &tunnel(2, generation))
            .unwrap();
        assert!(writer.remove_binding(home(2)));
    }
    writer.publish_binding(home(2), &tunnel(2, 12)).unwrap();
    assert!(writer.remove_binding(home(3)));
    assert!(is_busy(
        writer.publish_binding(home(4), &tunnel(4, 1)),
        Table::HomeAddresses
    ));
    let template = reader.tunnel(&held).unwrap();
    assert_eq!(generation_of(1, &template.tunnel()), Some(1));
    reader.quiescent();
    writer.publish_binding(home(4), &tunnel(4, 1)).unwrap();
    assert_eq!(writer.reclaim(), 0);
    assert_eq!(writer.len(), 2);
}

#[test]
fn next_hops_change_as_a_whole_and_come_back_after_release() {
    let segment = Segment::anonymous(&TIGHT).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    let id = writer.allocate_next_hop().unwrap();
    assert_eq!(reader.next_hop(id), None);
    assert!(matches!(
        writer.allocate_next_hop(),
        Err(SegmentError::Full {
            table: Table::NextHops,
            capacity: 1
        })
    ));
    writer.set_next_hop(id, next_hop(1)).unwrap();
    assert_eq!(reader.next_hop(id), Some(next_hop(1)));
    writer.set_next_hop(id, next_hop(2)).unwrap();
    assert_eq!(reader.next_hop(id), Some(next_hop(2)));
    assert!(is_busy(
        writer.set_next_hop(id, next_hop(3)),
        Table::NextHops
    ));
    assert_eq!(writer.next_hops().collect::<Vec<_>>(), [(id, next_hop(2))]);

    assert!(writer.release_next_hop(id));
    assert!(!writer.release_next_hop(id));
    assert_eq!(reader.next_hop(id), None);
    assert!(matches!(
        writer.set_next_hop(id, next_hop(3)),
        Err(SegmentError::NoSuchNextHop(_))
    ));
    assert!(matches!(
        writer.set_next_hop(99, next_hop(3)),
        Err(SegmentError::NoSuchNextHop(99))
    ));
    assert!(is_busy(writer.allocate_next_hop(), Table::NextHops));
    reader.quiescent();
    assert_eq!(writer.allocate_next_hop().unwrap(), id);
    assert_eq!(
        reader.next_hop(id),
        None,
        "the neighbour before does not shine through"
    );
}

#[test]
fn a_route_table_in_use_is_not_overwritten() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    let table = |next_hop| {
        [Route {
            prefix: home(0),
            len: 64,
            action: RouteAction::Forward { next_hop },
        }]
    };
    let seen = || reader.route(&home(5).octets());
    let mut last = 0;
    while writer.try_publish_routes(&table(last + 1)).is_ok() {
        last += 1;
        assert_eq!(seen(), RouteAction::Forward { next_hop: last });
        assert!(last < 100, "nobody lets go");
    }
    assert!(is_busy(
        writer.try_publish_routes(&table(98)),
        Table::Routes
    ));
    assert!(!writer.publish_routes(&table(99)).unwrap());
    assert!(!writer.publish_routes(&table(100)).unwrap());
    assert!(writer.routes_waiting());
    assert!(is_busy(writer.put_route(&table(98)[0]), Table::Routes));
    assert!(is_busy(writer.remove_route(&table(98)[0]), Table::Routes));
    assert_eq!(seen(), RouteAction::Forward { next_hop: last });
    reader.quiescent();
    writer.reclaim();
    assert_eq!(
        seen(),
        RouteAction::Forward { next_hop: 100 },
        "the newest of those that waited"
    );
    assert!(!writer.routes_waiting());
    assert!(writer.publish_routes(&table(101)).unwrap());
    assert_eq!(seen(), RouteAction::Forward { next_hop: 101 });
}

/// What changes keys needs nodes, which a worker may hold; what changes actions never waits.
#[test]
fn a_route_changes_its_action_even_while_a_worker_holds_all_that_was_replaced() {
    let segment = Segment::anonymous(&SMALL).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    let route = |n: u64, next_hop| Route {
        prefix: (u128::from(n) << 64).into(),
        len: 64,
        action: RouteAction::Forward { next_hop },
    };
    writer.put_route(&route(1, 1)).unwrap();
    let mut attempts = 2..100;
    assert!(attempts.any(|n| {
        let put = writer.put_route(&route(2, n));
        let removed = writer.remove_route(&route(2, n));
        put.is_err() || removed.is_err()
    }));
    for next_hop in 1..100 {
        writer.put_route(&route(1, next_hop)).unwrap();
        let seen = reader.route(&(1_u128 << 64 | 5).to_be_bytes());
        assert_eq!(seen, RouteAction::Forward { next_hop });
    }
}

#[test]
fn a_new_writer_takes_over_and_waits_for_what_the_old_one_had_replaced() {
    let segment = Segment::anonymous(&TIGHT).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut writer = segment.writer().unwrap();
    reader.quiescent();
    assert!(matches!(segment.writer(), Err(SegmentError::Taken(_))));
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    let held = reader.lookup_home(&home(1).octets()).unwrap();
    writer.publish_binding(home(1), &tunnel(1, 2)).unwrap();
    let id = writer.allocate_next_hop().unwrap();
    writer.set_next_hop(id, next_hop(9)).unwrap();
    let generation = writer.binding(home(1)).unwrap().generation;
    drop(writer);

    let mut writer = segment.writer().unwrap();
    assert_eq!(writer.len(), 1);
    assert_eq!(writer.next_hop(id), Some(next_hop(9)));
    // To the new writer the first template is just free; the worker still holds it.
    assert!(is_busy(
        writer.publish_binding(home(2), &tunnel(2, 1)),
        Table::HomeAddresses
    ));
    let template = reader.tunnel(&held).unwrap();
    assert_eq!(generation_of(1, &template.tunnel()), Some(1));
    reader.quiescent();
    writer.publish_binding(home(2), &tunnel(2, 1)).unwrap();
    assert!(writer.binding(home(2)).unwrap().generation > generation);
    let (_, template) = writer
        .bindings()
        .find(|(address, _)| *address == home(1))
        .unwrap();
    assert_eq!(generation_of(1, &template.tunnel()), Some(2));
}
