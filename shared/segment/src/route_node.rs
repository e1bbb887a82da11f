//! A node of the route tree.
//!
//! A node has up to 32 entries, each a key (the address at which it begins) and a value: the word of a range in a leaf, the
//! reference to a child above. Readers see a node only when it is complete; after that its keys stay as they are, and of
//! its values each is changed by one store.

use crate::sync::{AtomicU64, Ordering, prefetch};

/// Entries that fit in a node: with 16 a lookup goes through more nodes than the nearer caches hold, with 64 each takes
/// twice the cache lines; both measured slower.
pub(crate) const FAN_OUT: usize = 32;
/// Entries that every node but the root has at least.
pub(crate) const MIN_FILL: usize = FAN_OUT / 2;
/// Words of a node: the high halves of its keys, the low halves, the values.
pub(crate) const NODE_WORDS: usize = 3 * FAN_OUT;
/// Levels that a tree can have: 2^29 ranges, at least sixteen to a node.
pub(crate) const MAX_LEVELS: usize = 8;

const LAST: usize = FAN_OUT - 1;
const LINE: usize = crate::sync::LINE_WORDS;

/// Where a node is, and what a reader must know of it before it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeRef {
    /// Its slot.
    pub(crate) id: u32,
    /// Entries in it.
    pub(crate) len: u8,
    /// 0 for a leaf.
    pub(crate) level: u8,
}

impl NodeRef {
    pub(crate) fn encode(self) -> u64 {
        u64::from(self.level) << 40 | u64::from(self.len) << 32 | u64::from(self.id)
    }

    #[inline(always)]
    pub(crate) fn decode(word: u64) -> Self {
        Self {
            id: word as u32,
            len: (word >> 32) as u8,
            level: (word >> 40) as u8,
        }
    }
}

/// An entry of a node, outside the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: u128,
    pub(crate) value: u64,
}

/// A node in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a>(pub(crate) &'a [AtomicU64; NODE_WORDS]);

impl<'a> Node<'a> {
    /// Brings nearer what [`Node::find`] looks at first, and all values: the cache misses overlap.
    #[inline(always)]
    pub(crate) fn prefetch(self) {
        for line in 0..FAN_OUT / LINE {
            prefetch(&self.0[line * LINE]);
            prefetch(&self.0[2 * FAN_OUT + line * LINE]);
        }
    }

    /// The number of the last of `len` entries that begins at `key` or before it. The first one counts as if it did.
    #[inline(always)]
    pub(crate) fn find(self, key: [u64; 2], len: u8) -> usize {
        let begins = |at: usize| usize::from(self.high(at) <= key[0]);
        // First the cache line, then the entry in it: counted, since the processor could not guess the way of a search, and
        // waits less for loads that do not depend on each other.
        let line = (1..FAN_OUT / LINE)
            .map(|line| begins(line * LINE))
            .sum::<usize>()
            * LINE;
        let at = line + (1..LINE).map(|at| begins(line + at)).sum::<usize>();
        // Behind the last entry the keys are the greatest there are.
        let at = at.min(usize::from(len).saturating_sub(1));
        if self.high(at) == key[0] {
            // The low halves are in other cache lines, and seldom needed.
            return self.find_by_both_halves(key, len);
        }
        at & LAST
    }

    /// [`Node::find`] where the high half of a key does not decide: at most log2(32) steps.
    fn find_by_both_halves(self, key: [u64; 2], len: u8) -> usize {
        let mut at = 0;
        let mut left = usize::from(len).min(FAN_OUT);
        while left > 1 {
            let half = left / 2;
            if [self.high(at + half), self.low(at + half)] <= key {
                at += half;
            }
            left -= half;
        }
        at & LAST
    }

    #[inline(always)]
    fn high(self, at: usize) -> u64 {
        self.0[at & LAST].load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn low(self, at: usize) -> u64 {
        self.0[FAN_OUT + (at & LAST)].load(Ordering::Relaxed)
    }

    /// The value of entry `at`.
    #[inline(always)]
    pub(crate) fn value(self, at: usize) -> &'a AtomicU64 {
        &self.0[2 * FAN_OUT + (at & LAST)]
    }

    /// The key of entry `at`.
    pub(crate) fn key(self, at: usize) -> u128 {
        u128::from(self.high(at)) << 64 | u128::from(self.low(at))
    }

    /// The first `len` entries.
    pub(crate) fn entries(self, len: u8) -> impl Iterator<Item = Entry> {
        (0..usize::from(len).min(FAN_OUT)).map(move |at| Entry {
            key: self.key(at),
            value: self.value(at).load(Ordering::Relaxed),
        })
    }

    /// Writes a node that no reader can reach.
    pub(crate) fn write(self, entries: &[Entry]) {
        for (at, entry) in entries.iter().enumerate().take(FAN_OUT) {
            self.0[at].store((entry.key >> 64) as u64, Ordering::Relaxed);
            self.0[FAN_OUT + at].store(entry.key as u64, Ordering::Relaxed);
            self.value(at).store(entry.value, Ordering::Relaxed);
        }
        for at in entries.len()..FAN_OUT {
            self.0[at].store(u64::MAX, Ordering::Relaxed);
        }
    }
}

/// Nodes and levels that a tree of `entries` ranges has at most.
pub(crate) fn most(entries: usize) -> (usize, usize) {
    let (mut nodes, mut levels, mut of_level) = (0, 0, entries);
    loop {
        // As many as there can be with the fewest entries in each, or the root alone.
        of_level = (of_level / MIN_FILL).max(1);
        nodes += of_level;
        levels += 1;
        if of_level == 1 {
            return (nodes, levels);
        }
    }
}

/// Nodes that one change may need before those that it replaces are free: two boundaries, at each of which a node of every
/// level becomes two, and a new root.
pub(crate) const fn spare(levels: usize) -> usize {
    2 * (2 * (levels + 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_the_segment() {
        let reference = NodeRef {
            id: u32::MAX - 1,
            len: 32,
            level: 7,
        };
        assert_eq!(NodeRef::decode(reference.encode()), reference);
    }

    #[test]
    fn the_largest_tree_has_no_more_levels_than_a_lookup_follows() {
        assert_eq!(most(1), (1, 1));
        assert_eq!(most(31), (1, 1));
        assert_eq!(most(33), (3, 2));
        let (nodes, levels) = most(2 * (1 << 28) + 1);
        assert!(levels <= MAX_LEVELS);
        assert!(u32::try_from(2 * nodes + spare(levels) + 2).is_ok());
    }
}
