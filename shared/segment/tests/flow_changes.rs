//! Readers beside a writer that changes lists and flows: each packet goes where one list says, or the rule of its flow as it was or is.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    ExactRule, FlowRange, FlowRule, FlowSelector, Geometry, Reader, Segment, SegmentError, Tunnel,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use support::{SMALL, decided, flow, home, packet, tunnel};

/// Few spare sets, templates and slots, so that all of them are reused all the time; the table grows to its end.
const GEOMETRY: Geometry = Geometry {
    workers: 2,
    flow_sets: 2,
    flows: 640,
    templates: 4,
    ..SMALL
};

/// Flows of which each list says something.
const LISTED: u64 = 60;
/// Flows behind them that are set and removed one by one.
const SINGLE: u64 = 8;
const LISTS: u64 = 600;

/// Ends the readers also when the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Until it is no longer [`SegmentError::Busy`].
fn insist<T>(mut attempt: impl FnMut() -> Result<T, SegmentError>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(SegmentError::Busy { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a care-of address is for, by its position among those of a list.
const FIRST: u64 = 0;
const SECOND: u64 = 1;
const ALL: u64 = 2;
const PORT_444: u64 = 3;

/// The BID of a care-of address: each is another's in the next list.
fn bid(list: u64, role: u64) -> u16 {
    1 + ((list * 3 + role) % 7) as u16
}

/// The tunnels say which list they are of, and what for.
fn care_ofs(list: u64) -> Vec<(u16, Tunnel)> {
    let roles = [FIRST, SECOND, ALL, PORT_444].into_iter();
    roles
        .map(|role| (bid(list, role), tunnel(1, 4 * list + role)))
        .collect()
}

/// Every second list has a rule that comes before the second kind of flows.
fn has_rule_for_444(list: u64) -> bool {
    list.is_multiple_of(2)
}

fn rules(list: u64) -> Vec<FlowRule> {
    let to = |role: u64, selector: FlowSelector| FlowRule {
        selector,
        bids: vec![bid(list, role)],
        discard: false,
    };
    let flows = |role: u64| {
        (0..LISTED)
            .filter(move |f| (f + list) % 3 == role)
            .map(move |f| to(role, flow(f).into()))
    };
    let port_444 = FlowSelector {
        source_port: Some(FlowRange::single(444)),
        ..FlowSelector::default()
    };
    let mut rules: Vec<FlowRule> = flows(FIRST).collect();
    if has_rule_for_444(list) {
        rules.push(to(PORT_444, port_444));
    }
    rules.extend(flows(SECOND));
    rules.push(to(ALL, FlowSelector::default()));
    rules
}

/// Where a list sends the packets of a flow that has this kind of rule, or none.
fn role_by(list: u64, f: u64, kind: Option<u64>) -> u64 {
    let is_444 = has_rule_for_444(list) && flow(f).source_port == 444;
    match kind {
        Some(FIRST) => FIRST,
        _ if is_444 => PORT_444,
        kind => kind.unwrap_or(ALL),
    }
}

fn kind_in(list: u64, f: u64) -> Option<u64> {
    Some((f + list) % 3).filter(|kind| f < LISTED && *kind < ALL)
}

fn read_until_done(reader: &Reader, floor: &AtomicU64, done: &AtomicBool) {
    let mut newest = 0;
    while !done.load(Ordering::Acquire) {
        for f in 0..LISTED + SINGLE {
            let floor = floor.load(Ordering::Acquire);
            let key = packet(1, &flow(f));
            let found = decided(reader, 1, &key).unwrap_or_else(|| panic!("flow {f}: no rule"));
            let [number] = found[..] else {
                panic!("flow {f}: {found:?}");
            };
            let (list, role) = (number / 4, number % 4);
            assert!(list >= newest.max(floor), "{list} after {newest}, {floor}");
            newest = list;
            let is_listed = role == role_by(list, f, kind_in(list, f));
            let is_single = f >= LISTED
                && [Some(FIRST), Some(SECOND)]
                    .iter()
                    .any(|kind| role == role_by(list, f, *kind));
            assert!(is_listed || is_single, "flow {f}: {role} by list {list}");
        }
        reader.quiescent();
    }
    reader.park();
}

#[test]
fn packets_go_where_one_list_says_while_lists_and_flows_change_and_the_table_grows() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    for n in 1..=2 {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
    let others = [(1, tunnel(2, 1))];
    assert!(writer.publish_flows(home(2), &others, &[]).unwrap());
    assert!(
        writer
            .publish_flows(home(1), &care_ofs(0), &rules(0))
            .unwrap()
    );
    let (floor, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for worker in 0..GEOMETRY.workers {
            let reader = segment.reader(worker).unwrap();
            let (floor, done) = (&floor, &done);
            scope.spawn(move || read_until_done(&reader, floor, done));
        }
        let _done = Done(&done);
        let rule = |f: u64, bid: u16, rank: usize| ExactRule {
            flow: flow(f),
            bids: vec![bid],
            discard: false,
            rank,
        };
        for list in 1..LISTS {
            insist(|| writer.publish_flows(home(1), &care_ofs(list), &rules(list)));
            floor.store(list, Ordering::Release);
            for f in LISTED..LISTED + SINGLE {
                match (f + list) % 3 {
                    0 => drop(writer.remove_flow(home(1), &flow(f))),
                    1 => assert!(insist(|| {
                        writer.set_flow(home(1), &rule(f, bid(list, FIRST), 0))
                    })),
                    _ => {
                        let rank = usize::from(has_rule_for_444(list));
                        let rule = rule(f, bid(list, SECOND), rank);
                        assert!(insist(|| writer.set_flow(home(1), &rule)));
                    }
                }
            }
            // The flows of another home address let the table grow.
            if list < 560 {
                assert!(insist(|| writer.set_flow(home(2), &rule(list, 1, 0))));
            }
        }
    });
    assert!(writer.publish_flows(home(1), &[], &[]).unwrap());
    assert_eq!(writer.flow_count(), 559);
    for f in 1..560 {
        assert!(writer.remove_flow(home(2), &flow(f)));
    }
    writer.reclaim();
    assert_eq!((writer.reclaim(), writer.flow_count()), (0, 0));
}
