//! The walk along a packet's extension headers (RFC 8200 §4).

use core::fmt;
use core::net::Ipv6Addr;

use crate::codepoints::{icmpv6, ipv6_option, next_header, routing_type};
use crate::field::{address_at, u8_at, u16_at, u32_at};
use crate::ipv6;

/// Extension headers that one packet may have. RFC 8504 §5.3 lets a host limit the chain; each type that RFC 8200
/// §4.1 recommends at most once, plus one, fits.
pub const MAX_HEADERS: usize = 8;

/// What stands between the IPv6 header and the upper layer. All offsets are from the IPv6 header's first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeaderChain {
    /// Next Header value of what ends the chain: an upper-layer protocol, IPv6, ESP or No Next Header. In a fragment
    /// other than the first one: the type of the fragmented part.
    pub upper_protocol: u8,
    /// Where that begins.
    pub upper_offset: usize,
    /// Address of the first Home Address option, and the offset of its Type octet (RFC 6275 §6.3).
    pub home_address: Option<(Ipv6Addr, usize)>,
    /// Home Address options seen. More than one is against RFC 6275 §6.3.
    pub home_addresses: u8,
    /// The first routing header.
    pub routing: Option<Routing>,
    /// The fragment header.
    pub fragment: Option<Fragment>,
    /// Whether there is an authentication header (RFC 4302).
    pub authentication: bool,
    /// Value of the Tunnel Encapsulation Limit option and the offset of that value, where RFC 2473 §4.1.1 has the
    /// Parameter Problem point.
    pub encapsulation_limit: Option<(u8, usize)>,
    /// The first option that is not known here and whose type does not say "skip".
    pub unrecognized: Option<Unrecognized>,
}

/// A routing header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Routing Type.
    pub kind: u8,
    /// Segments Left.
    pub segments_left: u8,
    /// Offset of the header.
    pub offset: usize,
    /// The home address of a type 2 routing header of the only length allowed (RFC 6275 §6.4.1: "Hdr Ext Len ... 2").
    pub home: Option<Ipv6Addr>,
}

/// A fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Fragment Offset in octets.
    pub offset: usize,
    /// More fragments follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
    /// Offset of the header.
    pub header_offset: usize,
}

/// An option whose type demands that a node that does not know it discards the packet (RFC 8200 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecognized {
    /// The option type.
    pub kind: u8,
    /// Offset of the option type.
    pub offset: usize,
}

impl Unrecognized {
    /// Whether the discard is to be answered with Parameter Problem code 2: type 10… always, 11… unless the packet
    /// went to a multicast address.
    #[must_use]
    pub const fn wants_answer(&self, multicast_destination: bool) -> bool {
        match self.kind >> 6 {
            0b10 => true,
            0b11 => !multicast_destination,
            _ => false,
        }
    }
}

/// Why a chain cannot be walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainReason {
    /// A header reaches beyond the packet.
    Truncated,
    /// More than [`MAX_HEADERS`] extension headers.
    TooManyHeaders,
    /// Hop-by-Hop Options not right behind the IPv6 header (RFC 8200 §4.1).
    HopByHopNotFirst,
    /// An option reaches beyond its header.
    OptionOverrun,
    /// A known option with a length that is not its own.
    OptionLength,
}

/// A chain that cannot be walked, and the octet that an ICMPv6 Parameter Problem points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainError {
    /// What is wrong.
    pub reason: ChainReason,
    /// Offset of the octet from the IPv6 header's first one.
    pub pointer: u32,
}

impl ChainError {
    fn at(reason: ChainReason, offset: usize) -> Self {
        Self {
            reason,
            pointer: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }

    /// The Parameter Problem code to answer with, if the packet was for us. Nothing for what is only cut short.
    #[must_use]
    pub const fn parameter_problem_code(&self) -> Option<u8> {
        match self.reason {
            ChainReason::Truncated | ChainReason::TooManyHeaders => None,
            // RFC 8200 §4: a next header of 0 anywhere else is treated as an unrecognized one.
            ChainReason::HopByHopNotFirst => Some(icmpv6::UNRECOGNIZED_NEXT_HEADER),
            ChainReason::OptionOverrun | ChainReason::OptionLength => Some(icmpv6::ERRONEOUS_FIELD),
        }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            ChainReason::Truncated => "extension header cut short",
            ChainReason::TooManyHeaders => "too many extension headers",
            ChainReason::HopByHopNotFirst => "hop-by-hop options not first",
            ChainReason::OptionOverrun => "option longer than its header",
            ChainReason::OptionLength => "option of a wrong length",
        };
        write!(f, "{reason} at octet {}", self.pointer)
    }
}

impl core::error::Error for ChainError {}

/// Whether a header of this type is one that [`walk`] goes beyond.
#[inline]
#[must_use]
pub const fn is_extension_header(kind: u8) -> bool {
    matches!(
        kind,
        next_header::HOP_BY_HOP
            | next_header::ROUTING
            | next_header::FRAGMENT
            | next_header::AUTHENTICATION
            | next_header::DESTINATION
    )
}

/// Walks from the IPv6 header at the front of `packet` to the upper layer, through at most [`MAX_HEADERS`] headers,
/// each octet looked at once at most. The IPv6 header itself must have been checked ([`ipv6::Ipv6View::new`]), and
/// `packet` must end where the view does.
///
/// # Errors
/// [`ChainError`]. A packet in transit need not be dropped for it: only Hop-by-Hop Options concern a router.
#[inline]
pub fn walk(packet: &[u8]) -> Result<HeaderChain, ChainError> {
    let truncated = |offset| ChainError::at(ChainReason::Truncated, offset);
    let header = packet
        .first_chunk::<{ ipv6::HEADER_LEN }>()
        .ok_or_else(|| truncated(0))?;
    let mut chain = HeaderChain {
        upper_protocol: header[6],
        upper_offset: ipv6::HEADER_LEN,
        ..HeaderChain::default()
    };
    let mut type_offset = 6;
    for headers in 0..=MAX_HEADERS {
        let offset = chain.upper_offset;
        let kind = chain.upper_protocol;
        if !is_extension_header(kind) {
            return Ok(chain);
        }
        if headers == MAX_HEADERS {
            return Err(ChainError::at(ChainReason::TooManyHeaders, offset));
        }
        let (Some(next), Some(len)) = (u8_at(packet, offset), u8_at(packet, offset + 1)) else {
            return Err(truncated(offset));
        };
        let size = match kind {
            next_header::FRAGMENT => 8,
            // RFC 4302 §2.2: in 32-bit words, minus 2.
            next_header::AUTHENTICATION => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        let end = offset + size;
        let header = packet.get(offset..end).ok_or_else(|| truncated(offset))?;
        match kind {
            next_header::HOP_BY_HOP if offset != ipv6::HEADER_LEN => {
                return Err(ChainError::at(ChainReason::HopByHopNotFirst, type_offset));
            }
            next_header::HOP_BY_HOP | next_header::DESTINATION => {
                read_options(&mut chain, header, offset, kind)?
            }
            next_header::ROUTING => read_routing(&mut chain, header, offset),
            next_header::FRAGMENT => read_fragment(&mut chain, header, offset),
            next_header::AUTHENTICATION => chain.authentication = true,
            _ => {}
        }
        chain.upper_protocol = next;
        chain.upper_offset = end;
        type_offset = offset;
        // What follows the header of a later fragment is payload from somewhere within the packet.
        if chain.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return Ok(chain);
        }
    }
    Ok(chain)
}

/// Both ports as one word where every packet of the flow shows them: not in fragments, of which only the first has
/// them, and only for protocols that begin with two ports. 0 otherwise.
#[inline]
#[must_use]
pub fn ports(packet: &[u8], chain: &HeaderChain) -> u32 {
    match (chain.fragment, packet.get(chain.upper_offset..)) {
        (None, Some(upper_layer)) => leading_ports(chain.upper_protocol, upper_layer),
        _ => 0,
    }
}

/// [`ports`] of an upper layer that stands behind no fragment header.
#[inline]
#[must_use]
pub fn leading_ports(protocol: u8, upper_layer: &[u8]) -> u32 {
    match protocol {
        next_header::TCP
        | next_header::UDP
        | next_header::SCTP
        | next_header::DCCP
        | next_header::UDP_LITE => u32_at(upper_layer, 0).unwrap_or(0),
        _ => 0,
    }
}

fn read_routing(chain: &mut HeaderChain, header: &[u8], offset: usize) {
    let (Some(len), Some(kind), Some(segments_left)) =
        (u8_at(header, 1), u8_at(header, 2), u8_at(header, 3))
    else {
        return;
    };
    let home = if kind == routing_type::TYPE_2 && len == 2 {
        address_at(header, 8)
    } else {
        None
    };
    chain.routing.get_or_insert(Routing {
        kind,
        segments_left,
        offset,
        home,
    });
}

fn read_fragment(chain: &mut HeaderChain, header: &[u8], offset: usize) {
    if let (Some(field), Some(id)) = (u16_at(header, 2), u32_at(header, 4)) {
        let position = usize::from(field & 0xfff8);
        chain.fragment = Some(Fragment {
            offset: position,
            more: field & 1 == 1,
            id,
            header_offset: offset,
        });
    }
}

fn read_options(
    chain: &mut HeaderChain,
    header: &[u8],
    base: usize,
    in_header: u8,
) -> Result<(), ChainError> {
    let mut at = 2;
    while let Some(kind) = u8_at(header, at) {
        if kind == ipv6_option::PAD1 {
            at += 1;
            continue;
        }
        let overrun = || ChainError::at(ChainReason::OptionOverrun, base + at);
        let len = usize::from(u8_at(header, at + 1).ok_or_else(overrun)?);
        let data = header.get(at + 2..at + 2 + len).ok_or_else(overrun)?;
        // Both options are defined for the Destination Options header alone.
        match (in_header, kind) {
            (next_header::DESTINATION, ipv6_option::HOME_ADDRESS) => {
                let address = address_at(data, 0).filter(|_| len == 16);
                let address = address
                    .ok_or_else(|| ChainError::at(ChainReason::OptionLength, base + at + 1))?;
                chain.home_address.get_or_insert((address, base + at));
                chain.home_addresses = chain.home_addresses.saturating_add(1);
            }
            (next_header::DESTINATION, ipv6_option::TUNNEL_ENCAPSULATION_LIMIT) => {
                let &[limit] = data else {
                    return Err(ChainError::at(ChainReason::OptionLength, base + at + 1));
                };
                chain
                    .encapsulation_limit
                    .get_or_insert((limit, base + at + 2));
            }
            (_, unknown) if unknown >> 6 != 0 => {
                chain.unrecognized.get_or_insert(Unrecognized {
                    kind: unknown,
                    offset: base + at,
                });
            }
            _ => {}
        }
        at += 2 + len;
    }
    Ok(())
}
