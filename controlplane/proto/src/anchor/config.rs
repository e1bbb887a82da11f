//! What an anchor is configured with.

use core::net::Ipv6Addr;
use core::time::Duration;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::Lifetime;
use ipnet::Ipv6Net;

use super::heartbeat::HeartbeatConfig;
use super::home_link::LinkId;
use super::prefix_lifetime::PrefixLifetimes;
use crate::security_association::SecurityAssociation;

/// Which of its roles an anchor plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Distributed Home-Proxy: assigns DHoAs, answers DHP Queries for the prefixes it covers.
    pub dhp: bool,
    /// RFC 6275 home agent of the home prefixes.
    pub home_agent: bool,
    /// Answers DHP Queries from its directory.
    pub locator: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            dhp: true,
            home_agent: true,
            locator: true,
        }
    }
}

/// What the addresses of a pool are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Assigned on request, for as long as they are bound.
    Dhoa,
    /// A home prefix: each address belongs to the mobile node whose security association names it.
    Home,
}

/// A prefix whose addresses are home addresses here: of a virtual home link, or of a real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// What its addresses are.
    pub kind: PoolKind,
    /// How long a released DHoA is kept from other mobile nodes.
    pub quarantine: Duration,
    /// What was left of the prefix when it was configured.
    pub lifetimes: PrefixLifetimes,
    /// The link that a home prefix is on-link of; `None` for a virtual home link, on which nothing but this anchor is.
    pub link: Option<LinkId>,
}

impl PoolConfig {
    /// The quarantine of a DHoA unless configured otherwise (DMIPv6 profile 1, section 3).
    pub const DEFAULT_QUARANTINE: Duration = Duration::from_secs(240);

    /// A pool with the default quarantine.
    #[must_use]
    pub fn new(prefix: Ipv6Net, kind: PoolKind) -> Self {
        Self {
            prefix,
            kind,
            quarantine: Self::DEFAULT_QUARANTINE,
            lifetimes: PrefixLifetimes::default(),
            link: None,
        }
    }
}

/// A line of the DHP directory: which DHP covers what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The DHP's address.
    pub dhp: Ipv6Addr,
    /// The correspondents that it covers.
    pub prefix: Ipv6Net,
    /// Higher is better.
    pub preference: u8,
    /// 0 idle … 255 full.
    pub load: u8,
    /// Round-trip time from the DHP to the prefix in µs, 0 if unknown.
    pub path_rtt_us: u32,
}

/// The best that this DHP can promise to a flow; a requirement beyond it is answered with status 130.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowCapacity {
    /// Highest bandwidth in kbit/s.
    pub max_bandwidth_kbps: u32,
    /// Lowest latency in ms.
    pub min_latency_ms: u16,
    /// Lowest loss in tenths of a percent.
    pub min_loss_permille: u16,
}

impl Default for FlowCapacity {
    fn default() -> Self {
        Self {
            max_bandwidth_kbps: u32::MAX,
            min_latency_ms: 0,
            min_loss_permille: 0,
        }
    }
}

/// Hard caps. What would exceed one is refused, with status 130 where there is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Home addresses that are bound or in quarantine.
    pub max_home_addresses: usize,
    /// Bindings that may have more than one care-of address.
    pub max_split_bindings: usize,
    /// Care-of addresses with a BID that a binding may have. With 0 several care-of addresses are prohibited (status 166), with
    /// 1 their bulk registration (168).
    pub max_care_of_addresses: usize,
    /// Flow bindings that a home address may have, [`Self::MOST_FLOW_BINDINGS`] at most. With 0 they are prohibited (flow status
    /// 128).
    pub max_flow_bindings: usize,
    /// Those among them that are not for exactly one flow, or not the first for it: a packet may have to be compared with each.
    pub max_flow_rules: usize,
    /// Bindings of correspondents, and numbers of those that have ended.
    pub max_correspondents: usize,
    /// Binding Errors a second, and ICMPv6 errors a second.
    pub errors_per_second: u32,
}

impl Limits {
    /// Flow bindings that a home address may have at most: a message about one is compared with all the others, and what is kept of a
    /// binding beyond a restart has to have them all.
    pub const MOST_FLOW_BINDINGS: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_home_addresses: 1_000_000,
            max_split_bindings: 1_000_000,
            max_care_of_addresses: 8,
            max_flow_bindings: 32,
            max_flow_rules: 32,
            max_correspondents: 100_000,
            errors_per_second: 1000,
        }
    }
}

/// Which Mobile Prefix Advertisements are sent. RFC 6275 §8.4: "this behavior MUST be configurable, so that home agents can
/// be configured to avoid sending such Prefix Advertisements".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrefixDelivery {
    /// None.
    Off,
    /// Those that mobile nodes ask for.
    Solicited,
    /// Those too that §10.6.2 has sent unasked: when a prefix has changed, and when a mobile node has heard nothing for long.
    #[default]
    On,
}

/// Mobile Prefix Advertisements (RFC 6275 §10.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixAdvertisements {
    /// Which are sent.
    pub delivery: PrefixDelivery,
    /// MaxMobPfxAdvInterval (§13): how long a mobile node is left without one.
    pub max_interval: Duration,
    /// MinMobPfxAdvInterval (§13): what is due unasked is sent after this time at the earliest.
    pub min_interval: Duration,
}

impl Default for PrefixAdvertisements {
    fn default() -> Self {
        Self {
            delivery: PrefixDelivery::default(),
            max_interval: Duration::from_secs(86_400),
            min_interval: Duration::from_secs(600),
        }
    }
}

/// Everything an [`super::Anchor`] is told at its start.
#[derive(Debug, Clone)]
pub struct AnchorConfig {
    /// The anchor's own address: tunnels end here, answers come from here.
    pub address: Ipv6Addr,
    /// The numbers of DMIPv6 messages and options.
    pub code_points: CodePoints,
    /// What the anchor is.
    pub roles: Roles,
    /// The home addresses that it serves.
    pub pools: Vec<PoolConfig>,
    /// The correspondents that it covers as a DHP.
    pub coverage: Vec<Ipv6Net>,
    /// Its preference in answers to DHP Queries.
    pub preference: u8,
    /// Other DHPs, for its role as a locator.
    pub directory: Vec<DirectoryEntry>,
    /// How long a mobile node may keep the answer to a DHP Query.
    pub query_lifetime: Lifetime,
    /// What each SPI stands for.
    pub security_associations: Vec<SecurityAssociation>,
    /// Whether a classic Binding Update without authentication is taken for its home address's owner's: for laboratories, and
    /// for mobile nodes that IPsec protects on their way here. Anyone can then bind any configured home address.
    pub allow_unauthenticated: bool,
    /// The longest lifetime that is granted.
    pub max_lifetime: Lifetime,
    /// What this anchor is worth in the list of its home link's home agents (RFC 6275 §7.4).
    pub home_agent_preference: u16,
    /// Who is told of home prefixes.
    pub prefix_advertisements: PrefixAdvertisements,
    /// The interval of the Binding Refresh Advice that goes with an acknowledgement of a longer lifetime. RFC 6275 §10.3.1:
    /// where bindings are kept in non-volatile storage it "MUST be omitted", which is `None`.
    pub refresh_advice: Option<Lifetime>,
    /// How long before a binding ends its mobile node is asked to refresh it (RFC 6275 §9.5.5); `None`: never.
    pub refresh_request: Option<Duration>,
    /// DHP Queries and DHoA Requests a second; where more come, each needs a cookie (DMIPv6 profile 1, section 6.5).
    pub cookies_above: u32,
    /// Whether a mobile node has to show that it is reached at a care-of address that a DMIPv6 message brings (DMIPv6 profile 1,
    /// section 6.4).
    pub care_of_test: bool,
    /// What flows can be promised.
    pub capacity: FlowCapacity,
    /// Other anchors whose life is watched.
    pub heartbeat: HeartbeatConfig,
    /// Hard caps.
    pub limits: Limits,
    /// Whether this anchor is a correspondent node that optimizes routes (RFC 6275 §9).
    pub is_correspondent: bool,
    /// The hosts that it is one on behalf of, beside itself.
    pub correspondents_behind: Vec<Ipv6Net>,
    /// Whether this anchor permits route optimization to those whose security association permits it.
    pub route_optimization: bool,
    /// The sequence numbers of DMIPv6 messages that were used before this start are not known. Of each security
    /// association that there is at the start the first message then needs a timestamp, and any that does not continue the
    /// numbers from there. Set it at every start at which nothing is restored; of single associations
    /// [`UsedNumber::Lost`](super::UsedNumber::Lost) says it.
    pub sequence_state_lost: bool,
    /// The same for classic Binding Updates and their home addresses. A mobile node that sends no timestamps cannot
    /// register with such an anchor, while RFC 6275 §9.5.1 has any number accepted where there is no binding.
    pub home_sequence_state_lost: bool,
    /// Number of this start in the event stream; rises from start to start.
    pub epoch: u64,
}

impl AnchorConfig {
    /// Leaves out the pools for which the anchor does not have the role.
    pub(crate) fn retain_served_pools(&mut self) {
        let roles = self.roles;
        self.pools.retain(|pool| match pool.kind {
            PoolKind::Dhoa => roles.dhp,
            PoolKind::Home => roles.home_agent,
        });
    }

    /// An anchor in all roles with the default limits, without pools, coverage or security associations.
    #[must_use]
    pub fn new(address: Ipv6Addr) -> Self {
        Self {
            address,
            code_points: CodePoints::default(),
            roles: Roles::default(),
            pools: Vec::new(),
            coverage: Vec::new(),
            preference: 100,
            directory: Vec::new(),
            query_lifetime: Lifetime::at_most(Duration::from_secs(300)),
            security_associations: Vec::new(),
            allow_unauthenticated: false,
            max_lifetime: Lifetime::at_most(Duration::from_secs(600)),
            home_agent_preference: 0,
            prefix_advertisements: PrefixAdvertisements::default(),
            refresh_advice: None,
            refresh_request: None,
            cookies_above: 10_000,
            care_of_test: false,
            capacity: FlowCapacity::default(),
            heartbeat: HeartbeatConfig::default(),
            limits: Limits::default(),
            is_correspondent: false,
            correspondents_behind: Vec::new(),
            route_optimization: false,
            sequence_state_lost: false,
            home_sequence_state_lost: false,
            epoch: 0,
        }
    }
}
