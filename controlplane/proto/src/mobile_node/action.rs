//! What the engine is told to do, and what it gives back.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::access::{AccessRule, Attachment, ChoiceReason};
use super::candidate::{Advantage, Candidate};
use super::judgment::{Shortfall, Verdict};
use super::need::{FlowKey, Need};
use super::route_optimization::ProxyReason;
use super::steering::Steering;
use crate::anchor::RouteEnds;

/// What a flow needs, in the words of RFC 8653 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Session {
    /// The address must last as long as the session: a DHoA at a DHP near the correspondent.
    SessionLasting,
    /// As session-lasting; the address may be withdrawn after a warning.
    GracefulReplacement,
    /// The home address at the home agent.
    Fixed,
}

/// A command to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MnCommand {
    /// There is a (new) care-of address: bind it at every anchor at once.
    SetCareOf(Ipv6Addr),
    /// There is none: nothing can be sent until the next [`SetCareOf`](Self::SetCareOf).
    LoseCareOf,
    /// These accesses can be used, the first by default; none: as [`LoseCareOf`](Self::LoseCareOf). What the anchors have to know
    /// of several at once follows from the [`AccessRules`](Self::AccessRules).
    SetAccesses(Vec<Attachment>),
    /// What flows ask of accesses, in the order of the policy: the first rule that a packet matches decides.
    AccessRules {
        /// The rules.
        rules: Vec<AccessRule>,
        /// How often an access is probed that flows have a choice about.
        probe_interval_ns: u64,
    },
    /// Packets of these home addresses come or go: their anchors are told first of the next move.
    Active(Vec<Ipv6Addr>),
    /// Packets to these correspondents shall have an anchored source address.
    Use(FlowKey),
    /// The flow of an earlier [`Use`](Self::Use) no longer needs one.
    Release(FlowKey),
    /// Somebody talks to this correspondent, or is about to. A flow for it is begun where none serves it, and ends when this was
    /// not said again for [`idle_ns`](super::MobileNodeConfig::idle_ns).
    Demand {
        /// The correspondent.
        correspondent: Ipv6Addr,
        /// What the flow needs.
        need: Need,
    },
    /// Somebody may talk to these correspondents: who covers them is asked in advance, one prefix a second, where it is not known.
    /// No address is asked for.
    Foresee(Ipv6Net),
    /// Programs have this home address: it is kept for [`idle_ns`](super::MobileNodeConfig::idle_ns) more.
    InUse(Ipv6Addr),
    /// Somebody talks to this correspondent from this home address, and packets between them shall go directly where both the
    /// anchor and the correspondent allow it. To be repeated while that goes on: a route ends when this was not said again for
    /// half of [`idle_ns`](super::MobileNodeConfig::idle_ns).
    OptimizeRoute(RouteEnds),
    /// Packets between them shall go by the anchor again.
    ProxyRoute(RouteEnds),
    /// End all bindings and assignments; [`MnEvent::Stopped`] follows when the anchors have confirmed it or do not answer.
    Shutdown,
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MnAction {
    /// Send this IPv6 packet from its source address.
    Transmit(Vec<u8>),
    /// Something happened that the caller may have to act on.
    Event(MnEvent),
}

/// Whose address a home address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// The home address at the home agent.
    Home,
    /// A distributed home address at a DHP.
    Dhoa,
}

/// Why an address has no binding any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnboundReason {
    /// The lifetime ended before the anchor confirmed a new one.
    Expired,
    /// The anchor refused it with this status.
    Refused(u8),
    /// The mobile node gave it back.
    Released,
    /// The home agent does not answer, and another one is asked.
    NoAnswer,
    /// The prefix at home that it has is no longer valid.
    PrefixEnded,
    /// No access is good enough for the flows that had it.
    Terminated(Shortfall),
}

/// Why a flow cannot have a DHoA for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FallbackReason {
    /// Nobody answered the queries, or no answer named a DHP for the correspondent.
    NoCandidate,
    /// Every candidate refused; the last status.
    Refused(u8),
    /// The last candidate did not answer.
    NoAnswer,
    /// As `NoAnswer`, and a Binding Error said that the Mobility Header type is unknown there.
    NotSupported,
    /// No access is good enough.
    Terminated(Shortfall),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MnEvent {
    /// DHPs near the correspondents, best first.
    CandidateList {
        /// The flow.
        flow: FlowKey,
        /// The DHPs.
        candidates: Vec<Candidate>,
    },
    /// Flows to the correspondents can use this home address.
    AnchorReady {
        /// The flow.
        flow: FlowKey,
        /// The correspondents that the anchor serves: those of the flow, and where it was found on demand, also those around
        /// them.
        serves: Ipv6Net,
        /// The anchor: tunnel packets of the home address to it.
        anchor: Ipv6Addr,
        /// The source address of the flows.
        home_address: Ipv6Addr,
        /// Which kind of address it is.
        kind: AddressKind,
    },
    /// A better DHP serves new sessions from now on, as [`AnchorReady`](Self::AnchorReady) says next; those that go on keep
    /// their anchor.
    Moved {
        /// The flow.
        flow: FlowKey,
        /// The anchor that it had.
        from: Ipv6Addr,
        /// The one that it has now.
        to: Ipv6Addr,
        /// By what that is better; `None` where the first one had given an address before it was known whether it is the best.
        advantage: Option<Advantage>,
    },
    /// A message that binds a care-of address was sent.
    UpdateSent {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses it lists; none while a DHoA is still to be assigned.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
        /// 1 for the first transmission.
        attempt: u32,
    },
    /// The anchor has bound the care-of address and tests it (status 16; profile 1, section 6.4): what is sent from there is
    /// taken, what comes there is limited until [`Bound`](Self::Bound).
    UnderTest {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses that are bound.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
    },
    /// The anchor has confirmed the care-of address.
    Bound {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses that are bound.
        home_addresses: Vec<Ipv6Addr>,
        /// The care-of address.
        care_of: Ipv6Addr,
        /// From the update to its answer; `None` where a retransmission makes it ambiguous.
        round_trip_ns: Option<u64>,
    },
    /// Addresses are no longer bound.
    Unbound {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// Why.
        reason: UnboundReason,
    },
    /// Flows to the correspondents get no DHoA for now: use the home address, or else the care-of address.
    Fallback {
        /// The flow.
        flow: FlowKey,
        /// Why.
        reason: FallbackReason,
    },
    /// A DHP does not answer: sessions over it may hang, new ones go elsewhere.
    AnchorSilent {
        /// The DHP.
        anchor: Ipv6Addr,
        /// Its addresses.
        home_addresses: Vec<Ipv6Addr>,
    },
    /// An anchor has bound these care-of addresses, each by its BID, and sends flows to them.
    Steered {
        /// The anchor.
        anchor: Ipv6Addr,
        /// The addresses.
        home_addresses: Vec<Ipv6Addr>,
        /// Where their packets go, in both directions; single: all over the care-of address.
        steering: Steering,
    },
    /// An anchor does not take several care-of addresses, or flow bindings: all goes over the care-of address there.
    SteeringRefused {
        /// The anchor.
        anchor: Ipv6Addr,
        /// Its status; `None`: it does not know them.
        status: Option<u8>,
    },
    /// Flows of a rule use another access from now on, or the same for another reason.
    AccessChosen {
        /// The rule, by its place.
        rule: usize,
        /// The BID of the access; `None`: there is none.
        bid: Option<u16>,
        /// Why.
        reason: ChoiceReason,
    },
    /// The accesses that there are have been judged otherwise for a flow than before.
    Judged {
        /// The flow.
        flow: FlowKey,
        /// What becomes of it.
        verdict: Verdict,
    },
    /// The node is on its home link and nobody stands in for it: the home address is to be used there, without a tunnel.
    AtHome {
        /// The home agent.
        anchor: Ipv6Addr,
        /// The home address.
        home_address: Ipv6Addr,
        /// See [`Whereabouts::Home`](super::Whereabouts::Home).
        detect_duplicates: bool,
        /// From the update to its answer, if that is clear.
        round_trip_ns: Option<u64>,
    },
    /// The node has left its home link for another one, and registers there.
    LeftHome {
        /// The home agent.
        anchor: Ipv6Addr,
        /// The home address.
        home_address: Ipv6Addr,
    },
    /// The home agent has told of the prefixes at home.
    HomePrefixes {
        /// Each with its valid lifetime in seconds, all ones for ever.
        prefixes: Vec<(Ipv6Net, u32)>,
    },
    /// The home link has named its home agents.
    HomeAgentsFound {
        /// In the order in which they are tried; none: there are none.
        agents: Vec<Ipv6Addr>,
    },
    /// Nobody on the home link says who its home agents are; it is asked again later.
    HomeAgentsUnknown,
    /// Registrations go to this home agent from now on.
    HomeAgentChosen {
        /// The home agent.
        agent: Ipv6Addr,
    },
    /// An anchor knows nothing of mobility, or has just lost what does: it gets no updates for a while.
    MobilityRefused {
        /// The anchor.
        anchor: Ipv6Addr,
    },
    /// New sessions have another home address, since the prefix of the one before is no longer preferred at home.
    HomeRenumbered {
        /// The one before, which sessions keep as long as its prefix is valid.
        from: Ipv6Addr,
        /// The new one.
        to: Ipv6Addr,
    },
    /// The home agent has refused the home address that was to follow.
    HomeAddressRefused {
        /// The home address.
        address: Ipv6Addr,
        /// The status.
        status: u8,
    },
    /// A flow on demand has ended: nobody has asked for it for long.
    Ended {
        /// The flow.
        flow: FlowKey,
    },
    /// Packets go directly from now on, with a Home Address option and a type 2 routing header.
    RouteOptimized {
        /// Home address and correspondent.
        ends: RouteEnds,
        /// The care-of address that the correspondent has confirmed.
        care_of: Ipv6Addr,
        /// From the update to its answer.
        round_trip_ns: u64,
    },
    /// Packets go by the anchor: again, or still.
    RouteProxied {
        /// Home address and correspondent.
        ends: RouteEnds,
        /// Why.
        reason: ProxyReason,
    },
    /// All that [`MnCommand::Shutdown`] began is done.
    Stopped,
}
