//! Readers beside a writer: every answer is whole, none is older than what was published before the question.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    Counter, DropReason, Geometry, HomeEntry, HomePlace, Reader, Route, RouteAction, Segment,
    SegmentError,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use support::{generation_of, home, next_hop, tunnel};

/// Bound all the time.
const STABLE: u64 = 40;
/// Bound and unbound in turn.
const CHURNING: u64 = 60;
const HANDOFFS: u64 = 60_000;

/// Few spare templates and records, so that all of them are reused all the time.
const GEOMETRY: Geometry = Geometry {
    workers: 2,
    home_addresses: 100,
    templates: 110,
    next_hops: 2,
    routes: 8,
    flow_sets: 0,
    flows: 0,
    meters: 0,
    optimized_routes: 0,
    ring_slots: 2,
};

/// Ends the readers also when the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Until it is no longer [`SegmentError::Busy`].
fn insist(mut attempt: impl FnMut() -> Result<(), SegmentError>) {
    loop {
        match attempt() {
            Ok(()) => return,
            Err(SegmentError::Busy { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Published {
    /// Per stable home address: a generation that has been published for certain.
    floor: Vec<AtomicU64>,
    done: AtomicBool,
}

fn read_until_done(reader: &Reader, published: &Published) {
    let keys: Vec<[u8; 16]> = (0..STABLE + CHURNING).map(|n| home(n).octets()).collect();
    let mut found: Vec<Option<HomeEntry>> = vec![None; keys.len()];
    let mut newest = vec![0; keys.len()];
    let mut rounds = 0_u64;
    while !published.done.load(Ordering::Acquire) {
        let floors: Vec<u64> = published
            .floor
            .iter()
            .map(|floor| floor.load(Ordering::Acquire))
            .collect();
        let places: Vec<HomePlace> = keys
            .iter()
            .map(|key| reader.expect_home((*key).into()))
            .collect();
        for ((key, place), found) in keys.iter().zip(places).zip(&mut found) {
            *found = reader.find_home((*key).into(), reader.expect_binding(place));
        }
        for (n, entry) in (0..).zip(&found) {
            let Some(entry) = entry else {
                assert!(n >= STABLE, "home address {n} is always bound");
                continue;
            };
            let template = reader.tunnel(entry).unwrap();
            let generation = generation_of(n, &template.tunnel())
                .unwrap_or_else(|| panic!("home address {n} got {template:?}"));
            let newest = &mut newest[n as usize];
            assert!(
                generation >= *newest,
                "home address {n}: {generation} after {newest}"
            );
            *newest = generation;
            if let Some(floor) = floors.get(n as usize) {
                assert!(
                    generation >= *floor,
                    "home address {n}: {generation} below {floor}"
                );
            }
        }
        // What was found stays as it is until this worker says that it is done with it.
        for (n, entry) in (0..).zip(&found) {
            let template = entry.and_then(|entry| reader.tunnel(&entry));
            assert!(template.is_none_or(|template| generation_of(n, &template.tunnel()).is_some()));
        }
        if let Some(hop) = reader.next_hop(0) {
            assert_eq!(hop, next_hop(hop.port as u8));
        }
        let [low, high] = [0_u128, 1 << 127].map(|address| reader.route(&address.to_be_bytes()));
        let number = |action| match action {
            RouteAction::Forward { next_hop } => next_hop,
            RouteAction::Unreachable => 0,
            other => panic!("{other:?}"),
        };
        assert!(
            number(low) <= number(high),
            "the second lookup saw an older table"
        );
        reader.count(Counter::Polls, 1);
        reader.count_drop(DropReason::NoBinding);
        rounds += 1;
        if rounds.is_multiple_of(16) {
            reader.park();
            thread::yield_now();
            reader.unpark();
        } else {
            reader.quiescent();
        }
    }
}

#[test]
fn readers_see_whole_and_current_bindings_while_the_writer_works() {
    let segment = Segment::anonymous(&GEOMETRY).unwrap();
    let mut writer = segment.writer().unwrap();
    let published = Published {
        floor: (0..STABLE).map(|_| AtomicU64::new(1)).collect(),
        done: AtomicBool::new(false),
    };
    for n in 0..STABLE {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
    let id = writer.allocate_next_hop().unwrap();
    assert_eq!(id, 0);

    thread::scope(|scope| {
        for worker in 0..GEOMETRY.workers {
            let reader = segment.reader(worker).unwrap();
            let published = &published;
            scope.spawn(move || read_until_done(&reader, published));
        }
        let _done = Done(&published.done);
        let mut generation = 1;
        for round in 0..HANDOFFS {
            generation += 1;
            let n = round % STABLE;
            insist(|| writer.publish_binding(home(n), &tunnel(n, generation)));
            published.floor[n as usize].store(generation, Ordering::Release);

            let n = STABLE + (round * 7) % CHURNING;
            if !writer.remove_binding(home(n)) {
                insist(|| writer.publish_binding(home(n), &tunnel(n, generation)));
            }
            if round % 8 == 0 {
                insist(|| writer.set_next_hop(id, next_hop(round as u8)));
                let half = |prefix: u128| Route {
                    prefix: prefix.into(),
                    len: 1,
                    action: RouteAction::Forward {
                        next_hop: generation as u32,
                    },
                };
                writer.publish_routes(&[half(0), half(1 << 127)]).unwrap();
            }
        }
    });
    for worker in 0..GEOMETRY.workers {
        let counters = segment.counters(worker);
        assert!(counters.get(Counter::Polls) > 0);
        assert_eq!(
            counters.get(Counter::Polls),
            counters.drops(DropReason::NoBinding)
        );
    }
}

/// Prefixes whose longer ones come and go.
const COVERED: u64 = 200;
/// Changes of single routes.
const ROUTE_CHANGES: u64 = 40_000;

/// Where the longer prefix comes and goes both answers are right, everywhere else only one is, whatever nodes the tree copies,
/// splits, merges and reuses meanwhile.
#[test]
fn readers_see_each_route_as_it_was_or_is_while_others_change() {
    let geometry = Geometry {
        routes: 1 + 2 * COVERED as u32,
        ..GEOMETRY
    };
    let segment = Segment::anonymous(&geometry).unwrap();
    let mut writer = segment.writer().unwrap();
    let address = |n: u64, host: u128| u128::from(n) << 80 | 1 << 125 | host;
    let route = |n: u64, len: u8, next_hop: u64| Route {
        prefix: address(n, 1 << 64).into(),
        len,
        action: RouteAction::Forward {
            next_hop: next_hop as u32,
        },
    };
    let everywhere = |action| Route {
        prefix: [0; 16].into(),
        len: 0,
        action,
    };
    writer.put_route(&everywhere(RouteAction::Pool)).unwrap();
    for n in 0..COVERED {
        writer.put_route(&route(n, 48, n)).unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..geometry.workers {
            let (reader, done) = (segment.reader(worker).unwrap(), &done);
            scope.spawn(move || {
                let mut n = 0;
                let mut answers = [RouteAction::Local; 3];
                while !done.load(Ordering::Acquire) {
                    n = (n + 1) % COVERED;
                    let covered = RouteAction::Forward { next_hop: n as u32 };
                    let longer = RouteAction::Forward {
                        next_hop: (n + COVERED) as u32,
                    };
                    let asked = [1 << 64 | 7, 2 << 64 | 7, 0].map(|host| match host {
                        0 => (u128::from(n) << 80).to_be_bytes(),
                        host => address(n, host).to_be_bytes(),
                    });
                    if n.is_multiple_of(2) {
                        answers = asked.map(|address| reader.route(&address));
                    } else {
                        reader.lookup_routes(&asked, &mut answers);
                    }
                    let [both, one, none] = answers;
                    assert!(both == covered || both == longer, "{n}: {both:?}");
                    assert_eq!(one, covered);
                    assert!(none == RouteAction::Pool || none == RouteAction::Blackhole);
                    reader.quiescent();
                }
            });
        }
        let _done = Done(&done);
        let mut there = vec![false; COVERED as usize];
        for change in 0..ROUTE_CHANGES {
            // Runs of neighbours, so that nodes fill up and empty.
            let n = (change / 150 * 67 + change % 150) % COVERED;
            let there = &mut there[n as usize];
            let longer = route(n, 64, n + COVERED);
            insist(|| match *there {
                true => writer.remove_route(&longer).map(|gone| assert!(gone)),
                false => writer.put_route(&longer),
            });
            *there = !*there;
            if change % 64 == 0 {
                let action = match change % 128 {
                    0 => RouteAction::Blackhole,
                    _ => RouteAction::Pool,
                };
                insist(|| writer.put_route(&everywhere(action)));
            }
        }
    });
}
