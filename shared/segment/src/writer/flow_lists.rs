//! Which exact flows a home address has: a list through their slots, so that one comes and goes without a look at the others.

use crate::flow_slot::{FlowOwner, FlowSlot, Neighbours};
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};

/// The flows of one home address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FlowList {
    first: Option<u32>,
    /// How many there are.
    pub(super) len: u32,
    /// The epoch from which on nobody reads the side that does not count.
    pub(super) let_go_at: u64,
}

/// The list of each owner.
#[derive(Debug)]
pub(super) struct FlowLists(Vec<FlowList>);

impl FlowLists {
    pub(super) fn new(owners: u32) -> Self {
        Self(vec![FlowList::default(); owners as usize])
    }

    /// The list of an owner; that of one who can not be is empty.
    pub(super) fn get(&self, FlowOwner(owner): FlowOwner) -> FlowList {
        self.0.get(owner as usize).copied().unwrap_or_default()
    }

    fn list(&mut self, FlowOwner(owner): FlowOwner) -> Option<&mut FlowList> {
        self.0.get_mut(owner as usize)
    }

    /// The other side of these flows is read until `epoch`.
    pub(super) fn hold_other_side(&mut self, owner: FlowOwner, epoch: u64) {
        if let Some(list) = self.list(owner) {
            list.let_go_at = epoch;
        }
    }

    /// The owner has no flows any more.
    pub(super) fn clear(&mut self, owner: FlowOwner) {
        if let Some(list) = self.list(owner) {
            *list = FlowList::default();
        }
    }

    /// The slots of an owner's flows.
    pub(super) fn slots(&self, table: FlowTable<'_>, owner: FlowOwner) -> Vec<u32> {
        let list = self.get(owner);
        let behind = |slot: &u32| table.slot(*slot)?.neighbours().behind;
        core::iter::successors(list.first, behind)
            .take(list.len as usize)
            .collect()
    }

    /// Adds a flow, by its slot.
    pub(super) fn link(&mut self, table: FlowTable<'_>, slot: u32) {
        let Some(words) = table.slot(slot) else {
            return;
        };
        let Some(list) = self.list(words.key().owner()) else {
            return;
        };
        let behind = list.first.replace(slot);
        list.len = list.len.saturating_add(1);
        words.set_neighbours(Neighbours {
            before: None,
            behind,
        });
        change(table, behind, |neighbours| neighbours.before = Some(slot));
    }

    /// Takes a flow away.
    pub(super) fn unlink(&mut self, table: FlowTable<'_>, slot: u32) {
        let Some(words) = table.slot(slot) else {
            return;
        };
        let Neighbours { before, behind } = words.neighbours();
        if let Some(list) = self.list(words.key().owner()) {
            list.len = list.len.saturating_sub(1);
            if before.is_none() {
                list.first = behind;
            }
        }
        change(table, before, |neighbours| neighbours.behind = behind);
        change(table, behind, |neighbours| neighbours.before = before);
    }

    /// A flow has moved to another slot.
    pub(super) fn follow(&mut self, table: FlowTable<'_>, from: u32, to: u32) {
        let (Some(old), Some(new)) = (table.slot(from), table.slot(to)) else {
            return;
        };
        let neighbours = old.neighbours();
        new.set_neighbours(neighbours);
        let Neighbours { before, behind } = neighbours;
        if before.is_none()
            && let Some(list) = self.list(new.key().owner())
        {
            list.first = Some(to);
        }
        change(table, before, |neighbours| neighbours.behind = Some(to));
        change(table, behind, |neighbours| neighbours.before = Some(to));
    }
}

fn change(table: FlowTable<'_>, slot: Option<u32>, change: impl FnOnce(&mut Neighbours)) {
    let slot: Option<FlowSlot<'_>> = slot.and_then(|slot| table.slot(slot));
    if let Some(slot) = slot {
        let mut neighbours = slot.neighbours();
        change(&mut neighbours);
        slot.set_neighbours(neighbours);
    }
}
