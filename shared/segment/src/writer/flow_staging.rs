//! All exact flows of a home address at once: written on the side that nobody reads, until one store makes that side count.

use super::Writer;
use super::growth::Flows;
use crate::error::{SegmentError, Table};
use crate::exact_flow::ExactFlow;
use crate::flow_slot::{FlowOwner, FlowState, FlowWords, Said, Side};
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};
use crate::pool::Retired;
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

    /// Removes a flow of which nothing is said on the side that counts, and lets those find it that still go by the other side.
    pub(super) fn let_linger(&mut self, slot: u32) {
        let flows = FlowTable(&self.view);
        if let Some(words) = flows.slot(slot) {
            words.set_state(words.state().resting());
        }
        self.flows.lingering = self.flows.lingering.saturating_add(1);
        self.forget_flow(slot);
    }

    /// A flow has come to rest.
    pub(super) fn forget_flow(&mut self, slot: u32) {
        self.flow_lists.unlink(FlowTable(&self.view), slot);
        self.flows.keys = self.flows.keys.saturating_sub(1);
        self.flows.resting = self.flows.resting.saturating_add(1);
        self.retire(Retired::Flow(slot));
    }

    /// A flow that the writer before has removed, or has not finished to add or to remove.
    pub(super) fn inherit_removed(&mut self, slot: u32) {
        if let Some(words) = FlowTable(&self.view).slot(slot) {
            words.set_state(words.state().resting());
            self.flows.lingering = self
                .flows
                .lingering
                .saturating_add(u32::from(words.state().is_said_anywhere()));
        }
        self.flows.resting = self.flows.resting.saturating_add(1);
        self.retire(Retired::Flow(slot));
    }

    /// Nobody looks at the slot of a removed flow any more.
    pub(super) fn leave_flow(&mut self, slot: u32) {
        let flows = FlowTable(&self.view);
        if let Some(words) = flows.slot(slot)
            && words.state().is_said_anywhere()
        {
            flows.leave(slot, flows.place(words.key()).place);
            self.flows.lingering = self.flows.lingering.saturating_sub(1);
        }
        self.vacate::<Flows>(slot);
    }

    /// A home address has no set any more: nobody who begins to look will look for its flows.
    pub(super) fn retire_flows(&mut self, owner: FlowOwner) {
        let FlowOwner(number) = owner;
        let len = self.flow_lists.get(owner).len;
        self.flows.keys = self.flows.keys.saturating_sub(len);
        self.flows.resting = self.flows.resting.saturating_add(len);
        self.retire(Retired::FlowsOf(number));
    }

    /// Nobody looks for the flows of this owner any more.
    pub(super) fn leave_flows_of(&mut self, owner: FlowOwner) {
        let FlowOwner(number) = owner;
        let flows = FlowTable(&self.view);
        for slot in self.flow_lists.slots(flows, owner) {
            if let Some(words) = flows.slot(slot) {
                flows.leave(slot, flows.place(words.key()).place);
                words.vacate();
            }
            self.flows.resting = self.flows.resting.saturating_sub(1);
        }
        self.flow_lists.clear(owner);
        self.flow_owners.give(number);
    }
}
