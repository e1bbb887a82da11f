//! Into the tunnel of a plain binding

use dhp_segment::HomeCandidate;
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::{HEADER_LEN as IPV6_LEN, flow_label_of};

use super::header::{Header, put, put_address};
use super::{BOTH_HEADERS, Express, HEADERS, HEADERS_AND_PORTS};
use crate::downlink::MIN_TUNNEL_MTU;
use crate::{PacketBuf, Port};

/// Version 6, and the Next Header and Hop Limit of a tunnel packet.
const VERSION: u32 = 6 << 28;
const TUNNEL: [u8; 2] = [next_header::IPV6, 64];

impl<P: Port> Express<'_, P> {
    /// Put a packet of [`Lane::Enter`](super::Lane::Enter) into the tunnel of its binding, and say on which port it leaves. `None`: it
    /// is as it was, and has to go the long way.
    #[inline(always)]
    pub(super) fn enter(&mut self, packet: &mut P::Buf, candidate: HomeCandidate) -> Option<u16> {
        let bytes = packet.bytes();
        let inner = Header::<HEADERS_AND_PORTS, ETHERNET_LEN>(bytes.first_chunk()?);
        let len = bytes.len().saturating_sub(ETHERNET_LEN);
        let destination = inner.destination();
        let binding = self.homes.find_plain(destination, candidate)?;
        let tunnel = binding.tunnel;
        let hop = self.inwards.get(tunnel.next_hop, self.reader, self.ports)?;
        let fits = len <= MIN_TUNNEL_MTU
            || len <= usize::from(tunnel.mtu) && len <= usize::from(hop.tunnel_mtu);
        let is_clamped = self.tcp_mss_clamp && inner.next_header() == next_header::TCP;
        if !fits || is_clamped {
            return None;
        }
        let first = inner.first_word();
        let flow_label = flow_label_of(
            &inner.source().octets(),
            &destination.octets(),
            first & 0x000f_ffff,
            inner.next_header(),
            u32::from_be_bytes(inner.octets(IPV6_LEN)),
        );
        let first = VERSION | first & 0x0ff0_0000 | flow_label;
        // The frame had a whole header of 16 bits of length, and is no longer than the link allows.
        let payload_len = len as u16;
        let hops_left = inner.hops_left();
        if !packet.prepend(IPV6_LEN) {
            return None;
        }
        if let Some(front) = packet.bytes_mut().first_chunk_mut::<BOTH_HEADERS>() {
            hop.put_link(front);
            put(front, ETHERNET_LEN, first.to_be_bytes());
            put(front, ETHERNET_LEN + 4, payload_len.to_be_bytes());
            put(front, ETHERNET_LEN + 6, TUNNEL);
            put_address(front, ETHERNET_LEN + 8, tunnel.anchor);
            put_address(front, ETHERNET_LEN + 24, tunnel.care_of);
            put(front, HEADERS + 7, [hops_left]);
        }
        binding.carry(len as u64);
        self.tally.entered += 1;
        Some(hop.port)
    }
}
