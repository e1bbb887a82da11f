//! DHPs in use are looked after: measured again from time to time, and left when they no longer answer.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::MnEvent;
use super::exchange::{Exchange, Purpose};
use super::flow::Stage;
use super::need::FlowKey;
use crate::time::{NANOS_PER_SECOND, Now};

/// With this transmission of an update after a move, 15 seconds after the first, a DHP that has not answered counts as silent.
pub(super) const SILENT_AFTER: u32 = 5;

/// How long a silent DHP is not asked for new flows, unless it is heard from before.
const SILENCE_NS: u64 = 300 * NANOS_PER_SECOND;

impl MobileNode {
    /// Whether a DHP has stopped to answer.
    pub(super) fn is_silent(&self, dhp: &Ipv6Addr) -> bool {
        self.anchors
            .get(dhp)
            .is_some_and(|anchor| anchor.silent_until_ns.is_some())
    }

    /// Notes a round trip.
    pub(super) fn measured(&mut self, now: Now, dhp: &Ipv6Addr, round_trip_ns: u64) {
        if let Some(anchor) = self.anchors.get_mut(dhp) {
            anchor.round_trip_ns = Some(round_trip_ns);
            anchor.checked_ns = now.mono_ns;
        }
        self.candidates.measured(dhp, round_trip_ns);
    }

    /// A silent DHP answers again: the flows that had left it may come back at once.
    pub(super) fn heard_from(&mut self, now: Now, dhp: &Ipv6Addr) {
        let silent = self
            .anchors
            .get_mut(dhp)
            .and_then(|anchor| anchor.silent_until_ns.take());
        if silent.is_none() {
            return;
        }
        for flow in self.flows.values_mut() {
            let had_left = flow.wish.is_some_and(|(anchor, _)| anchor == *dhp);
            if had_left && matches!(flow.stage, Stage::Fallback { .. }) {
                flow.begin_again();
                flow.stage = Stage::Fallback {
                    retry_ns: now.mono_ns,
                };
            }
        }
    }

    /// A DHP has not answered an update for long. Where it knows the care-of address already, packets flow all the same, and only a
    /// measurement tells whether it is there: it may not know a new key yet.
    pub(super) fn update_unanswered(&mut self, now: Now, dhp: Ipv6Addr) {
        let has_moved = self.anchors.get(&dhp).is_some_and(|anchor| {
            anchor
                .dhoas
                .iter()
                .any(|dhoa| dhoa.grant.confirmed != self.care_of)
        });
        if has_moved {
            self.fell_silent(now, dhp);
        }
    }

    /// A DHP does not answer: what runs over it is reported, and new flows go elsewhere. Its bindings are still asked for.
    pub(super) fn fell_silent(&mut self, now: Now, dhp: Ipv6Addr) {
        let Some(anchor) = self.anchors.get_mut(&dhp) else {
            return;
        };
        let until = now.deadline_ns(SILENCE_NS);
        if anchor.silent_until_ns.replace(until).is_some() {
            return;
        }
        let home_addresses = anchor.addresses();
        self.event(MnEvent::AnchorSilent {
            anchor: dhp,
            home_addresses,
        });
        for flow in self.flows.values_mut() {
            if matches!(flow.stage, Stage::Ready { anchor, .. } if anchor == dhp) {
                flow.begin_again();
                flow.stage = Stage::Fallback {
                    retry_ns: now.mono_ns,
                };
            }
        }
    }

    /// When the next DHP in use is to be measured.
    pub(super) fn check_deadlines(&self) -> impl Iterator<Item = u64> {
        let comparisons = self.anchors.values().filter_map(|anchor| anchor.compare_ns);
        self.checks()
            .map(|(_, _, due_ns)| due_ns)
            .chain(comparisons)
    }

    /// DHPs in use, with one of their flows and the time at which they are to be measured again.
    fn checks(&self) -> impl Iterator<Item = (Ipv6Addr, FlowKey, u64)> {
        let interval = self.config.check_interval_ns;
        self.anchors
            .iter()
            .filter(|(address, _)| !self.is_checking(address))
            .filter_map(move |(address, anchor)| {
                let due_ns = anchor.checked_ns.saturating_add(interval?);
                let key = self.flows.iter().find_map(|(key, flow)| {
                    matches!(flow.stage, Stage::Ready { anchor, .. } if anchor == *address)
                        .then_some(*key)
                })?;
                (!anchor.dhoas.is_empty()).then_some((*address, key, due_ns))
            })
    }

    fn is_checking(&self, dhp: &Ipv6Addr) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.peer == *dhp && matches!(exchange.purpose, Purpose::Check { .. })
        })
    }

    /// Asks DHPs in use whether they are there. True if any was due.
    pub(super) fn check_dhps(&mut self, now: Now) -> bool {
        let Some(care_of) = self.care_of else {
            return false;
        };
        let due: Vec<(Ipv6Addr, FlowKey)> = self
            .checks()
            .filter(|(_, _, due_ns)| *due_ns <= now.mono_ns)
            .map(|(dhp, key, _)| (dhp, key))
            .collect();
        for (dhp, key) in &due {
            if let Some(anchor) = self.anchors.get_mut(dhp) {
                anchor.checked_ns = now.mono_ns;
            }
            let purpose = Purpose::Check {
                correspondent: key.correspondent,
            };
            self.exchanges
                .push(Exchange::new(purpose, *dhp, care_of, now.mono_ns));
            self.measure_rivals(now, *dhp);
        }
        !due.is_empty()
    }

    /// Gives DHPs that were silent for long another chance.
    pub(super) fn end_silence(&mut self, now: Now) {
        for anchor in self.anchors.values_mut() {
            anchor.silent_until_ns = anchor.silent_until_ns.filter(|until| *until > now.mono_ns);
        }
    }
}
