//! Which slots of the home table a key may stand in: a tag for each of fourteen slots, in sixteen octets.
//!
//! ```text
//! word 0   tags of slots 0 to 7, one octet each; 0 = free
//! word 1   tags of slots 8 to 13; high 16 bits: keys that went past this group
//! ```
//!
//! A tag is there before its slot's binding can be found, and gone after it no longer can. The key in the slot decides in any case.

use crate::sync::{AtomicU64, Ordering};

/// Slots of a group.
pub(crate) const GROUP_SLOTS: u32 = 14;
/// Words of a group.
pub(crate) const GROUP_WORDS: usize = 2;

/// Where the count stands in word 1.
const PASSED_SHIFT: u32 = 48;
const ONE_PASSED: u64 = 1 << PASSED_SHIFT;
const MOST_PASSED: u64 = 0xffff << PASSED_SHIFT;

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

/// A group in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a>(pub(crate) &'a [AtomicU64; GROUP_WORDS]);

/// What one look at a group says.
#[derive(Clone, Copy)]
pub(crate) struct Candidates {
    /// One bit per slot whose tag matches.
    slots: u16,
    is_passed: bool,
}

impl Candidates {
    /// Whether a key that does not stand in this group may stand behind.
    #[inline(always)]
    pub(crate) fn is_passed(self) -> bool {
        self.is_passed
    }
}

impl Iterator for Candidates {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let slot = self.slots.trailing_zeros();
        self.slots &= self.slots.wrapping_sub(1);
        (slot < GROUP_SLOTS).then_some(slot)
    }
}

impl Group<'_> {
    #[inline(always)]
    fn words(self) -> [u64; 2] {
        [
            self.0[0].load(Ordering::Acquire),
            self.0[1].load(Ordering::Acquire),
        ]
    }

    /// The slots whose tags match.
    #[inline(always)]
    pub(crate) fn candidates(self, tag: u8) -> Candidates {
        let words = self.words();
        Candidates {
            slots: equal_octets(words, tag) & ((1 << GROUP_SLOTS) - 1),
            is_passed: words[1] >= ONE_PASSED,
        }
    }

    /// The first slot whose tag matches.
    #[inline(always)]
    pub(crate) fn first_candidate(self, tag: u8) -> Option<u32> {
        // A bit behind those of the slots, so that there always is one.
        let found = u32::from(equal_octets(self.words(), tag)) | 1 << GROUP_SLOTS;
        let slot = found.trailing_zeros();
        (slot < GROUP_SLOTS).then_some(slot)
    }

    /// Writes the tag of a slot; 0: it is free. Writer only.
    pub(crate) fn set_tag(self, slot: u32, tag: u8) {
        if let Some(word) = self.0.get(slot as usize / 8) {
            let shift = slot % 8 * 8;
            let others = word.load(Ordering::Relaxed) & !(0xff << shift);
            word.store(others | u64::from(tag) << shift, Ordering::Release);
        }
    }

    /// One key more has gone past. Writer only.
    pub(crate) fn pass(self) {
        let word = self.0[1].load(Ordering::Relaxed);
        if word < MOST_PASSED {
            self.0[1].store(word + ONE_PASSED, Ordering::Release);
        }
    }

    /// One less. Where so many have gone past that they could not be counted, nobody knows when the last one is gone. Writer only.
    pub(crate) fn unpass(self) {
        let word = self.0[1].load(Ordering::Relaxed);
        if (ONE_PASSED..MOST_PASSED).contains(&word) {
            self.0[1].store(word - ONE_PASSED, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_its_tag() {
        let words = core::array::from_fn(|_| AtomicU64::new(0));
        let group = Group(&words);
        for slot in 0..GROUP_SLOTS {
            group.set_tag(slot, slot as u8 + 1);
        }
        group.pass();
        for slot in 0..GROUP_SLOTS {
            let mut found = group.candidates(slot as u8 + 1);
            assert!(found.is_passed());
            assert_eq!((found.next(), found.next()), (Some(slot), None));
            assert_eq!(group.first_candidate(slot as u8 + 1), Some(slot));
        }
        assert_eq!(group.first_candidate(0x77), None);
        group.set_tag(9, 1);
        assert_eq!(group.candidates(1).collect::<Vec<_>>(), [0, 9]);
        group.set_tag(0, 0);
        assert_eq!(group.candidates(1).collect::<Vec<_>>(), [9]);
        group.unpass();
        assert!(!group.candidates(1).is_passed());
    }

    /// On processors without such instructions: it may report more, and never less.
    #[test]
    fn octets_are_compared_by_words_too() {
        let words = [0x0102_0300_ff01_0201, 0x0001_0000_0000_0105];
        for tag in [0, 1, 2, 5, 0xff] {
            let exact = equal_octets(words, tag);
            assert_eq!(equal_octets_in_words(words, tag) & exact, exact);
        }
    }

    #[test]
    fn more_keys_than_can_be_counted_are_never_counted_down() {
        let words = core::array::from_fn(|_| AtomicU64::new(0));
        let group = Group(&words);
        group.set_tag(13, 7);
        for _ in 0..u32::from(u16::MAX) + 5 {
            group.pass();
        }
        for _ in 0..u32::from(u16::MAX) + 5 {
            group.unpass();
        }
        let mut found = group.candidates(7);
        assert!(found.is_passed());
        assert_eq!(found.next(), Some(13));
    }
}
