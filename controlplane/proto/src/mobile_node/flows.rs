//! From the wish of a flow to its address: query, select, request.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use dhp_wire::ipv6::{home_agents_anycast, is_unicast_routable};
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{AddressKind, FallbackReason, MnEvent, Session, UnboundReason};
use super::candidate::Candidate;
use super::exchange::{Asked, Exchange, Purpose};
use super::flow::{Flow, Stage};
use super::registration::{Anchor, Grant};
use super::status::{FlowProgress, FlowStatus};
use crate::time::{NANOS_PER_SECOND, Now};

/// How long further answers are waited for after the first one: a DHP on the path answers first, a locator with a
/// better one may be somewhat further away.
const GATHER_NS: u64 = 200_000_000;

/// How long probes of equally good candidates may take.
const PROBE_NS: u64 = 500_000_000;

/// When a flow that fell back looks for a DHP again.
const RETRY_NS: u64 = 30 * NANOS_PER_SECOND;

/// Anchors at once, in use or only asked; more would be somebody's attack through query replies.
const MAX_ANCHORS: usize = 64;

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

    /// DHP Query to the anycast address of the correspondent's /64 and to every locator.
    fn query(&mut self, now: Now, correspondent: Ipv6Net) {
        let Some(care_of) = self.care_of else { return };
        if let Some(flow) = self.flows.get_mut(&correspondent) {
            flow.stage = Stage::Querying { until_ns: None };
        }
        let anycast = home_agents_anycast(&correspondent.network());
        let locators = self.config.locators.iter();
        let asked: Vec<_> = core::iter::once((anycast, Asked::Anycast))
            .chain(locators.map(|locator| (*locator, Asked::Locator)))
            .collect();
        for (peer, asked) in asked {
            let purpose = Purpose::Query {
                correspondent,
                asked,
            };
            self.exchanges
                .push(Exchange::new(purpose, peer, care_of, now.mono_ns));
        }
    }

    /// Takes the candidates of an answer to a query. `lifetime` is in units of 4 seconds.
    pub(super) fn learn_candidates(
        &mut self,
        now: Now,
        correspondent: Ipv6Net,
        lifetime: u16,
        candidates: &[Candidate],
    ) {
        let expires = now
            .mono_ns
            .saturating_add(u64::from(lifetime.max(1)) * 4 * NANOS_PER_SECOND);
        for candidate in candidates
            .iter()
            .filter(|candidate| is_unicast_routable(&candidate.dhp))
        {
            self.candidates.learn(correspondent, *candidate, expires);
        }
    }

    /// A query was answered or given up: looks at the answers soon, or at once if no query is open any more.
    pub(super) fn query_over(&mut self, now: Now, correspondent: Ipv6Net) {
        let open = self
            .exchanges
            .iter()
            .any(|exchange| exchange.is_query_for(&correspondent));
        let answered = !self.ranked(&correspondent).is_empty();
        let Some(flow) = self.flows.get_mut(&correspondent) else {
            return;
        };
        if let Stage::Querying { until_ns } = &mut flow.stage {
            if !open {
                *until_ns = Some(now.mono_ns);
            } else if answered && until_ns.is_none() {
                *until_ns = Some(now.deadline_ns(GATHER_NS));
            }
        }
    }

    /// The candidates of a flow that have not failed, best first.
    fn ranked(&self, correspondent: &Ipv6Net) -> Vec<Candidate> {
        let flow = self.flows.get(correspondent);
        let tried = |dhp: &Ipv6Addr| flow.is_some_and(|flow| flow.tried.contains(dhp));
        self.candidates
            .ranked(correspondent, |dhp| self.has_dhoa(dhp))
            .into_iter()
            .filter(|candidate| !tried(&candidate.dhp))
            .collect()
    }

    fn has_dhoa(&self, dhp: &Ipv6Addr) -> bool {
        self.anchors
            .get(dhp)
            .is_some_and(|anchor| !anchor.dhoas.is_empty())
    }

    /// Asks the best candidate for a DHoA; measures the way to equally good ones before, if it is not known.
    fn select(&mut self, now: Now, correspondent: Ipv6Net) {
        let candidates = self.ranked(&correspondent);
        let Some(best) = candidates.first().copied() else {
            self.fall_back(now, correspondent);
            return;
        };
        let Some(flow) = self.flows.get_mut(&correspondent) else {
            return;
        };
        let rivals: Vec<Ipv6Addr> = candidates
            .iter()
            .filter(|rival| rival.coverage.prefix_len() == best.coverage.prefix_len())
            .filter(|rival| rival.round_trip_ns.is_none())
            .map(|rival| rival.dhp)
            .collect();
        let alone = candidates.len() == 1;
        if !alone && !rivals.is_empty() && !flow.probed {
            flow.probed = true;
            flow.stage = Stage::Querying {
                until_ns: Some(now.deadline_ns(PROBE_NS)),
            };
            self.probe(now, correspondent, &rivals);
            return;
        }
        self.event(MnEvent::CandidateList {
            correspondent,
            candidates,
        });
        self.request(now, correspondent, best.dhp);
    }

    fn probe(&mut self, now: Now, correspondent: Ipv6Net, rivals: &[Ipv6Addr]) {
        let Some(care_of) = self.care_of else { return };
        for rival in rivals {
            let purpose = Purpose::Query {
                correspondent,
                asked: Asked::Probe,
            };
            self.exchanges
                .push(Exchange::new(purpose, *rival, care_of, now.mono_ns));
        }
    }

    fn request(&mut self, now: Now, correspondent: Ipv6Net, dhp: Ipv6Addr) {
        let Some(care_of) = self.care_of else { return };
        self.exchanges
            .retain(|exchange| !exchange.is_for(&correspondent));
        if self.anchors.len() >= MAX_ANCHORS && !self.anchors.contains_key(&dhp) {
            self.anchors
                .retain(|_, anchor| !anchor.dhoas.is_empty() || !anchor.releasing.is_empty());
        }
        if !self.anchors.contains_key(&dhp) {
            let sequence = super::random_sequence(&mut self.random);
            let key = self.config.key_for(&dhp);
            self.anchors.insert(dhp, Anchor::new(key, sequence));
        }
        if let Some(flow) = self.flows.get_mut(&correspondent) {
            flow.stage = Stage::Requesting { anchor: dhp };
        }
        let purpose = Purpose::Request { correspondent };
        self.exchanges
            .push(Exchange::new(purpose, dhp, care_of, now.mono_ns));
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

    fn fall_back(&mut self, now: Now, correspondent: Ipv6Net) {
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
    fn is_for(&self, flow: &Ipv6Net) -> bool {
        matches!(&self.purpose, Purpose::Query { correspondent, .. } | Purpose::Request { correspondent }
            if correspondent == flow)
    }

    fn is_query_for(&self, flow: &Ipv6Net) -> bool {
        matches!(&self.purpose, Purpose::Query { correspondent, .. } if correspondent == flow)
    }
}
