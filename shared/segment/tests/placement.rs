//! Segments in files: position independence and refusals.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    Counter, Geometry, PuntClass, PuntKind, PuntMeta, Route, RouteAction, Segment, SegmentError,
};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
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
        let template = reader.tunnel(&entry).unwrap();
        assert_eq!(generation_of(n, &template.tunnel()), Some(5));
    }
    assert_eq!(reader.next_hop(id), Some(next_hop(3)));
    assert_eq!(reader.route(&[7; 16]), RouteAction::Pool);
    assert_eq!(data_plane.writer_heartbeat_ns(), 77);

    let meta = PuntMeta {
        class: PuntClass::Bound,
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
                expected: 9
            }
        ),
        "{version}"
    );
    let counters = refusal(&path, 1, 9 << 32 | 3 << 16 | 4);
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
