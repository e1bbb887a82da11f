//! Mobility Headers in their IPv6 packets: the Home Address option, the type 2 routing header, and the addresses
//! that the checksum takes from them.

use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use crate::checksum;
use crate::codepoints::{icmpv6, ipv6_option, next_header, routing_type};
use crate::extension::{self, ChainError};
use crate::field::u8_at;
use crate::ipv6::{HEADER_LEN, Ipv6Error, Ipv6Header, Ipv6View};
use crate::mobility;

/// Hop limit of signalling messages.
const HOP_LIMIT: u8 = 64;
/// Octets of a Destination Options header with a Home Address option, and of a type 2 routing header.
const ADDRESS_HEADER_LEN: usize = 24;

/// Why a packet gives no Mobility Header. Pointers are offsets from the IPv6 header's first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// Not an IPv6 packet.
    Ipv6(Ipv6Error),
    /// The extension headers cannot be walked.
    Chain(ChainError),
    /// The upper layer is another one.
    NotMobility {
        /// Its protocol.
        upper_protocol: u8,
    },
    /// A fragment: to be reassembled before.
    Fragment,
    /// More than one Home Address option: RFC 6275 §6.3 allows one.
    RepeatedHomeAddress,
    /// A routing header with segments left that cannot be processed: type 0 (RFC 5095), another unknown type, or a
    /// type 2 that is not as RFC 6275 §6.4.1 has it.
    Routing {
        /// Routing Type.
        kind: u8,
        /// Offset of the Routing Type, for Parameter Problem code 0 (RFC 8200 §4.4). RFC 6275 §8.2 has a type 2 one
        /// that is not for this node silently discarded.
        pointer: u32,
    },
    /// An option that is not known and demands that the packet be discarded (RFC 8200 §4.2).
    UnrecognizedOption {
        /// Offset of the option type, for Parameter Problem code 2.
        pointer: u32,
        /// Whether the option type and the destination want that sent.
        answer: bool,
    },
}

impl PacketError {
    /// Code and pointer of the Parameter Problem that answers the packet, where one does.
    #[must_use]
    pub const fn parameter_problem(&self) -> Option<(u8, u32)> {
        match self {
            Self::Chain(error) => match error.parameter_problem_code() {
                Some(code) => Some((code, error.pointer)),
                None => None,
            },
            Self::Routing { kind, pointer } if *kind != routing_type::TYPE_2 => {
                Some((icmpv6::ERRONEOUS_FIELD, *pointer))
            }
            Self::UnrecognizedOption {
                pointer,
                answer: true,
            } => Some((icmpv6::UNRECOGNIZED_OPTION, *pointer)),
            _ => None,
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv6(error) => error.fmt(f),
            Self::Chain(error) => error.fmt(f),
            Self::NotMobility { upper_protocol } => {
                write!(f, "protocol {upper_protocol} is not a Mobility Header")
            }
            Self::Fragment => f.write_str("a fragment of a Mobility Header"),
            Self::RepeatedHomeAddress => f.write_str("more than one Home Address option"),
            Self::Routing { kind, pointer } => {
                write!(f, "routing header of type {kind} at octet {pointer}")
            }
            Self::UnrecognizedOption { pointer, .. } => {
                write!(f, "unrecognized option at octet {pointer}")
            }
        }
    }
}

impl core::error::Error for PacketError {}

/// A Mobility Header and what its packet says about it.
#[derive(Clone, Copy, Debug)]
pub struct MobilityPacket<'a> {
    /// The IPv6 source address.
    pub source: Ipv6Addr,
    /// The IPv6 destination address.
    pub destination: Ipv6Addr,
    /// Address in the Home Address option.
    pub home_address: Option<Ipv6Addr>,
    /// Address in the type 2 routing header with one segment left.
    pub type2_home: Option<Ipv6Addr>,
    /// The Mobility Header, as long as its Header Len says, or all there is if that is less.
    pub mh: &'a [u8],
    /// Offset of the Mobility Header: add it to the pointers of [`mobility::MhError`] and [`mobility::MessageError`].
    pub mh_offset: usize,
}

impl<'a> MobilityPacket<'a> {
    /// Reads a packet addressed to this node, from its IPv6 header on. The Mobility Header itself is not looked into:
    /// its checksum comes first.
    ///
    /// # Errors
    /// [`PacketError`]; [`PacketError::parameter_problem`] has the answer.
    pub fn parse(ipv6_packet: &'a [u8]) -> Result<Self, PacketError> {
        let view = Ipv6View::new(ipv6_packet).map_err(PacketError::Ipv6)?;
        let packet = view.packet();
        let chain = extension::walk(packet).map_err(PacketError::Chain)?;
        let pointer = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        if let Some(option) = chain.unrecognized {
            let answer = option.wants_answer(view.destination().is_multicast());
            return Err(PacketError::UnrecognizedOption {
                pointer: pointer(option.offset),
                answer,
            });
        }
        // A fragment that is whole (RFC 6946) is none.
        if chain
            .fragment
            .is_some_and(|fragment| fragment.offset != 0 || fragment.more)
        {
            return Err(PacketError::Fragment);
        }
        if chain.upper_protocol != next_header::MOBILITY {
            return Err(PacketError::NotMobility {
                upper_protocol: chain.upper_protocol,
            });
        }
        if chain.home_addresses > 1 {
            return Err(PacketError::RepeatedHomeAddress);
        }
        // RFC 8200 §4.4: with no segments left, a routing header of whatever type is passed over.
        let type2_home = match chain.routing.filter(|routing| routing.segments_left != 0) {
            None => None,
            Some(routing) => match routing.home {
                // RFC 6275 §6.4.1: "Segments Left MUST be 1."
                Some(home) if routing.segments_left == 1 => Some(home),
                _ => {
                    return Err(PacketError::Routing {
                        kind: routing.kind,
                        pointer: pointer(routing.offset + 2),
                    });
                }
            },
        };
        let rest = packet.get(chain.upper_offset..).unwrap_or_default();
        let stated = u8_at(rest, 1).map_or(rest.len(), mobility::total_len);
        Ok(Self {
            source: view.source(),
            destination: view.destination(),
            home_address: chain.home_address.map(|(address, _)| address),
            type2_home,
            mh: rest.get(..stated).unwrap_or(rest),
            mh_offset: chain.upper_offset,
        })
    }

    /// The source that the checksum takes. RFC 6275 §6.1.1: "If a mobility message has a Home Address destination
    /// option, then the checksum calculation uses the home address in this option as the value of the IPv6 Source
    /// Address field."
    #[must_use]
    pub fn checksum_source(&self) -> Ipv6Addr {
        self.home_address.unwrap_or(self.source)
    }

    /// The destination that the checksum takes: the final one (RFC 8200 §8.1).
    #[must_use]
    pub fn checksum_destination(&self) -> Ipv6Addr {
        self.type2_home.unwrap_or(self.destination)
    }

    /// Whether the Mobility Header's checksum is right. RFC 6275 §9.2: "If invalid, the node MUST silently discard
    /// the message."
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        let (src, dst) = (self.checksum_source(), self.checksum_destination());
        self.mh.len() >= 8
            && checksum::upper_layer_checksum(&src, &dst, next_header::MOBILITY, self.mh) == 0
    }
}

/// A whole IPv6 packet around a Mobility Header, with a type 2 routing header and a Home Address option where
/// addresses for them are given. The Mobility Header must have been finished for the addresses that
/// [`MobilityPacket::checksum_source`] and [`MobilityPacket::checksum_destination`] tell; it fits any payload length
/// if it comes from [`mobility::Builder`].
#[must_use]
pub fn compose(
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    home_address: Option<&Ipv6Addr>,
    type2_home: Option<&Ipv6Addr>,
    mh: &[u8],
) -> Vec<u8> {
    let behind_options = next_header::MOBILITY;
    let behind_routing = if home_address.is_some() {
        next_header::DESTINATION
    } else {
        behind_options
    };
    let first = if type2_home.is_some() {
        next_header::ROUTING
    } else {
        behind_routing
    };
    let mut packet = Vec::with_capacity(HEADER_LEN + 2 * ADDRESS_HEADER_LEN + mh.len());
    packet.extend([0; HEADER_LEN]);
    if let Some(home) = type2_home {
        // RFC 6275 §6.4.1: Hdr Ext Len 2, Routing Type 2, Segments Left 1, four reserved octets.
        packet.extend([behind_routing, 2, routing_type::TYPE_2, 1, 0, 0, 0, 0]);
        packet.extend(home.octets());
    }
    if let Some(home) = home_address {
        // RFC 6275 §6.3: the option is aligned 8n+6. It stands after the routing header, before a fragment header.
        packet.extend([
            behind_options,
            2,
            ipv6_option::PADN,
            2,
            0,
            0,
            ipv6_option::HOME_ADDRESS,
            16,
        ]);
        packet.extend(home.octets());
    }
    packet.extend(mh);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(packet.len().saturating_sub(HEADER_LEN)).unwrap_or(u16::MAX),
        next_header: first,
        hop_limit: HOP_LIMIT,
        source: *source,
        destination: *destination,
    };
    if let Some(front) = packet.first_chunk_mut::<HEADER_LEN>() {
        header.emit(front);
    }
    packet
}
