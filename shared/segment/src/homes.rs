//! The home table as a worker sees it for one batch: what all lookups have in common is read once.
//!
//! How many groups are in use may change meanwhile. The worker has not been quiescent since it read that, so that every binding that
//! was there still is where it looks; one that has come since is found by the way around, which reads it again.

use crate::address_words::AddressWords;
use crate::anchors::Anchors;
use crate::extent::Parts;
use crate::group::{GROUP_WORDS, Group};
use crate::hash::{Hash, Seed};
use crate::home_table::{
    HomeCandidate, HomePlace, HomeTable, PlainBinding, PlainTunnel, first_slot,
};
use crate::slot::{SLOT_WORDS, Slot};
use crate::sync::{AtomicU64, prefetch};
use crate::view::View;

/// Groups that a key is looked for in before its slot is: those that a cache line or two have the tags of.
const NEAR_GROUPS: usize = 6;

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
            parts: view.home_extent().parts(view.layout.first_groups),
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
        HomePlace::new(group, hash.tag())
    }

    /// The second: has the slot come nearer that a tag leads to.
    #[must_use]
    #[inline(always)]
    pub fn expect_binding(&self, place: HomePlace) -> HomeCandidate {
        let slot = match self.groups.get(place.group() as usize) {
            Some(words) => match Group(words).first_candidate(place.tag()) {
                Some(slot) => first_slot(place.group()).wrapping_add(slot),
                None => self.behind(place),
            },
            None => 0,
        };
        if let Some(slot) = self.slots.get(slot as usize) {
            prefetch(&slot[0]);
        }
        HomeCandidate(slot)
    }

    /// The slot of a key that does not stand in its group: of one in fifteen, in a full table. Where there is none, any slot does: it
    /// has another key.
    #[inline(never)]
    fn behind(&self, place: HomePlace) -> u32 {
        let table = HomeTable(self.view);
        let mut group = place.group();
        for _ in 0..NEAR_GROUPS {
            let Some(mut candidates) = table.group(group).map(|it| it.candidates(place.tag()))
            else {
                break;
            };
            if let Some(slot) = candidates.next() {
                return first_slot(group).wrapping_add(slot);
            }
            if !candidates.is_passed() {
                break;
            }
            group = table.next(group);
        }
        first_slot(place.group())
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
            false => HomeTable(self.view).find_slot_elsewhere(home)?,
        };
        let plain = state.plain()?;
        Some(PlainBinding {
            slot,
            tunnel: PlainTunnel {
                anchor: Anchors(self.view).get(plain.anchor)?,
                care_of: slot.care_of(),
                next_hop: plain.next_hop,
                mtu: plain.mtu,
            },
        })
    }
}
