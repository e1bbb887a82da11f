//! Flows: begun, given an address, left without one, ended.

use core::net::Ipv6Addr;

use super::MobileNode;
use super::action::{AddressKind, FallbackReason, MnEvent, Session, UnboundReason};
use super::demand::NEGATIVE_NS;
use super::exchange::{Exchange, Purpose};
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
    /// Begins to find an address for a flow.
    pub(super) fn start_flow(&mut self, now: Now, key: FlowKey) {
        self.exchanges.retain(|exchange| !exchange.is_for(&key));
        if self.stays_terminated(now, key) {
            return;
        }
        let home = self.bound_home();
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
        if self.ranked(&key).is_empty() {
            self.query(now, key);
        } else {
            self.select(now, key);
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

    /// Gives every fixed flow the home address, now that it is bound.
    pub(super) fn home_is_ready(&mut self) {
        let Some((anchor, address)) = self.bound_home() else {
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
        let is_new = !anchor.dhoas.iter().any(|dhoa| dhoa.address == address);
        if !anchor.grant(address, grant, now.mono_ns) {
            self.request_refused(now, key, dhp, status::INSUFFICIENT_RESOURCES);
            return false;
        }
        if is_new {
            anchor.steered.forget();
        }
        let serves = self.served_by(&key, &dhp);
        let Some(flow) = self.flows.get_mut(&key) else {
            return false;
        };
        flow.begin_again();
        flow.serves = serves;
        flow.stage = Stage::Ready {
            anchor: dhp,
            address,
        };
        flow.wish = Some((dhp, address));
        self.event(MnEvent::AnchorReady {
            flow: key,
            serves,
            anchor: dhp,
            home_address: address,
            kind: AddressKind::Dhoa,
        });
        true
    }

    /// The candidate does not want the flow: on to the next one.
    pub(super) fn request_refused(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr, status: u8) {
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.refused = Some(status);
            flow.tried.push(dhp);
        }
        self.select(now, key);
    }

    /// The candidate did not answer: on to the next one. The flow's timer does it, so that a list of dead candidates
    /// does not become a recursion.
    pub(super) fn request_unanswered(&mut self, key: FlowKey, dhp: Ipv6Addr, not_supported: bool) {
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
        matches!(&self.purpose, Purpose::Query { flow, .. } | Purpose::Request { flow } if flow == key)
    }

    /// Whether it is a query for the flow.
    pub(super) fn is_query_for(&self, key: &FlowKey) -> bool {
        matches!(&self.purpose, Purpose::Query { flow, .. } if flow == key)
    }
}
