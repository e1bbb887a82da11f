//! One bucket of the home table: a cache line.
//!
//! ```text
//! word 0      eight tags, one octet each; 0 = free
//! word 1      low half: four more tags; high half: first record of the overflow chain + 1, 0 = none
//! words 2–7   twelve record indices, two to a word, low half first
//! ```
//!
//! A slot is filled index first, tag second, and emptied by its tag, so a reader that sees a tag sees the index that goes
//! with it, or a later one; the record's key decides in any case. Entries never move, so a key that is present is never
//! missed.

use crate::layout::BUCKET_WORDS;
use crate::sync::{AtomicU64, Ordering};

/// Slots in a bucket.
pub(crate) const SLOTS: u32 = 12;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The octets of `word` that equal `tag`, as the high bit of each. An octet above a true match may be reported although it
/// differs by one (the borrow of the subtraction); the key comparison sorts that out.
#[inline(always)]
fn matches(word: u64, tag: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(tag));
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

/// A bucket in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Bucket<'a>(pub(crate) &'a [AtomicU64; BUCKET_WORDS]);

/// What one look at the tags of a bucket says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Candidates {
    /// One bit per slot whose tag matches.
    slots: u16,
    /// First record of the overflow chain + 1.
    overflow: u32,
}

impl Candidates {
    /// The first record of the overflow chain.
    #[inline(always)]
    pub(crate) fn overflow(self) -> Option<u32> {
        self.overflow.checked_sub(1)
    }
}

impl Iterator for Candidates {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let slot = self.slots.trailing_zeros();
        self.slots &= self.slots.wrapping_sub(1);
        (slot < SLOTS).then_some(slot)
    }
}

impl<'a> Bucket<'a> {
    /// The slots whose tag is `tag`, with the overflow chain as it was at the same time.
    #[inline(always)]
    pub(crate) fn candidates(self, tag: u8) -> Candidates {
        let low = self.0[0].load(Ordering::Acquire);
        let high = self.0[1].load(Ordering::Acquire);
        // The high bit of octet n goes to bit n: the multiplication adds shifted copies whose bits do not meet.
        let gather = |word: u64| ((word >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16;
        Candidates {
            slots: gather(matches(low, tag)) | gather(matches(high, tag) & 0xffff_ffff) << 8,
            overflow: (high >> 32) as u32,
        }
    }

    /// Slots in use, with the overflow chain.
    pub(crate) fn occupied(self) -> Candidates {
        let mut candidates = Candidates {
            slots: 0,
            overflow: (self.0[1].load(Ordering::Acquire) >> 32) as u32,
        };
        for slot in 0..SLOTS {
            if self.tag(slot) != 0 {
                candidates.slots |= 1 << slot;
            }
        }
        candidates
    }

    /// The record index in `slot`, which must be below [`SLOTS`] (others read slot 0 of some word, harmlessly).
    #[inline(always)]
    pub(crate) fn record(self, slot: u32) -> u32 {
        let word = self.index_word(slot).load(Ordering::Acquire);
        (word >> (32 * (slot & 1))) as u32
    }

    #[inline(always)]
    fn index_word(self, slot: u32) -> &'a AtomicU64 {
        // The mask keeps the index within the array, whatever the slot.
        &self.0[(2 + slot as usize / 2) & 7]
    }

    fn tag(self, slot: u32) -> u8 {
        let word = &self.0[usize::from(slot >= 8)];
        (word.load(Ordering::Relaxed) >> (8 * (slot & 7))) as u8
    }

    fn set_tag(self, slot: u32, tag: u8) {
        let word = &self.0[usize::from(slot >= 8)];
        let shift = 8 * (slot & 7);
        let others = word.load(Ordering::Relaxed) & !(0xff << shift);
        word.store(others | u64::from(tag) << shift, Ordering::Release);
    }

    /// Puts `record` into a free slot; `false` if there is none. Writer only; the record must be complete.
    pub(crate) fn insert(self, tag: u8, record: u32) -> bool {
        let Some(slot) = (0..SLOTS).find(|slot| self.tag(*slot) == 0) else {
            return false;
        };
        let word = self.index_word(slot);
        let shift = 32 * (slot & 1);
        let other = word.load(Ordering::Relaxed) & !(0xffff_ffff << shift);
        word.store(other | u64::from(record) << shift, Ordering::Release);
        self.set_tag(slot, tag);
        true
    }

    /// Empties `slot`. Writer only.
    pub(crate) fn clear(self, slot: u32) {
        self.set_tag(slot, 0);
    }

    /// Makes `first` the head of the overflow chain. Writer only; the record must be complete.
    pub(crate) fn set_overflow(self, first: Option<u32>) {
        let tags = self.0[1].load(Ordering::Relaxed) & 0xffff_ffff;
        let first = first.map_or(0, |record| record.wrapping_add(1));
        self.0[1].store(tags | u64::from(first) << 32, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words() -> [AtomicU64; BUCKET_WORDS] {
        core::array::from_fn(|_| AtomicU64::new(0))
    }

    #[test]
    fn a_full_bucket_finds_every_slot_by_its_tag() {
        let words = words();
        let bucket = Bucket(&words);
        for slot in 0..SLOTS {
            assert!(bucket.insert(slot as u8 * 20 + 1, 1000 + slot));
        }
        assert!(!bucket.insert(7, 1));
        bucket.set_overflow(Some(77));
        for slot in 0..SLOTS {
            let found = bucket.candidates(slot as u8 * 20 + 1);
            assert_eq!(found.overflow(), Some(77));
            assert!(
                found
                    .into_iter()
                    .any(|s| s == slot && bucket.record(s) == 1000 + slot)
            );
        }
        assert_eq!(bucket.occupied().count(), 12);
    }

    #[test]
    fn clearing_a_slot_leaves_the_others_and_the_chain() {
        let words = words();
        let bucket = Bucket(&words);
        for record in 0..SLOTS {
            assert!(bucket.insert(9, record));
        }
        bucket.set_overflow(Some(0));
        bucket.clear(5);
        bucket.clear(9);
        let left: Vec<u32> = bucket
            .candidates(9)
            .map(|slot| bucket.record(slot))
            .collect();
        assert_eq!(left, [0, 1, 2, 3, 4, 6, 7, 8, 10, 11]);
        assert_eq!(bucket.candidates(9).overflow(), Some(0));
        assert!(bucket.insert(9, 50));
        assert_eq!(bucket.record(5), 50);
        bucket.set_overflow(None);
        assert_eq!(bucket.candidates(9).overflow(), None);
    }

    #[test]
    fn matching_never_misses_a_tag() {
        for tag in 1..=255_u8 {
            for position in 0..8 {
                for other in [0, 1, tag.wrapping_add(1), tag.wrapping_sub(1), tag ^ 0x80] {
                    let word = (ONES * u64::from(other)) & !(0xff << (8 * position))
                        | u64::from(tag) << (8 * position);
                    assert_ne!(matches(word, tag) & 0x80 << (8 * position), 0);
                }
            }
        }
    }
}
