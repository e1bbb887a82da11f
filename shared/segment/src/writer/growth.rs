//! Tables grow with their keys: each new one pays for a step, if one is due.

use super::Writer;
use crate::flow_table::FlowTable;
use crate::hash_table::{HashSlot, HashTable};
use crate::home_table::HomeTable;
use crate::pool::Retired;
use crate::slot::State;
use crate::table_growth::{Grow, Moved};
use crate::view::View;
use std::collections::VecDeque;

/// Steps that one new key pays for at most: more than are due in the long run, so that the table catches up after it had to wait.
const STEPS: u32 = 2;

/// How full a table is, and what of it waits for the workers.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    /// Keys in the table.
    pub(super) keys: u32,
    /// Slots that removed and moved keys had, and that wait for the workers.
    pub(super) resting: u32,
    /// Those of them whose keys some workers may still find: what is removed does not move.
    pub(super) lingering: u32,
    /// Keys that have moved, but may still be looked at where they were, oldest first.
    moved: VecDeque<Moved>,
    /// The first of these were found when the writer took over.
    has_inherited: bool,
}

impl Occupancy {
    pub(super) fn new(keys: usize, resting: u32) -> Self {
        Self {
            keys: u32::try_from(keys).unwrap_or(u32::MAX),
            resting,
            ..Self::default()
        }
    }

    /// Whether each key stands in one slot only.
    pub(super) fn is_settled(&self) -> bool {
        self.moved.is_empty()
    }

    /// Slots that are not vacant.
    pub(super) fn used(&self) -> u32 {
        self.keys.saturating_add(self.resting)
    }
}

/// A table that the writer lets grow.
pub(super) trait Growing {
    /// The table of a view.
    type Table<'v>: HashTable<'v>;

    /// What is to be left when the workers have let go of it.
    const MOVED: Retired;

    fn table(view: &View) -> Self::Table<'_>;

    fn occupancy(writer: &mut Writer) -> &mut Occupancy;

    /// What named the slot that a key had names the one that it has.
    fn follow(writer: &mut Writer, moved: &Moved);
}

/// The home table.
pub(super) struct Homes;

impl Growing for Homes {
    type Table<'v> = HomeTable<'v>;

    const MOVED: Retired = Retired::MovedHome;

    fn table(view: &View) -> HomeTable<'_> {
        HomeTable(view)
    }

    fn occupancy(writer: &mut Writer) -> &mut Occupancy {
        &mut writer.homes
    }

    fn follow(writer: &mut Writer, moved: &Moved) {
        let homes = HomeTable(&writer.view);
        let new = moved
            .to
            .and_then(|to| Some((to, homes.slot(to)?.state().state()?)));
        if let Some((
            slot,
            State::ByTemplate {
                template,
                flows: None,
            },
        )) = new
        {
            writer.retire(Retired::Settling { slot, template });
        }
    }
}

/// The flow table.
pub(super) struct Flows;

impl Growing for Flows {
    type Table<'v> = FlowTable<'v>;

    const MOVED: Retired = Retired::MovedFlow;

    fn table(view: &View) -> FlowTable<'_> {
        FlowTable(view)
    }

    fn occupancy(writer: &mut Writer) -> &mut Occupancy {
        &mut writer.flows
    }

    fn follow(writer: &mut Writer, moved: &Moved) {
        if let Some(to) = moved.to {
            let table = FlowTable(&writer.view);
            writer.flow_lists.follow(table, moved.from, to);
        }
    }
}

impl Writer {
    /// Does the steps that the number of keys makes due.
    pub(super) fn grow<G: Growing>(&mut self) {
        for _ in 0..STEPS {
            let keys = G::occupancy(self).keys;
            let due = G::table(&self.view)
                .next_split()
                .filter(|split| split.is_due(keys));
            let Some(split) = due else { return };
            // A key is on its way between two slots at most, and half-made copies are nobody's.
            let must_wait = |occupancy: &Occupancy| {
                let is_bound = split.begins_doubling() || occupancy.has_inherited;
                occupancy.lingering > 0 || (is_bound && !occupancy.is_settled())
            };
            if must_wait(G::occupancy(self)) {
                self.reclaim();
                if must_wait(G::occupancy(self)) {
                    return;
                }
            }
            let used = u64::from(G::occupancy(self).used());
            if 2 * used > u64::from(G::table(&self.view).slots()) {
                return;
            }
            let all_moved = G::table(&self.view).split(&split);
            for moved in all_moved {
                self.wait_for_leave::<G>(moved);
                G::follow(self, &moved);
            }
        }
    }

    /// Takes over the moves that the writer before has begun.
    pub(super) fn inherit_moves<G: Growing>(&mut self) {
        let unfinished: Vec<Moved> = G::table(&self.view).unfinished().collect();
        G::occupancy(self).has_inherited = !unfinished.is_empty();
        for moved in unfinished {
            self.wait_for_leave::<G>(moved);
        }
    }

    fn wait_for_leave<G: Growing>(&mut self, moved: Moved) {
        let occupancy = G::occupancy(self);
        occupancy.moved.push_back(moved);
        occupancy.resting = occupancy.resting.saturating_add(1);
        self.retire(G::MOVED);
    }

    /// Nobody looks at the oldest slot that a key has moved from.
    pub(super) fn leave_moved<G: Growing>(&mut self) {
        let occupancy = G::occupancy(self);
        let Some(moved) = occupancy.moved.pop_front() else {
            return;
        };
        occupancy.resting = occupancy.resting.saturating_sub(1);
        occupancy.has_inherited &= !occupancy.is_settled();
        G::table(&self.view).leave_moved(&moved);
    }

    /// Nobody looks at the slot of a removed key any more.
    pub(super) fn vacate<G: Growing>(&mut self, slot: u32) {
        if let Some(slot) = G::table(&self.view).slot(slot) {
            slot.vacate();
        }
        let occupancy = G::occupancy(self);
        occupancy.resting = occupancy.resting.saturating_sub(1);
    }

    /// Slots that a new key could have.
    pub(super) fn vacant_slots<G: Growing>(&self, occupancy: &Occupancy) -> u32 {
        G::table(&self.view)
            .slots()
            .saturating_sub(occupancy.used())
    }
}
