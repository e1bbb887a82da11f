//! Processes that die without saying so: workers do not hold things up, writers leave everything in place.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    ExactRule, FlowRule, Geometry, Reader, Route, RouteAction, Segment, SegmentError, Writer,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{SMALL, decided, flow, generation_of, home, next_hop, packet, tunnel};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("segment");
    (directory, path)
}

const PLACE: &str = "DHP_SEGMENT_TEST_PLACE";

/// Runs the ignored test `role` of this file in a process of its own, until it says that it is at work.
fn start(role: &str, path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", role, "--ignored", "--nocapture"])
        .env(PLACE, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let mut octet = [0; 1];
    while !seen.contains("at work") {
        assert_eq!(
            stdout.read(&mut octet).unwrap(),
            1,
            "{role} ended early: {seen}"
        );
        seen.push(char::from(octet[0]));
    }
    child
}

/// Kills a process without a chance to clean up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[ignore = "a process that other tests of this file start and kill"]
fn a_worker_that_reads_and_never_reports() {
    let segment = Segment::open(std::env::var_os(PLACE).unwrap()).unwrap();
    let reader = segment.reader(1).unwrap();
    assert!(reader.lookup_home(&home(1).octets()).is_some());
    println!("at work");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
#[ignore = "a process that other tests of this file start and kill"]
fn a_writer_that_changes_everything_all_the_time() {
    let segment = Segment::open(std::env::var_os(PLACE).unwrap()).unwrap();
    let mut writer = segment.writer().unwrap();
    let id = writer.allocate_next_hop().unwrap();
    for generation in 1.. {
        for n in 0..SMALL.home_addresses.into() {
            if (n + generation) % 5 == 0 {
                writer.remove_binding(home(n));
            } else {
                // Refused while the reader is busy elsewhere.
                let _ = writer.publish_binding(home(n), &tunnel(n, generation));
            }
        }
        let _ = writer.set_next_hop(id, next_hop(generation as u8));
        let _ = writer.publish_routes(&[Route {
            prefix: home(generation),
            len: 128,
            action: RouteAction::Pool,
        }]);
        for n in 0..16 {
            let route = Route {
                prefix: home(n),
                len: 120 + (n % 8) as u8,
                action: RouteAction::Pool,
            };
            let _ = match (n + generation) % 3 {
                0 => writer.remove_route(&route).map(|_| ()),
                _ => writer.put_route(&route),
            };
        }
        if generation == 100 {
            println!("at work");
        }
    }
}

/// Its home table doubles three times.
const GROWING: Geometry = Geometry {
    home_addresses: 2_000,
    ..SMALL
};

#[test]
#[ignore = "a process that other tests of this file start and kill"]
fn a_writer_whose_table_grows() {
    let segment = Segment::open(std::env::var_os(PLACE).unwrap()).unwrap();
    let mut writer = segment.writer().unwrap();
    for n in 0..GROWING.home_addresses.into() {
        // Refused for a while when the reader holds too much.
        while writer.publish_binding(home(n), &tunnel(n, 1)).is_err() {
            std::thread::yield_now();
        }
        if n == 110 {
            println!("at work");
        }
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Lists of flows that replace each other, and single ones.
const WITH_FLOWS: Geometry = Geometry {
    flow_sets: 8,
    flows: 400,
    ..SMALL
};

/// What home address `n` has by the list of this number: a third of its flows, to one of two care-of addresses.
fn publish_flows(writer: &mut Writer, n: u64, list: u64) -> Result<bool, SegmentError> {
    let bids = [1 + (list % 3) as u16, 4];
    let care_ofs = bids.map(|bid| (bid, tunnel(n, bid.into())));
    let rules = (0..120).filter(|f| !(f + list).is_multiple_of(3));
    let rules = rules.map(|f| FlowRule {
        selector: flow(f).into(),
        bids: vec![bids[usize::from((f + list) % 3 == 1)]],
        discard: false,
    });
    writer.publish_flows(home(n), &care_ofs, &rules.collect::<Vec<_>>())
}

#[test]
#[ignore = "a process that other tests of this file start and kill"]
fn a_writer_that_changes_flows_all_the_time() {
    let segment = Segment::open(std::env::var_os(PLACE).unwrap()).unwrap();
    let mut writer = segment.writer().unwrap();
    for list in 0.. {
        for n in 0..4 {
            // Refused while the reader is busy elsewhere.
            let _ = writer.publish_binding(home(n), &tunnel(n, 9));
            let _ = publish_flows(&mut writer, n, list + n);
            for f in 120..130 {
                let rule = ExactRule {
                    flow: flow(f),
                    bids: vec![4],
                    discard: false,
                    rank: 0,
                };
                if (f + list).is_multiple_of(2) {
                    let _ = writer.set_flow(home(n), &rule);
                } else {
                    writer.remove_flow(home(n), &flow(f));
                }
            }
        }
        if list % 7 == 0 {
            writer.remove_binding(home(list % 4));
        }
        if list == 50 {
            println!("at work");
        }
    }
}

/// Looks all flows up, checks that each leads to a care-of address of its home address, and gives their number.
fn read_flows(reader: &Reader) -> usize {
    let all = (0..4).flat_map(|n| (0..130).map(move |f| (n, f)));
    let found = all.filter(|(n, f)| decided(reader, *n, &packet(*n, &flow(*f))).is_some());
    found.count()
}

#[test]
fn a_new_writer_takes_over_the_flows_of_one_that_was_killed_among_them() {
    let (_directory, path) = place();
    let segment = Segment::create(&path, &WITH_FLOWS).unwrap();
    let reader = segment.reader(0).unwrap();
    reader.park();
    for round in 0..8 {
        let child = start("a_writer_that_changes_flows_all_the_time", &path);
        reader.unpark();
        for _ in 0..30 * round {
            read_flows(&reader);
            reader.quiescent();
        }
        kill(child);
        let found = read_flows(&reader);
        let mut writer = segment.writer().unwrap();
        assert_eq!((writer.flow_count(), read_flows(&reader)), (found, found));
        for _ in 0..2 {
            reader.quiescent();
            writer.reclaim();
        }
        assert_eq!((writer.reclaim(), read_flows(&reader)), (0, found));
        for n in 0..4 {
            writer.publish_binding(home(n), &tunnel(n, 9)).unwrap();
            reader.quiescent();
            assert!(publish_flows(&mut writer, n, round).unwrap());
        }
        assert_eq!((writer.flow_count(), read_flows(&reader)), (320, 320));
        for n in 0..4 {
            assert!(writer.remove_binding(home(n)));
        }
        assert_eq!((writer.flow_count(), read_flows(&reader)), (0, 0));
        reader.park();
    }
}

#[test]
fn a_killed_worker_does_not_hold_up_reclamation_and_can_be_replaced() {
    let (_directory, path) = place();
    let geometry = Geometry {
        home_addresses: 2,
        templates: 1,
        ..SMALL
    };
    let segment = Segment::create(&path, &geometry).unwrap();
    let mut writer = segment.writer().unwrap();
    for n in 1..=2 {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
    let child = start("a_worker_that_reads_and_never_reports", &path);
    assert!(matches!(segment.reader(1), Err(SegmentError::Taken(_))));
    writer.publish_binding(home(1), &tunnel(1, 2)).unwrap();
    let waits = writer.publish_binding(home(1), &tunnel(1, 3));
    assert!(matches!(waits, Err(SegmentError::Busy { .. })), "{waits:?}");
    assert_eq!(writer.evict_dead_workers(), 0, "it is slow, not dead");
    kill(child);
    writer.publish_binding(home(1), &tunnel(1, 3)).unwrap();
    assert!(segment.reader(1).is_ok());
}

#[test]
fn readers_go_on_when_the_writer_is_killed_and_a_new_one_takes_over() {
    let (_directory, path) = place();
    let segment = Segment::create(&path, &SMALL).unwrap();
    let reader = segment.reader(0).unwrap();
    reader.park();
    for _ in 0..5 {
        let child = start("a_writer_that_changes_everything_all_the_time", &path);
        reader.unpark();
        for _ in 0..200 {
            read_everything(&segment, &reader);
            reader.quiescent();
        }
        assert!(matches!(segment.writer(), Err(SegmentError::Taken(_))));
        kill(child);
        let found = read_everything(&segment, &reader);

        let mut writer = segment.writer().unwrap();
        assert_eq!(writer.len(), found);
        assert_eq!(writer.bindings().count(), found);
        reader.quiescent();
        let capacity = u64::from(SMALL.home_addresses);
        for n in 0..capacity {
            writer.publish_binding(home(n), &tunnel(n, 7)).unwrap();
            reader.quiescent();
        }
        assert_eq!(read_everything(&segment, &reader), writer.len());
        assert_eq!(writer.len(), SMALL.home_addresses as usize);
        reader.park();
        for (id, _) in writer.next_hops().collect::<Vec<_>>() {
            assert!(writer.release_next_hop(id));
        }
    }
}

#[test]
fn a_new_writer_takes_over_from_one_killed_while_its_table_grew() {
    for rounds in 0..8 {
        let (_directory, path) = place();
        let segment = Segment::create(&path, &GROWING).unwrap();
        let reader = segment.reader(0).unwrap();
        reader.park();
        let child = start("a_writer_whose_table_grows", &path);
        reader.unpark();
        for _ in 0..rounds {
            read_everything(&segment, &reader);
            reader.quiescent();
        }
        kill(child);
        let found = read_everything(&segment, &reader);
        assert!(found > 110);

        let mut writer = segment.writer().unwrap();
        assert_eq!((writer.len(), writer.bindings().count()), (found, found));
        assert_eq!(read_everything(&segment, &reader), found);
        reader.quiescent();
        for n in 0..GROWING.home_addresses.into() {
            writer.publish_binding(home(n), &tunnel(n, 7)).unwrap();
            reader.quiescent();
        }
        let all = GROWING.home_addresses as usize;
        assert_eq!((writer.len(), writer.bindings().count()), (all, all));
        assert_eq!(read_everything(&segment, &reader), all);
    }
}

/// Looks everything up, checks that it is whole, and gives the number of bindings.
fn read_everything(segment: &Segment, reader: &dhp_segment::Reader) -> usize {
    let bound = (0..u64::from(segment.geometry().home_addresses)).filter(|n| {
        let Some(entry) = reader.lookup_home(&home(*n).octets()) else {
            return false;
        };
        let template = reader.tunnel(&entry).unwrap();
        assert!(
            generation_of(*n, &template.tunnel()).is_some(),
            "{template:?}"
        );
        true
    });
    let bound = bound.count();
    for id in 0..segment.geometry().next_hops {
        if let Some(hop) = reader.next_hop(id) {
            assert_eq!(hop, next_hop(hop.port as u8));
        }
    }
    bound
}
