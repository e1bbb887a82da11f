//! Flows: begun, given an address, left without one, ended.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{AddressKind, FallbackReason, MnEvent, Session, UnboundReason};
use super::exchange::{Exchange, Purpose};
use super::flow::{Flow, Stage};
use super::registration::Grant;
use super::status::{FlowProgress, FlowStatus};
use crate::time::{NANOS_PER_SECOND, Now};

/// When a flow that fell back looks for a DHP again.
const RETRY_NS: u64 = 30 * NANOS_PER_SECOND;

impl Flow {
    pub(super) fn status(&self, correspondent: Ipv6Net) -> FlowStatus {
        FlowStatus {
            correspondent,
            session: self.session,
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
    pub(super) fn start_flow(&mut self, now: Now, correspondent: Ipv6Net) {
        self.exchanges
            .retain(|exchange| !exchange.is_for(&correspondent));
        let home = self.bound_home();
        let Some(flow) = self.flows.get_mut(&correspondent) else {
            return;
        };
        flow.begin_again();
        if flow.session == Session::Fixed {
            if let Some((anchor, address)) = home {
                flow.stage = Stage::Ready { anchor, address };
                self.event(MnEvent::AnchorReady {
                    correspondent,
                    anchor,
                    home_address: address,
                    kind: AddressKind::Home,
                });
            }
            return;
        }
        self.candidates.expire(now.mono_ns);
        if self.ranked(&correspondent).is_empty() {
            self.query(now, correspondent);
        } else {
            self.select(now, correspondent);
        }
    }

    /// Forgets a flow; its address goes back to the DHP when no other flow uses it.
    pub(super) fn release_flow(&mut self, now: Now, correspondent: Ipv6Net) {
        self.exchanges
            .retain(|exchange| !exchange.is_for(&correspondent));
        let Some(flow) = self.flows.remove(&correspondent) else {
            return;
        };
        let Stage::Ready { anchor, address } = flow.stage else {
            return;
        };
        if flow.session != Session::Fixed
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
        for (correspondent, flow) in &mut self.flows {
            if flow.session == Session::Fixed && flow.stage == Stage::Waiting {
                flow.stage = Stage::Ready { anchor, address };
                ready.push(*correspondent);
            }
        }
        for correspondent in ready {
            self.event(MnEvent::AnchorReady {
                correspondent,
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
        correspondent: Ipv6Net,
        dhp: Ipv6Addr,
        address: Ipv6Addr,
        grant: Grant,
    ) -> bool {
        let Some(anchor) = self.anchors.get_mut(&dhp) else {
            return false;
        };
        if !anchor.grant(address, grant) {
            self.request_refused(now, correspondent, dhp, status::INSUFFICIENT_RESOURCES);
            return false;
        }
        let Some(flow) = self.flows.get_mut(&correspondent) else {
            return false;
        };
        flow.begin_again();
        flow.stage = Stage::Ready {
            anchor: dhp,
            address,
        };
        flow.wish = Some((dhp, address));
        self.event(MnEvent::AnchorReady {
            correspondent,
            anchor: dhp,
            home_address: address,
            kind: AddressKind::Dhoa,
        });
        true
    }

    /// The candidate does not want the flow: on to the next one.
    pub(super) fn request_refused(
        &mut self,
        now: Now,
        correspondent: Ipv6Net,
        dhp: Ipv6Addr,
        status: u8,
    ) {
        if let Some(flow) = self.flows.get_mut(&correspondent) {
            flow.refused = Some(status);
            flow.tried.push(dhp);
        }
        self.select(now, correspondent);
    }

    /// The candidate did not answer: on to the next one. The flow's timer does it, so that a list of dead candidates
    /// does not become a recursion.
    pub(super) fn request_unanswered(
        &mut self,
        correspondent: Ipv6Net,
        dhp: Ipv6Addr,
        not_supported: bool,
    ) {
        // "It falls back to RFC 6275 when its retransmissions have also failed, and never for a DHP whose answers have
        // verified before" (profile 1, section 4): that one is only tried again later, like any that is silent.
        let verified = self.anchors.get(&dhp).is_some_and(|anchor| anchor.verified);
        if let Some(flow) = self.flows.get_mut(&correspondent) {
            flow.not_supported |= not_supported && !verified;
            flow.tried.push(dhp);
            flow.stage = Stage::Querying { until_ns: Some(0) };
        }
    }

    /// An address of a flow is gone: asks for it again, at the same DHP if it still is the best.
    pub(super) fn address_lost(&mut self, now: Now, dhp: Ipv6Addr, address: Ipv6Addr) {
        let flows: Vec<Ipv6Net> = self
            .flows
            .iter()
            .filter(|(_, flow)| flow.uses(&dhp, &address))
            .map(|(correspondent, _)| *correspondent)
            .collect();
        for correspondent in flows {
            if let Some(flow) = self.flows.get_mut(&correspondent) {
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
    pub(super) fn fall_back(&mut self, now: Now, correspondent: Ipv6Net) {
        self.exchanges
            .retain(|exchange| !exchange.is_for(&correspondent));
        self.candidates.forget(&correspondent);
        let spread = self.random.below(RETRY_NS / 8);
        let Some(flow) = self.flows.get_mut(&correspondent) else {
            return;
        };
        let reason = match (flow.refused, flow.not_supported) {
            (Some(status), _) => FallbackReason::Refused(status),
            (None, true) => FallbackReason::NotSupported,
            (None, false) if flow.tried.is_empty() => FallbackReason::NoCandidate,
            (None, false) => FallbackReason::NoAnswer,
        };
        flow.begin_again();
        flow.stage = Stage::Fallback {
            retry_ns: now.deadline_ns(RETRY_NS.saturating_add(spread)),
        };
        self.event(MnEvent::Fallback {
            correspondent,
            reason,
        });
    }

    /// Does what the flows' timers ask for. True if anything was due.
    pub(super) fn drive_flows(&mut self, now: Now) -> bool {
        let due: Vec<(Ipv6Net, Stage)> = self
            .flows
            .iter()
            .filter(|(_, flow)| flow.due_ns().is_some_and(|due| due <= now.mono_ns))
            .map(|(correspondent, flow)| (*correspondent, flow.stage))
            .collect();
        for (correspondent, stage) in &due {
            match stage {
                Stage::Fallback { .. } => self.start_flow(now, *correspondent),
                _ => self.select(now, *correspondent),
            }
        }
        !due.is_empty()
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
    pub(super) fn is_for(&self, flow: &Ipv6Net) -> bool {
        matches!(&self.purpose, Purpose::Query { correspondent, .. } | Purpose::Request { correspondent }
            if correspondent == flow)
    }

    /// Whether it is a query for the flow.
    pub(super) fn is_query_for(&self, flow: &Ipv6Net) -> bool {
        matches!(&self.purpose, Purpose::Query { correspondent, .. } if correspondent == flow)
    }
}
