//! Which DHP a flow asks: query, select, request (profile 1, section 2, steps 3 to 5).

use core::net::Ipv6Addr;

use dhp_wire::ipv6::{home_agents_anycast, is_unicast_routable};
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::MnEvent;
use super::candidate::{Advantage, Candidate};
use super::exchange::{Asked, Exchange, Purpose, Reason};
use super::flow::Stage;
use super::need::FlowKey;
use super::registration::Anchor;
use crate::time::{NANOS_PER_SECOND, Now};

/// How long further answers are waited for after the first one: a DHP on the path answers first, a locator with a
/// better one may be somewhat further away.
const GATHER_NS: u64 = 200_000_000;

/// How long probes of equally good candidates may take.
const PROBE_NS: u64 = 500_000_000;

/// Anchors at once, in use or only asked; more would be somebody's attack through query replies.
pub(super) const MAX_ANCHORS: usize = 64;

impl MobileNode {
    /// Looks for DHPs: DHP Query to the anycast address of the correspondent's /64 and to every locator.
    pub(super) fn query(&mut self, now: Now, key: FlowKey) {
        if let (Some(flow), Some(_)) = (self.flows.get_mut(&key), self.care_of) {
            flow.stage = Stage::Querying { until_ns: None };
        }
        self.send_queries(now, key);
    }

    /// The same for a flow that need not wait for the answers: each query is sent once.
    pub(super) fn ask_around(&mut self, now: Now, key: FlowKey) {
        self.send_queries(now, key);
        self.wait_no_longer(&key);
    }

    fn send_queries(&mut self, now: Now, key: FlowKey) {
        let Some(care_of) = self.care_of else { return };
        let anycast = home_agents_anycast(&key.correspondent.network());
        let locators = self.config.locators.iter();
        let neighbours = self.neighbours(now, &key).into_iter();
        let asked: Vec<_> = core::iter::once((anycast, Asked::Anycast))
            .chain(locators.map(|locator| (*locator, Asked::Locator)))
            .chain(neighbours.map(|neighbour| (neighbour, Asked::Neighbour)))
            .collect();
        for (peer, asked) in asked {
            let purpose = Purpose::Query { flow: key, asked };
            self.exchanges
                .push(Exchange::new(purpose, peer, care_of, now.mono_ns));
        }
    }

    /// Takes the candidates of an answer from `source` to a query. `lifetime` is in units of 4 seconds.
    pub(super) fn learn_candidates(
        &mut self,
        now: Now,
        correspondent: Ipv6Net,
        source: &Ipv6Addr,
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
            self.candidates
                .learn(correspondent, *candidate, source, expires);
        }
    }

    /// A query was answered or given up: looks at the answers soon, or at once if no query is open any more.
    pub(super) fn query_over(&mut self, now: Now, key: FlowKey) {
        let open = self.is_looking(&key);
        let is_named = !self.ranked(&key).is_empty();
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        if let Stage::Querying { until_ns } = &mut flow.stage {
            if !open {
                *until_ns = Some(now.mono_ns);
            } else if is_named && until_ns.is_none() {
                // Somebody waits for what is demanded, and a better DHP can take over later.
                let gather_ns = match flow.demanded_ns {
                    Some(_) => 0,
                    None => GATHER_NS,
                };
                *until_ns = Some(now.deadline_ns(gather_ns));
            }
        }
    }

    /// Whether an answer may still tell a DHP for a flow.
    fn is_looking(&self, key: &FlowKey) -> bool {
        let mut exchanges = self.exchanges.iter();
        exchanges.any(|exchange| exchange.may_find_dhp_for(key))
    }

    /// Nobody waits for a flow's queries any more.
    pub(super) fn wait_no_longer(&mut self, key: &FlowKey) {
        let exchanges = self.exchanges.iter_mut();
        for exchange in exchanges.filter(|exchange| exchange.may_find_dhp_for(key)) {
            exchange.last_transmission();
        }
    }

    /// The candidates of a flow that have not failed, best first.
    pub(super) fn ranked(&self, key: &FlowKey) -> Vec<Candidate> {
        let flow = self.flows.get(key);
        let tried = |dhp: &Ipv6Addr| flow.is_some_and(|flow| flow.tried.contains(dhp));
        self.candidates_for(&key.correspondent)
            .into_iter()
            .filter(|candidate| !tried(&candidate.dhp))
            .collect()
    }

    /// The known DHPs for a correspondent prefix that are not silent, in the order in which they would be asked.
    #[must_use]
    pub fn candidates_for(&self, correspondent: &Ipv6Net) -> Vec<Candidate> {
        self.candidates
            .ranked(correspondent, |dhp| self.has_dhoa(dhp))
            .into_iter()
            .filter(|candidate| !self.is_silent(&candidate.dhp))
            .collect()
    }

    /// By what a candidate goes before another that comes after it.
    #[must_use]
    pub fn advantage(&self, better: &Candidate, after: &Candidate) -> Advantage {
        better.advantage(after, |dhp| self.has_dhoa(dhp))
    }

    pub(super) fn has_dhoa(&self, dhp: &Ipv6Addr) -> bool {
        self.anchors
            .get(dhp)
            .is_some_and(|anchor| !anchor.dhoas.is_empty())
    }

    /// Asks the best candidate for a DHoA; measures the way to equally good ones before, if it is not known and nobody waits.
    pub(super) fn select(&mut self, now: Now, key: FlowKey) {
        let candidates = self.ranked(&key);
        let Some(best) = candidates.first().copied() else {
            if !self.is_looking(&key) {
                self.fall_back(now, key);
            } else if let Some(flow) = self.flows.get_mut(&key) {
                flow.stage = Stage::Querying { until_ns: None };
            }
            return;
        };
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        let rivals: Vec<Ipv6Addr> = candidates
            .iter()
            .filter(|rival| rival.coverage.prefix_len() == best.coverage.prefix_len())
            .filter(|rival| rival.round_trip_ns.is_none())
            .map(|rival| rival.dhp)
            .collect();
        let alone = candidates.len() == 1;
        let may_wait = flow.demanded_ns.is_none();
        if may_wait && !alone && !rivals.is_empty() && !flow.probed {
            flow.probed = true;
            flow.stage = Stage::Querying {
                until_ns: Some(now.deadline_ns(PROBE_NS)),
            };
            self.probe(now, key, &rivals);
            return;
        }
        self.event(MnEvent::CandidateList {
            flow: key,
            candidates,
        });
        if !self.share_address(now, key, best.dhp) {
            self.request(now, key, best.dhp);
        }
    }

    /// Whether the way to a candidate is being measured.
    pub(super) fn is_probing(&self, dhp: &Ipv6Addr) -> bool {
        self.exchanges.iter().any(|exchange| {
            exchange.peer == *dhp && matches!(exchange.purpose, Purpose::Query { .. })
        })
    }

    /// Measures the ways to candidates.
    pub(super) fn probe(&mut self, now: Now, key: FlowKey, rivals: &[Ipv6Addr]) {
        let Some(care_of) = self.care_of else { return };
        for rival in rivals {
            let purpose = Purpose::Query {
                flow: key,
                asked: Asked::Probe,
            };
            self.exchanges
                .push(Exchange::new(purpose, *rival, care_of, now.mono_ns));
        }
    }

    /// DHoA Request to the DHP of a flow's choice.
    fn request(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr) {
        self.wait_no_longer(&key);
        if let (Some(flow), Some(_)) = (self.flows.get_mut(&key), self.care_of) {
            flow.stage = Stage::Requesting { anchor: dhp };
        }
        self.send_request(now, key, dhp, Reason::Covers);
    }

    /// DHoA Request; what was a guess is none any more, once it is known that the DHP covers the correspondents.
    pub(super) fn send_request(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr, reason: Reason) {
        let Some(care_of) = self.care_of else { return };
        let sent = self.exchanges.iter_mut().find(|exchange| {
            exchange.peer == dhp
                && matches!(exchange.purpose, Purpose::Request { flow, .. } if flow == key)
        });
        if let Some(sent) = sent {
            return sent.ask_on(Purpose::Request {
                flow: key,
                asked: reason,
            });
        }
        if self.anchors.len() >= MAX_ANCHORS && !self.anchors.contains_key(&dhp) {
            self.anchors
                .retain(|_, anchor| !anchor.dhoas.is_empty() || !anchor.releasing.is_empty());
        }
        if !self.anchors.contains_key(&dhp) {
            let sequence = super::random_sequence(&mut self.random);
            let key = self.config.key_for(&dhp);
            self.anchors.insert(dhp, Anchor::new(key, sequence));
        }
        let purpose = Purpose::Request {
            flow: key,
            asked: reason,
        };
        self.exchanges
            .push(Exchange::new(purpose, dhp, care_of, now.mono_ns));
    }
}
