//! A table that grows while readers go on: a group at a time, in place, and nothing but keys of that group moves.
//!
//! To split a group, the writer copies what will belong to the new group there, where nobody looks for it yet, and then makes it be
//! looked for there, all at once, by the one store of the new extent. A worker that has read the extent before still finds a key
//! where it was: that slot stays as it is, and is left only when every worker has been quiescent since. So each look at the extent
//! leads to one place, and a key that is in the table is there.

use crate::carried::Carried;
use crate::extent::Split;
use crate::group::GROUP_SLOTS;
use crate::hash_table::{HashSlot, HashTable};
use crate::sync::Ordering;

/// A key that has another slot now. The one that it had waits for the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The slot that it had.
    pub(crate) from: u32,
    /// The slot that it has; `None`: it is there no more.
    pub(crate) to: Option<u32>,
    /// The group from which `from` was found.
    start: u32,
    /// What it had carried when it was copied.
    carried: Carried,
}

/// All of this is for the writer only.
pub(crate) trait Grow<'a>: HashTable<'a> {
    /// The next step of growth, if there is one.
    fn next_split(self) -> Option<Split> {
        self.extent().split(self.first_groups(), self.groups())
    }

    /// Splits a group, and gives what has moved. At least half of all slots must be vacant: then the way to a copy never leads round
    /// the whole table to where the binding was.
    fn split(self, split: &Split) -> Vec<Moved> {
        let moved = self
            .keys_behind(split.from)
            .filter_map(|(slot, key)| self.copy_to_new_group(split, slot, key))
            .collect();
        if let Some(word) = self.extent_word() {
            word.store(split.after.to_word(), Ordering::Release);
        }
        moved
    }

    /// The occupied slots of a group, and of those behind it as far as a lookup goes, with their keys.
    fn keys_behind(self, group: u32) -> impl Iterator<Item = (u32, Self::Key)> + 'a {
        let groups = core::iter::successors(Some(group), move |group| {
            let is_passed = self
                .group(*group)
                .is_some_and(|words| words.candidates(0).is_passed());
            is_passed.then(|| self.next(*group))
        });
        groups
            .take(self.groups() as usize)
            .flat_map(|group| (group.wrapping_mul(GROUP_SLOTS)..).take(GROUP_SLOTS as usize))
            .filter_map(move |index| {
                let slot = self.slot(index)?;
                slot.is_occupied().then(|| (index, slot.key()))
            })
    }

    /// Copies what belongs to a key, if it is one of those that a split moves.
    fn copy_to_new_group(self, split: &Split, from: u32, key: Self::Key) -> Option<Moved> {
        let place = self.place_in(split.after, key);
        if self.place_in(split.before, key).place != split.from || place.place != split.to {
            return None;
        }
        if self.find_slot(place, key).is_some() {
            // It went so far past its group that it stands behind the new one too, and stays.
            return None;
        }
        let to = self.claim_from(place, key)?;
        Some(Moved {
            from,
            to: Some(to),
            start: split.from,
            carried: self.copy(from, to)?,
        })
    }

    /// Whether lookups that begin now find the key of this occupied slot here, and not in another slot or nowhere.
    fn is_current(self, index: u32) -> bool {
        let Some(slot) = self.slot(index) else {
            return false;
        };
        let key = slot.key();
        let place = self.place(key);
        place.place == index / GROUP_SLOTS || self.find_slot(place, key) == Some(index)
    }

    /// What the writer before has not finished: slots that keys had, and those that they would have had. That something leads
    /// there stays so; lookups of other keys go a group farther than they would have to.
    fn unfinished(self) -> impl Iterator<Item = Moved> + 'a {
        self.occupied()
            .filter(move |index| !self.is_current(*index))
            .filter_map(move |from| {
                let slot = self.slot(from)?;
                Some(Moved {
                    from,
                    to: self.find_slot(self.place(slot.key()), slot.key()),
                    start: from / GROUP_SLOTS,
                    carried: slot.carried(),
                })
            })
    }

    /// Vacates the slot that a key had, at which nobody looks any more.
    fn leave_moved(self, moved: &Moved) {
        let Some(old) = self.slot(moved.from) else {
            return;
        };
        let since = Carried {
            packets: old.carried().packets.wrapping_sub(moved.carried.packets),
            octets: old.carried().octets.wrapping_sub(moved.carried.octets),
        };
        // A slot that has been removed meanwhile has rested since, and is nobody else's.
        let new = moved.to.and_then(|to| self.slot(to));
        if let Some(new) = new.filter(|new| new.is_occupied() && new.key() == old.key()) {
            new.add_carried(since);
        }
        self.leave(moved.from, moved.start);
        old.vacate();
    }
}

impl<'a, T: HashTable<'a>> Grow<'a> for T {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::home_table::HomeTable;
    use crate::layout::Layout;
    use crate::mapping::Mapping;
    use crate::slot::State;
    use crate::view::View;

    #[test]
    fn few_bindings_stand_at_the_beginning_of_a_large_table() {
        let layout = Layout::new(&Geometry {
            home_addresses: 1 << 20,
            ..Geometry::default()
        });
        let mapping = Mapping::anonymous(layout.words).unwrap();
        crate::header::initialise(mapping.words(), &layout, [1, 2]);
        let view = View::new(mapping, layout);
        let homes = HomeTable(&view);
        for n in 0..10_000_u32 {
            let slot = homes.claim(u128::from(n).to_be_bytes().into()).unwrap();
            let state = State::ByTemplate {
                template: n,
                flows: None,
            };
            homes.slot(slot).unwrap().set_state(state);
            while let Some(split) = homes.next_split().filter(|split| split.is_due(n + 1)) {
                for moved in homes.split(&split) {
                    homes.leave_moved(&moved);
                }
            }
        }
        let slots: Vec<u32> = homes.entries().map(|entry| entry.slot).collect();
        assert_eq!(slots.len(), 10_000);
        assert_eq!(homes.occupied().count(), 10_000);
        let last = slots.into_iter().max().unwrap_or(0);
        assert!(last < 10_000 * 3, "{last}");
    }
}
