//! The home table as a worker sees it for one batch: what all lookups have in common is read once.
//!
//! How many groups are in use may change meanwhile. The worker has not been quiescent since it read that, so that every binding that
//! was there still is where it looks; one that has come since is found by the way around, which reads it again.

use crate::address_words::AddressWords;
use crate::anchors::Anchors;
use crate::extent::Parts;
use crate::group::{GROUP_WORDS, Group};
use crate::hash::{Hash, Seed};
use crate::hash_table::{HashTable, Place};
use crate::home_table::{HomeCandidate, HomePlace, HomeTable, first_slot};
use crate::slot::{Plain, SLOT_WORDS, Slot};
use crate::sync::{AtomicU64, prefetch};
use crate::view::View;

/// Groups that a key is looked for in before its slot is: those that a few cache lines have the tags of.
const NEAR_GROUPS: usize = 16;

/// Looks up the plain bindings of a batch in three steps, each for the whole batch before the next, so that cache misses overlap. Good
/// until the worker's next quiescent point.
#[derive(Clone, Copy)]
pub struct Homes<'a> {
    view: &'a View,
    seed: Seed,
    parts: Parts,
    groups: &'a [[AtomicU64; GROUP_WORDS]],
    slots: &'a [[AtomicU64; SLOT_WORDS]],
}

impl<'a> Homes<'a> {
    #[inline(always)]
    pub(crate) fn new(view: &'a View) -> Self {
        Self {
            view,
            seed: view.seed,
            parts: HomeTable(view)
                .extent()
                .parts(view.layout.first_home_groups),
            groups: view.home_groups(),
            slots: view.homes(),
        }
    }

    /// The first step: has the tags of a home address's group come nearer.
    #[must_use]
    #[inline(always)]
    pub fn expect(&self, AddressWords(home): AddressWords) -> HomePlace {
        let hash = Hash::new(&self.seed, home);
        let group = self.parts.place(hash);
        if let Some(words) = self.groups.get(group as usize) {
            prefetch(&words[0]);
        }
        HomePlace(Place {
            place: group,
            tag: hash.tag(),
        })
    }

    /// The second: has the slot come nearer that a tag leads to.
    #[must_use]
    #[inline(always)]
    pub fn expect_binding(&self, HomePlace(Place { place, tag }): HomePlace) -> HomeCandidate {
        let tags = self.groups.get(place as usize).map(Group);
        let Some(slot) = tags.and_then(|tags| tags.first_candidate(tag)) else {
            return behind(HomeTable(self.view), place, tag);
        };
        let slot = first_slot(place).wrapping_add(slot);
        if let Some(slot) = self.slots.get(slot as usize) {
            prefetch(&slot[0]);
        }
        HomeCandidate(slot)
    }

    /// The third: a binding with nothing but a tunnel, that is no limits, no flow rules, and no handoff since the workers' last quiescent
    /// points. `None`: there is none, or there is more to it, as [`crate::Reader::find_home`] and [`crate::Reader::tunnel`] say.
    #[must_use]
    #[inline(always)]
    pub fn find_plain(
        &self,
        home: AddressWords,
        HomeCandidate(index): HomeCandidate,
    ) -> Option<PlainBinding<'a>> {
        let expected = self.slots.get(index as usize).map(Slot)?;
        // Before the key: what was read of a slot that is vacant then says nothing.
        let state = expected.state();
        let (slot, state) = match expected.is(home) {
            true => (expected, state),
            false => HomeTable(self.view).find_slot_elsewhere(home.0[0], home.0[1])?,
        };
        Some(PlainBinding {
            view: self.view,
            slot,
            plain: state.plain()?,
        })
    }
}

/// A plain binding found, good until the worker's next quiescent point. Its tunnel is neither to the anchor itself nor to the home
/// address.
#[derive(Clone, Copy)]
pub struct PlainBinding<'a> {
    view: &'a View,
    slot: Slot<'a>,
    plain: Plain,
}

impl PlainBinding<'_> {
    /// Outer source: the anchor. `None` only where the segment has been overwritten.
    #[must_use]
    #[inline(always)]
    pub fn anchor(&self) -> Option<AddressWords> {
        Anchors(self.view).get(self.plain.anchor)
    }

    /// Outer destination: the care-of address.
    #[must_use]
    #[inline(always)]
    pub fn care_of(&self) -> AddressWords {
        self.slot.care_of()
    }

    /// Index of the next hop towards the care-of address.
    #[must_use]
    #[inline(always)]
    pub fn next_hop(&self) -> u32 {
        self.plain.next_hop
    }

    /// Largest inner packet in octets.
    #[must_use]
    #[inline(always)]
    pub fn mtu(&self) -> u16 {
        self.plain.mtu
    }

    /// Counts a packet of so many octets that the binding has carried.
    #[inline(always)]
    pub fn carry(&self, octets: u64) {
        self.slot.carry(octets);
    }
}

/// [`Homes::expect_binding`] of a key that does not stand in its group: of one in fifteen, in a full table.
#[cold]
#[inline(never)]
fn behind(table: HomeTable<'_>, place: u32, tag: u8) -> HomeCandidate {
    let mut group = place;
    for _ in 0..NEAR_GROUPS {
        let Some(words) = table.group(group) else {
            break;
        };
        let mut candidates = words.candidates(tag);
        if let Some(slot) = candidates.next() {
            let slot = first_slot(group).wrapping_add(slot);
            if let Some(Slot(words)) = table.slot(slot) {
                prefetch(&words[0]);
            }
            return HomeCandidate(slot);
        }
        if !candidates.is_passed() {
            break;
        }
        group = table.next(group);
    }
    // Where there is none, a slot of the group does: it has another key. One of another group may still have this key, from before it
    // moved, with what is no longer so.
    HomeCandidate(first_slot(place))
}
