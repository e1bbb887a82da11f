//! The agent's state as `dhp-mn status` shows it.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::data_path::Traffic;

/// The state.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The care-of address.
    pub care_of: Option<Ipv6Addr>,
    /// The home address on its own link; `null`: the node is not at home.
    pub at_home: Option<AtHomeStatus>,
    /// The security association in use.
    pub spi: u32,
    /// Its algorithm.
    pub algorithm: String,
    /// The access interfaces.
    pub interfaces: Vec<InterfaceStatus>,
    /// The home address, if there is one.
    pub home: Option<HomeStatus>,
    /// Home agent and DHPs.
    pub anchors: Vec<AnchorStatus>,
    /// The policy and what has become of it.
    pub flows: Vec<FlowStatus>,
    /// Correspondents that somebody talks to, with the anchors found on demand.
    pub correspondents: Vec<CorrespondentStatus>,
    /// Correspondents that may be talked to directly.
    pub routes: Vec<RouteStatus>,
    /// DHPs that queries have named.
    pub candidates: Vec<CandidateStatus>,
    /// What has gone through the tunnel interface, by the mode of its flow: `proxy`, `home-agent`, `route-optimized`, or `none`.
    pub modes: BTreeMap<String, Traffic>,
    /// Counters of signalling and data path; `signalling_…` are the engine's.
    pub counters: BTreeMap<String, u64>,
}

/// A node that is at home.
#[derive(Debug, Serialize, Deserialize)]
pub struct AtHomeStatus {
    /// The home address, which needs no tunnel.
    pub home_address: Ipv6Addr,
    /// The interface that has it.
    pub interface: String,
}

/// An access interface.
#[derive(Debug, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Up, with carrier.
    pub up: bool,
    /// Whether the care-of address is one of its addresses.
    pub in_use: bool,
    /// Whether it was asked for with `dhp-mn move`.
    pub preferred: bool,
    /// Its default router.
    pub router: Option<Ipv6Addr>,
    /// Its global addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// What the link carries in kbit/s.
    pub rate_kbps: Option<u32>,
    /// Whether what goes over it costs money.
    pub metered: bool,
    /// What was measured over it, where flows have a choice or limits.
    pub measured: Vec<QualityStatus>,
}

/// The home address and its home agent.
#[derive(Debug, Serialize, Deserialize)]
pub struct HomeStatus {
    /// The address that new sessions get.
    pub address: Ipv6Addr,
    /// The home agent; `null`: none is known as yet.
    pub agent: Option<Ipv6Addr>,
    /// Whether the home agent was discovered, or is to be.
    pub discovered: bool,
    /// Whether the home link is being asked for its home agents.
    pub is_asking: bool,
    /// The home agents that it has named, in the order in which they are tried.
    pub known_agents: Vec<Ipv6Addr>,
    /// Home addresses before the present one, which sessions may have.
    pub former: Vec<FormerHomeStatus>,
}

/// A home address before the present one.
#[derive(Debug, Serialize, Deserialize)]
pub struct FormerHomeStatus {
    /// The address.
    pub address: Ipv6Addr,
    /// Until its prefix ends; `null`: it does not.
    pub seconds_left: Option<u64>,
}

/// An anchor.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnchorStatus {
    /// Its address.
    pub address: Ipv6Addr,
    /// `home` or `dhoa`.
    pub kind: String,
    /// The last clear measurement of a round trip to it.
    pub rtt_ns: Option<u64>,
    /// Whether a message waits for its answer.
    pub pending: bool,
    /// Whether it has stopped to answer.
    pub silent: bool,
    /// What has gone through the tunnel to it.
    pub traffic: Traffic,
    /// Its bindings.
    pub bindings: Vec<BindingStatus>,
}

/// A binding.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindingStatus {
    /// The home address.
    pub home_address: Ipv6Addr,
    /// The care-of address that the anchor has confirmed.
    pub care_of: Option<Ipv6Addr>,
    /// Until it ends; `null`: it does not.
    pub seconds_left: Option<u64>,
    /// Sessions that have the address; they are at risk where the anchor is silent.
    pub sessions: usize,
}

/// A policy entry.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlowStatus {
    /// The correspondents.
    pub prefix: Ipv6Net,
    /// What else it is about, in words; empty: nothing.
    pub about: String,
    /// What they get, as configured.
    pub session: String,
    /// How far the engine has got: `waiting`, `querying`, `requesting`, `ready`, `fallback`, or `-`.
    pub state: String,
    /// The source address of new flows; `null` is the care-of address.
    pub source: Option<Ipv6Addr>,
    /// The access interface that they use; `null`: there is none.
    pub access: Option<String>,
    /// Why that one.
    pub access_reason: String,
}

/// What was measured over an access.
#[derive(Debug, Serialize, Deserialize)]
pub struct QualityStatus {
    /// To this anchor.
    pub anchor: Ipv6Addr,
    /// The present round trip.
    pub rtt_ns: Option<u64>,
    /// Probes that were lost.
    pub lost: u32,
    /// Of so many.
    pub probes: u32,
}

/// Correspondents that somebody talks to.
#[derive(Debug, Serialize, Deserialize)]
pub struct CorrespondentStatus {
    /// The correspondents.
    pub correspondent: Ipv6Net,
    /// Those that the anchor serves.
    pub serves: Ipv6Net,
    /// What they get, as configured.
    pub session: String,
    /// How far the engine has got, as in [`FlowStatus`].
    pub state: String,
    /// How the accesses have been judged for it: `maintain`, `wait` or `terminate`, and why.
    pub judged: String,
    /// The anchor.
    pub anchor: Option<Ipv6Addr>,
    /// The source address of new flows to them.
    pub source: Option<Ipv6Addr>,
}

/// A home address and a correspondent whose packets may go directly.
#[derive(Debug, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The home address.
    pub home_address: Ipv6Addr,
    /// The correspondent.
    pub correspondent: Ipv6Addr,
    /// `route-optimized` or `proxy`.
    pub mode: String,
    /// The care-of address that the correspondent has confirmed.
    pub care_of: Option<Ipv6Addr>,
    /// Until that binding ends.
    pub seconds_left: Option<u64>,
    /// Why they go by the anchor, if that is known.
    pub reason: Option<String>,
}

/// A DHP that queries have named.
#[derive(Debug, Serialize, Deserialize)]
pub struct CandidateStatus {
    /// For these correspondents.
    pub correspondent: Ipv6Net,
    /// The DHP.
    pub dhp: Ipv6Addr,
    /// What it covers.
    pub coverage: Ipv6Net,
    /// Higher is better.
    pub preference: u8,
    /// 0 idle … 255 full.
    pub load: u8,
    /// From here to the DHP and back.
    pub rtt_ns: Option<u64>,
    /// From the DHP to the correspondent and back, as it says.
    pub path_rtt_ns: Option<u64>,
}
