//! The ICMPv6 messages of home links and home agents: Neighbor Discovery (RFC 4861 §4, RFC 6275 §7), Home Agent Address
//! Discovery and Mobile Prefix Discovery (RFC 6275 §6.5 to §6.8).

use core::fmt;
use core::net::Ipv6Addr;

use super::body::{Body, neighbor_flag};
use super::option::{NdOption, NdOptions};
use crate::addresses::Addresses;
use crate::checksum;
use crate::codepoints::{icmpv6, next_header};
use crate::field::u8_at;

/// RFC 4861 §6.1.1: "The IP Hop Limit field has a value of 255, i.e., the packet could not possibly have been forwarded by
/// a router."
pub const ND_HOP_LIMIT: u8 = 255;

/// What the IPv6 header said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Source address; the home address where there is a Home Address option.
    pub source: Ipv6Addr,
    /// Destination address; the final one where there is a type 2 routing header.
    pub destination: Ipv6Addr,
    /// Hop limit as received.
    pub hop_limit: u8,
}

/// A message that has passed the validity checks of its RFC.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What it says before its options.
    pub body: Body,
    /// The home agents of a Home Agent Address Discovery Reply, best first.
    pub addresses: Addresses<'a>,
    /// Its options; of none in Home Agent Address Discovery.
    pub options: NdOptions<'a>,
}

/// Why a message is none to act on. All of them are discarded in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// Shorter than its type needs.
    TooShort,
    /// A type that is not read here.
    Type(u8),
    /// A code other than 0.
    Code(u8),
    /// It may have been forwarded by a router.
    HopLimit(u8),
    /// An option of length 0, or one that reaches beyond the message.
    OptionChain,
    /// A source that may not send it.
    Source,
    /// A destination that it may not be sent to, or not with these flags.
    Destination,
    /// A multicast target.
    Target,
    /// Addresses that do not fill the rest of the message.
    Addresses,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("shorter than its type needs"),
            Self::Type(kind) => write!(f, "ICMPv6 type {kind}"),
            Self::Code(code) => write!(f, "code {code}"),
            Self::HopLimit(limit) => write!(f, "hop limit {limit} is not 255"),
            Self::OptionChain => f.write_str("option of length 0 or beyond the message"),
            Self::Source => f.write_str("a source that may not send it"),
            Self::Destination => f.write_str("a destination that it may not go to"),
            Self::Target => f.write_str("multicast target"),
            Self::Addresses => f.write_str("a home agent address cut short"),
        }
    }
}

impl core::error::Error for MessageError {}

/// Whether an ICMPv6 message's checksum is right for these addresses.
#[must_use]
pub fn checksum_is_valid(message: &[u8], envelope: &Envelope) -> bool {
    let Envelope {
        source,
        destination,
        ..
    } = envelope;
    message.len() >= 4
        && checksum::upper_layer_checksum(source, destination, next_header::ICMPV6, message) == 0
}

impl<'a> Message<'a> {
    /// Reads a message from its type on, and checks all that RFC 4861 §6.1 and §7.1 have a node check but for the
    /// checksum, which a kernel may have checked already ([`checksum_is_valid`]).
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn parse(message: &'a [u8], envelope: &Envelope) -> Result<Self, MessageError> {
        let (Some(kind), Some(code)) = (u8_at(message, 0), u8_at(message, 1)) else {
            return Err(MessageError::TooShort);
        };
        let (body, options_at) = Body::read(kind, message)?;
        // RFC 4861 §6.1, §7.1; RFC 6275 §6.5 to §6.8 give no other code.
        if code != 0 {
            return Err(MessageError::Code(code));
        }
        let is_reply = matches!(body, Body::HomeAgentDiscoveryReply { .. });
        let has_options = !is_reply && !matches!(body, Body::HomeAgentDiscoveryRequest { .. });
        let behind = message.get(options_at..).ok_or(MessageError::TooShort)?;
        if is_reply && behind.len() % 16 != 0 {
            return Err(MessageError::Addresses);
        }
        let parsed = Self {
            body,
            addresses: Addresses::of_octets(if is_reply { behind } else { &[] }),
            options: NdOptions::new(if has_options { message } else { &[] }, options_at)
                .ok_or(MessageError::OptionChain)?,
        };
        parsed.check(envelope)?;
        Ok(parsed)
    }

    fn check(&self, envelope: &Envelope) -> Result<(), MessageError> {
        let Envelope {
            source,
            destination,
            hop_limit,
        } = envelope;
        if icmpv6::is_neighbor_discovery(self.body.kind()) && *hop_limit != ND_HOP_LIMIT {
            return Err(MessageError::HopLimit(*hop_limit));
        }
        if source.is_multicast() {
            return Err(MessageError::Source);
        }
        match self.body {
            // RFC 4861 §6.1.1: "If the IP source address is the unspecified address, there is no source link-layer address
            // option in the message."
            Body::RouterSolicitation => self.check_unspecified_source(source),
            // §6.1.2: "IP Source Address is a link-local address."
            Body::RouterAdvertisement(_) if !source.is_unicast_link_local() => {
                Err(MessageError::Source)
            }
            Body::NeighborSolicitation { target } | Body::NeighborAdvertisement { target, .. }
                if target.is_multicast() =>
            {
                Err(MessageError::Target)
            }
            // §7.1.1: "If the IP source address is the unspecified address, the IP destination address is a solicited-node
            // multicast address."
            Body::NeighborSolicitation { .. } => {
                if source.is_unspecified() && !is_solicited_node(destination) {
                    return Err(MessageError::Destination);
                }
                self.check_unspecified_source(source)
            }
            // §7.1.2: "If the IP Destination Address is a multicast address the Solicited flag is zero."
            Body::NeighborAdvertisement { flags, .. }
                if destination.is_multicast() && flags & neighbor_flag::SOLICITED != 0 =>
            {
                Err(MessageError::Destination)
            }
            _ => Ok(()),
        }
    }

    fn check_unspecified_source(&self, source: &Ipv6Addr) -> Result<(), MessageError> {
        let tells_link_layer = || {
            self.options
                .iter()
                .any(|option| matches!(option, Ok(NdOption::SourceLinkLayer(_))))
        };
        if source.is_unspecified() && tells_link_layer() {
            return Err(MessageError::Source);
        }
        Ok(())
    }
}

/// Whether this is one of ff02::1:ff00:0/104 (RFC 4291 §2.7.1).
#[must_use]
pub fn is_solicited_node(address: &Ipv6Addr) -> bool {
    let segments = address.segments();
    segments.starts_with(&[0xff02, 0, 0, 0, 0, 1])
        && segments.get(6).is_some_and(|segment| segment >> 8 == 0xff)
}

/// The solicited-node multicast address of an address (RFC 4291 §2.7.1).
#[must_use]
pub fn solicited_node(address: &Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}
