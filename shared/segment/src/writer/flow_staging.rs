//! All exact flows of a home address at once: written on the side that nobody reads, until one store makes that side count.

use super::Writer;
use super::growth::Flows;
use crate::error::{SegmentError, Table};
use crate::exact_flow::ExactFlow;
use crate::flow_slot::{FlowOwner, FlowState, FlowWords, Said, Side};
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};
use std::collections::BTreeMap;

/// The flows that a set is to be published with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Staged {
    pub(super) owner: FlowOwner,
    /// The side that is to count.
    pub(super) side: Side,
    /// How many flows have a rule then.
    pub(super) len: u32,
    /// The owner has not had a set before.
    is_new: bool,
    /// Another side counts than before.
    is_switch: bool,
}

impl Writer {
    /// Writes the flows of a home address as they are to be with its next set; `replaced` says where the ones of the set before are.
    /// Where nothing is to be changed nothing is written. Nobody sees any of it.
    pub(super) fn stage_flows(
        &mut self,
        replaced: Option<(FlowOwner, Side)>,
        flows: &BTreeMap<ExactFlow, Said>,
    ) -> Result<Staged, SegmentError> {
        let table = Table::FlowSets;
        let (owner, before) = match replaced {
            Some(found) => found,
            None => {
                let owner = self.flow_owners.take();
                let owner = owner.ok_or(SegmentError::Busy { table })?;
                (FlowOwner(owner), Side::First)
            }
        };
        let mut staged = Staged {
            owner,
            side: before,
            len: u32::try_from(flows.len()).unwrap_or(u32::MAX),
            is_new: replaced.is_none(),
            is_switch: false,
        };
        let words = |(flow, said): (&ExactFlow, &Said)| (FlowWords::of(owner, flow), *said);
        let mut wanted: BTreeMap<FlowWords, Said> = flows.iter().map(words).collect();
        if !self.is_as_wanted(&staged, &wanted) {
            if replaced.is_some() {
                staged.is_switch = true;
                staged.side = before.other();
            }
            if let Err(error) = self.write_side(&staged, &mut wanted) {
                self.unstage(&staged);
                return Err(error);
            }
        }
        Ok(staged)
    }

    /// Whether the side that counts says just what is wanted.
    fn is_as_wanted(&self, staged: &Staged, wanted: &BTreeMap<FlowWords, Said>) -> bool {
        let flows = FlowTable(&self.view);
        let is_as_wanted = |slot: u32| {
            let slot = flows.slot(slot)?;
            Some(slot.state().on(staged.side) == wanted.get(&slot.key()).copied())
        };
        let slots = self.flow_lists.slots(flows, staged.owner);
        slots.len() == wanted.len()
            && slots
                .into_iter()
                .all(|slot| is_as_wanted(slot) == Some(true))
    }

    fn write_side(
        &mut self,
        staged: &Staged,
        wanted: &mut BTreeMap<FlowWords, Said>,
    ) -> Result<(), SegmentError> {
        self.check_capacity(staged.owner, wanted)?;
        // Who goes by the set before the last reads this side.
        self.make_space(Table::FlowSets, |writer| {
            let list = writer.flow_lists.get(staged.owner);
            writer.retired.has_passed(list.let_go_at)
        })?;
        let flows = FlowTable(&self.view);
        for slot in self.flow_lists.slots(flows, staged.owner) {
            if let Some(slot) = flows.slot(slot) {
                let before = slot.state();
                let then = before.with(staged.side, wanted.remove(&slot.key()));
                // Most lines need not leave the caches of those who read them.
                if then != before {
                    slot.set_state(then);
                }
            }
        }
        for (words, said) in wanted {
            self.add_flow(*words, staged.side, *said)?;
        }
        Ok(())
    }

    /// Whether there is room for all flows that are wanted: when those are gone that are not wanted any more, and before that.
    fn check_capacity(
        &self,
        owner: FlowOwner,
        wanted: &BTreeMap<FlowWords, Said>,
    ) -> Result<(), SegmentError> {
        let flows = FlowTable(&self.view);
        let had = self.flow_lists.slots(flows, owner);
        let is_wanted = |slot: &&u32| {
            let slot = flows.slot(**slot);
            slot.is_some_and(|slot| wanted.contains_key(&slot.key()))
        };
        let kept = had.iter().filter(is_wanted).count();
        let in_use = self.flows.keys as usize;
        let then = in_use
            .saturating_sub(had.len())
            .saturating_add(wanted.len());
        let meanwhile = in_use.saturating_add(wanted.len().saturating_sub(kept));
        let capacity = self.view.layout.geometry.flows;
        if then > capacity as usize || meanwhile > flows.slots() as usize {
            let table = Table::Flows;
            return Err(SegmentError::Full { table, capacity });
        }
        Ok(())
    }

    /// Adds a flow of which something is said on one side.
    pub(super) fn add_flow(
        &mut self,
        words: FlowWords,
        side: Side,
        said: Said,
    ) -> Result<(), SegmentError> {
        let table = Table::Flows;
        self.make_space(table, |writer| {
            writer.vacant_slots::<Flows>(&writer.flows) > 0
        })?;
        let flows = FlowTable(&self.view);
        let slot = flows.claim(words).ok_or(SegmentError::Busy { table })?;
        self.flow_lists.link(flows, slot);
        self.flows.keys = self.flows.keys.saturating_add(1);
        if let Some(slot) = flows.slot(slot) {
            slot.set_state(FlowState::LIVE.with(side, Some(said)));
        }
        self.grow::<Flows>();
        Ok(())
    }

    /// Takes back what was staged for a set that is not to be published: where anybody looks, nobody has ever seen it.
    pub(super) fn unstage(&mut self, staged: &Staged) {
        let flows = FlowTable(&self.view);
        for slot in self.flow_lists.slots(flows, staged.owner) {
            let Some(words) = flows.slot(slot) else {
                continue;
            };
            let is_only_staged = words.state().on(staged.side.other()).is_none();
            if staged.is_new || (staged.is_switch && is_only_staged) {
                self.flow_lists.unlink(flows, slot);
                flows.leave(slot, flows.place(words.key()).place);
                words.vacate();
                self.flows.keys = self.flows.keys.saturating_sub(1);
            }
        }
        if staged.is_new {
            let FlowOwner(owner) = staged.owner;
            self.flow_owners.give(owner);
        }
    }

    /// The set has been published, and the one before is on its way out: so are the flows that it alone had.
    pub(super) fn settle_staged(&mut self, staged: &Staged) {
        if !staged.is_switch {
            return;
        }
        let flows = FlowTable(&self.view);
        let is_gone = |slot: &u32| {
            flows
                .slot(*slot)
                .is_some_and(|slot| slot.state().on(staged.side).is_none())
        };
        let mut gone = self.flow_lists.slots(flows, staged.owner);
        gone.retain(is_gone);
        for slot in gone {
            self.let_linger(slot);
        }
        let epoch = self.retired.epoch();
        self.flow_lists.hold_other_side(staged.owner, epoch);
    }
}
