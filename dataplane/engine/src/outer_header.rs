//! The headers that a tunnel puts in front of a packet

use dhp_segment::{OUTER_HEADER_LEN, Template};
use dhp_wire::codepoints::{ipv6_option, next_header};

use crate::PacketBuf;

/// Octets of a Destination Options header with a tunnel encapsulation limit (RFC 2473 §5.1).
pub(crate) const TUNNEL_LIMIT_LEN: usize = 8;

/// Octets of a fragment header (RFC 8200 §4.5).
pub(crate) const FRAGMENT_HEADER_LEN: usize = 8;

/// What a packet gets in front of it: the binding's template, and what depends on the packet.
pub(crate) struct OuterHeader<'a> {
    pub(crate) template: &'a Template,
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: u32,
    /// The limit for tunnels around this one; `None` adds no option.
    pub(crate) encapsulation_limit: Option<u8>,
}

impl OuterHeader<'_> {
    /// Put all outer headers in front of `packet`. `false`: no room, or longer than an IPv6 packet can be.
    #[inline(always)]
    pub(crate) fn prepend(&self, packet: &mut impl PacketBuf) -> bool {
        self.prepend_limit(packet) && self.prepend_ipv6(packet, self.first_next_header())
    }

    /// The type of what stands behind the outer IPv6 header, or in the first fragment behind the fragment header.
    pub(crate) const fn first_next_header(&self) -> u8 {
        match self.encapsulation_limit {
            Some(_) => next_header::DESTINATION,
            None => next_header::IPV6,
        }
    }

    /// Put the Destination Options header in front, if there is one.
    #[inline(always)]
    pub(crate) fn prepend_limit(&self, packet: &mut impl PacketBuf) -> bool {
        let Some(limit) = self.encapsulation_limit else {
            return true;
        };
        let options = [
            next_header::IPV6,
            0,
            ipv6_option::TUNNEL_ENCAPSULATION_LIMIT,
            1,
            limit,
            ipv6_option::PADN,
            1,
            0,
        ];
        prepend_octets(packet, &options)
    }

    /// Put the outer IPv6 header in front of what is to be its payload.
    #[inline(always)]
    pub(crate) fn prepend_ipv6(&self, packet: &mut impl PacketBuf, next_header: u8) -> bool {
        let Ok(payload_len) = u16::try_from(packet.bytes().len()) else {
            return false;
        };
        let mut header: [u8; OUTER_HEADER_LEN] = self.template.outer_header();
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        let [v0, v1, v2, v3] = first.to_be_bytes();
        let [l0, l1] = payload_len.to_be_bytes();
        if let Some(start) = header.first_chunk_mut::<7>() {
            *start = [v0, v1, v2, v3, l0, l1, next_header];
        }
        prepend_octets(packet, &header)
    }
}

/// Put `octets` in front of `packet`. `false`: no headroom.
#[inline(always)]
pub(crate) fn prepend_octets<const N: usize>(
    packet: &mut impl PacketBuf,
    octets: &[u8; N],
) -> bool {
    if !packet.prepend(N) {
        return false;
    }
    match packet.bytes_mut().first_chunk_mut::<N>() {
        Some(front) => {
            *front = *octets;
            true
        }
        None => false,
    }
}
