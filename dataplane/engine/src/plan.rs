//! What is to be done with a packet, as far as its own octets and the routes tell

use dhp_segment::{DropReason, RouteAction};

use crate::lookup::Key;

/// The outcome of [`classify`](crate::classify) for one packet. The bindings that it names by [`Key`] are looked up for the
/// whole batch at once before the plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Not to be treated at all.
    Drop(DropReason),
    /// Link-scope, multicast or no IPv6: for the host kernel, and for nobody else.
    Host,
    /// On its way by the route of its destination.
    Deliver {
        /// What the route says.
        action: RouteAction,
        /// The binding of the destination, where the route says [`RouteAction::Pool`].
        home: Option<Key>,
    },
    /// A piece of a packet to the anchor.
    Reassemble,
    /// A tunnel from a mobile node ends here.
    Decapsulate(Tunnelled),
}

/// A tunnelled packet, whose inner one is well-formed and not of link scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tunnelled {
    /// Where the inner header begins, from the outer one.
    pub(crate) inner_offset: u32,
    /// Octets of the inner packet.
    pub(crate) inner_len: u32,
    /// The traffic class of the inner header after the tunnel; `None`: RFC 6040 has the packet dropped.
    pub(crate) traffic_class: Option<u8>,
    /// The binding of the inner source, of which the outer source must be a care-of address.
    pub(crate) source: Option<Key>,
    /// What the route of the inner destination says.
    pub(crate) action: RouteAction,
    /// The binding of the inner destination, where the route says [`RouteAction::Pool`].
    pub(crate) home: Option<Key>,
}
