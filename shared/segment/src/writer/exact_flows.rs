//! Exact flows one by one: set, remove, list.

use super::Writer;
use super::growth::Flows;
use crate::carried::Carried;
use crate::error::{SegmentError, Table};
use crate::exact_flow::{ExactFlow, ExactRule};
use crate::flow::{MAX_CARE_OFS, MAX_FLOW_RULES};
use crate::flow_set::FlowSet;
use crate::flow_slot::{FlowOwner, FlowWords, Said, Side};
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};
use crate::home_table::HomeTable;
use core::net::Ipv6Addr;

impl Writer {
    /// Gives an exact flow of a home address this rule, in place of the one that it had, by one atomic store, however many flows the
    /// address has. The care-of addresses are those that the last [`Writer::publish_flows`] has named; a rule that leads to none of
    /// them has no effect, and neither has the one before any more. `false` if `home` has neither flow rules nor further care-of
    /// addresses.
    ///
    /// # Errors
    /// [`SegmentError::Full`] when as many flows have a rule as were declared; [`SegmentError::Busy`], as for
    /// [`Writer::publish_binding`]. Nothing has changed then.
    pub fn set_flow(&mut self, home: Ipv6Addr, rule: &ExactRule) -> Result<bool, SegmentError> {
        self.tidy();
        let Some((id, owner, side)) = self.flows_of_home(home) else {
            return Ok(false);
        };
        let care_ofs = self.view.flow_set(id).map_or(0, |set| {
            let positions = rule.bids.iter().filter_map(|bid| set.position(*bid));
            positions.fold(0, |mask, position| mask | 1 << position)
        });
        if care_ofs == 0 && !rule.discard {
            self.remove_flow(home, &rule.flow);
            return Ok(true);
        }
        let said = Said {
            care_ofs,
            discard: rule.discard,
            rank: rule.rank.min(MAX_FLOW_RULES) as u8,
        };
        let words = FlowWords::of(owner, &rule.flow);
        let flows = FlowTable(&self.view);
        let found = flows.find_slot(flows.place(words), words);
        if let Some(slot) = found.and_then(|slot| flows.slot(slot)) {
            slot.set_state(slot.state().with(side, Some(said)));
            return Ok(true);
        }
        let capacity = self.view.layout.geometry.flows;
        if self.flows.keys >= capacity {
            let table = Table::Flows;
            return Err(SegmentError::Full { table, capacity });
        }
        self.add_flow(words, side, said)?;
        self.count_flows(id, owner);
        Ok(true)
    }

    /// Takes the rule of an exact flow away, by one atomic store; `false` if it had none.
    pub fn remove_flow(&mut self, home: Ipv6Addr, flow: &ExactFlow) -> bool {
        self.tidy();
        let Some((id, owner, side)) = self.flows_of_home(home) else {
            return false;
        };
        let words = FlowWords::of(owner, flow);
        let flows = FlowTable(&self.view);
        let found = flows.find_slot(flows.place(words), words);
        let Some((index, slot)) = found.and_then(|index| Some((index, flows.slot(index)?))) else {
            return false;
        };
        let is_other_side_read = {
            let list = self.flow_lists.get(owner);
            let is_let_go = self.ready && self.retired.has_passed(list.let_go_at);
            !is_let_go && slot.state().on(side.other()).is_some()
        };
        if is_other_side_read {
            slot.set_state(slot.state().with(side, None));
            self.let_linger(index);
            // What the other side says of it is found until then, and may not come to count again.
            let epoch = self.retired.epoch();
            self.flow_lists.hold_other_side(owner, epoch);
        } else {
            flows.remove(index);
            self.forget_flow(index);
        }
        self.count_flows(id, owner);
        true
    }

    /// The rules of the exact flows of a home address, in no order, and what each flow has carried.
    pub fn flows(&self, home: Ipv6Addr) -> impl Iterator<Item = (ExactRule, Carried)> + '_ {
        let found = self.flows_of_home(home);
        let flows = FlowTable(&self.view);
        let slots = found.map(|(_, owner, _)| self.flow_lists.slots(flows, owner));
        slots
            .unwrap_or_default()
            .into_iter()
            .filter_map(move |slot| {
                let (id, _, side) = found?;
                let slot = flows.slot(slot)?;
                let rule = rule(slot.key(), slot.state().on(side)?, self.view.flow_set(id)?);
                Some((rule, slot.carried()))
            })
    }

    /// What an exact flow has carried since it has a rule; `None` if it has none.
    #[must_use]
    pub fn flow_carried(&self, home: Ipv6Addr, flow: &ExactFlow) -> Option<Carried> {
        let (_, owner, _) = self.flows_of_home(home)?;
        let words = FlowWords::of(owner, flow);
        let flows = FlowTable(&self.view);
        let slot = flows.find_slot(flows.place(words), words)?;
        Some(flows.slot(slot)?.carried())
    }

    /// Exact flows with a rule, of all home addresses.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.flows.keys as usize
    }

    /// The flow set of a home address, and where its flows are.
    fn flows_of_home(&self, home: Ipv6Addr) -> Option<(u32, FlowOwner, Side)> {
        let entry = HomeTable(&self.view).find(&home.octets())?;
        let id = entry.flows()?;
        let (owner, side) = self.view.flow_set(id)?.flows()?;
        Some((id, owner, side))
    }

    /// Tells workers whether there are flows to be looked for.
    fn count_flows(&self, id: u32, owner: FlowOwner) {
        if let Some(set) = self.view.flow_set(id) {
            set.set_flow_count(self.flow_lists.get(owner).len);
        }
    }

    /// Takes over the flows that the writer before has left; `sets` are all that readers can reach. What that one had removed, or had
    /// not finished, is nobody's as soon as the workers have gone on.
    pub(super) fn inherit_flows(&mut self, sets: &[u32]) {
        let flows = FlowTable(&self.view);
        let mut sides = vec![None; self.view.layout.flow_sets.slots() as usize];
        let set_flows = |id: &u32| self.view.flow_set(*id)?.flows();
        for (FlowOwner(owner), side) in sets.iter().filter_map(set_flows) {
            if let Some(place) = sides.get_mut(owner as usize) {
                *place = Some(side);
            }
        }
        let is_in_use = |slot: u32| {
            let slot = flows.slot(slot)?;
            let FlowOwner(owner) = slot.key().owner();
            let side = sides.get(owner as usize).copied().flatten()?;
            slot.state().on(side)
        };
        let (live, gone): (Vec<u32>, Vec<u32>) =
            flows.entries().partition(|slot| is_in_use(*slot).is_some());
        let resting: Vec<u32> = flows.resting().collect();
        for slot in live {
            self.flow_lists.link(flows, slot);
            self.flows.keys = self.flows.keys.saturating_add(1);
        }
        self.inherit_moves::<Flows>();
        for slot in gone.into_iter().chain(resting) {
            self.inherit_removed(slot);
        }
        let epoch = self.retired.epoch();
        for id in sets {
            if let Some((owner, _)) = self.view.flow_set(*id).and_then(FlowSet::flows) {
                self.flow_lists.hold_other_side(owner, epoch);
                self.count_flows(*id, owner);
            }
        }
    }
}

/// The rule that a slot says on one side.
fn rule(words: FlowWords, said: Said, set: FlowSet<'_>) -> ExactRule {
    let positions = (0..MAX_CARE_OFS).filter(|position| said.care_ofs >> position & 1 == 1);
    ExactRule {
        flow: words.flow(),
        bids: positions.filter_map(|position| set.bid(position)).collect(),
        discard: said.discard,
        rank: said.rank.into(),
    }
}
