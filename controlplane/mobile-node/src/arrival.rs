//! What a packet is that arrives for this host

use dhp_wire::codepoints::{icmpv6, next_header};
use dhp_wire::extension::{self, HeaderChain};
use dhp_wire::ipv6::Ipv6View;

/// What arrived for this host, by its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A tunnelled packet.
    Tunnelled,
    /// Data sent to the care-of address with a type 2 routing header.
    Routed,
    /// Mobility Headers, Mobile Prefix Advertisements, ICMPv6 errors, and whatever else the engine is to judge.
    Signalling,
}

impl Arrival {
    /// Looks at the headers of a packet.
    pub fn of(view: &Ipv6View<'_>) -> Self {
        if view.next_header() == next_header::IPV6 {
            return Self::Tunnelled;
        }
        match extension::walk(view.packet()) {
            Ok(chain)
                if view.next_header() == next_header::ROUTING
                    && !is_signalling(view.packet(), &chain) =>
            {
                Self::Routed
            }
            _ => Self::Signalling,
        }
    }
}

/// Mobility Headers, and what a home agent says of prefixes (RFC 6275 §6.8).
fn is_signalling(packet: &[u8], chain: &HeaderChain) -> bool {
    match chain.upper_protocol {
        next_header::MOBILITY => true,
        next_header::ICMPV6 => {
            packet.get(chain.upper_offset) == Some(&icmpv6::MOBILE_PREFIX_ADVERTISEMENT)
        }
        _ => false,
    }
}
