//! The header: what a process checks before it believes a segment.

use crate::counters::Counter;
use crate::drop_reason::DropReason;
use crate::error::SegmentError;
use crate::extent::Extent;
use crate::geometry::Geometry;
use crate::layout::{LAYOUT_VERSION, Layout, MAGIC, header_word};
use crate::mapping::WORD_BYTES;
use crate::quiescence::FIRST_EPOCH;
use crate::sync::{AtomicU64, Ordering};

pub(crate) fn size_error(what: &'static str, found: u64, expected: u64) -> SegmentError {
    SegmentError::Size {
        what,
        found,
        expected,
    }
}

/// Layout version, number of counters, number of drop reasons.
fn version_word() -> u64 {
    let counters = Counter::ALL.len() as u64;
    let drops = DropReason::ALL.len() as u64;
    u64::from(LAYOUT_VERSION) << 32 | counters << 16 | drops
}

/// Writes the header of a zeroed segment, the magic number last.
pub(crate) fn initialise(words: &[AtomicU64], layout: &Layout, seed: [u64; 2]) {
    let set = |at: usize, value: u64, order: Ordering| {
        if let Some(word) = words.get(at) {
            word.store(value, order);
        }
    };
    let Geometry {
        workers,
        home_addresses,
        templates,
        next_hops,
        routes,
        flow_sets,
        flows,
        meters,
        optimized_routes,
        ring_slots,
    } = layout.geometry;
    let geometry = [
        workers,
        home_addresses,
        templates,
        next_hops,
        routes,
        flow_sets,
        flows,
        meters,
        optimized_routes,
        ring_slots,
    ];
    for (offset, value) in geometry.into_iter().enumerate() {
        set(
            header_word::GEOMETRY + offset,
            u64::from(value),
            Ordering::Relaxed,
        );
    }
    set(header_word::VERSION, version_word(), Ordering::Relaxed);
    set(header_word::WORDS, layout.words as u64, Ordering::Relaxed);
    set(header_word::SEED, seed[0], Ordering::Relaxed);
    set(header_word::SEED + 1, seed[1], Ordering::Relaxed);
    for (word, first_groups) in [
        (header_word::HOME_EXTENT, layout.first_home_groups),
        (header_word::FLOW_EXTENT, layout.first_flow_groups),
    ] {
        set(
            word,
            Extent::first(first_groups).to_word(),
            Ordering::Relaxed,
        );
    }
    set(header_word::EPOCH, FIRST_EPOCH, Ordering::Relaxed);
    set(header_word::MAGIC, MAGIC, Ordering::Release);
}

/// Checks the header of a segment that somebody else has made, and computes its layout.
pub(crate) fn check(words: &[AtomicU64]) -> Result<Layout, SegmentError> {
    let get = |at: usize| words.get(at).map_or(0, |word| word.load(Ordering::Acquire));
    match get(header_word::MAGIC) {
        MAGIC => {}
        0 => return Err(SegmentError::NotReady),
        found => {
            return Err(SegmentError::Magic {
                found,
                expected: MAGIC,
            });
        }
    }
    let (found, expected) = (get(header_word::VERSION), version_word());
    if found >> 32 != expected >> 32 {
        return Err(SegmentError::Version {
            found: (found >> 32) as u32,
            expected: LAYOUT_VERSION,
        });
    }
    if found != expected {
        return Err(SegmentError::Counters {
            found_counters: (found >> 16) as u16,
            found_drops: found as u16,
            counters: (expected >> 16) as u16,
            drops: expected as u16,
        });
    }
    let field =
        |offset: usize| u32::try_from(get(header_word::GEOMETRY + offset)).unwrap_or(u32::MAX);
    let geometry = Geometry {
        workers: field(0),
        home_addresses: field(1),
        templates: field(2),
        next_hops: field(3),
        routes: field(4),
        flow_sets: field(5),
        flows: field(6),
        meters: field(7),
        optimized_routes: field(8),
        ring_slots: field(9),
    };
    geometry.validate()?;
    let layout = Layout::new(&geometry);
    let (found, expected) = (get(header_word::WORDS), layout.words as u64);
    if found != expected {
        let bytes = |words: u64| words.saturating_mul(WORD_BYTES as u64);
        return Err(size_error("header", bytes(found), bytes(expected)));
    }
    Ok(layout)
}
