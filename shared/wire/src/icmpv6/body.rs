//! What the messages of home links and home agents say before their options.

use core::net::Ipv6Addr;

use super::message::MessageError;
use crate::codepoints::icmpv6;
use crate::field::{address_at, u8_at, u16_at, u32_at};

/// Bits of a Router Advertisement. Others have meanings elsewhere (RFC 5175) and are passed on.
pub mod router_flag {
    /// `M` managed address configuration.
    pub const MANAGED: u8 = 0x80;
    /// `O` other configuration.
    pub const OTHER: u8 = 0x40;
    /// `H` home agent (RFC 6275 §7.1).
    pub const HOME_AGENT: u8 = 0x20;
}

/// Bits of a Neighbor Advertisement.
pub mod neighbor_flag {
    /// `R` router.
    pub const ROUTER: u8 = 0x80;
    /// `S` solicited.
    pub const SOLICITED: u8 = 0x40;
    /// `O` override.
    pub const OVERRIDE: u8 = 0x20;
    pub(in crate::icmpv6) const ASSIGNED: u8 = 0xe0;
}

/// Bits of a Mobile Prefix Advertisement.
pub mod mobile_prefix_flag {
    /// `M` managed address configuration.
    pub const MANAGED: u8 = 0x80;
    /// `O` other stateful configuration.
    pub const OTHER: u8 = 0x40;
    pub(in crate::icmpv6) const ASSIGNED: u8 = 0xc0;
}

/// What a message says before its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// RFC 4861 §4.1.
    RouterSolicitation,
    /// RFC 4861 §4.2.
    RouterAdvertisement(RouterAdvertisement),
    /// RFC 4861 §4.3.
    NeighborSolicitation {
        /// Whose link-layer address is asked for; not multicast.
        target: Ipv6Addr,
    },
    /// RFC 4861 §4.4.
    NeighborAdvertisement {
        /// See [`neighbor_flag`].
        flags: u8,
        /// Whose link-layer address it tells; not multicast.
        target: Ipv6Addr,
    },
    /// RFC 6275 §6.5.
    HomeAgentDiscoveryRequest {
        /// Matches the reply to it.
        identifier: u16,
    },
    /// RFC 6275 §6.6; the home agents are [`super::Message::addresses`].
    HomeAgentDiscoveryReply {
        /// Of the request.
        identifier: u16,
    },
    /// RFC 6275 §6.7.
    MobilePrefixSolicitation {
        /// Matches the advertisement to it.
        identifier: u16,
    },
    /// RFC 6275 §6.8.
    MobilePrefixAdvertisement {
        /// Of the solicitation.
        identifier: u16,
        /// See [`mobile_prefix_flag`].
        flags: u8,
    },
}

/// The fixed part of a Router Advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// Cur Hop Limit, 0 for none.
    pub hop_limit: u8,
    /// See [`router_flag`].
    pub flags: u8,
    /// Router Lifetime in seconds, 0 for no default router.
    pub lifetime_s: u16,
    /// Reachable Time in milliseconds, 0 for none.
    pub reachable_ms: u32,
    /// Retrans Timer in milliseconds, 0 for none.
    pub retransmit_ms: u32,
}

impl Body {
    /// ICMPv6 type.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::RouterSolicitation => icmpv6::ROUTER_SOLICITATION,
            Self::RouterAdvertisement(_) => icmpv6::ROUTER_ADVERTISEMENT,
            Self::NeighborSolicitation { .. } => icmpv6::NEIGHBOR_SOLICITATION,
            Self::NeighborAdvertisement { .. } => icmpv6::NEIGHBOR_ADVERTISEMENT,
            Self::HomeAgentDiscoveryRequest { .. } => icmpv6::HOME_AGENT_DISCOVERY_REQUEST,
            Self::HomeAgentDiscoveryReply { .. } => icmpv6::HOME_AGENT_DISCOVERY_REPLY,
            Self::MobilePrefixSolicitation { .. } => icmpv6::MOBILE_PREFIX_SOLICITATION,
            Self::MobilePrefixAdvertisement { .. } => icmpv6::MOBILE_PREFIX_ADVERTISEMENT,
        }
    }

    /// The fixed part of a message, and where its options or addresses begin.
    pub(super) fn read(kind: u8, message: &[u8]) -> Result<(Self, usize), MessageError> {
        let too_short = MessageError::TooShort;
        let identifier = u16_at(message, 4).ok_or(too_short);
        let target = address_at(message, 8).ok_or(too_short);
        Ok(match kind {
            icmpv6::ROUTER_SOLICITATION => (Self::RouterSolicitation, 8),
            icmpv6::ROUTER_ADVERTISEMENT => (
                Self::RouterAdvertisement(RouterAdvertisement {
                    hop_limit: u8_at(message, 4).ok_or(too_short)?,
                    flags: u8_at(message, 5).ok_or(too_short)?,
                    lifetime_s: u16_at(message, 6).ok_or(too_short)?,
                    reachable_ms: u32_at(message, 8).ok_or(too_short)?,
                    retransmit_ms: u32_at(message, 12).ok_or(too_short)?,
                }),
                16,
            ),
            icmpv6::NEIGHBOR_SOLICITATION => (Self::NeighborSolicitation { target: target? }, 24),
            icmpv6::NEIGHBOR_ADVERTISEMENT => {
                let flags = u8_at(message, 4).ok_or(too_short)? & neighbor_flag::ASSIGNED;
                let target = target?;
                (Self::NeighborAdvertisement { flags, target }, 24)
            }
            icmpv6::HOME_AGENT_DISCOVERY_REQUEST => {
                let identifier = identifier?;
                (Self::HomeAgentDiscoveryRequest { identifier }, 8)
            }
            icmpv6::HOME_AGENT_DISCOVERY_REPLY => {
                let identifier = identifier?;
                (Self::HomeAgentDiscoveryReply { identifier }, 8)
            }
            icmpv6::MOBILE_PREFIX_SOLICITATION => {
                let identifier = identifier?;
                (Self::MobilePrefixSolicitation { identifier }, 8)
            }
            icmpv6::MOBILE_PREFIX_ADVERTISEMENT => {
                let identifier = identifier?;
                let flags = u8_at(message, 6).ok_or(too_short)? & mobile_prefix_flag::ASSIGNED;
                (Self::MobilePrefixAdvertisement { identifier, flags }, 8)
            }
            other => return Err(MessageError::Type(other)),
        })
    }
}
