//! How much of the home table is in use, which decides where a key is looked for (linear hashing, Litwin 1980).
//!
//! ```text
//! low 32 bits    groups in use
//! high 32 bits   mask: which bits of a key's branch count
//! ```
//!
//! The table is a power of two times some first groups. A key has a place among these, and a branch that says in which of the equal
//! parts: while there are 2^n parts, its low n bits do. The groups of all parts are split in turn, so that the table grows by one
//! group at a time: those of the keys of group g whose next bit is 1 belong to a new group behind all others. One load says
//! which groups have been split and which have not.

use crate::hash::Hash;

/// Keys per group at which the splitting of all groups begins.
const LOAD_AT_FIRST: u64 = 7;
/// New keys for each split after that: when all groups have been split, the last one had ten keys, as in a full table.
const KEYS_PER_SPLIT: u64 = 3;

/// The groups in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    groups: u32,
    mask: u32,
}

/// One step of growth: the keys of one group are shared with a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    /// The group to be split.
    pub(crate) from: u32,
    /// The new one.
    pub(crate) to: u32,
    /// What is in use before.
    pub(crate) before: Extent,
    /// What is in use then.
    pub(crate) after: Extent,
}

impl Extent {
    /// That of a new table.
    pub(crate) fn first(groups: u32) -> Self {
        Self { groups, mask: 0 }
    }

    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Self {
        Self {
            groups: word as u32,
            mask: (word >> 32) as u32,
        }
    }

    pub(crate) fn to_word(self) -> u64 {
        u64::from(self.mask) << 32 | u64::from(self.groups)
    }

    /// The group of a key, in a table that began with `first` groups.
    #[inline(always)]
    pub(crate) fn place(self, hash: Hash, first: u32) -> u32 {
        self.parts(first).place(hash)
    }

    /// What places of many keys have in common, in a table that began with `first` groups.
    #[inline(always)]
    pub(crate) fn parts(self, first: u32) -> Parts {
        Parts {
            extent: self,
            first,
            half: first.wrapping_mul(self.mask.wrapping_add(1) >> 1),
        }
    }

    /// The next step of a table that began with `first` groups and has room for `all`. `None` when it is complete, and where the word
    /// is none that a writer has written.
    pub(crate) fn split(self, first: u32, all: u32) -> Option<Split> {
        let parts = self.mask.checked_add(1).filter(|n| n.is_power_of_two())?;
        let groups_then = first.checked_mul(parts)?;
        let (unsplit_at_first, mask) = match self.groups {
            groups if groups == groups_then => (groups, self.mask << 1 | 1),
            groups if parts > 1 && groups < groups_then => (groups_then / 2, self.mask),
            _ => return None,
        };
        let from = self.groups.checked_sub(unsplit_at_first)?;
        if self.groups >= all {
            return None;
        }
        Some(Split {
            from,
            to: self.groups,
            before: self,
            after: Self {
                groups: self.groups.checked_add(1)?,
                mask,
            },
        })
    }
}

/// An extent in a table, as the places of many keys need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    extent: Extent,
    /// Groups of a part.
    first: u32,
    /// Groups of half the parts.
    half: u32,
}

impl Parts {
    /// The group of a key.
    #[inline(always)]
    pub(crate) fn place(self, hash: Hash) -> u32 {
        let part = hash.branch() & self.extent.mask;
        let place = hash
            .place(self.first)
            .wrapping_add(self.first.wrapping_mul(part));
        if place < self.extent.groups {
            place
        } else {
            // That group is not there yet, and so the part's highest bit does not count.
            place.wrapping_sub(self.half)
        }
    }
}

impl Split {
    /// Whether a table with so many bindings needs this step.
    pub(crate) fn is_due(&self, bindings: u32) -> bool {
        let unsplit_at_first = u64::from(self.to.saturating_sub(self.from));
        u64::from(bindings)
            > LOAD_AT_FIRST * unsplit_at_first + KEYS_PER_SPLIT * u64::from(self.from)
    }

    /// Whether all groups have been split equally often before.
    pub(crate) fn begins_doubling(&self) -> bool {
        self.from == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Seed;

    const FIRST: u32 = 17;
    const ALL: u32 = FIRST << 3;

    fn steps() -> Vec<Split> {
        let first = Extent::first(FIRST).split(FIRST, ALL);
        core::iter::successors(first, |step| step.after.split(FIRST, ALL)).collect()
    }

    #[test]
    fn each_step_moves_keys_from_one_group_to_the_new_one_only() {
        let hashes: Vec<Hash> = (0..20_000)
            .map(|low| Hash::new(&Seed::new([1, 2]), [3, low]))
            .collect();
        let steps = steps();
        assert_eq!(steps.len(), (ALL - FIRST) as usize);
        for step in steps {
            let mut moved = [0, 0];
            for hash in &hashes {
                let place = step.before.place(*hash, FIRST);
                let place_then = step.after.place(*hash, FIRST);
                assert!(place < step.to);
                if place == step.from {
                    assert!(place_then == step.from || place_then == step.to);
                    moved[usize::from(place_then == step.to)] += 1;
                } else {
                    assert_eq!(place, place_then);
                }
            }
            let all: u32 = moved.iter().sum();
            assert!(moved.iter().all(|part| *part > all / 4), "{moved:?}");
        }
    }

    #[test]
    fn no_group_has_more_keys_than_those_of_a_full_table() {
        for step in steps() {
            let bindings = (0..).find(|bindings| step.is_due(*bindings)).unwrap_or(0);
            let parts_unsplit = step.to - step.from;
            assert!(bindings <= 10 * parts_unsplit, "{step:?}: {bindings}");
        }
    }

    #[test]
    fn words_survive_and_wrong_ones_do_not_grow() {
        for step in steps() {
            assert_eq!(Extent::from_word(step.after.to_word()), step.after);
        }
        for word in [
            0,
            u64::MAX,
            5 << 32 | 40,
            3 << 32,
            1 << 32 | 35,
            u64::MAX << 32,
        ] {
            let split = Extent::from_word(word).split(FIRST, ALL);
            assert_eq!(split, None, "{word:x}");
        }
    }
}
