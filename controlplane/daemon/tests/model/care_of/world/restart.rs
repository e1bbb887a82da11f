//! The anchor starts anew, with what its journal keeps

use super::{NODES, World, config};
use crate::journal_time::JOURNAL_GUARD;
use crate::reference::Restart;
use crate::world::Difference;

impl World<'_> {
    pub(super) fn restart(&mut self, how: Restart, down_ms: u64) -> Result<(), Difference> {
        self.turn(None)?;
        self.note(how.name());
        self.note_counts();
        let before = self.model.bindings().clone();
        self.appliance.restart(config(&self.nodes), how, down_ms);
        self.model.restart(how, self.clock.now());
        for (address, binding) in before {
            let after = self.model.bindings().get(&address);
            let what = match (binding.under_test().is_empty(), after) {
                (true, Some(_)) => "goes on after a restart",
                (false, Some(_)) => "is after a restart where it had passed",
                (true, None) => "has ended after a restart",
                (false, None) => "rests after a restart, untested",
            };
            self.note(what);
        }
        // Nobody is where the workers knew it to be until now, and classic updates are newer than what the journal counts on to.
        self.there_ns.clear();
        self.next_classic += JOURNAL_GUARD;
        self.is_dated = [false; NODES.len()];
        self.turn(None)
    }
}
