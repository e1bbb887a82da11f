//! The home table against a plain map.
#![cfg(not(loom))]

mod support;

use dhp_segment::{Geometry, HomePlace, Segment, SegmentError, Table};
use proptest::prelude::*;
use std::collections::HashMap;
use support::{SMALL, generation_of, home, tunnel};

#[derive(Debug, Clone)]
enum Change {
    Publish(u64),
    Remove(u64),
    Retarget(u64),
    LookUpAll,
    NewWriter,
}

fn change(keys: u64) -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..keys).prop_map(Change::Publish),
        4 => (0..keys).prop_map(Change::Remove),
        2 => (0..keys).prop_map(Change::Retarget),
        1 => Just(Change::LookUpAll),
        1 => Just(Change::NewWriter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Nearly twice as many keys as fit, so that the table runs full, and few enough slots that many keys stand far from their places.
    #[test]
    fn behaves_like_a_map(
        capacity in 1_u32..64,
        seed in any::<[u64; 2]>(),
        changes in prop::collection::vec(change(120), 1..600),
    ) {
        let geometry = Geometry { home_addresses: capacity, ..SMALL };
        let segment = Segment::anonymous_with_seed(&geometry, seed).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        let mut model: HashMap<u64, u64> = HashMap::new();
        let keys: Vec<[u8; 16]> = (0..120).map(|n| home(n).octets()).collect();

        for (generation, change) in (1..).zip(changes) {
            reader.quiescent();
            match change {
                Change::Publish(n) => match writer.publish_binding(home(n), &tunnel(n, generation)) {
                    Ok(()) => {
                        model.insert(n, generation);
                        prop_assert!(model.len() <= capacity as usize);
                    }
                    Err(SegmentError::Full { table: Table::HomeAddresses, capacity: reported }) => {
                        prop_assert_eq!(reported, capacity);
                        prop_assert_eq!(model.len(), capacity as usize);
                        prop_assert!(!model.contains_key(&n));
                    }
                    Err(error) => prop_assert!(false, "{}", error),
                },
                Change::Remove(n) => {
                    prop_assert_eq!(writer.remove_binding(home(n)), model.remove(&n).is_some());
                }
                Change::Retarget(n) => {
                    let before = writer.binding(home(n));
                    prop_assert_eq!(writer.retarget(home(n), 7, 1400).unwrap(), before.is_some());
                    if let Some(before) = before {
                        let after = writer.binding(home(n)).unwrap();
                        prop_assert_eq!((after.next_hop, after.mtu), (7, 1400));
                        prop_assert_eq!(after.destination, before.destination);
                        prop_assert!(after.generation > before.generation);
                        reader.quiescent();
                        writer.publish_binding(home(n), &before.tunnel()).unwrap();
                    }
                }
                Change::NewWriter => {
                    drop(writer);
                    writer = segment.writer().unwrap();
                    reader.quiescent();
                }
                Change::LookUpAll => {
                    let places: Vec<HomePlace> = keys.iter().map(|key| reader.expect_home((*key).into())).collect();
                    for (n, (key, place)) in (0..).zip(keys.iter().zip(places)) {
                        let found = reader.find_home((*key).into(), reader.expect_binding(place));
                        prop_assert_eq!(found, reader.lookup_home(key));
                        let template = found.map(|entry| reader.tunnel(&entry).unwrap());
                        let generation = template.map(|template| generation_of(n, &template.tunnel()));
                        prop_assert_eq!(generation, model.get(&n).map(|generation| Some(*generation)));
                    }
                }
            }
            prop_assert_eq!(writer.len(), model.len());
            prop_assert_eq!(writer.is_empty(), model.is_empty());
        }
        let mut listed: Vec<u64> =
            writer.bindings().map(|(address, _)| u128::from(address) as u64).collect();
        listed.sort_unstable();
        let mut expected: Vec<u64> = model.into_keys().collect();
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn no_insertion_fails_below_the_declared_capacity_and_nothing_is_lost_at_it() {
    let capacity = 50_000;
    let geometry = Geometry {
        home_addresses: capacity,
        templates: 1,
        ..SMALL
    };
    for seed in [[0, 0], [1, 2], [u64::MAX, 7]] {
        let segment = Segment::anonymous_with_seed(&geometry, seed).unwrap();
        let mut writer = segment.writer().unwrap();
        let capacity = u64::from(capacity);
        for n in 0..capacity {
            writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
        }
        for beyond in capacity..capacity + 3 {
            let refused = writer.publish_binding(home(beyond), &tunnel(beyond, 1));
            assert!(
                matches!(refused, Err(SegmentError::Full { .. })),
                "{refused:?}"
            );
        }
        // One spare template is enough to hand every binding off while nobody reads.
        for n in 0..capacity {
            writer.publish_binding(home(n), &tunnel(n, 2)).unwrap();
        }
        let reader = segment.reader(0).unwrap();
        for n in 0..capacity {
            let entry = reader.lookup_home(&home(n).octets()).unwrap();
            let template = reader.tunnel(&entry).unwrap();
            assert_eq!(generation_of(n, &template.tunnel()), Some(2));
        }
        assert_eq!(reader.lookup_home(&home(capacity).octets()), None);
        assert!(writer.remove_binding(home(0)));
        reader.quiescent();
        writer
            .publish_binding(home(capacity), &tunnel(capacity, 1))
            .unwrap();
        assert!(reader.lookup_home(&home(capacity).octets()).is_some());
    }
}
