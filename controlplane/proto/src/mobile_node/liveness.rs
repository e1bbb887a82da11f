//! DHPs in use are looked after: measured again from time to time, and left when they no longer answer.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::MnEvent;
use super::anchors::UpdateKind;
use super::exchange::{Exchange, Purpose};
use super::flow::Stage;
use super::need::FlowKey;
use crate::time::{NANOS_PER_SECOND, Now};

/// A DHP that has not answered updates after moves for so long counts as silent: with the fifth transmission of the first one
/// (RFC 6275 §11.8), or with a later one where the node moves on meanwhile.
const SILENT_AFTER_NS: u64 = 15 * NANOS_PER_SECOND;

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

    /// A silent DHP answers again: the flows that had left it may come back at once, and it is asked what it still knows.
    pub(super) fn heard_from(&mut self, now: Now, dhp: &Ipv6Addr) {
        let Some(anchor) = self.anchors.get_mut(dhp) else {
            return;
        };
        anchor.waited_ns = 0;
        if anchor.silent_until_ns.take().is_none() {
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
        for exchange in &mut self.exchanges {
            if exchange.is_update_to(dhp) {
                exchange.next_ns = now.mono_ns;
            }
        }
    }

    /// Accounts for the time that an update after a move has waited for its answer. True if the DHP has not answered for long, be it
    /// one update or several. Where a DHP knows the care-of address already, packets flow all the same, and only a measurement
    /// tells whether it is there: it may not know a new key yet.
    pub(super) fn note_wait(&mut self, now: Now, exchange: &mut Exchange) -> bool {
        let waited_ns = exchange.take_waited_ns(now.mono_ns);
        let Some(anchor) = self.anchors.get_mut(&exchange.peer) else {
            return false;
        };
        let mut grants = anchor.dhoas.iter().map(|dhoa| dhoa.grant);
        let is_move = exchange.is_update_to(&exchange.peer)
            && grants.any(|grant| grant.confirmed != Some(exchange.care_of));
        if is_move {
            anchor.waited_ns = anchor.waited_ns.saturating_add(waited_ns);
        }
        is_move && anchor.waited_ns >= SILENT_AFTER_NS
    }

    /// A DHP does not answer: what runs over it is reported, and new flows go elsewhere. What it has confirmed may be gone with it, so
    /// its bindings are asked for until it answers: "The mobile node MAY continue to send these messages at this slower rate
    /// indefinitely" (RFC 6275 §11.8).
    pub(super) fn fell_silent(&mut self, now: Now, dhp: Ipv6Addr) {
        let Some(anchor) = self.anchors.get_mut(&dhp) else {
            return;
        };
        let until = now.deadline_ns(SILENCE_NS);
        if anchor.silent_until_ns.replace(until).is_some() {
            return;
        }
        for dhoa in &mut anchor.dhoas {
            dhoa.grant.confirmed = None;
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
        if !self.is_updating(&dhp) {
            self.bind_anchor(now, dhp, UpdateKind::Confirm);
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
