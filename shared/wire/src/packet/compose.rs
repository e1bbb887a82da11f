//! Whole packets around messages.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use crate::codepoints::{icmpv6, ipv6_option, next_header, routing_type};
use crate::icmpv6::ND_HOP_LIMIT;
use crate::ipv6::{HEADER_LEN, Ipv6Header};

/// Hop limit of signalling messages.
const HOP_LIMIT: u8 = 64;
/// Octets of a Destination Options header with a Home Address option, and of a type 2 routing header.
const ADDRESS_HEADER_LEN: usize = 24;

/// A whole IPv6 packet around a Mobility Header, with a type 2 routing header and a Home Address option where
/// addresses for them are given. The Mobility Header must have been finished for the addresses that
/// [`super::MobilityPacket::checksum_source`] and [`super::MobilityPacket::checksum_destination`] tell; it fits any payload
/// length if it comes from [`crate::mobility::Builder`].
#[must_use]
pub fn compose(
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    home_address: Option<&Ipv6Addr>,
    type2_home: Option<&Ipv6Addr>,
    mh: &[u8],
) -> Vec<u8> {
    let route = Route {
        source,
        destination,
        home_address,
        type2_home,
    };
    assemble(&route, next_header::MOBILITY, HOP_LIMIT, mh)
}

/// As [`compose`], of an ICMPv6 message from [`crate::icmpv6::Builder`]. RFC 6275 §6.7 has a Mobile Prefix Solicitation go
/// with a Home Address option, §6.8 a Mobile Prefix Advertisement with a type 2 routing header. The hop limit of Neighbor
/// Discovery is [`crate::icmpv6::ND_HOP_LIMIT`].
#[must_use]
pub fn compose_icmpv6(
    source: &Ipv6Addr,
    destination: &Ipv6Addr,
    home_address: Option<&Ipv6Addr>,
    type2_home: Option<&Ipv6Addr>,
    message: &[u8],
) -> Vec<u8> {
    let route = Route {
        source,
        destination,
        home_address,
        type2_home,
    };
    let hop_limit = match message.first() {
        Some(&kind) if icmpv6::is_neighbor_discovery(kind) => ND_HOP_LIMIT,
        _ => HOP_LIMIT,
    };
    assemble(&route, next_header::ICMPV6, hop_limit, message)
}

/// The addresses of a packet, and those of its extension headers.
struct Route<'a> {
    source: &'a Ipv6Addr,
    destination: &'a Ipv6Addr,
    home_address: Option<&'a Ipv6Addr>,
    type2_home: Option<&'a Ipv6Addr>,
}

fn assemble(route: &Route<'_>, protocol: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let behind_options = protocol;
    let behind_routing = if route.home_address.is_some() {
        next_header::DESTINATION
    } else {
        behind_options
    };
    let first = if route.type2_home.is_some() {
        next_header::ROUTING
    } else {
        behind_routing
    };
    let mut packet = Vec::with_capacity(HEADER_LEN + 2 * ADDRESS_HEADER_LEN + payload.len());
    packet.resize(HEADER_LEN, 0);
    if let Some(home) = route.type2_home {
        // RFC 6275 §6.4.1: Hdr Ext Len 2, Routing Type 2, Segments Left 1, four reserved octets.
        packet.extend_from_slice(&[behind_routing, 2, routing_type::TYPE_2, 1, 0, 0, 0, 0]);
        packet.extend_from_slice(&home.octets());
    }
    if let Some(home) = route.home_address {
        // RFC 6275 §6.3: the option is aligned 8n+6. It stands after the routing header, before a fragment header.
        packet.extend_from_slice(&[
            behind_options,
            2,
            ipv6_option::PADN,
            2,
            0,
            0,
            ipv6_option::HOME_ADDRESS,
            16,
        ]);
        packet.extend_from_slice(&home.octets());
    }
    packet.extend_from_slice(payload);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(packet.len().saturating_sub(HEADER_LEN)).unwrap_or(u16::MAX),
        next_header: first,
        hop_limit,
        source: *route.source,
        destination: *route.destination,
    };
    if let Some(front) = packet.first_chunk_mut::<HEADER_LEN>() {
        header.emit(front);
    }
    packet
}
