//! The engine as others see it.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::access::{Attachment, Choice};
use super::action::{AddressKind, FallbackReason};
use super::candidate::Candidate;
use super::counters::Counters;
use super::judgment::Verdict;
use super::need::FlowKey;

/// A binding at an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingStatus {
    /// The address.
    pub home_address: Ipv6Addr,
    /// The care-of address that the anchor has confirmed last, unless another has been sent to it since.
    pub care_of: Option<Ipv6Addr>,
    /// End of the binding on the monotonic clock.
    pub expires_ns: Option<u64>,
}

/// An anchor of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorStatus {
    /// The anchor.
    pub address: Ipv6Addr,
    /// Whether it is the home agent or a DHP.
    pub kind: AddressKind,
    /// The last clear measurement of a round trip to it.
    pub round_trip_ns: Option<u64>,
    /// Whether a message waits for its answer.
    pub pending: bool,
    /// Whether it has stopped to answer.
    pub silent: bool,
    /// Its bindings.
    pub bindings: Vec<BindingStatus>,
}

/// How far a flow has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowProgress {
    /// Nothing can be done now.
    Waiting,
    /// Looking for DHPs.
    Querying,
    /// Asking this DHP for a DHoA.
    Requesting(Ipv6Addr),
    /// It has an address.
    Ready {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The source address of its packets.
        home_address: Ipv6Addr,
    },
    /// It uses the home address or the care-of address for now.
    Fallback,
}

/// A correspondent prefix in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowStatus {
    /// Its correspondents and what they need.
    pub key: FlowKey,
    /// The correspondents that its anchor serves.
    pub serves: Ipv6Net,
    /// Whether it ends when nobody asks for it.
    pub on_demand: bool,
    /// How the accesses have been judged for it.
    pub verdict: Verdict,
    /// Why it has no DHP, where the last search has found none.
    pub fallback: Option<FallbackReason>,
    /// How far it has got.
    pub progress: FlowProgress,
    /// A better DHP that is asked for an address meanwhile.
    pub challenger: Option<Ipv6Addr>,
}

/// What was measured over an access to an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityStatus {
    /// The anchor.
    pub anchor: Ipv6Addr,
    /// BID of the access.
    pub bid: u16,
    /// The present round trip.
    pub round_trip_ns: Option<u64>,
    /// Of so many probes so many were lost.
    pub lost: u32,
    /// How many.
    pub probes: u32,
}

/// What is known of the home agents on the home link, where none is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAgentsStatus {
    /// In the order in which they are tried.
    pub known: Vec<Ipv6Addr>,
    /// Whether the home link is being asked.
    pub is_asking: bool,
}

/// Everything there is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The current care-of address.
    pub care_of: Option<Ipv6Addr>,
    /// The accesses that can be used, the default one first.
    pub accesses: Vec<Attachment>,
    /// What was measured over them, where flows have a choice or limits.
    pub qualities: Vec<QualityStatus>,
    /// The access that the flows of each rule use.
    pub choices: Vec<Choice>,
    /// The anchors, the home agent first.
    pub anchors: Vec<AnchorStatus>,
    /// The flows.
    pub flows: Vec<FlowStatus>,
    /// The cached candidates.
    pub candidates: Vec<(Ipv6Net, Vec<Candidate>)>,
    /// The home agents, where they are discovered.
    pub home_agents: Option<HomeAgentsStatus>,
    /// Home addresses before the present one, and when their prefixes end, where that is known.
    pub former_homes: Vec<(Ipv6Addr, Option<u64>)>,
    /// The counters.
    pub counters: Counters,
}
