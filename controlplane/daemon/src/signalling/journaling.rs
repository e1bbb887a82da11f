//! What the control plane keeps beyond a restart, and takes up again after one

use std::cmp::Reverse;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorAction, Kept, NotRestored, Owners, UsedNumber};
use dhp_proto::time::Now;
use dhp_wire::ipv6::Ipv6View;

use super::Signalling;
use super::held_answers::Verdict;
use super::outgoing::Outgoing;
use crate::journal::{Journal, JournalClock, Restored};

/// The journal, and the clock by which ends are kept in it.
pub(super) struct KeptState {
    journal: Journal,
    clock: JournalClock,
}

/// What has become of what a journal had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreCounts {
    /// Bindings that are served again.
    pub bindings: usize,
    /// Bindings that have ended meanwhile, or that the configuration does not permit any more.
    pub ended: usize,
    /// Quarantines.
    pub quarantines: usize,
}

impl Signalling {
    /// Keep bindings and sequence numbers in a journal, and take up those that it has from before: they are in force when this
    /// returns. After [`Self::serve_links`] and [`Self::follow_network`], and before the first packet.
    pub fn keep_state(&mut self, journal: Journal, restored: Restored) -> RestoreCounts {
        let now = self.now();
        let clock = JournalClock::go_on(restored.clock, restored.boot, now);
        let shown = clock.show(now);
        self.anchor.restore_secret(restored.secret);
        if !restored.is_complete {
            self.anchor.distrust_ends(shown);
        }
        if let Some(distrust) = restored.distrust {
            self.anchor.distrust_ends_further(shown, distrust);
        }
        for number in restored.numbers {
            self.anchor.restore_number(number);
        }
        let mut owners = self.anchor.owners();
        let mut counts = RestoreCounts::default();
        let mut changed = Vec::new();
        // Of its DHoAs a mobile node gets the oldest first: that is, of those of before, what was not refreshed for longest.
        let mut addresses = restored.addresses;
        addresses.sort_by_cached_key(|kept| (Reverse(kept.age(shown)), kept.home_address()));
        for kept in addresses {
            let home_address = kept.home_address();
            if !self.restore(shown, &mut owners, kept, &mut counts) {
                changed.push(home_address);
            }
            self.collect(0, None);
            self.carry_out(now);
        }
        let distrust = self.anchor.distrust(shown);
        let KeptState { journal, .. } = self.journal.insert(KeptState { journal, clock });
        journal.keep_clock(clock.reading());
        if let Some(distrust) = distrust {
            journal.keep_distrust(distrust);
        }
        for home_address in changed {
            self.keep(now, home_address);
            self.anchor.forget_unrestored(&home_address);
        }
        self.collect(0, None);
        self.carry_out(now);
        tracing::info!(
            bindings = counts.bindings,
            ended = counts.ended,
            quarantines = counts.quarantines,
            "the journal is restored"
        );
        counts
    }

    /// Whether it is as it was.
    fn restore(
        &mut self,
        now: Now,
        owners: &mut Owners,
        kept: Kept,
        counts: &mut RestoreCounts,
    ) -> bool {
        let binding = match kept {
            Kept::Bound(binding) => binding,
            Kept::Quarantined(quarantine) => {
                let rests = self.anchor.restore_quarantine(now, owners, &quarantine);
                counts.quarantines += usize::from(rests);
                return rests;
            }
            Kept::Free { .. } => return true,
        };
        let (home_address, mn) = (binding.home_address, binding.mn.clone());
        match self.anchor.restore_binding(now, owners, binding) {
            Ok(()) => {
                counts.bindings += 1;
                return true;
            }
            Err(NotRestored::Ended) => {}
            Err(reason) => {
                tracing::warn!(%home_address, %mn, %reason, "a binding is released");
            }
        }
        counts.ended += 1;
        false
    }

    /// Whether there is a journal that the disk does not take.
    pub fn journal_is_failing(&self) -> bool {
        self.journal
            .as_ref()
            .is_some_and(|kept| kept.journal.is_failing())
    }

    /// Whether there are answers that wait for the disk.
    pub fn answers_wait(&self) -> bool {
        self.held.has_waiting()
    }

    pub(super) fn keep_number(&mut self, number: UsedNumber) {
        if let Some(kept) = &mut self.journal {
            kept.journal.keep_number(number);
        }
    }

    /// The binding of a home address has changed.
    pub(super) fn keep(&mut self, now: Now, home_address: Ipv6Addr) {
        if let Some(KeptState { journal, clock }) = &mut self.journal {
            if let Some(reading) = clock.notice_step(now) {
                journal.keep_clock(reading);
            }
            journal.keep(self.anchor.kept(clock.show(now), home_address));
            self.held.tell_of(home_address);
        }
    }

    /// A DHoA was assigned: what tells of it waits.
    pub(super) fn await_assignment(&mut self, home_address: Ipv6Addr) {
        if let Some(kept) = &self.journal {
            self.held.assign(home_address, kept.journal.sent());
        }
    }

    /// The packet, if it may leave now; else it leaves when the journal is so far.
    pub(super) fn hold_if_promise(&mut self, next: Outgoing) -> Option<Outgoing> {
        if next.may_leave || self.held.is_idle() {
            return Some(next);
        }
        let AnchorAction::Transmit(packet) = &next.action else {
            return Some(next);
        };
        let Ok(view) = Ipv6View::new(packet) else {
            return Some(next);
        };
        match self.held.judge(view.destination(), next) {
            Verdict::Leaves(next) => Some(next),
            Verdict::Waits => None,
            Verdict::Lost => {
                self.counters.lost += 1;
                None
            }
        }
    }

    /// Let go what has waited long enough.
    pub(super) fn let_go(&mut self) {
        let Some(state) = self.journal.as_ref().filter(|_| !self.held.is_idle()) else {
            return;
        };
        let kept = state.journal.kept();
        while let Some(outgoing) = self.held.release(kept) {
            self.outgoing.push_back(Outgoing {
                may_leave: true,
                ..outgoing
            });
        }
    }
}
