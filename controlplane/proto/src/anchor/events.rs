//! What an anchor gives back.

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::mobility::Lifetime;
use ipnet::Ipv6Net;

use super::care_of_test::UnderTest;
use super::config::PoolKind;
use super::correspondent::{RouteEnds, RouteOptimization};
use super::heartbeat::PeerChange;
use super::home_link::{LinkAction, LinkId};
use super::path_round_trip::PathOutcome;
use super::prefix_lifetime::PrefixLifetimes;
use super::steering::{SteeredCareOf, SteeringRule};
use super::used_number::UsedNumber;
use crate::security_association::MnId;

/// Something that the caller has to do, in the order given.
///
/// The events that an acknowledgement reports come before it: apply an event before you transmit what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorAction {
    /// Send this IPv6 packet.
    Transmit(Vec<u8>),
    /// A binding has changed.
    Event(BindingEvent),
    /// Keep this number beyond a restart, before the packets that follow leave.
    KeepNumber(UsedNumber),
    /// A DHoA is a mobile node's from now on, as the event before has told: what [`super::Anchor::kept`] says of it has to be
    /// in safety before the packets that follow leave, or a restart could assign it to another.
    KeepAssignment {
        /// The DHoA.
        home_address: Ipv6Addr,
    },
    /// The way between a correspondent, which this anchor speaks for, and a mobile node is another one.
    Route(RouteOptimization),
    /// Another anchor has come or gone.
    Peer {
        /// Its address.
        address: Ipv6Addr,
        /// What is new.
        change: PeerChange,
    },
    /// Do this on a home link.
    OnLink {
        /// Which one.
        link: LinkId,
        /// What.
        action: LinkAction,
    },
}

/// One change of a binding. Segment writer, journal and replicas consume these in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingEvent {
    /// Which start of the anchor this is: [`super::AnchorConfig::epoch`].
    pub epoch: u64,
    /// The pool that the home address is from.
    pub pool: Ipv6Net,
    /// Rises by one from event to event within an epoch, so a binding's later event has the higher number.
    pub number: u64,
    /// What has changed.
    pub change: BindingChange,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingChange {
    /// A binding was made, refreshed or moved.
    Bound {
        /// The home address.
        home_address: Ipv6Addr,
        /// Whether it is a DHoA.
        kind: PoolKind,
        /// The mobile node.
        mn: Arc<MnId>,
        /// Where it is.
        care_of: Ipv6Addr,
        /// Where it was until now, if it has moved; its packets in flight are good for 2 s more. `None` leaves an
        /// earlier one as it is.
        previous: Option<Ipv6Addr>,
        /// When the binding ends by itself, in nanoseconds of [`crate::time::Now::mono_ns`]; `None` for never.
        expires_ns: Option<u64>,
        /// Whether the care-of address is being tested.
        test: Option<UnderTest>,
    },
    /// The home address has these care-of addresses beside the default one of [`Self::Bound`], which may be among them, and
    /// these rules for its packets, in the order in which they are tried. They take the place of all it had; of none of
    /// either, all packets go to the default one.
    Steered {
        /// The home address.
        home_address: Ipv6Addr,
        /// In the order of their BIDs.
        care_ofs: Vec<SteeredCareOf>,
        /// The first that matches decides.
        rules: Vec<SteeringRule>,
    },
    /// One of these care-of addresses is another now, or its test is.
    CareOfMoved {
        /// The home address.
        home_address: Ipv6Addr,
        /// BID.
        bid: u16,
        /// Where it is.
        care_of: Ipv6Addr,
        /// Whether it is being tested.
        test: Option<UnderTest>,
    },
    /// A binding has ended, and all that it had.
    Released {
        /// The home address.
        home_address: Ipv6Addr,
        /// Why.
        reason: ReleaseReason,
    },
}

/// Why a binding has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseReason {
    /// Its lifetime has passed.
    Expired,
    /// The mobile node gave it up, by lifetime 0.
    Deregistered,
    /// The mobile node left it out of a DHP Binding Update with the Replace flag.
    Replaced,
    /// An administrator's command.
    Administrative,
    /// By Binding Revocation.
    Revoked,
    /// The prefix of its home address is no longer valid.
    PrefixInvalid,
    /// The mobile node has not shown that it is reached at the only care-of address.
    CareOfTestFailed,
}

impl ReleaseReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::Deregistered,
        Self::Replaced,
        Self::Administrative,
        Self::Revoked,
        Self::PrefixInvalid,
        Self::CareOfTestFailed,
    ];

    /// The name in counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deregistered => "deregistered",
            Self::Replaced => "replaced",
            Self::Administrative => "administrative",
            Self::Revoked => "revoked",
            Self::PrefixInvalid => "prefix_invalid",
            Self::CareOfTestFailed => "care_of_test_failed",
        }
    }
}

/// What an operator may ask of an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorCommand {
    /// End the binding of a home address.
    Release {
        /// The home address.
        home_address: Ipv6Addr,
    },
    /// End the binding of a home address by Binding Revocation (RFC 5846): the mobile node is told, and the binding ends when
    /// it has answered or does not.
    Revoke {
        /// The home address.
        home_address: Ipv6Addr,
        /// Why; see [`dhp_wire::codepoints::revocation_trigger`].
        trigger: u8,
    },
    /// Have the mobile node find another home agent (RFC 5142). Until it has left, its binding is served but not refreshed.
    SwitchHomeAgent {
        /// The home address.
        home_address: Ipv6Addr,
        /// Other home agents, best first; of none, it has to search.
        home_agents: Vec<Ipv6Addr>,
        /// For how long this one will still serve it.
        remaining: Option<Lifetime>,
    },
    /// Whether to refuse new DHoAs (status 196) and stay out of answers to DHP Queries.
    SetDraining(bool),
    /// The way to correspondents that this DHP covers was measured.
    NotePath {
        /// Their prefix, as the coverage has it.
        prefix: Ipv6Net,
        /// What came of it.
        outcome: PathOutcome,
    },
    /// Packets of a correspondent go to this home address: the mobile node may be asked for a refresh in time.
    NoteUse {
        /// Which correspondent, which home address.
        ends: RouteEnds,
    },
    /// What is left of the prefix of a pool, as it is now advertised on its link.
    SetPrefixLifetimes {
        /// The pool.
        prefix: Ipv6Net,
        /// From now on.
        lifetimes: PrefixLifetimes,
    },
}
