//! The anchor: home agent, Distributed Home-Proxy and locator in one engine without IO.
//!
//! Give it packets ([`Anchor::handle_packet`]), commands and time; take [`AnchorAction`]s from it until there is
//! none. A packet runs through `receive` (RFC 6275 §9.2) to its message: `query`, `request` (what DHoA Requests and
//! DHP Binding Updates have in common) with `dhoa_request` and `binding_update`, or `home_registration`. All of them
//! change bindings through `lifecycle` only, which keeps pools, timers and the event stream in step. `identifiers` and
//! `flow_bindings` say what becomes of several care-of addresses and of flows (RFC 5648, RFC 6089), which `steering` keeps.
//!
//! `care_of_test` has new care-of addresses tested.
//!
//! Beside them: `duplicate_detection` and `home_link` for real home links, `correspondent` for mobile nodes whose home is
//! elsewhere, `discovery` for what is asked by ICMPv6, `departure` for those that are asked to leave, `heartbeat` for other
//! anchors. `kept` says what outlives the engine, `restore` takes it up again. What of RFC 6275 each meets, and by which tests, stands in `DUTIES.md`.

mod answers;
mod binding_cache;
mod binding_update;
mod care_of_addresses;
mod care_of_test;
mod config;
mod config_check;
mod confirmation_room;
mod cookie;
mod correspondent;
mod counters;
mod departure;
mod dhoa_request;
mod dhoa_steering;
mod directory;
mod directory_view;
mod discovery;
mod drop_reason;
mod duplicate_detection;
mod error_messages;
mod events;
mod expect;
mod flow_bindings;
mod flows;
mod heartbeat;
mod home_authentication;
mod home_binding;
mod home_link;
mod home_registration;
mod home_sequence;
mod home_update;
mod identifiers;
mod inspect;
mod interface_identifier;
mod kept;
mod lifecycle;
mod link_local;
mod load;
mod mobile_nodes;
mod path_round_trip;
mod pool;
mod prefix_end;
mod prefix_lifetime;
mod quarantine;
mod query;
mod rate_limit;
mod receive;
mod recent_map;
mod reconfigure;
mod refresh_request;
mod reply;
mod request;
mod request_options;
mod restore;
mod sequence;
mod steering;
mod steering_options;
mod timers;
mod timestamp;
mod used_number;

use std::collections::VecDeque;

pub use binding_cache::FlowMode;
pub use care_of_addresses::CareOfAddress;
pub use care_of_test::{CareOfTestCounters, UnderTest};
pub use config::{
    AnchorConfig, DirectoryEntry, FlowCapacity, Limits, PoolConfig, PoolKind, PrefixAdvertisements,
    PrefixDelivery, Roles,
};
pub use config_check::ConfigError;
pub use correspondent::{RouteEnds, RouteOptimization};
pub use counters::{AnchorCounters, CounterSample, MessageKind};
pub use directory_view::DirectoryView;
pub use drop_reason::SignallingDrop;
pub use events::{AnchorAction, AnchorCommand, BindingChange, BindingEvent, ReleaseReason};
pub use expect::Expected;
pub use flow_bindings::{FlowBinding, FlowSelector};
pub use heartbeat::{HeartbeatConfig, PeerChange, PeerState};
pub use home_link::{LinkAction, LinkId, NeighborMessage};
pub use inspect::{AssociationView, BindingView, MobileNodeView, PoolView};
pub use interface_identifier::IdentifierSecret;
pub use kept::{Kept, KeptBinding, KeptCareOf, KeptDistrust, KeptOrder, KeptQuarantine, KeptTime};
pub use path_round_trip::PathOutcome;
pub use prefix_lifetime::PrefixLifetimes;
pub use reconfigure::ReconfigureError;
pub use restore::{NotRestored, Owners};
pub use steering::{SteeredCareOf, SteeringRule};
pub use used_number::UsedNumber;

use crate::random::Random;
use crate::time::Now;
use crate::timer_wheel::TimerWheel;
use binding_cache::BindingCache;
use care_of_test::CareOfTests;
use cookie::Cookies;
use correspondent::{CorrespondentCache, Nonces};
use departure::Departures;
use directory::Directory;
use discovery::{HomeAgents, PrefixDeliveries};
use duplicate_detection::TentativeRegistrations;
use heartbeat::Peers;
use home_link::Proxies;
use mobile_nodes::MobileNodes;
use path_round_trip::PathRoundTrips;
use pool::Pools;
use rate_limit::TokenBucket;
use timers::Timer;

/// Timers that one call does at most. The lifetimes of millions of bindings may end together, and signalling goes on.
const TIMERS_AT_ONCE: usize = 256;

/// Home agent, DHP and locator at one address.
#[derive(Debug)]
pub struct Anchor {
    config: AnchorConfig,
    started: Now,
    draining: bool,
    random: Random,
    /// What DHoAs are made of.
    identifier_secret: IdentifierSecret,
    /// Until when a DHoA may be held by a refresh that is not known of, in nanoseconds of [`Now::mono_ns`].
    refreshed_until_ns: u64,
    nodes: MobileNodes,
    cache: BindingCache,
    care_of_tests: CareOfTests,
    /// Registrations that wait for their address to be found free on its link.
    tentative: TentativeRegistrations,
    /// The addresses that are defended on home links.
    proxies: Proxies,
    pools: Pools,
    /// The bindings of mobile nodes with the correspondents that this anchor speaks for.
    correspondents: CorrespondentCache,
    nonces: Nonces,
    cookies: Cookies,
    /// The other home agents of each home link.
    home_agents: HomeAgents,
    deliveries: PrefixDeliveries,
    departures: Departures,
    peers: Peers,
    /// What this anchor covers itself.
    coverage: Directory,
    /// How far that is.
    paths: PathRoundTrips,
    /// What others cover.
    directory: Directory,
    timers: TimerWheel<Timer>,
    /// Whether more was due than one call did.
    is_behind: bool,
    binding_errors: TokenBucket,
    icmp_errors: TokenBucket,
    counters: AnchorCounters,
    events: u64,
    actions: VecDeque<AnchorAction>,
}

impl Anchor {
    /// An anchor without bindings. `seed` comes from the system's entropy source: whoever knows it can guess the
    /// DHoAs that will be assigned.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(mut config: AnchorConfig, now: Now, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.check()?;
        config.retain_served_pools();
        let coverage = Directory::of_own_coverage(&config);
        let directory = Directory::of_others(&config);
        let errors_per_second = config.limits.errors_per_second;
        // Independent of the other numbers that are made of the seed: tokens go to everybody.
        let mut random = Random::new(seed);
        let nonces = Nonces::new(random.next_block());
        let cookies = Cookies::new(random.next_block());
        let identifier_secret = IdentifierSecret::new(random.next_block());
        let mut anchor = Self {
            correspondents: CorrespondentCache::default(),
            nonces,
            cookies,
            home_agents: HomeAgents::default(),
            deliveries: PrefixDeliveries::default(),
            departures: Departures::default(),
            peers: Peers::default(),
            started: now,
            draining: false,
            random,
            identifier_secret,
            refreshed_until_ns: 0,
            nodes: MobileNodes::new(core::mem::take(&mut config.security_associations)),
            cache: BindingCache::default(),
            care_of_tests: CareOfTests::default(),
            tentative: TentativeRegistrations::default(),
            proxies: Proxies::default(),
            pools: Pools::new(&config.pools, now),
            coverage,
            paths: PathRoundTrips::default(),
            directory,
            timers: TimerWheel::new(now.mono_ns),
            is_behind: false,
            binding_errors: TokenBucket::new(errors_per_second, now.mono_ns),
            icmp_errors: TokenBucket::new(errors_per_second, now.mono_ns),
            counters: AnchorCounters::default(),
            events: 0,
            actions: VecDeque::new(),
            config,
        };
        if anchor.config.sequence_state_lost {
            anchor.nodes.lose_numbers();
        }
        anchor.count_reserved();
        anchor.schedule_prefix_ends();
        anchor.start_heartbeats(now);
        Ok(anchor)
    }

    /// Takes space for all the home addresses that the limits permit. A table that grows while it has millions of entries stops
    /// signalling for as long as that takes; space that nothing has been put into is hardly any memory yet.
    pub fn reserve(&mut self) {
        let most = self.config.limits.max_home_addresses;
        self.cache.bindings.reserve(most);
        self.cache.home_sequences.reserve(most);
        self.pools.quarantine.reserve(most);
        if self.config.prefix_advertisements.delivery == PrefixDelivery::On {
            self.deliveries.reserve(most);
        }
        self.nodes.reserve();
        // Each has the end of the binding, and that of an answer or an advertisement.
        self.timers.reserve(most.saturating_mul(2));
    }

    /// Takes an IPv6 packet with a Mobility Header that is addressed to the anchor, or to the home-agents anycast
    /// address of a prefix.
    pub fn handle_packet(&mut self, now: Now, packet: &[u8]) {
        self.catch_up(now);
        if let Err(reason) = self.receive(now, packet) {
            self.counters.count_dropped(reason);
        }
    }

    /// Takes an IPv6 packet to the anchor with a Home Address option for which there is no binding, and that is no Mobility
    /// Header: its source is told (RFC 6275 §9.3.1).
    pub fn handle_unbound_home_address(&mut self, now: Now, packet: &[u8]) {
        self.catch_up(now);
        if let Err(reason) = self.receive_unbound(now, packet) {
            self.counters.count_dropped(reason);
        }
    }

    /// Takes an operator's command.
    pub fn handle_command(&mut self, now: Now, command: AnchorCommand) {
        self.catch_up(now);
        match command {
            AnchorCommand::Release { home_address } => {
                self.release(now, &home_address, ReleaseReason::Administrative);
            }
            AnchorCommand::SetDraining(draining) => self.draining = draining,
            AnchorCommand::Revoke {
                home_address,
                trigger,
            } => self.revoke(now, home_address, trigger),
            AnchorCommand::SwitchHomeAgent {
                home_address,
                home_agents,
                remaining,
            } => self.switch_home_agent(now, home_address, &home_agents, remaining),
            AnchorCommand::NotePath { prefix, outcome } => self.note_path(prefix, outcome),
            AnchorCommand::NoteUse { ends } => self.correspondent_is_used(ends),
            AnchorCommand::SetPrefixLifetimes { prefix, lifetimes } => {
                self.set_prefix_lifetimes(now, prefix, lifetimes);
            }
        }
    }

    /// When to call [`Self::handle_timeout`] at the latest, in nanoseconds of [`Now::mono_ns`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.next_ns()
    }

    /// Does what is due. Calls that come too early, or more often than needed, do no harm. Where very much is due, it does some
    /// of it, and [`Self::poll_timeout`] is in the past.
    pub fn handle_timeout(&mut self, now: Now) {
        self.is_behind = !self.run_timers(now, TIMERS_AT_ONCE);
    }

    /// Does what is due before an input is looked at; one thing, while there is more than one call of
    /// [`Self::handle_timeout`] can do: inputs do not wait for it.
    pub(crate) fn catch_up(&mut self, now: Now) {
        if self.is_behind {
            self.is_behind = !self.run_timers(now, 1);
        } else {
            self.handle_timeout(now);
        }
    }

    /// The next thing to do; call until `None` after each input.
    pub fn poll_action(&mut self) -> Option<AnchorAction> {
        self.actions.pop_front()
    }
}
