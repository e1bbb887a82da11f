//! Segments in files: position independence, refusals, and processes that die.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    Counter, Geometry, PuntKind, PuntMeta, Route, RouteAction, Segment, SegmentError,
};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{SMALL, generation_of, home, next_hop, tunnel};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("segment");
    (directory, path)
}

#[test]
fn two_mappings_of_one_file_are_one_segment() {
    let (_directory, path) = place();
    let data_plane = Segment::create(&path, &SMALL).unwrap();
    let control_plane = Segment::open(&path).unwrap();
    assert_eq!(control_plane.geometry(), &SMALL);
    assert_eq!(control_plane.len_bytes(), data_plane.len_bytes());

    let mut writer = control_plane.writer().unwrap();
    let mut control = control_plane.control().unwrap();
    let mut reader = data_plane.reader(0).unwrap();
    for n in 0..64 {
        writer.publish_binding(home(n), &tunnel(n, 5)).unwrap();
    }
    let id = writer.allocate_next_hop().unwrap();
    writer.set_next_hop(id, next_hop(3)).unwrap();
    let everything = Route {
        prefix: home(0),
        len: 0,
        action: RouteAction::Pool,
    };
    assert!(writer.publish_routes(&[everything]).unwrap());
    writer.heartbeat(77);

    for n in 0..64 {
        let entry = reader.lookup_home(&home(n).octets()).unwrap();
        let template = reader.template(entry.template).unwrap();
        assert_eq!(generation_of(n, &template.tunnel()), Some(5));
    }
    assert_eq!(reader.next_hop(id), Some(next_hop(3)));
    assert_eq!(reader.route(&[7; 16]), RouteAction::Pool);
    assert_eq!(data_plane.writer_heartbeat_ns(), 77);

    let meta = PuntMeta {
        port: 1,
        kind: PuntKind::Mobility,
        timestamp_ns: 2,
    };
    reader.punt(&meta, b"up").unwrap();
    reader.count(Counter::RxPackets, 4);
    let mut buffer = [0; 16];
    assert_eq!(control.punt_pop(0, &mut buffer).unwrap().meta, meta);
    assert_eq!(&buffer[..2], b"up");
    control.inject(0, b"down").unwrap();
    assert_eq!(reader.take_injected(&mut buffer).unwrap().len, 4);
    assert_eq!(control.counters(0).get(Counter::RxPackets), 4);
}

#[test]
fn roles_are_one_at_a_time_across_mappings() {
    let (_directory, path) = place();
    let first = Segment::create(&path, &SMALL).unwrap();
    let second = Segment::open(&path).unwrap();
    let (writer, control, reader) = (
        first.writer().unwrap(),
        first.control().unwrap(),
        first.reader(1).unwrap(),
    );
    for segment in [&first, &second] {
        assert!(matches!(segment.writer(), Err(SegmentError::Taken(_))));
        assert!(matches!(segment.control(), Err(SegmentError::Taken(_))));
        assert!(matches!(segment.reader(1), Err(SegmentError::Taken(_))));
        assert!(matches!(
            segment.reader(2),
            Err(SegmentError::NoSuchWorker {
                worker: 2,
                workers: 2
            })
        ));
        assert!(segment.reader(0).is_ok());
    }
    drop((writer, control, reader));
    assert!(second.writer().is_ok() && second.control().is_ok() && second.reader(1).is_ok());
}

/// The refusal of a segment whose word `at` was overwritten.
fn refusal(path: &Path, at: u64, value: u64) -> SegmentError {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut before = [0; 8];
    file.read_exact_at(&mut before, at * 8).unwrap();
    file.write_all_at(&value.to_ne_bytes(), at * 8).unwrap();
    let refusal = Segment::open(path).unwrap_err();
    file.write_all_at(&before, at * 8).unwrap();
    refusal
}

#[test]
fn what_is_not_our_segment_is_refused_by_name() {
    let (_directory, path) = place();
    assert!(matches!(
        Segment::open(&path),
        Err(SegmentError::File { action: "open", .. })
    ));
    drop(Segment::create(&path, &SMALL).unwrap());
    let again = Segment::create(&path, &SMALL).unwrap_err();
    assert!(
        again.to_string().contains("segment: can not create"),
        "{again}"
    );

    assert!(matches!(refusal(&path, 0, 0), SegmentError::NotReady));
    let magic = refusal(&path, 0, 0x1234);
    assert!(
        matches!(magic, SegmentError::Magic { found: 0x1234, .. }),
        "{magic}"
    );
    assert!(magic.to_string().contains("0x0000000000001234"));
    let version = refusal(&path, 1, 99 << 32);
    assert!(
        matches!(
            version,
            SegmentError::Version {
                found: 99,
                expected: 1
            }
        ),
        "{version}"
    );
    let counters = refusal(&path, 1, 1 << 32 | 3 << 16 | 4);
    assert!(matches!(
        counters,
        SegmentError::Counters {
            found_counters: 3,
            found_drops: 4,
            ..
        }
    ));
    assert!(matches!(
        refusal(&path, 2, 17),
        SegmentError::Size {
            what: "header",
            found: 136,
            ..
        }
    ));
    assert!(matches!(
        refusal(&path, 3, 0),
        SegmentError::Geometry {
            field: "workers",
            ..
        }
    ));
    assert!(matches!(
        refusal(&path, 4, u64::MAX),
        SegmentError::Geometry {
            field: "home_addresses",
            ..
        }
    ));
    // A geometry that is possible, but not the one that the file was made for.
    assert!(matches!(
        refusal(&path, 8, 1 << 16),
        SegmentError::Size { .. }
    ));
    Segment::open(&path).unwrap();

    let length = fs::metadata(&path).unwrap().len();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length / 2).unwrap();
    let size = Segment::open(&path).unwrap_err();
    assert!(
        matches!(size, SegmentError::Size { what: "file", .. }),
        "{size}"
    );
    file.set_len(10).unwrap();
    assert!(matches!(
        Segment::open(&path),
        Err(SegmentError::Size { found: 10, .. })
    ));
    let impossible = Segment::anonymous(&Geometry {
        workers: 0,
        ..SMALL
    })
    .unwrap_err();
    assert_eq!(
        impossible.to_string(),
        "geometry: workers = 0: expected 1 to 256"
    );
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
        if generation == 100 {
            println!("at work");
        }
    }
}

#[test]
fn a_killed_worker_does_not_hold_up_reclamation_and_can_be_replaced() {
    let (_directory, path) = place();
    let geometry = Geometry {
        home_addresses: 2,
        templates: 3,
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

/// Looks everything up, checks that it is whole, and gives the number of bindings.
fn read_everything(segment: &Segment, reader: &dhp_segment::Reader) -> usize {
    let bound = (0..u64::from(segment.geometry().home_addresses)).filter(|n| {
        let Some(entry) = reader.lookup_home(&home(*n).octets()) else {
            return false;
        };
        let template = reader.template(entry.template).unwrap();
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
