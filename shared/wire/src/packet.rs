//! Mobility Headers and ICMPv6 messages in their IPv6 packets: the Home Address option, the type 2 routing header, and the
//! addresses that the checksum takes from them.

mod compose;
mod fragment;
mod icmp;
mod mobility;

pub use compose::{compose, compose_icmpv6};
pub use fragment::fragments;
pub use icmp::IcmpPacket;
pub use mobility::MobilityPacket;

use core::fmt;
use core::net::Ipv6Addr;

use crate::codepoints::{icmpv6, routing_type};
use crate::extension::{self, ChainError};
use crate::ipv6::{Ipv6Error, Ipv6View};

/// Why a packet does not give what is looked for in it. Pointers are offsets from the IPv6 header's first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// Not an IPv6 packet.
    Ipv6(Ipv6Error),
    /// The extension headers cannot be walked.
    Chain(ChainError),
    /// The upper layer is another one.
    UpperLayer {
        /// Its protocol.
        protocol: u8,
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
            Self::UpperLayer { protocol } => write!(f, "protocol {protocol} is another one"),
            Self::Fragment => f.write_str("a fragment"),
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

/// What stands behind the extension headers, and what they say about it.
#[derive(Clone, Copy)]
struct Upper<'a> {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    home_address: Option<Ipv6Addr>,
    type2_home: Option<Ipv6Addr>,
    payload: &'a [u8],
    offset: usize,
}

impl<'a> Upper<'a> {
    /// Reads a packet addressed to this node, from its IPv6 header on.
    fn read(ipv6_packet: &'a [u8], protocol: u8) -> Result<Self, PacketError> {
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
        if chain.upper_protocol != protocol {
            return Err(PacketError::UpperLayer {
                protocol: chain.upper_protocol,
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
        Ok(Self {
            source: view.source(),
            destination: view.destination(),
            hop_limit: view.hop_limit(),
            home_address: chain.home_address.map(|(address, _)| address),
            type2_home,
            payload: packet.get(chain.upper_offset..).unwrap_or_default(),
            offset: chain.upper_offset,
        })
    }
}
