//! Into the tunnels of plain bindings

use dhp_segment::{HomeCandidate, Homes};
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::{HEADER_LEN as IPV6_LEN, flow_label_of};

use super::header::{Header, put, put_address};
use super::hop::LastHop;
use super::{BOTH_HEADERS, HEADERS, HEADERS_AND_PORTS, Lane, Outcome, Progress};
use crate::downlink::MIN_TUNNEL_MTU;
use crate::path::Path;
use crate::{Batch, PacketBuf, Port};

/// Version 6, and the Next Header and Hop Limit of a tunnel packet.
const VERSION: u32 = 6 << 28;
const TUNNEL: [u8; 2] = [next_header::IPV6, 64];

/// Put the packets of [`Lane::Enter`] into their tunnels.
#[inline(never)]
pub(super) fn enter<P: Port>(
    path: &Path<P>,
    homes: Homes<'_>,
    batch: &mut Batch<P::Buf>,
    progresses: &mut [Progress],
) -> Outcome {
    let mut outcome = Outcome::none();
    let mut hop = LastHop::new(path);
    let entrance = Entrance {
        homes,
        tcp_mss_clamp: path.tcp_mss_clamp,
    };
    for (packet, progress) in batch.iter_mut().zip(progresses) {
        if progress.lane == Lane::Enter {
            let port = entrance.enter(&mut hop, packet, progress.candidate);
            progress.egress = port.into();
            outcome.add(progress.egress);
        }
    }
    outcome
}

/// What the packets of a batch have in common.
struct Entrance<'a> {
    homes: Homes<'a>,
    tcp_mss_clamp: bool,
}

impl Entrance<'_> {
    /// Put a packet into the tunnel of its binding, and say on which port it leaves. `None`: it is as it was, and has to go the long way.
    #[inline(always)]
    fn enter<P: Port>(
        &self,
        hop: &mut LastHop<'_, P>,
        packet: &mut P::Buf,
        candidate: HomeCandidate,
    ) -> Option<u16> {
        let bytes = packet.bytes();
        let inner = Header::<HEADERS_AND_PORTS, ETHERNET_LEN>(bytes.first_chunk()?);
        let len = bytes.len().saturating_sub(ETHERNET_LEN);
        let destination = inner.destination();
        let binding = self.homes.find_plain(destination, candidate)?;
        let hop = hop.get(binding.next_hop())?;
        let fits = len <= MIN_TUNNEL_MTU
            || len <= usize::from(binding.mtu()) && len <= usize::from(hop.tunnel_mtu);
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
        let anchor = binding.anchor()?;
        let front = packet.prepend_front::<BOTH_HEADERS>(IPV6_LEN)?;
        hop.put_link(front);
        put(front, ETHERNET_LEN, first.to_be_bytes());
        put(front, ETHERNET_LEN + 4, payload_len.to_be_bytes());
        put(front, ETHERNET_LEN + 6, TUNNEL);
        put_address(front, ETHERNET_LEN + 8, anchor);
        put_address(front, ETHERNET_LEN + 24, binding.care_of());
        put(front, HEADERS + 7, [hops_left]);
        binding.carry(len as u64);
        Some(hop.port)
    }
}
