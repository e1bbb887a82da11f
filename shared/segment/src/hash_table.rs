//! What the tables of home addresses and of exact flows have in common: tags that say where a key is, and slots that hold it.
//!
//! A key stands in one of the fourteen slots of the group of its hash, or of a group behind it, as near as there was a vacant one. A
//! lookup compares the tags of the group, of which a cache line holds those of four groups, and so knows the one line that it needs:
//! few keys share a tag, and few go past their group. A group counts the keys that went past it when they came; a lookup goes on
//! behind a group while that count is not zero, so that a removal leaves nothing behind that would have to be walked over, and a key
//! that is there is never missed.
//!
//! Which group is a key's depends on how many are in use ([`crate::extent`]). A key that gets another one is copied there before that,
//! and goes from where it was when nobody can look for it there any more ([`crate::table_growth`]).

use crate::carried::Carried;
use crate::extent::Extent;
use crate::group::{GROUP_SLOTS, Group};
use crate::hash::Hash;
use crate::sync::{AtomicU64, Ordering};

/// The group of a key, and its tag there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) place: u32,
    pub(crate) tag: u8,
}

/// A slot as the writer needs it, whatever it holds. It is vacant, occupied, or resting: vacant, but for workers that may still be
/// looking at what was there.
pub(crate) trait HashSlot: Copy {
    /// What the slot is found by.
    type Key;

    /// The key of a slot that is not vacant.
    fn key(self) -> Self::Key;

    /// Writes the key of a vacant slot, which has carried nothing.
    fn set_key(self, key: Self::Key);

    fn is_occupied(self) -> bool;

    fn is_resting(self) -> bool;

    /// Nobody finds what is here any more, but somebody may be looking at it.
    fn rest(self);

    /// Nobody looks at the slot any more.
    fn vacate(self);

    /// What it has carried.
    fn carried(self) -> Carried;

    /// Counts what has been carried elsewhere. A worker that counts at the same moment may overwrite it.
    fn add_carried(self, more: Carried);
}

/// A table of a view.
pub(crate) trait HashTable<'a>: Copy + 'a {
    /// What is looked up.
    type Key: Copy + PartialEq;
    /// Where it is kept.
    type Slot: HashSlot<Key = Self::Key> + 'a;

    /// The word that says how many groups are in use.
    fn extent_word(self) -> Option<&'a AtomicU64>;

    /// Groups in use at the beginning.
    fn first_groups(self) -> u32;

    /// Groups in use in the end.
    fn groups(self) -> u32;

    fn group(self, index: u32) -> Option<Group<'a>>;

    fn slot(self, index: u32) -> Option<Self::Slot>;

    fn hash(self, key: Self::Key) -> Hash;

    /// Makes what an occupied slot holds the vacant slot `to`'s too, of the same key. Gives what it had carried. Writer only.
    fn copy(self, from: u32, to: u32) -> Option<Carried>;

    #[inline(always)]
    fn extent(self) -> Extent {
        Extent::from_word(
            self.extent_word()
                .map_or(0, |word| word.load(Ordering::Acquire)),
        )
    }

    #[inline(always)]
    fn place(self, key: Self::Key) -> Place {
        self.place_in(self.extent(), key)
    }

    /// The place of a key while so many groups are in use.
    #[inline(always)]
    fn place_in(self, extent: Extent, key: Self::Key) -> Place {
        let hash = self.hash(key);
        Place {
            place: extent.place(hash, self.first_groups()),
            tag: hash.tag(),
        }
    }

    /// The group behind this one.
    #[inline(always)]
    fn next(self, group: u32) -> u32 {
        let next = group.wrapping_add(1);
        if next < self.groups() { next } else { 0 }
    }

    /// Asks about the slots where a key with this place may stand, the nearest first, until there is an answer.
    #[inline(always)]
    fn search<T>(
        self,
        Place { mut place, tag }: Place,
        ask: impl Fn(u32) -> Option<T>,
    ) -> Option<T> {
        // No way is longer than the table; the bound holds even where counts were overwritten.
        for _ in 0..self.groups() {
            let mut candidates = self.group(place)?.candidates(tag);
            let first = place.wrapping_mul(GROUP_SLOTS);
            let found = candidates.find_map(|slot| ask(first.wrapping_add(slot)));
            if found.is_some() || !candidates.is_passed() {
                return found;
            }
            place = self.next(place);
        }
        None
    }

    /// The occupied slot of a key. Writer only.
    fn find_slot(self, place: Place, key: Self::Key) -> Option<u32> {
        self.search(place, |index| {
            let slot = self.slot(index)?;
            (slot.is_occupied() && slot.key() == key).then_some(index)
        })
    }

    /// Puts `key`, which is not there, into a vacant slot that its lookups will come to; what belongs to it is not to be found yet.
    /// Writer only.
    fn claim(self, key: Self::Key) -> Option<u32> {
        self.claim_from(self.place(key), key)
    }

    /// The same, in a group or behind it.
    fn claim_from(self, Place { place: start, tag }: Place, key: Self::Key) -> Option<u32> {
        let mut place = start;
        for way in 0..self.groups() {
            let first = place.wrapping_mul(GROUP_SLOTS);
            for (slot, number) in (first..).zip(0..GROUP_SLOTS) {
                let words = self.slot(slot)?;
                if !words.is_occupied() && !words.is_resting() {
                    // Before the key can be found, its way must be known.
                    self.walk(start, way, Group::pass);
                    words.set_key(key);
                    self.group(place)?.set_tag(number, tag);
                    return Some(slot);
                }
            }
            place = self.next(place);
        }
        None
    }

    /// Has nobody find the key in this slot any more. The slot rests until [`HashSlot::vacate`]. Writer only.
    fn remove(self, slot: u32) {
        let Some(words) = self.slot(slot) else { return };
        let start = self.place(words.key()).place;
        words.rest();
        self.leave(slot, start);
    }

    /// Takes away what leads from a group to this slot. Writer only.
    fn leave(self, slot: u32, start: u32) {
        let place = slot / GROUP_SLOTS;
        if let Some(group) = self.group(place) {
            group.set_tag(slot % GROUP_SLOTS, 0);
        }
        let way = match place.checked_sub(start) {
            Some(way) => way,
            None => place.saturating_add(self.groups().saturating_sub(start)),
        };
        self.walk(start, way, Group::unpass);
    }

    /// Does something to `way` groups from `place` on.
    fn walk(self, mut place: u32, way: u32, each: impl Fn(Group<'a>)) {
        for _ in 0..way {
            if let Some(group) = self.group(place) {
                each(group);
            }
            place = self.next(place);
        }
    }

    /// Number of slots.
    fn slots(self) -> u32 {
        self.groups().saturating_mul(GROUP_SLOTS)
    }

    /// Every occupied slot, also one whose key is on its way from or to another slot. Writer only.
    fn occupied(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.slots()).filter(move |index| self.slot(*index).is_some_and(HashSlot::is_occupied))
    }

    /// The slots that wait for the workers. Writer only.
    fn resting(self) -> impl Iterator<Item = u32> + 'a {
        (0..self.slots()).filter(move |index| self.slot(*index).is_some_and(HashSlot::is_resting))
    }
}
