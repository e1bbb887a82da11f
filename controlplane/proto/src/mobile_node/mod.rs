//! The mobile node's engine: finds DHPs, gets DHoAs, keeps every binding alive, and moves them all at once.
//!
//! RFC 6275 §11 for the home address; DMIPv6 profile 1 for DHoAs. Neither clock nor socket: the caller gives packets,
//! commands and the time, and takes actions until [`MobileNode::poll_action`] has none.
//!
//! Everything that waits for an answer is an [`exchange::Exchange`] in one list; [`MobileNode::drive`] is the one place
//! where time passes.

mod access;
mod acknowledgement;
mod action;
mod agent_discovery;
mod anchors;
mod answers;
mod binding_list;
mod candidate;
mod choice;
mod compose;
mod config;
mod contents;
mod counters;
mod demand;
mod exchange;
mod flow;
mod flows;
mod foresight;
mod guess;
mod home;
pub mod judgment;
mod kept;
mod key_change;
mod liveness;
mod maintenance;
mod mesg_id;
mod need;
mod neighbours;
mod other_homes;
mod pace;
mod parameter_problem;
pub mod policy;
mod prefix;
mod provisioned;
mod quality;
mod receive;
mod registration;
mod renumbering;
mod restore;
mod returning_home;
mod rivals;
mod route_optimization;
mod selection;
mod status;
mod steered;
mod steering;
mod urgency;

use core::net::Ipv6Addr;
use std::collections::{BTreeMap, VecDeque};

pub use access::{AccessRule, Attachment, Choice, ChoiceReason, Unmet};
pub use action::{
    AddressKind, FallbackReason, MnAction, MnCommand, MnEvent, Session, UnboundReason,
};
pub use candidate::{Advantage, Candidate};
pub use config::{ConfigError, HomeConfig, KeyMaterial, MobileNodeConfig};
pub use counters::Counters;
pub use kept::{
    Kept, KeptAnchor, KeptBinding, KeptCandidate, KeptFlow, KeptFormerHome, KeptHome,
    RESERVED_NUMBERS,
};
pub use need::{FlowKey, Need, Requirements};
pub use provisioned::ProvisionedDhp;
pub use returning_home::Whereabouts;
pub use route_optimization::{ProxyReason, RouteMode, RouteStatus, is_tunnelled_signalling};
pub use status::{
    AnchorStatus, BindingStatus, FlowProgress, FlowStatus, HomeAgentsStatus, QualityStatus, Status,
};
pub use steering::{SteeredFlow, Steering};

use crate::random::Random;
use crate::time::Now;
use agent_discovery::AgentDiscovery;
use candidate::CandidateCache;
use choice::Accesses;
use exchange::{Due, Exchange, Purpose};
use flow::{Flow, Stage};
use foresight::Foresight;
use other_homes::OtherHome;
use pace::Pace;
use registration::{Anchor, HomeRegistration};
use route_optimization::Routes;

/// Rounds of [`MobileNode::drive`] in one call: what one round makes due, the next does. More would mean that
/// something makes itself due for ever; the rest is then left to the next call.
const MAX_ROUNDS: usize = 64;

/// Where the engine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Stopped,
}

/// The mobile node's engine.
#[derive(Debug)]
pub struct MobileNode {
    config: MobileNodeConfig,
    random: Random,
    phase: Phase,
    /// The default one.
    care_of: Option<Ipv6Addr>,
    accesses: Accesses,
    /// When flows whose patience was over were judged last.
    judged_ns: u64,
    query_sequence: u16,
    /// `None`: there is no home agent, or none is known as yet.
    home: Option<HomeRegistration>,
    /// Where the home agent is not configured.
    discovery: Option<AgentDiscovery>,
    other_homes: Vec<OtherHome>,
    anchors: BTreeMap<Ipv6Addr, Anchor>,
    flows: BTreeMap<FlowKey, Flow>,
    candidates: CandidateCache,
    provisioned: Vec<ProvisionedDhp>,
    foresight: Foresight,
    exchanges: Vec<Exchange>,
    routes: Routes,
    pace: Pace,
    counters: Counters,
    actions: VecDeque<MnAction>,
}

impl MobileNode {
    /// An engine without care-of address and flows. `seed` is 32 octets of entropy (fixed in a test).
    ///
    /// # Errors
    /// What [`MobileNodeConfig::validate`] finds.
    pub fn new(config: MobileNodeConfig, _now: Now, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut random = Random::new(seed);
        let home = config.home.and_then(|home| {
            let agent = home.agent?;
            let (key, sequence) = (config.key_for(&agent), random_sequence(&mut random));
            Some(HomeRegistration::new(agent, home.address, key, sequence))
        });
        let is_discovered = config.home.is_some_and(|home| home.agent.is_none());
        let discovery = is_discovered.then(|| AgentDiscovery::new([]));
        Ok(Self {
            query_sequence: random_sequence(&mut random),
            config,
            random,
            phase: Phase::Running,
            care_of: None,
            accesses: Accesses::default(),
            judged_ns: 0,
            home,
            discovery,
            other_homes: Vec::new(),
            anchors: BTreeMap::new(),
            flows: BTreeMap::new(),
            candidates: CandidateCache::default(),
            provisioned: Vec::new(),
            foresight: Foresight::default(),
            exchanges: Vec::new(),
            routes: Routes::default(),
            pace: Pace::default(),
            counters: Counters::default(),
            actions: VecDeque::new(),
        })
    }

    /// Takes an IPv6 packet that carries a Mobility Header, or an ICMPv6 message that concerns mobility: a Mobile Prefix Advertisement, a
    /// Home Agent Address Discovery Reply, a Parameter Problem.
    pub fn handle_packet(&mut self, now: Now, packet: &[u8]) {
        self.receive(now, packet);
        self.drive(now);
    }

    /// Takes a command.
    pub fn handle_command(&mut self, now: Now, command: MnCommand) {
        match command {
            _ if self.phase != Phase::Running => {}
            MnCommand::SetCareOf(care_of) => {
                self.set_accesses(now, vec![Attachment::only(care_of)]);
            }
            MnCommand::LoseCareOf => self.lose_care_of(now),
            MnCommand::SetAccesses(accesses) => self.set_accesses(now, accesses),
            MnCommand::AccessRules {
                rules,
                probe_interval_ns,
            } => self.set_access_rules(now, rules, probe_interval_ns),
            MnCommand::Active(addresses) => self.note_active(now, &addresses),
            MnCommand::Use(key) => self.use_flow(now, key),
            MnCommand::Release(key) => self.release_flow(now, key),
            MnCommand::Demand {
                correspondent,
                need,
            } => self.demand(now, correspondent, need),
            MnCommand::Foresee(correspondents) => self.foresee(correspondents),
            MnCommand::InUse(address) => self.keep_address(now, address),
            MnCommand::OptimizeRoute(ends) => self.optimize_route(now, ends),
            MnCommand::ProxyRoute(ends) => self.proxy_route(&ends),
            MnCommand::Shutdown => self.shut_down(now),
        }
        self.drive(now);
    }

    /// The monotonic time at which [`handle_timeout`](Self::handle_timeout) is wanted; `None`: not before another input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let expiries = self.anchors.values().filter_map(Anchor::expires_ns);
        let home = self.home.as_ref().and_then(|home| home.grant);
        let always = expiries
            .chain(home.and_then(|grant| grant.expires_ns))
            .chain(self.idle_deadlines())
            .chain(self.routes.due_ns())
            .chain(self.other_ends())
            .chain(self.patience_deadline());
        // Without a care-of address nothing can be sent; setting one drives everything that is overdue.
        let sending = self.care_of.is_some();
        let exchanges = self.exchanges.iter().map(|exchange| exchange.next_ns);
        let flows = self.flows.values().filter_map(Flow::due_ns);
        let refreshes = self
            .anchors
            .iter()
            .filter(|(address, _)| !self.is_updating(address))
            .filter_map(|(_, anchor)| anchor.refresh_ns());
        let home_refresh = home
            .and_then(|grant| grant.refresh_ns)
            .filter(|_| !self.is_registering());
        always
            .chain(
                exchanges
                    .chain(flows)
                    .chain(refreshes)
                    .chain(home_refresh)
                    .chain(self.check_deadlines())
                    .chain(self.probe_deadline())
                    .chain(self.foresight_deadline())
                    .chain(self.solicitation_deadline())
                    .chain(self.discovery_deadline())
                    .chain(self.other_refreshes())
                    .filter(|_| sending),
            )
            .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.drive(now);
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<MnAction> {
        self.actions.pop_front()
    }

    /// Whether a [`MnCommand::Shutdown`] is done.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Care-of address, anchors, bindings, flows, candidates, counters.
    #[must_use]
    pub fn status(&self) -> Status {
        let home = self.home.iter().map(|home| AnchorStatus {
            address: home.agent,
            kind: AddressKind::Home,
            round_trip_ns: home.round_trip_ns,
            pending: self.is_registering(),
            silent: false,
            bindings: self
                .registrations()
                .filter_map(|home| {
                    Some(BindingStatus {
                        home_address: home.address,
                        care_of: home.grant?.confirmed,
                        expires_ns: home.grant?.expires_ns,
                    })
                })
                .collect(),
        });
        let dhps = self.anchors.iter().map(|(address, anchor)| AnchorStatus {
            address: *address,
            kind: AddressKind::Dhoa,
            round_trip_ns: anchor.round_trip_ns,
            pending: self.is_updating(address),
            silent: self.is_silent(address),
            bindings: anchor
                .dhoas
                .iter()
                .map(|dhoa| BindingStatus {
                    home_address: dhoa.address,
                    care_of: dhoa.grant.confirmed,
                    expires_ns: dhoa.grant.expires_ns,
                })
                .collect(),
        });
        Status {
            care_of: self.care_of,
            accesses: self.accesses.attached.clone(),
            qualities: self.accesses.status().collect(),
            choices: self.accesses.chosen.clone(),
            anchors: home.chain(dhps).collect(),
            flows: self
                .flows
                .iter()
                .map(|(key, flow)| flow.status(*key))
                .collect(),
            candidates: self.candidates.iter().collect(),
            home_agents: self.discovery.as_ref().map(|known| HomeAgentsStatus {
                known: known.known().to_vec(),
                is_asking: known.is_asking(),
            }),
            former_homes: self.former_homes().collect(),
            counters: self.counters,
        }
    }

    /// Home address and home agent as they are now: the configuration's, or what discovery and renumbering have made of them.
    #[must_use]
    pub fn present_home(&self) -> Option<HomeConfig> {
        Some(HomeConfig {
            agent: self.home.as_ref().map(|home| home.agent),
            address: self.home_address()?,
            ..self.config.home?
        })
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn event(&mut self, event: MnEvent) {
        self.actions.push_back(MnAction::Event(event));
    }

    fn set_accesses(&mut self, now: Now, attached: Vec<Attachment>) {
        let Some(default) = attached.first().map(|access| access.care_of) else {
            return self.lose_care_of(now);
        };
        if self.accesses.attached == attached {
            return;
        }
        self.accesses.take(attached);
        self.forget_changed_qualities();
        if self.care_of == Some(default) {
            self.choose_accesses();
            self.judge_flows(now);
            return self.steer_anchors(now);
        }
        self.care_of = Some(default);
        self.candidates.forget_round_trips();
        self.counters.handoffs = self.counters.handoffs.saturating_add(1);
        // What waits for an answer at the old address waits in vain; each of these is begun again from the new one.
        self.forget_exchanges(now);
        self.choose_accesses();
        self.judge_before_move(now);
        self.begin_with_home_agent();
        self.move_everything(now);
        self.register_others(now);
        self.start_unfinished_flows(now);
    }

    fn forget_exchanges(&mut self, now: Now) {
        for mut exchange in core::mem::take(&mut self.exchanges) {
            self.note_wait(now, &mut exchange);
        }
        self.stop_asking_home_agents();
        for flow in self.flows.values_mut() {
            flow.forget_rivals();
        }
        for anchor in self.anchors.values_mut() {
            anchor.compare_ns = None;
        }
    }

    fn start_unfinished_flows(&mut self, now: Now) {
        let unfinished: Vec<FlowKey> = self
            .flows
            .iter()
            .filter(|(_, flow)| !matches!(flow.stage, Stage::Ready { .. }))
            .filter(|(_, flow)| !flow.is_terminated())
            .map(|(key, _)| *key)
            .collect();
        for key in unfinished {
            self.start_flow(now, key);
        }
    }

    /// Whether an access that can be used now has this care-of address.
    fn is_at(&self, care_of: &Ipv6Addr) -> bool {
        let mut attached = self.accesses.attached.iter();
        attached.any(|access| access.care_of == *care_of)
    }

    fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    fn lose_care_of(&mut self, now: Now) {
        self.care_of = None;
        self.lose_home_link();
        self.accesses.take(Vec::new());
        self.forget_changed_qualities();
        self.forget_exchanges(now);
        for flow in self.flows.values_mut() {
            if !matches!(flow.stage, Stage::Ready { .. }) {
                flow.begin_again();
            }
        }
    }

    fn shut_down(&mut self, now: Now) {
        self.phase = Phase::Stopping;
        self.exchanges.clear();
        self.flows.clear();
        if self.care_of.is_some() {
            self.release_everything(now);
            self.deregister_home(now);
            self.leave_others(now);
        }
    }

    /// Lets time pass: ends what is over, begins what is due, sends what is to be sent.
    fn drive(&mut self, now: Now) {
        for _ in 0..MAX_ROUNDS {
            self.end_silence(now);
            let mut busy = self.expire_home(now) | self.expire_dhoas(now) | self.end_idle(now);
            busy |= self.end_patience(now) | self.end_others(now);
            if self.care_of.is_some() {
                busy |= self.refresh_home(now) | self.refresh_dhoas(now) | self.drive_flows(now);
                busy |= self.check_dhps(now) | self.compare_dhps(now);
                busy |= self.probe_accesses(now) | self.solicit_in_time(now);
                busy |= self.ask_in_advance(now);
                busy |= self.discover_home_agents(now) | self.refresh_others(now);
                busy |= self.drive_exchanges(now);
            }
            if !busy {
                break;
            }
        }
        self.drive_routes(now);
        if self.phase == Phase::Stopping && self.exchanges.is_empty() && self.routes.is_empty() {
            self.phase = Phase::Stopped;
            self.anchors.clear();
            self.event(MnEvent::Stopped);
        }
    }

    /// Sends what is due. True if something was given up, which may make other things due.
    fn drive_exchanges(&mut self, now: Now) -> bool {
        let mut given_up = Vec::new();
        let mut silent = Vec::new();
        let mut index = 0;
        while let Some(mut exchange) =
            (index < self.exchanges.len()).then(|| self.exchanges.swap_remove(index))
        {
            match exchange.due(now.mono_ns) {
                Due::GiveUp => {
                    given_up.push(exchange);
                    continue;
                }
                Due::Transmit => {
                    if self.note_wait(now, &mut exchange) {
                        silent.push(exchange.peer);
                    }
                    self.transmit(now, &mut exchange);
                }
                Due::Later => {}
            }
            // Back to its place, so that the order in which exchanges began is the order in which they are sent.
            self.exchanges.push(exchange);
            let last = self.exchanges.len().saturating_sub(1);
            self.exchanges.swap(index, last);
            index += 1;
        }
        let any = !given_up.is_empty() || !silent.is_empty();
        for exchange in given_up {
            self.given_up(now, exchange);
        }
        for dhp in silent {
            self.fell_silent(now, dhp);
        }
        any
    }

    /// What follows when an exchange gets no answer.
    fn given_up(&mut self, now: Now, exchange: Exchange) {
        match exchange.purpose {
            Purpose::Query { flow, .. } => self.query_over(now, flow),
            Purpose::Check { .. } => self.fell_silent(now, exchange.peer),
            Purpose::Request { flow, .. } => {
                self.request_unanswered(now, flow, exchange.peer, exchange.not_supported);
            }
            Purpose::Release { .. } => self.release_over(exchange.peer),
            Purpose::Detach { bids, .. } => self.detach_over(exchange.peer, &bids),
            Purpose::Measure { bid, .. } => self.probed(now, exchange.peer, bid, None),
            Purpose::HomeReturn { .. } => self.returned_unanswered(),
            Purpose::HomeRegister => self.home_agent_unanswered(now, exchange),
            Purpose::OtherDeregister { home } => self.forget_other(&home),
            Purpose::HomeDeregister | Purpose::Update { .. } | Purpose::OtherRegister { .. } => {}
        }
    }
}

fn random_sequence(random: &mut Random) -> u16 {
    u16::try_from(random.below(1 << 16)).unwrap_or_default()
}
