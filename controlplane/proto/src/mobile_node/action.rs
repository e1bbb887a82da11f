//! What the engine is told to do, and what it gives back.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::candidate::Candidate;
use super::need::{FlowKey, Need};

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
    /// Programs have this home address: it is kept for [`idle_ns`](super::MobileNodeConfig::idle_ns) more.
    InUse(Ipv6Addr),
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
    /// The home agent has told of the prefixes at home.
    HomePrefixes {
        /// Each with its valid lifetime in seconds, all ones for ever.
        prefixes: Vec<(Ipv6Net, u32)>,
    },
    /// A flow on demand has ended: nobody has asked for it for long.
    Ended {
        /// The flow.
        flow: FlowKey,
    },
    /// All that [`MnCommand::Shutdown`] began is done.
    Stopped,
}
