//! From a packet for a home address with flow rules to the rule of exactly its flow.
//!
//! [`crate::hash_table`] says how a slot is found, [`crate::flow_slot`] what is in it.

use crate::carried::Carried;
use crate::flow::{FlowKey, FlowVerdict};
use crate::flow_set::FlowSet;
use crate::flow_slot::{FlowSlot, FlowWords};
use crate::group::{GROUP_SLOTS, Group};
use crate::hash::Hash;
use crate::hash_table::{HashSlot, HashTable, Place};
use crate::layout::header_word;
use crate::sync::{AtomicU64, prefetch};
use crate::table_growth::Grow;
use crate::view::View;

/// An exact flow with an active rule, good until the worker's next quiescent point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowEntry {
    pub(crate) slot: u32,
    /// How many rules of the list come before it in priority; see [`FlowSet::overrules`].
    pub(crate) rank: u8,
    /// What its rule says: [`FlowVerdict::Discard`] or [`FlowVerdict::CareOfs`].
    pub verdict: FlowVerdict,
}

/// Where an exact flow will be looked for, see [`crate::Reader::expect_flow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowPlace(Place);

/// The flow table of a view.
#[derive(Clone, Copy)]
pub(crate) struct FlowTable<'a>(pub(crate) &'a View);

impl<'a> HashTable<'a> for FlowTable<'a> {
    type Key = FlowWords;
    type Slot = FlowSlot<'a>;

    #[inline(always)]
    fn extent_word(self) -> Option<&'a AtomicU64> {
        self.0.word(header_word::FLOW_EXTENT)
    }

    #[inline(always)]
    fn first_groups(self) -> u32 {
        self.0.layout.first_flow_groups
    }

    #[inline(always)]
    fn groups(self) -> u32 {
        self.0.layout.flow_groups.slots()
    }

    #[inline(always)]
    fn group(self, index: u32) -> Option<Group<'a>> {
        self.0.slot(&self.0.layout.flow_groups, index).map(Group)
    }

    #[inline(always)]
    fn slot(self, index: u32) -> Option<FlowSlot<'a>> {
        self.0.slot(&self.0.layout.flows, index).map(FlowSlot)
    }

    #[inline(always)]
    fn hash(self, FlowWords(key): FlowWords) -> Hash {
        Hash::of_flow(&self.0.seed, key)
    }

    fn copy(self, from: u32, to: u32) -> Option<Carried> {
        let (old, new) = (self.slot(from)?, self.slot(to)?);
        let carried = old.carried();
        new.add_carried(carried);
        new.set_state(old.state());
        Some(carried)
    }
}

impl<'a> FlowTable<'a> {
    /// Has the tags of a flow's group come nearer. `None`: there is nothing to look for.
    #[inline]
    pub(crate) fn expect(self, set: FlowSet<'_>, key: &FlowKey) -> Option<FlowPlace> {
        let (words, _) = set.exact(key)?;
        let place = self.place(words);
        if let Some(group) = self.group(place.place) {
            prefetch(&group.0[0]);
        }
        Some(FlowPlace(place))
    }

    /// Has the slot that a flow's tag leads to come nearer.
    #[inline]
    pub(crate) fn expect_slot(self, FlowPlace(Place { place, tag }): FlowPlace) {
        let candidate = self
            .group(place)
            .and_then(|group| group.candidates(tag).next());
        let slot = candidate
            .and_then(|slot| self.slot(place.wrapping_mul(GROUP_SLOTS).wrapping_add(slot)));
        if let Some(slot) = slot {
            prefetch(&slot.0[0]);
        }
    }

    /// The flow of a packet, if it has an active rule of its own.
    #[inline]
    pub(crate) fn find(self, set: FlowSet<'_>, key: &FlowKey) -> Option<FlowEntry> {
        let (words, side) = set.exact(key)?;
        let (slot, said) = self.search(self.place(words), |index| {
            let slot = self.slot(index)?;
            let said = slot.state().on(side)?;
            slot.is(words).then_some((index, said))
        })?;
        Some(FlowEntry {
            slot,
            rank: said.rank,
            verdict: said.verdict(set.registered())?,
        })
    }

    /// Every live flow, once. Writer only.
    pub(crate) fn entries(self) -> impl Iterator<Item = u32> + 'a {
        self.occupied().filter(move |slot| self.is_current(*slot))
    }
}
