//! Dynamic Home Agent Address Discovery (RFC 6275 §11.4.1): where no home agent is configured, the home link is asked who they are.
//!
//! The answer is a hint that needs no proof: a home agent is who answers a registration with the right MAC. Its order holds, and the next
//! one is tried when one refuses, does not answer, or knows nothing of mobility. A home agent that has accepted is asked first at each
//! move, until it does one of these.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::constants;
use dhp_wire::icmpv6::{Body, Builder, Message};
use dhp_wire::ipv6::{home_agents_anycast, is_unicast_routable};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use super::MobileNode;
use super::action::{MnAction, MnEvent, UnboundReason};
use super::exchange::Exchange;
use super::receive::count;
use super::registration::HomeRegistration;
use crate::time::{NANOS_PER_SECOND, Now};

/// Home agents that are remembered.
const MAX_HOME_AGENTS: usize = 16;
/// From a search in vain to the next one.
const PAUSE_NS: u64 = 60 * NANOS_PER_SECOND;
/// Transmissions of a Binding Update, without an answer, until another home agent is tried: 7 seconds after the first one, and 10.5 where
/// nothing is bound. "The mobile node MUST, however, wait at least InitialBindackTimeoutFirstReg seconds".
pub(super) const PATIENCE: u32 = 3;

/// A Home Agent Address Discovery Request that was sent.
#[derive(Debug, Clone, Copy)]
struct Request {
    identifier: u16,
    care_of: Ipv6Addr,
    transmissions: u32,
    next_ns: u64,
    interval_ns: u64,
}

#[derive(Debug, Clone, Copy)]
enum Search {
    /// A home agent is known, and bound or being tried.
    Over,
    /// Somebody has to be found.
    Due {
        at_ns: u64,
    },
    Asking(Request),
}

/// What is known of the home agents on the home link.
#[derive(Debug)]
pub(super) struct AgentDiscovery {
    /// In the order of the last reply.
    known: Vec<Ipv6Addr>,
    /// Those that have been tried in vain since one has accepted, or a reply has come.
    failed: Vec<Ipv6Addr>,
    /// Whether no home agent has accepted since the last reply.
    is_fresh: bool,
    search: Search,
}

impl AgentDiscovery {
    /// That of a node that knows these.
    pub(super) fn new(known: impl IntoIterator<Item = Ipv6Addr>) -> Self {
        let mut agents: Vec<Ipv6Addr> = Vec::new();
        for agent in known {
            if is_unicast_routable(&agent) && !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        agents.truncate(MAX_HOME_AGENTS);
        Self {
            known: agents,
            failed: Vec::new(),
            is_fresh: false,
            search: Search::Due { at_ns: 0 },
        }
    }

    /// The home agents, best first.
    pub(super) fn known(&self) -> &[Ipv6Addr] {
        &self.known
    }

    /// Whether the home link is being asked.
    pub(super) fn is_asking(&self) -> bool {
        matches!(self.search, Search::Asking(_))
    }

    fn untried(&self) -> Option<Ipv6Addr> {
        let mut known = self.known.iter();
        known.find(|agent| !self.failed.contains(agent)).copied()
    }

    fn due_ns(&self) -> Option<u64> {
        match self.search {
            Search::Over => None,
            Search::Due { at_ns } => Some(at_ns),
            Search::Asking(request) => Some(request.next_ns),
        }
    }
}

impl MobileNode {
    /// The home address: the configured one, or the one that it became by renumbering.
    pub(super) fn home_address(&self) -> Option<Ipv6Addr> {
        let registered = self.home.as_ref().map(|home| home.address);
        registered.or(self.config.home.map(|home| home.address))
    }

    /// There is a new care-of address. Without a registration, the home agents that are known are tried from the first on, or the home
    /// link is asked. "If the mobile node has a current registration with some home agent …, then the mobile node MUST attempt any
    /// new registration first with that home agent."
    pub(super) fn begin_with_home_agent(&mut self) {
        let is_bound = self.bound_home().is_some();
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        discovery.failed.clear();
        discovery.is_fresh = false;
        if is_bound {
            discovery.search = Search::Over;
            return;
        }
        let before = self.home.as_ref().filter(|home| home.refused.is_none());
        let before = before.map(|home| home.agent);
        match before.or(discovery.untried()) {
            Some(agent) => {
                discovery.search = Search::Over;
                self.choose_home_agent(agent);
            }
            None => discovery.search = Search::Due { at_ns: 0 },
        }
    }

    /// The next registration goes to this home agent.
    fn choose_home_agent(&mut self, agent: Ipv6Addr) {
        let Some(address) = self.home_address() else {
            return;
        };
        let key = self.config.key_for(&agent);
        for other in &mut self.other_homes {
            other.registration.change_agent(agent, key.clone());
        }
        match &mut self.home {
            Some(home) if home.agent == agent => return home.refused = None,
            Some(home) => home.change_agent(agent, key),
            None => {
                let sequence = super::random_sequence(&mut self.random);
                self.home = Some(HomeRegistration::new(agent, address, key, sequence));
            }
        }
        self.event(MnEvent::HomeAgentChosen { agent });
    }

    /// The home agent has accepted.
    pub(super) fn home_agent_accepted(&mut self) {
        if let Some(discovery) = &mut self.discovery {
            discovery.failed.clear();
            discovery.is_fresh = false;
            discovery.search = Search::Over;
        }
    }

    /// A home agent does not answer. Without another one it is still asked, and the home link, too.
    pub(super) fn home_agent_unanswered(&mut self, now: Now, exchange: Exchange) {
        let is_last = self.discovery.as_mut().is_some_and(|discovery| {
            discovery.failed.push(exchange.peer);
            discovery.untried().is_none()
        });
        if is_last {
            self.exchanges.push(exchange.patience(None));
            return self.search_home_agents(now);
        }
        self.next_home_agent(now);
    }

    /// The home agent is none for this node: tries the next one, or asks who there are. False if it is configured.
    pub(super) fn next_home_agent(&mut self, now: Now) -> bool {
        let (Some(discovery), Some(home)) = (&mut self.discovery, &mut self.home) else {
            return false;
        };
        discovery.failed.push(home.agent);
        match discovery.untried() {
            Some(agent) => self.try_home_agent(now, agent),
            None => {
                self.leave_home_agent();
                self.search_home_agents(now);
            }
        }
        true
    }

    fn try_home_agent(&mut self, now: Now, agent: Ipv6Addr) {
        if self.home.as_ref().is_some_and(|home| home.agent != agent) {
            self.leave_home_agent();
        }
        self.choose_home_agent(agent);
        self.update_home(now);
    }

    /// What it has granted holds no more: the next one tests the home address for duplicates.
    fn leave_home_agent(&mut self) {
        let Some(home) = &mut self.home else { return };
        let (agent, address) = (home.agent, home.address);
        if home.grant.take().is_some() {
            self.unbound(agent, vec![address], UnboundReason::NoAnswer);
            self.home_gone();
        }
    }

    /// "If the mobile node knows of no other suitable home agent, then it MAY attempt the dynamic home agent address discovery
    /// mechanism"; not at once again, where all that were named have just been tried.
    fn search_home_agents(&mut self, now: Now) {
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        let pause_ns = if discovery.is_fresh { PAUSE_NS } else { 0 };
        if !discovery.is_asking() {
            discovery.search = Search::Due {
                at_ns: now.deadline_ns(pause_ns),
            };
        }
    }

    /// When the home link is to be asked, or asked again.
    pub(super) fn discovery_deadline(&self) -> Option<u64> {
        let discovery = self.discovery.as_ref().filter(|_| self.is_running())?;
        discovery.due_ns()
    }

    /// Asks the home link if it is time. True if it was.
    pub(super) fn discover_home_agents(&mut self, now: Now) -> bool {
        let is_due = self
            .discovery_deadline()
            .is_some_and(|at| at <= now.mono_ns);
        let (Some(care_of), true) = (self.care_of, is_due) else {
            return false;
        };
        let search = self.discovery.as_ref().map(|discovery| discovery.search);
        let request = match search {
            Some(Search::Asking(request)) => request,
            _ => Request {
                identifier: super::random_sequence(&mut self.random),
                care_of,
                transmissions: 0,
                next_ns: now.mono_ns,
                interval_ns: initial_interval_ns(),
            },
        };
        // "This retransmission MAY be repeated up to a maximum of DHAAD_RETRIES … attempts."
        if request.transmissions > constants::DHAAD_RETRIES {
            if let Some(discovery) = &mut self.discovery {
                discovery.search = Search::Due {
                    at_ns: now.deadline_ns(PAUSE_NS),
                };
            }
            self.event(MnEvent::HomeAgentsUnknown);
            return true;
        }
        self.transmit_discovery(now, request);
        true
    }

    fn transmit_discovery(&mut self, now: Now, request: Request) {
        let (Some(home), Some(discovery)) = (self.home_address(), &mut self.discovery) else {
            return;
        };
        discovery.search = Search::Asking(Request {
            transmissions: request.transmissions.saturating_add(1),
            next_ns: now.deadline_ns(request.interval_ns),
            // "Each retransmission MUST be delayed by twice the time interval of the previous retransmission."
            interval_ns: request.interval_ns.saturating_mul(2),
            ..request
        });
        let (care_of, anycast) = (request.care_of, home_agents_anycast(&home));
        let identifier = request.identifier;
        let body = Body::HomeAgentDiscoveryRequest { identifier };
        let message = Builder::new(&body).finish(&care_of, &anycast);
        let packet = compose_icmpv6(&care_of, &anycast, None, None, &message);
        count(&mut self.counters.packets_sent);
        let octets = u64::try_from(packet.len()).unwrap_or(u64::MAX);
        self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(octets);
        count(&mut self.counters.home_agent_requests_sent);
        self.actions.push_back(MnAction::Transmit(packet));
    }

    /// The care-of address is gone, or another one: who was asked from there would answer there.
    pub(super) fn stop_asking_home_agents(&mut self) {
        if let Some(discovery) = self.discovery.as_mut().filter(|known| known.is_asking()) {
            discovery.search = Search::Due { at_ns: 0 };
        }
    }

    /// Takes a Home Agent Address Discovery Reply: the first one to the last question.
    pub(super) fn receive_home_agents(
        &mut self,
        now: Now,
        packet: &IcmpPacket<'_>,
        message: &Message<'_>,
    ) {
        let Body::HomeAgentDiscoveryReply { identifier } = message.body else {
            return;
        };
        let own = self.home_address();
        let search = self.discovery.as_ref().map(|discovery| discovery.search);
        let is_answer = matches!(search, Some(Search::Asking(request))
            if request.identifier == identifier && request.care_of == packet.destination);
        if !is_answer || packet.type2_home.is_some() {
            return count(&mut self.counters.unmatched);
        }
        count(&mut self.counters.home_agent_replies);
        let named = message.addresses.iter();
        let mut found = AgentDiscovery::new(named.filter(|agent| Some(*agent) != own));
        (found.is_fresh, found.search) = (true, Search::Over);
        let agents = found.known.clone();
        self.discovery = Some(found);
        self.event(MnEvent::HomeAgentsFound { agents });
        self.try_found(now);
    }

    /// Begins with what a reply has named. Who is still being asked, since there was nobody else, comes last.
    fn try_found(&mut self, now: Now) {
        let waits = self.is_registering();
        let current = self.home.as_ref().map(|home| home.agent);
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        if waits && discovery.known.len() > 1 {
            discovery.failed.extend(current);
        }
        match discovery.untried() {
            Some(agent) => self.try_home_agent(now, agent),
            None => self.search_home_agents(now),
        }
    }
}

fn initial_interval_ns() -> u64 {
    u64::try_from(constants::INITIAL_DHAAD_TIMEOUT.as_nanos()).unwrap_or(u64::MAX)
}
