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

/// The octets of two words that equal `tag`, one bit for each, the lowest octet of the first word first. An octet may be
/// reported that does not: the key comparison sorts that out.
#[inline(always)]
fn equal_octets(words: [u64; 2], tag: u8) -> u16 {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{
            _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
        };
        let [low, high] = words.map(u64::cast_signed);
        // SAFETY: every x86-64 processor has SSE2, and these work on registers only.
        unsafe {
            let octets = _mm_set_epi64x(high, low);
            let tags = _mm_set1_epi8(tag.cast_signed());
            _mm_movemask_epi8(_mm_cmpeq_epi8(octets, tags)) as u16
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    equal_octets_in_words(words, tag)
}

/// [`equal_octets`] on any processor. An octet above a true match may be reported although it differs by one (the borrow of the
/// subtraction).
#[cfg(any(test, not(target_arch = "x86_64")))]
fn equal_octets_in_words(words: [u64; 2], tag: u8) -> u16 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let [low, high] = words.map(|word| {
        let difference = word ^ (ONES * u64::from(tag));
        let equal = difference.wrapping_sub(ONES) & !difference & HIGHS;
        // The high bit of octet n goes to bit n: the multiplication adds shifted copies whose bits do not meet.
        ((equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
    });
    low | high << 8
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
        Candidates {
            slots: equal_octets([low, high], tag) & ((1 << SLOTS) - 1),
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
            for position in 0..16 {
                for other in [0, 1, tag.wrapping_add(1), tag.wrapping_sub(1), tag ^ 0x80] {
                    if other == tag {
                        continue;
                    }
                    let mut octets = [other; 16];
                    octets[position] = tag;
                    let bits = u128::from_le_bytes(octets);
                    let words = [bits as u64, (bits >> 64) as u64];
                    let expected = 1 << position;
                    assert_eq!(equal_octets(words, tag), expected, "{tag} {other}");
                    assert_ne!(equal_octets_in_words(words, tag) & expected, 0);
                }
            }
        }
    }
}
