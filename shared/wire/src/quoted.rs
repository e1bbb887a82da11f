//! Packets to care-of addresses inside the ICMPv6 errors that come back for them (RFC 2473 §8, RFC 6275 §9.3.4).

use crate::codepoints::next_header;
use crate::extension;
use crate::field::{octets, u8_at, u16_at, u32_at};
use crate::ipv6::HEADER_LEN;

/// Octets of an ICMPv6 error before the packet that it quotes (RFC 4443 §3).
const ERROR_HEADER_LEN: usize = 8;

/// What an ICMPv6 error message quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Something that is neither an IPv6-in-IPv6 packet nor one with a type 2 routing header.
    Other,
    /// A packet with a type 2 routing header, and no tunnel.
    Type2(QuotedType2),
    /// An IPv6-in-IPv6 packet, but not enough of it to tell whose: cut short, or a later fragment.
    UnknownTunnel,
    /// An IPv6-in-IPv6 packet and at least the header of the one inside.
    Tunnel(QuotedTunnel),
}

/// An error message about a tunnel packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedTunnel {
    /// ICMPv6 type.
    pub kind: u8,
    /// ICMPv6 code.
    pub code: u8,
    /// The 32 bits behind the checksum: MTU or pointer.
    pub word: u32,
    /// Outer source: the entry of the tunnel.
    pub entry: [u8; 16],
    /// Outer destination: its exit.
    pub exit: [u8; 16],
    /// Where in the quoted packet the value of a Tunnel Encapsulation Limit stands, if there is one.
    pub encapsulation_limit: Option<usize>,
    /// Octets of the tunnel headers, the fragment header left out: what the tunnel takes from the path's MTU.
    pub overhead: usize,
    /// Where in the message the inner packet begins; it may be cut short.
    pub inner_offset: usize,
    /// Length of the inner packet by its own header, in octets.
    pub inner_len: usize,
    /// Inner source.
    pub inner_source: [u8; 16],
    /// Inner destination.
    pub inner_destination: [u8; 16],
}

/// An error message about a packet that went to a care-of address with a type 2 routing header (RFC 6275 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedType2 {
    /// The 32 bits behind the checksum: MTU or pointer.
    pub word: u32,
    /// Source: the correspondent.
    pub source: [u8; 16],
    /// Destination: the care-of address.
    pub care_of: [u8; 16],
    /// What the routing header holds.
    pub home_address: [u8; 16],
}

impl Quote {
    /// Reads an ICMPv6 error message, from its type on.
    #[must_use]
    pub fn read(message: &[u8]) -> Self {
        let quoted = message.get(ERROR_HEADER_LEN..).unwrap_or_default();
        if u8_at(quoted, 0).is_none_or(|first| first >> 4 != 6) {
            return Self::Other;
        }
        let Ok(chain) = extension::walk(quoted) else {
            return Self::Other;
        };
        if chain.upper_protocol != next_header::IPV6 {
            return read_type_2(message, quoted, &chain).map_or(Self::Other, Self::Type2);
        }
        if chain.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return Self::UnknownTunnel;
        }
        read_tunnel(message, quoted, &chain).map_or(Self::UnknownTunnel, Self::Tunnel)
    }
}

fn read_type_2(
    message: &[u8],
    quoted: &[u8],
    chain: &extension::HeaderChain,
) -> Option<QuotedType2> {
    let routing = chain.routing?;
    // With no segment left it has the addresses exchanged, as only the mobile node does.
    let home_address = routing.home.filter(|_| routing.segments_left == 1)?;
    Some(QuotedType2 {
        word: u32_at(message, 4)?,
        source: octets(quoted, 8)?,
        care_of: octets(quoted, 24)?,
        home_address: home_address.octets(),
    })
}

fn read_tunnel(
    message: &[u8],
    quoted: &[u8],
    chain: &extension::HeaderChain,
) -> Option<QuotedTunnel> {
    /// Octets of a fragment header (RFC 8200 §4.5).
    const FRAGMENT_LEN: usize = 8;
    let inner = quoted.get(chain.upper_offset..)?;
    if u8_at(inner, 0)? >> 4 != 6 {
        return None;
    }
    let fragment = chain.fragment.map_or(0, |_| FRAGMENT_LEN);
    Some(QuotedTunnel {
        kind: u8_at(message, 0)?,
        code: u8_at(message, 1)?,
        word: u32_at(message, 4)?,
        entry: octets(quoted, 8)?,
        exit: octets(quoted, 24)?,
        encapsulation_limit: chain.encapsulation_limit.map(|(_, offset)| offset),
        overhead: chain.upper_offset.saturating_sub(fragment),
        inner_offset: ERROR_HEADER_LEN.checked_add(chain.upper_offset)?,
        inner_len: HEADER_LEN.saturating_add(usize::from(u16_at(inner, 4)?)),
        inner_source: octets(inner, 8)?,
        inner_destination: octets(inner, 24)?,
    })
}
