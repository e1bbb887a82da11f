//! A segment that some process has scribbled on answers wrongly, but nobody panics, reads out of bounds or runs forever.
#![cfg(not(loom))]

mod support;

use dhp_segment::{
    ExactRule, FlowKey, FlowRule, FlowSelector, Geometry, OptimizedRoute, PuntClass, PuntKind,
    PuntMeta, RING_PACKET_BYTES, Route, RouteAction, Segment, SegmentError, Writer,
};
use proptest::prelude::*;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use support::{SMALL, flow, home, next_hop, packet, tunnel};

/// So few home addresses that chains are long, and most of the file is tables.
const GEOMETRY: Geometry = Geometry {
    home_addresses: 24,
    templates: 30,
    ring_slots: 1,
    flow_sets: 2,
    flows: 24,
    meters: 0,
    optimized_routes: 4,
    ..SMALL
};

/// The words behind the part of the header that is checked at opening.
const FIRST_WORD: usize = 13;

fn scribble(file: &File, words: usize, at: usize, value: u64) {
    let at = FIRST_WORD + at % (words - FIRST_WORD);
    file.write_all_at(&value.to_ne_bytes(), at as u64 * 8)
        .unwrap();
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(0),
        (0..40_u64).prop_map(|n| n << 32 | n),
        any::<u8>().prop_map(|n| 0x0101_0101_0101_0101 * u64::from(n)),
    ]
}

const KEY: FlowKey = FlowKey {
    source: [1; 16],
    destination: [2; 16],
    spi: None,
    flow_label: 0,
    ports: None,
    dscp: 0,
    next_header: 59,
};

/// Two rules of the list and four of exact flows.
fn publish_flows(writer: &mut Writer, n: u64) -> Result<bool, SegmentError> {
    let rule = |bid, selector| FlowRule {
        selector,
        bids: vec![bid],
        discard: false,
    };
    let mut rules = [1, 2]
        .map(|bid| rule(bid, FlowSelector::default()))
        .to_vec();
    rules.extend((0..4).map(|f| rule(1, flow(f + n).into())));
    let care_ofs = [(1, tunnel(n, 1)), (2, tunnel(n, 2))];
    writer.publish_flows(home(n), &care_ofs, &rules)
}

/// Single flows of a home address come and go.
fn change_flows(writer: &mut Writer, n: u64) {
    for f in 0..6 {
        let rule = ExactRule {
            flow: flow(f),
            bids: vec![2],
            discard: f == 3,
            rank: 1,
        };
        match writer.set_flow(home(n), &rule) {
            Ok(_) | Err(SegmentError::Full { .. } | SegmentError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = writer.flow_carried(home(n), &flow(f));
    }
    let _ = writer.flows(home(n)).count();
    for f in 0..4 {
        writer.remove_flow(home(n), &flow(f));
    }
}

/// Of every sixteenth home address, so that the tree has more than one node.
fn route(n: u64) -> Route {
    Route {
        prefix: home(16 * n),
        len: 124,
        action: RouteAction::Pool,
    }
}

fn optimized(n: u64) -> OptimizedRoute {
    OptimizedRoute {
        correspondent: home(n),
        home_address: home(n),
        care_of: home(n),
        previous: None,
        next_hop: 1,
        path_mtu: 1500,
    }
}

fn remove_route(writer: &mut Writer, route: &Route) -> Result<(), SegmentError> {
    writer.remove_route(route).map(|_| ())
}

fn use_everything(segment: &Segment) {
    let mut reader = segment.reader(0).unwrap();
    let mut control = segment.control().unwrap();
    let mut buffer = [0; RING_PACKET_BYTES];
    let keys: Vec<[u8; 16]> = (0..40).map(|n| home(n).octets()).collect();
    for entry in keys.iter().filter_map(|key| reader.lookup_home(key)) {
        let template = reader.tunnel(&entry);
        reader.carry(&entry, 1);
        let _ = template.map(|template| reader.next_hop(template.next_hop));
        if let Some(set) = entry.flows().and_then(|id| reader.flow_set(id)) {
            let _ = (set.verdict(&KEY), set.needs_first_fragment());
            for key in (0..6).map(|f| packet(1, &flow(f))) {
                if let Some(place) = reader.expect_flow(set, &key) {
                    reader.expect_flow_entry(place);
                }
                if let Some(flow) = reader.find_flow(set, &key) {
                    let _ = set.overrules(&key, &flow);
                    reader.carry_flow(&flow, 1);
                }
            }
            let _ = set.templates().filter_map(|id| reader.template(id)).count();
        }
        let _ = reader.route(&template.map_or([0; 16], |template| template.destination));
    }
    let _ = reader.optimizes();
    for key in &keys {
        if let Some(entry) = reader.find_optimized(key, key) {
            reader.carry_optimized(&entry, 1);
        }
    }
    let mut actions = vec![RouteAction::Local; keys.len()];
    reader.lookup_routes(&keys, &mut actions);
    let meta = PuntMeta {
        class: PuntClass::Bound,
        port: 0,
        kind: PuntKind::Mobility,
        timestamp_ns: 0,
    };
    for _ in 0..3 {
        let _ = reader.punt(&meta, &[1; 100]);
        let _ = control.inject(0, &[1; 100]);
        let _ = control.punts_waiting(0);
        let _ = control.punt_pop(0, &mut buffer);
        let _ = reader.take_injected(&mut buffer);
    }
    reader.quiescent();

    let mut writer = segment.writer().unwrap();
    let _ = writer.bindings().count();
    let _ = writer.next_hops().count();
    reader.quiescent();
    for n in 0..40 {
        match publish_flows(&mut writer, n) {
            Ok(_) | Err(SegmentError::Full { .. } | SegmentError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        change_flows(&mut writer, n);
        let _ = writer.set_care_of(home(n), 2, None);
        match writer.publish_binding(home(n), &tunnel(n, 9)) {
            Ok(()) | Err(SegmentError::Full { .. } | SegmentError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        writer.remove_binding(home((n * 7) % 40));
        reader.quiescent();
    }
    let _ = writer.optimized_routes().count();
    for n in 0..40 {
        match writer.publish_optimized(&optimized(n)) {
            Ok(()) | Err(SegmentError::Full { .. } | SegmentError::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let other = home((n * 7) % 40);
        writer.remove_optimized(other, other);
        reader.quiescent();
    }
    for id in 0..GEOMETRY.next_hops {
        let _ = writer.set_next_hop(id, next_hop(1));
        let _ = writer.release_next_hop(id);
    }
    let _ = writer.allocate_next_hop();
    for n in 0..40 {
        for change in [Writer::put_route, remove_route] {
            match change(&mut writer, &route((n * 7) % 40)) {
                Ok(()) | Err(SegmentError::Full { .. } | SegmentError::Busy { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            reader.quiescent();
        }
    }
    let _ = writer.publish_routes(&[route(0)]);
    writer.reclaim();
    reader.quiescent();
    writer.reclaim();
    let _ = writer.put_route(&route(1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn scribbling_never_panics_anybody(
        scribbles in prop::collection::vec((any::<usize>(), value()), 1..400),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let segment = Segment::create(&path, &GEOMETRY).unwrap();
        let mut writer = segment.writer().unwrap();
        for n in 0..24 {
            writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
            if n < 2 {
                assert!(publish_flows(&mut writer, n).unwrap());
            }
        }
        let id = writer.allocate_next_hop().unwrap();
        writer.set_next_hop(id, next_hop(1)).unwrap();
        let routes: Vec<Route> = (0..30).map(route).collect();
        assert!(writer.publish_routes(&routes).unwrap());
        drop(writer);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for (at, value) in scribbles {
            scribble(&file, segment.len_bytes() / 8, at, value);
        }
        use_everything(&segment);
        use_everything(&Segment::open(&path).unwrap());
    }
}

/// Words of the rings, by hand: cursors and lengths that can not be.
#[test]
fn a_ring_recovers_from_a_cursor_that_can_not_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("segment");
    let geometry = Geometry {
        workers: 1,
        ring_slots: 2,
        ..GEOMETRY
    };
    let segment = Segment::create(&path, &geometry).unwrap();
    let reader = segment.reader(0).unwrap();
    let mut control = segment.control().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let words = segment.len_bytes() / 8;
    // The inject ring is the last thing in the segment, the punt ring the one before it.
    let ring_words = 16 + 2 * (8 + RING_PACKET_BYTES / 8);
    let punt = words - 2 * ring_words;
    let set = |word: usize, value: u64| {
        file.write_all_at(&value.to_ne_bytes(), (punt + word) as u64 * 8)
            .unwrap();
    };
    let meta = PuntMeta {
        class: PuntClass::Bound,
        port: 3,
        kind: PuntKind::QueryAnycast,
        timestamp_ns: 4,
    };
    let mut buffer = [0; RING_PACKET_BYTES];
    let mut works = || {
        reader.punt(&meta, &[5; 50]).unwrap();
        assert_eq!(control.punt_pop(0, &mut buffer).unwrap().meta, meta);
        assert_eq!(control.punt_pop(0, &mut buffer), None);
    };
    works();
    for cursor in [u64::MAX, u64::MAX - 1, 1 << 40] {
        // Both sides' cursors about to wrap, or far away, together: as good as any.
        set(0, cursor);
        set(8, cursor);
        works();
        works();
    }
    // The consumer's cursor ahead of the producer's: full, until the consumer looks.
    set(8, 77);
    assert!(reader.punt(&meta, &[5]).is_err());
    assert_eq!(control.punts_waiting(0), 2);
    assert_eq!(control.punt_pop(0, &mut buffer), None);
    reader.punt(&meta, &[5]).unwrap();
    assert_eq!(control.punt_pop(0, &mut buffer).unwrap().len, 1);
    // A length or a kind that can not be: that slot is skipped, the next one comes.
    set(0, 0);
    set(8, 0);
    reader.punt(&meta, &[1]).unwrap();
    reader.punt(&meta, &[2]).unwrap();
    for (word, wrong) in [(16, u64::MAX), (16, RING_PACKET_BYTES as u64 + 1)] {
        set(8, 0);
        set(word, wrong);
        assert_eq!(control.punt_pop(0, &mut buffer).unwrap().len, 1);
        assert_eq!(buffer[0], 2);
    }
    set(8, 0);
    set(16, 1);
    set(17, 999);
    assert!(control.punt_pop(0, &mut buffer).is_some());
    assert_eq!(buffer[0], 2);
}
