//! The home table grows while readers go on, and nobody notices.
#![cfg(not(loom))]

mod support;

use dhp_segment::{Carried, Geometry, HomePlace, Reader, Segment, SegmentError, Writer};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use support::{SMALL, generation_of, home, tunnel};

/// 64 groups of slots in the end, 16 at the beginning: the first split comes with the 113th binding, the last one with the 318th.
const GROWING: Geometry = Geometry {
    home_addresses: 640,
    ..SMALL
};
const CAPACITY: u64 = GROWING.home_addresses as u64;

/// The word of the header that says how much of the home table is in use.
const EXTENT_WORD: u64 = 15;

fn bind(writer: &mut Writer, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        writer.publish_binding(home(n), &tunnel(n, 1)).unwrap();
    }
}

/// The generation that a worker finds, in both ways to look.
fn found(reader: &Reader, n: u64) -> Option<u64> {
    let key = home(n).octets();
    let place = reader.expect_home(key.into());
    let entry = reader.find_home(key.into(), reader.expect_binding(place));
    assert_eq!(entry, reader.lookup_home(&key));
    let template = reader.tunnel(&entry?).unwrap();
    Some(generation_of(n, &template.tunnel()).unwrap())
}

fn assert_bound(writer: &Writer, reader: &Reader, numbers: impl IntoIterator<Item = u64>) {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    for n in &numbers {
        assert!(found(reader, *n).is_some(), "home address {n}");
    }
    let listed: Vec<u64> = writer
        .bindings()
        .map(|(address, _)| u128::from(address) as u64)
        .collect();
    assert_eq!(listed.len(), numbers.len());
    assert_eq!(writer.len(), numbers.len());
    let set = |numbers: Vec<u64>| numbers.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(listed), set(numbers));
}

/// Lets the worker go on until a change is possible: a handoff waits for it twice.
fn insist<T>(
    reader: &Reader,
    mut change: impl FnMut() -> Result<T, SegmentError>,
) -> Result<T, SegmentError> {
    for _ in 0..3 {
        match change() {
            Err(SegmentError::Busy { .. }) => reader.quiescent(),
            result => return result,
        }
    }
    change()
}

#[derive(Debug, Clone)]
enum Change {
    Publish { first: u64, len: u64 },
    Remove { first: u64, len: u64 },
    LookUpAll,
    Quiescent,
    NewWriter,
}

fn change(keys: u64) -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..keys, 1..150_u64).prop_map(|(first, len)| Change::Publish { first, len }),
        3 => (0..keys, 1..80_u64).prop_map(|(first, len)| Change::Remove { first, len }),
        2 => Just(Change::LookUpAll),
        2 => Just(Change::Quiescent),
        1 => Just(Change::NewWriter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    /// Runs of changes, so that the table grows to its end; the worker is quiescent now and then, so that moves are in the air while
    /// the moved bindings are handed off and removed.
    #[test]
    fn behaves_like_a_map_while_it_grows(
        capacity in 321_u32..1_500,
        seed in any::<[u64; 2]>(),
        changes in prop::collection::vec(change(1_000), 1..40),
    ) {
        let geometry = Geometry { home_addresses: capacity, ..SMALL };
        let segment = Segment::anonymous_with_seed(&geometry, seed).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        reader.quiescent();
        let mut model: HashMap<u64, u64> = HashMap::new();
        for (generation, change) in (1..).zip(changes) {
            match change {
                Change::Publish { first, len } => for n in first..first + len {
                    match insist(&reader, || writer.publish_binding(home(n), &tunnel(n, generation))) {
                        Ok(()) => {
                            model.insert(n, generation);
                        }
                        Err(SegmentError::Full { .. }) => {
                            prop_assert_eq!(model.len(), capacity as usize);
                            prop_assert!(!model.contains_key(&n));
                        }
                        Err(error) => prop_assert!(false, "{}", error),
                    }
                    prop_assert_eq!(found(&reader, n), model.get(&n).copied());
                },
                Change::Remove { first, len } => for n in first..first + len {
                    prop_assert_eq!(writer.remove_binding(home(n)), model.remove(&n).is_some());
                    prop_assert_eq!(found(&reader, n), None);
                },
                Change::LookUpAll => for n in 0..1_150 {
                    prop_assert_eq!(found(&reader, n), model.get(&n).copied());
                },
                Change::Quiescent => reader.quiescent(),
                Change::NewWriter => {
                    drop(writer);
                    writer = segment.writer().unwrap();
                }
            }
        }
        assert_bound(&writer, &reader, model.keys().copied());
        for n in model.keys() {
            prop_assert!(writer.remove_binding(home(*n)));
            prop_assert_eq!(found(&reader, *n), None);
        }
        for _ in 0..2 {
            reader.quiescent();
            writer.reclaim();
        }
        prop_assert_eq!(writer.reclaim(), 0);
        prop_assert_eq!(writer.bindings().count(), 0);
    }
}

#[test]
fn what_a_worker_began_to_look_up_before_a_binding_moved_it_still_finds() {
    let segment = Segment::anonymous(&GROWING).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 0..100);
    let keys: Vec<[u8; 16]> = (0..100).map(|n| home(n).octets()).collect();
    let began: Vec<_> = keys
        .iter()
        .map(|key| reader.expect_binding(reader.expect_home((*key).into())))
        .collect();
    let held: Vec<_> = keys.iter().map(|key| reader.lookup_home(key)).collect();
    bind(&mut writer, 100..400);
    let mut have_moved = 0;
    for (n, ((key, began), held)) in (0..).zip(keys.iter().zip(began).zip(&held)) {
        let entry = reader.find_home((*key).into(), began);
        let now = reader.lookup_home(key);
        assert!(entry == *held || entry == now, "{entry:?}");
        have_moved += u32::from(now != *held);
        for entry in [entry, *held, now] {
            let template = reader.tunnel(&entry.unwrap()).unwrap();
            assert_eq!(generation_of(n, &template.tunnel()), Some(1));
        }
    }
    assert!((25..75).contains(&have_moved), "{have_moved}");
    assert_bound(&writer, &reader, 0..400);
}

#[test]
fn what_a_binding_has_carried_moves_with_it() {
    let segment = Segment::anonymous(&GROWING).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 0..100);
    let carry = |n: u64| {
        let entry = reader.lookup_home(&home(n).octets()).unwrap();
        reader.carry(&entry, 10 + n);
        entry
    };
    let held: Vec<_> = (0..100).map(carry).collect();
    bind(&mut writer, 100..CAPACITY);
    // In the slots that some bindings had, and in those that they have.
    for entry in &held {
        reader.carry(entry, 1_000);
    }
    for n in 0..100 {
        carry(n);
    }
    reader.quiescent();
    assert_eq!(writer.reclaim(), 0);
    bind(&mut writer, 0..1);
    for n in 0..100 {
        let carried = Carried {
            packets: 3,
            octets: 1_020 + 2 * n,
        };
        assert_eq!(writer.carried(home(n)), Some(carried));
    }
}

/// As many templates as bindings: one that a moved binding kept for ever would be missed.
#[test]
fn a_binding_that_moves_right_after_a_handoff_becomes_plain_where_it_has_gone() {
    let geometry = Geometry {
        templates: 110,
        ..GROWING
    };
    let segment = Segment::anonymous(&geometry).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 0..110);
    for n in 0..110 {
        writer.publish_binding(home(n), &tunnel(n, 2)).unwrap();
    }
    bind(&mut writer, 110..400);
    for n in 0..110 {
        assert_eq!(found(&reader, n), Some(2));
    }
    for generation in 3..6 {
        for _ in 0..2 {
            reader.quiescent();
            writer.reclaim();
        }
        for n in 0..110 {
            let key = home(n).octets().into();
            let candidate = reader.expect_binding(reader.expect_home(key));
            let plain = reader.homes().find_plain(key, candidate);
            assert!(plain.is_some(), "home address {n}");
            writer
                .publish_binding(home(n), &tunnel(n, generation))
                .unwrap();
        }
    }
}

#[test]
fn bindings_far_behind_their_group_are_found_when_their_group_has_been_split() {
    for seed in 0..20 {
        let segment = Segment::anonymous_with_seed(&GROWING, [seed, 1]).unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        reader.quiescent();
        // The worker holds all these: no slot of the first groups is vacant.
        for n in 1_000..1_400 {
            bind(&mut writer, [n]);
            assert!(writer.remove_binding(home(n)));
        }
        bind(&mut writer, 0..112);
        reader.quiescent();
        writer.reclaim();
        bind(&mut writer, 112..CAPACITY);
        assert_bound(&writer, &reader, 0..CAPACITY);
        for n in 0..CAPACITY {
            assert!(writer.remove_binding(home(n)));
            assert_eq!(found(&reader, n), None);
        }
        reader.quiescent();
        bind(&mut writer, 0..CAPACITY);
        assert_bound(&writer, &reader, 0..CAPACITY);
    }
}

#[test]
fn a_worker_that_stands_still_delays_growth_and_no_binding() {
    let segment = Segment::anonymous(&GROWING).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    reader.quiescent();
    bind(&mut writer, 0..CAPACITY);
    assert_bound(&writer, &reader, 0..CAPACITY);
    reader.quiescent();
    assert_eq!(writer.reclaim(), 0);
    assert!(writer.remove_binding(home(0)));
    bind(&mut writer, [0]);
    assert_bound(&writer, &reader, 0..CAPACITY);
}

fn extent(file: &File) -> [u8; 8] {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, EXTENT_WORD * 8).unwrap();
    word
}

/// The writer dies between the copies and the store that makes them be looked for, or right behind that store.
#[test]
fn a_new_writer_takes_over_in_the_middle_of_a_split() {
    for is_stored in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        let segment = Segment::create(&path, &GROWING).unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mut writer = segment.writer().unwrap();
        let reader = segment.reader(0).unwrap();
        reader.quiescent();
        let mut bound = 0;
        for split in 1..=40 {
            let before = extent(&file);
            while extent(&file) == before {
                bind(&mut writer, [bound]);
                bound += 1;
                if split % 2 == 0 {
                    reader.quiescent();
                }
            }
            if !is_stored {
                file.write_all_at(&before, EXTENT_WORD * 8).unwrap();
            }
            drop(writer);
            writer = segment.writer().unwrap();
            assert_bound(&writer, &reader, 0..bound);
            // A moved binding, or one that would have: gone is gone.
            for n in 0..bound {
                assert!(writer.remove_binding(home(n)));
                assert_eq!(found(&reader, n), None);
            }
            drop(writer);
            writer = segment.writer().unwrap();
            assert_bound(&writer, &reader, 0..0);
            reader.quiescent();
            bind(&mut writer, 0..bound);
            assert_bound(&writer, &reader, 0..bound);
            reader.quiescent();
            writer.reclaim();
        }
        bind(&mut writer, bound..CAPACITY);
        assert_bound(&writer, &reader, 0..CAPACITY);
    }
}

/// Bound all the time.
const STABLE: u64 = 60;

/// Ends the readers also when the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn read_until_done(reader: &Reader, floors: &[AtomicU64], done: &AtomicBool) {
    let keys: Vec<[u8; 16]> = (0..STABLE).map(|n| home(n).octets()).collect();
    while !done.load(Ordering::Acquire) {
        let floors = floors.iter().map(|floor| floor.load(Ordering::Acquire));
        let floors: Vec<u64> = floors.collect();
        let places: Vec<HomePlace> = keys
            .iter()
            .map(|key| reader.expect_home((*key).into()))
            .collect();
        for (n, ((key, place), floor)) in (0..).zip(keys.iter().zip(places).zip(floors)) {
            let entry = reader.find_home((*key).into(), reader.expect_binding(place));
            let entry = entry.unwrap_or_else(|| panic!("home address {n} is always bound"));
            let template = reader.tunnel(&entry).unwrap();
            let generation = generation_of(n, &template.tunnel()).unwrap();
            assert!(generation >= floor, "{n}: {generation} below {floor}");
            let again = reader.lookup_home(key).unwrap();
            let template = reader.tunnel(&again).unwrap();
            assert!(generation_of(n, &template.tunnel()).unwrap() >= generation);
        }
        reader.quiescent();
    }
    reader.park();
}

/// Seven doublings while two workers look up the same bindings, which move, and are handed off all the time.
#[test]
fn no_lookup_misses_a_binding_while_the_table_doubles_and_doubles() {
    let geometry = Geometry {
        home_addresses: 20_000,
        ..SMALL
    };
    let segment = Segment::anonymous(&geometry).unwrap();
    let mut writer = segment.writer().unwrap();
    bind(&mut writer, 0..STABLE);
    let floors: Vec<AtomicU64> = (0..STABLE).map(|_| AtomicU64::new(1)).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..geometry.workers {
            let reader = segment.reader(worker).unwrap();
            let (floors, done) = (&floors, &done);
            scope.spawn(move || read_until_done(&reader, floors, done));
        }
        let _done = Done(&done);
        let mut publish = |n: u64, generation: u64| {
            while let Err(error) = writer.publish_binding(home(n), &tunnel(n, generation)) {
                assert!(matches!(error, SegmentError::Busy { .. }), "{error}");
                thread::yield_now();
            }
        };
        for n in STABLE..geometry.home_addresses.into() {
            publish(n, 1);
            let (stable, generation) = (n % STABLE, 1 + n / STABLE);
            publish(stable, generation);
            floors[stable as usize].store(generation, Ordering::Release);
        }
    });
    assert_eq!(writer.len(), geometry.home_addresses as usize);
    assert_eq!(writer.bindings().count(), writer.len());
}
