//! Exact flows on their way out: those that a list has no more, single ones, and all of a home address.

use super::Writer;
use super::growth::Flows;
use crate::flow_slot::FlowOwner;
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};
use crate::pool::Retired;

impl Writer {
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
