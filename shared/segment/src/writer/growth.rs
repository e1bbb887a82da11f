//! The home table grows with its bindings: each new one pays for a step, if one is due.

use super::Writer;
use crate::home_growth::Moved;
use crate::home_table::HomeTable;
use crate::pool::Retired;
use crate::slot::State;
use std::collections::VecDeque;

/// Steps that one new binding pays for at most: more than are due in the long run, so that the table catches up after it had to wait.
const STEPS: u32 = 2;

/// Bindings that have moved, but may still be looked at where they were, oldest first.
#[derive(Debug, Default)]
pub(super) struct Growth {
    moved: VecDeque<Moved>,
    /// The first of these were found when the writer took over.
    has_inherited: bool,
}

impl Growth {
    /// Whether each binding stands in one slot only.
    pub(super) fn is_settled(&self) -> bool {
        self.moved.is_empty()
    }
}

impl Writer {
    /// Does the steps that the number of bindings makes due.
    pub(super) fn grow(&mut self) {
        for _ in 0..STEPS {
            let due = HomeTable(&self.view)
                .next_split()
                .filter(|split| split.is_due(self.bindings));
            let Some(split) = due else { return };
            // A binding is on its way between two slots at most, and half-made copies are nobody's.
            if (split.begins_doubling() || self.growth.has_inherited) && !self.growth.is_settled() {
                self.reclaim();
                if !self.growth.is_settled() {
                    return;
                }
            }
            let used = u64::from(self.bindings) + u64::from(self.resting);
            if 2 * used > u64::from(self.view.layout.homes.slots()) {
                return;
            }
            for moved in HomeTable(&self.view).split(&split) {
                self.retire_moved(moved);
            }
        }
    }

    /// Takes over the moves that the writer before has begun.
    pub(super) fn inherit_moves(&mut self) {
        let unfinished: Vec<Moved> = HomeTable(&self.view).unfinished().collect();
        self.growth.has_inherited = !unfinished.is_empty();
        for moved in unfinished {
            self.wait_for_leave(moved);
        }
    }

    fn retire_moved(&mut self, moved: Moved) {
        self.wait_for_leave(moved);
        let homes = HomeTable(&self.view);
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
            self.retire(Retired::Settling { slot, template });
        }
    }

    fn wait_for_leave(&mut self, moved: Moved) {
        self.growth.moved.push_back(moved);
        self.resting = self.resting.saturating_add(1);
        self.retire(Retired::Moved);
    }

    /// Nobody looks at the oldest slot that a binding has moved from.
    pub(super) fn leave_moved(&mut self) {
        let Some(moved) = self.growth.moved.pop_front() else {
            return;
        };
        HomeTable(&self.view).leave_moved(&moved);
        self.resting = self.resting.saturating_sub(1);
        self.growth.has_inherited &= !self.growth.is_settled();
    }
}
