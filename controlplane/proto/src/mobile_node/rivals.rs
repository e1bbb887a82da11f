//! Flows that have an address are moved to a better DHP, for their new sessions; those that go on keep the old address until it
//! is idle.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::Session;
use super::candidate::{Advantage, Candidate};
use super::exchange::Reason;
use super::flow::Flow;
use super::need::FlowKey;
use crate::time::{NANOS_PER_SECOND, Now};

/// By how much a rival's way has to be shorter, and by which part of the present one: round trips and loads vary, and a move costs
/// messages and another address.
const LEAD_NS: u64 = 5_000_000;
const LEAD_PART: u64 = 4;

/// Measurements in a row that a rival has to lead: one packet may have waited somewhere.
const LEADS: u8 = 2;

/// Rivals of a DHP that are measured at once.
const MOST_MEASURED: usize = 4;

/// How long measurements may take before they are compared.
const MEASURING_NS: u64 = 2 * NANOS_PER_SECOND;

/// The same while a flow has taken the first DHP that was named.
const HASTY_NS: u64 = 500_000_000;

impl MobileNode {
    /// Whether the address that a DHP has just given is one for the flow to use: it has none, it has asked for a better one,
    /// or a guess has turned out to be the better DHP.
    pub(super) fn is_wanted(&self, key: &FlowKey, dhp: &Ipv6Addr) -> bool {
        let Some(flow) = self.flows.get(key) else {
            return false;
        };
        match flow.anchor() {
            None => true,
            Some(present) => {
                present == *dhp
                    || flow.challenger == Some(*dhp)
                    || self.place(key, dhp) < self.place(key, &present)
            }
        }
    }

    /// The place of a DHP among a flow's candidates.
    fn place(&self, key: &FlowKey, dhp: &Ipv6Addr) -> usize {
        let candidates = self.candidates_for(&key.correspondent);
        let place = candidates
            .iter()
            .position(|candidate| candidate.dhp == *dhp);
        place.unwrap_or(usize::MAX)
    }

    /// By what a DHP goes before another for a flow, if both are known to cover its correspondents.
    pub(super) fn advantage_over(
        &self,
        key: &FlowKey,
        better: &Ipv6Addr,
        other: &Ipv6Addr,
    ) -> Option<Advantage> {
        let candidates = self.candidates_for(&key.correspondent);
        let find = |dhp: &Ipv6Addr| candidates.iter().find(|candidate| candidate.dhp == *dhp);
        Some(self.advantage(find(better)?, find(other)?))
    }

    /// A flow has its address, or more is known of its correspondents' DHPs: a longer coverage takes over at once; what has
    /// not been measured yet, since somebody waited, is measured now.
    pub(super) fn look_for_rivals(&mut self, now: Now, key: FlowKey) {
        let Some((anchor, is_demanded)) = self.flows.get(&key).and_then(|flow| {
            let may_move = key.need.session != Session::Fixed && flow.challenger.is_none();
            Some((flow.anchor()?, flow.demanded_ns.is_some())).filter(|_| may_move)
        }) else {
            return;
        };
        if self.nearer_dhp(now, &key, &anchor) {
            return;
        }
        let unmeasured: Vec<Ipv6Addr> = self
            .rivals(&key, &anchor)
            .filter(|rival| rival.round_trip_ns.is_none())
            .map(|rival| rival.dhp)
            .filter(|rival| !self.is_probing(rival))
            .take(MOST_MEASURED)
            .collect();
        if is_demanded && !unmeasured.is_empty() {
            self.probe(now, key, &unmeasured);
            self.compare_in(&anchor, now.deadline_ns(HASTY_NS));
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.in_haste = true;
            }
        }
    }

    /// Takes a flow to a DHP with a longer coverage prefix, if one is known. False if there is none.
    fn nearer_dhp(&mut self, now: Now, key: &FlowKey, anchor: &Ipv6Addr) -> bool {
        let present = self.coverage_len(key, anchor);
        let candidates = self.ranked(key);
        let Some(best) = candidates.first().filter(|best| {
            best.dhp != *anchor
                && present.is_none_or(|present| best.coverage.prefix_len() > present)
        }) else {
            return false;
        };
        self.challenge(now, *key, best.dhp);
        true
    }

    /// Other DHPs that cover a flow's correspondents as closely as its anchor, best first.
    fn rivals(&self, key: &FlowKey, anchor: &Ipv6Addr) -> impl Iterator<Item = Candidate> {
        let present = self.coverage_len(key, anchor);
        let anchor = *anchor;
        self.ranked(key).into_iter().filter(move |candidate| {
            candidate.dhp != anchor && Some(candidate.coverage.prefix_len()) == present
        })
    }

    /// Length of the prefix that a flow's anchor covers; `None`: it has given an address before anybody has told that.
    fn coverage_len(&self, key: &FlowKey, anchor: &Ipv6Addr) -> Option<u8> {
        let told = self.candidates.coverage(&key.correspondent, anchor);
        let told = told.or_else(|| self.flows.get(key)?.coverage);
        told.map(|coverage| coverage.prefix_len())
    }

    fn compare_in(&mut self, dhp: &Ipv6Addr, deadline_ns: u64) {
        if let Some(anchor) = self.anchors.get_mut(dhp) {
            let sooner = anchor.compare_ns.unwrap_or(u64::MAX).min(deadline_ns);
            anchor.compare_ns = Some(sooner);
        }
    }

    /// Measures, beside a DHP in use, those that could serve its flows. Where it is no longer known which these are, it is asked
    /// again, for one flow at a time.
    pub(super) fn measure_rivals(&mut self, now: Now, dhp: Ipv6Addr) {
        self.candidates.expire(now.mono_ns);
        let mut asked = false;
        let mut measured: Vec<Ipv6Addr> = Vec::new();
        for key in self.flows_of(&dhp) {
            // Who had no room then may have it now.
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.tried.clear();
            }
            if self.candidates_for(&key.correspondent).is_empty() {
                if !asked {
                    self.ask_around(now, key);
                    asked = true;
                }
                continue;
            }
            let room = MOST_MEASURED.saturating_sub(measured.len());
            let rivals: Vec<Ipv6Addr> = self
                .rivals(&key, &dhp)
                .map(|rival| rival.dhp)
                .filter(|rival| !measured.contains(rival) && !self.is_probing(rival))
                .take(room)
                .collect();
            self.probe(now, key, &rivals);
            measured.extend(rivals);
        }
        if asked || !measured.is_empty() {
            self.compare_in(&dhp, now.deadline_ns(MEASURING_NS));
        }
    }

    /// Compares what has been measured. True if any was.
    pub(super) fn compare_dhps(&mut self, now: Now) -> bool {
        let due: Vec<Ipv6Addr> = self
            .anchors
            .iter_mut()
            .filter(|(_, anchor)| anchor.compare_ns.is_some_and(|due| due <= now.mono_ns))
            .map(|(dhp, anchor)| {
                anchor.compare_ns = None;
                *dhp
            })
            .collect();
        for dhp in &due {
            for key in self.flows_of(dhp) {
                if !self.nearer_dhp(now, &key, dhp) {
                    self.compare(now, key, dhp);
                }
            }
        }
        !due.is_empty()
    }

    /// Moves a flow whose rival has led for long enough.
    fn compare(&mut self, now: Now, key: FlowKey, anchor: &Ipv6Addr) {
        let candidates = self.ranked(&key);
        let present = candidates
            .iter()
            .find(|candidate| candidate.dhp == *anchor)
            .and_then(Candidate::cost_ns);
        let leader = self.rivals(&key, anchor).next().filter(|rival| {
            let costs = rival.cost_ns().zip(present);
            costs.is_some_and(|(rival, present)| {
                let lead = LEAD_NS.max(present / LEAD_PART);
                rival.saturating_add(lead) <= present
            })
        });
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        let in_haste = core::mem::take(&mut flow.in_haste);
        let Some(leader) = leader else {
            flow.lead = None;
            return;
        };
        let before = flow.lead.filter(|(dhp, _)| *dhp == leader.dhp);
        let leads = before.map_or(0, |(_, leads)| leads).saturating_add(1);
        flow.lead = Some((leader.dhp, leads));
        if in_haste || leads >= LEADS {
            self.challenge(now, key, leader.dhp);
        }
    }

    /// Gets an address at a better DHP for a flow, which keeps its own until then.
    fn challenge(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr) {
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        if flow.challenger.is_some() {
            return;
        }
        flow.challenger = Some(dhp);
        if !self.share_address(now, key, dhp) {
            self.send_request(now, key, dhp, Reason::Covers);
        }
    }

    /// The flows, but for fixed ones, that have their address at a DHP.
    fn flows_of(&self, dhp: &Ipv6Addr) -> Vec<FlowKey> {
        let flows = self.flows.iter();
        let flows = flows.filter(|(key, flow)| {
            key.need.session != Session::Fixed && Flow::anchor(flow) == Some(*dhp)
        });
        flows.map(|(key, _)| *key).collect()
    }
}
