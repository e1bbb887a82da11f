//! What an anchor gives back.

use core::net::Ipv6Addr;
use std::sync::Arc;

use ipnet::Ipv6Net;

use super::config::PoolKind;
use super::correspondent::RouteOptimization;
use super::home_link::{LinkAction, LinkId};
use super::prefix_lifetime::PrefixLifetimes;
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
    /// The way to a mobile node that this anchor is a correspondent of has changed.
    Route(RouteOptimization),
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
    },
    /// A binding has ended.
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
    /// The prefix of its home address is no longer valid.
    PrefixInvalid,
}

impl ReleaseReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Expired,
        Self::Deregistered,
        Self::Replaced,
        Self::Administrative,
        Self::PrefixInvalid,
    ];

    /// The name in counters and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deregistered => "deregistered",
            Self::Replaced => "replaced",
            Self::Administrative => "administrative",
            Self::PrefixInvalid => "prefix_invalid",
        }
    }
}

/// What an operator may ask of an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorCommand {
    /// End the binding of a home address.
    Release {
        /// The home address.
        home_address: Ipv6Addr,
    },
    /// Whether to refuse new DHoAs (status 196) and stay out of answers to DHP Queries.
    SetDraining(bool),
    /// The anchor itself is sending packets to this home address as a correspondent: it may ask for a refresh in time.
    NoteUse {
        /// The home address.
        home_address: Ipv6Addr,
    },
    /// What is left of the prefix of a pool, as it is now advertised on its link.
    SetPrefixLifetimes {
        /// The pool.
        prefix: Ipv6Net,
        /// From now on.
        lifetimes: PrefixLifetimes,
    },
}
