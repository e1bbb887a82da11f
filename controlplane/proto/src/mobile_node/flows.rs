//! Flows: begun, given an address, left without one, ended.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::{AddressKind, FallbackReason, MnEvent, Session, UnboundReason};
use super::demand::{NEGATIVE_NS, WIDEST_SERVED};
use super::exchange::{Exchange, Purpose, Reason};
use super::flow::{Flow, Stage};
use super::need::FlowKey;
use super::registration::Grant;
use super::status::{FlowProgress, FlowStatus};
use crate::time::{NANOS_PER_SECOND, Now};
use dhp_wire::codepoints::status;

/// When a flow that fell back looks for a DHP again.
const RETRY_NS: u64 = 30 * NANOS_PER_SECOND;

impl Flow {
    pub(super) fn status(&self, key: FlowKey) -> FlowStatus {
        FlowStatus {
            key,
            serves: self.serves,
            on_demand: self.demanded_ns.is_some(),
            fallback: self.fallback,
            challenger: self.challenger,
            verdict: self.verdict,
            progress: match self.stage {
                Stage::Waiting => FlowProgress::Waiting,
                Stage::Querying { .. } => FlowProgress::Querying,
                Stage::Requesting { anchor } => FlowProgress::Requesting(anchor),
                Stage::Ready { anchor, address } => FlowProgress::Ready {
                    anchor,
                    home_address: address,
                },
                Stage::Fallback { .. } => FlowProgress::Fallback,
            },
        }
    }
}

impl MobileNode {
    /// A flow is wanted. One that has its address already, since it was found on demand or before a restart, keeps it.
    pub(super) fn use_flow(&mut self, now: Now, key: FlowKey) {
        match self.flows.get_mut(&key) {
            Some(flow) if matches!(flow.stage, Stage::Ready { .. }) => flow.demanded_ns = None,
            _ => {
                self.flows.insert(key, Flow::new(key.correspondent));
                self.start_flow(now, key);
            }
        }
    }

    /// Begins to find an address for a flow.
    pub(super) fn start_flow(&mut self, now: Now, key: FlowKey) {
        self.exchanges.retain(|exchange| !exchange.is_for(&key));
        if self.stays_terminated(now, key) {
            return;
        }
        let home = self.usable_home();
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        flow.begin_again();
        if key.need.session == Session::Fixed {
            if let Some((anchor, address)) = home {
                flow.stage = Stage::Ready { anchor, address };
                self.event(MnEvent::AnchorReady {
                    flow: key,
                    serves: key.correspondent,
                    anchor,
                    home_address: address,
                    kind: AddressKind::Home,
                });
            }
            return;
        }
        self.candidates.expire(now.mono_ns);
        let Some(best) = self.ranked(&key).first().copied() else {
            if self.share_provisioned(now, key) {
                return self.ask_around(now, key);
            }
            self.query(now, key);
            return self.guess(now, key);
        };
        self.select(now, key);
        // Who covers that much may be far from these correspondents: a nearer DHP can still take over.
        let is_for_others = !self.candidates.has(&key.correspondent);
        if is_for_others && best.coverage.prefix_len() < WIDEST_SERVED {
            self.ask_around(now, key);
        }
    }

    /// Forgets a flow; its address goes back to the DHP when no other flow uses it.
    pub(super) fn release_flow(&mut self, now: Now, key: FlowKey) {
        self.exchanges.retain(|exchange| !exchange.is_for(&key));
        let Some(flow) = self.flows.remove(&key) else {
            return;
        };
        let Stage::Ready { anchor, address } = flow.stage else {
            return;
        };
        if key.need.session != Session::Fixed
            && !self
                .flows
                .values()
                .any(|other| other.uses(&anchor, &address))
        {
            self.release_address(now, anchor, address);
        }
    }

    /// Gives every fixed flow the home address, now that it can be used.
    pub(super) fn home_is_ready(&mut self) {
        let Some((anchor, address)) = self.usable_home() else {
            return;
        };
        let mut ready = Vec::new();
        for (key, flow) in &mut self.flows {
            if key.need.session == Session::Fixed && flow.stage == Stage::Waiting {
                flow.stage = Stage::Ready { anchor, address };
                ready.push(*key);
            }
        }
        for key in ready {
            self.event(MnEvent::AnchorReady {
                flow: key,
                serves: key.correspondent,
                anchor,
                home_address: address,
                kind: AddressKind::Home,
            });
        }
    }

    /// The anchor has given an address to a flow. False if it is not taken.
    pub(super) fn request_accepted(
        &mut self,
        now: Now,
        key: FlowKey,
        dhp: Ipv6Addr,
        address: Ipv6Addr,
        grant: Grant,
    ) -> bool {
        let Some(anchor) = self.anchors.get_mut(&dhp) else {
            return false;
        };
        let is_new = !anchor.addresses().contains(&address);
        if !anchor.grant(address, grant, now.mono_ns) {
            self.request_refused(now, key, dhp, status::INSUFFICIENT_RESOURCES);
            return false;
        }
        anchor.misses = 0;
        if is_new {
            anchor.steered.forget();
        }
        anchor.serves = Some(key.correspondent);
        if !self.is_wanted(&key, &dhp) {
            // The answer to a guess that came late.
            if is_new {
                self.release_address(now, dhp, address);
            }
            return !is_new;
        }
        self.make_ready(now, key, dhp, address);
        true
    }

    /// Gives a flow an address at a DHP.
    pub(super) fn make_ready(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr, address: Ipv6Addr) {
        let serves = self.served_by(&key, &dhp);
        let before = self.flows.get(&key).and_then(Flow::anchor);
        if let Some(Stage::Ready { address, .. }) = self.flows.get(&key).map(|flow| flow.stage) {
            // A program may just have connected from it; it is told of in time.
            self.keep_address(now, address);
        }
        let advantage = before.and_then(|before| self.advantage_over(&key, &dhp, &before));
        let coverage = self.coverage_of(&key, &dhp);
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        flow.begin_again();
        flow.serves = serves;
        flow.coverage = coverage;
        flow.stage = Stage::Ready {
            anchor: dhp,
            address,
        };
        flow.wish = Some((dhp, address));
        if let Some(from) = before.filter(|before| *before != dhp) {
            self.event(MnEvent::Moved {
                flow: key,
                from,
                to: dhp,
                advantage,
            });
        }
        self.event(MnEvent::AnchorReady {
            flow: key,
            serves,
            anchor: dhp,
            home_address: address,
            kind: AddressKind::Dhoa,
        });
        self.wait_no_longer(&key);
        self.look_for_rivals(now, key);
    }

    /// The candidate does not want the flow: on to the next one.
    pub(super) fn request_refused(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr, status: u8) {
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        if flow.stage == (Stage::Requesting { anchor: dhp }) {
            flow.refused = Some(status);
            flow.tried.push(dhp);
            return self.select(now, key);
        }
        self.asked_in_vain(now, key, dhp);
    }

    /// The candidate did not answer: on to the next one. The flow's timer does it, so that a list of dead candidates
    /// does not become a recursion.
    pub(super) fn request_unanswered(
        &mut self,
        now: Now,
        key: FlowKey,
        dhp: Ipv6Addr,
        not_supported: bool,
    ) {
        let flow = self.flows.get(&key);
        if flow.is_none_or(|flow| flow.stage != Stage::Requesting { anchor: dhp }) {
            return self.asked_in_vain(now, key, dhp);
        }
        // "It falls back to RFC 6275 when its retransmissions have also failed, and never for a DHP whose answers have
        // verified before" (profile 1, section 4): that one is only tried again later, like any that is silent.
        let verified = self.anchors.get(&dhp).is_some_and(|anchor| anchor.verified);
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.not_supported |= not_supported && !verified;
            flow.tried.push(dhp);
            flow.stage = Stage::Querying { until_ns: Some(0) };
        }
    }

    /// An address of a flow is gone: asks for it again, at the same DHP if it still is the best.
    pub(super) fn address_lost(&mut self, now: Now, dhp: Ipv6Addr, address: Ipv6Addr) {
        let flows: Vec<FlowKey> = self
            .flows
            .iter()
            .filter(|(_, flow)| flow.uses(&dhp, &address))
            .map(|(key, _)| *key)
            .collect();
        for key in flows {
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.begin_again();
                // Without a care-of address it waits; it begins again when there is one.
                if self.care_of.is_some() {
                    flow.stage = Stage::Fallback {
                        retry_ns: now.mono_ns,
                    };
                }
            }
        }
    }

    /// No DHP takes the flow: it looks again later.
    pub(super) fn fall_back(&mut self, now: Now, key: FlowKey) {
        self.exchanges.retain(|exchange| !exchange.is_for(&key));
        self.candidates.forget(&key.correspondent);
        let spread = self.random.below(RETRY_NS / 8);
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        let reason = match (flow.refused, flow.not_supported) {
            (Some(status), _) => FallbackReason::Refused(status),
            (None, true) => FallbackReason::NotSupported,
            (None, false) if flow.tried.is_empty() => FallbackReason::NoCandidate,
            (None, false) => FallbackReason::NoAnswer,
        };
        flow.begin_again();
        let again_ns = match flow.demanded_ns {
            Some(_) => NEGATIVE_NS,
            None => RETRY_NS,
        };
        flow.stage = Stage::Fallback {
            retry_ns: now.deadline_ns(again_ns.saturating_add(spread)),
        };
        flow.fallback = Some(reason);
        self.event(MnEvent::Fallback { flow: key, reason });
    }

    /// Does what the flows' timers ask for. True if anything was due.
    pub(super) fn drive_flows(&mut self, now: Now) -> bool {
        let due: Vec<(FlowKey, Stage)> = self
            .flows
            .iter()
            .filter(|(_, flow)| flow.due_ns().is_some_and(|due| due <= now.mono_ns))
            .map(|(key, flow)| (*key, flow.stage))
            .collect();
        for (key, stage) in &due {
            match stage {
                // On demand it looks again when it is next asked for.
                Stage::Fallback { .. } if self.is_settled(key) => self.end_flow(now, *key),
                Stage::Fallback { .. } => self.start_flow(now, *key),
                _ => self.select(now, *key),
            }
        }
        !due.is_empty()
    }

    /// Whether a flow on demand is known to have no DHP.
    fn is_settled(&self, key: &FlowKey) -> bool {
        self.flows
            .get(key)
            .is_some_and(|flow| flow.demanded_ns.is_some() && flow.fallback.is_some())
    }

    /// Tells that addresses of an anchor are gone.
    pub(super) fn unbound(
        &mut self,
        anchor: Ipv6Addr,
        home_addresses: Vec<Ipv6Addr>,
        reason: UnboundReason,
    ) {
        if !home_addresses.is_empty() {
            self.event(MnEvent::Unbound {
                anchor,
                home_addresses,
                reason,
            });
        }
    }
}

impl Exchange {
    /// Whether it belongs to the flow.
    pub(super) fn is_for(&self, key: &FlowKey) -> bool {
        matches!(&self.purpose, Purpose::Query { flow, .. } | Purpose::Request { flow, .. } if flow == key)
    }

    /// Whether it may tell a DHP for the flow: a query, or a request that is a guess.
    pub(super) fn may_find_dhp_for(&self, key: &FlowKey) -> bool {
        match &self.purpose {
            Purpose::Query { flow, .. } => flow == key,
            Purpose::Request { flow, asked } => flow == key && *asked == Reason::Guess,
            _ => false,
        }
    }
}
