//! Out of the tunnels of plain bindings

use dhp_segment::{HomeCandidate, Homes, RouteAction, Routes};
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::HEADER_LEN as IPV6_LEN;

use super::header::{Header, put};
use super::hop::LastHop;
use super::{BOTH_HEADERS, HEADERS, Lane, Outcome, Progress};
use crate::path::Path;
use crate::{Batch, PacketBuf, Port};

/// Take the packets of [`Lane::Leave`] out of their tunnels.
#[inline(never)]
pub(super) fn leave<P: Port>(
    path: &Path<P>,
    homes: Homes<'_>,
    batch: &mut Batch<P::Buf>,
    progresses: &mut [Progress],
) -> Outcome {
    let mut outcome = Outcome::none();
    let mut hop = LastHop::new(path);
    let exit = Exit {
        homes,
        routes: path.reader.routes(),
        tcp_mss_clamp: path.tcp_mss_clamp,
    };
    for (packet, progress) in batch.iter_mut().zip(progresses) {
        if progress.lane == Lane::Leave {
            let port = exit.leave(&mut hop, packet, progress.candidate);
            progress.egress = port.into();
            outcome.add(progress.egress);
        }
    }
    outcome
}

/// What the packets of a batch have in common.
struct Exit<'a> {
    homes: Homes<'a>,
    routes: Routes<'a>,
    tcp_mss_clamp: bool,
}

impl Exit<'_> {
    /// Take a packet out of its tunnel if its mobile node has sent it, and say on which port it leaves. `None`: it is as it was, and has
    /// to go the long way.
    #[inline(always)]
    fn leave<P: Port>(
        &self,
        hop: &mut LastHop<'_, P>,
        packet: &mut P::Buf,
        candidate: HomeCandidate,
    ) -> Option<u16> {
        let bytes = packet.bytes();
        let headers = bytes.first_chunk::<BOTH_HEADERS>()?;
        let outer = Header::<BOTH_HEADERS, ETHERNET_LEN>(headers);
        let inner = Header::<BOTH_HEADERS, HEADERS>(headers);
        let len = bytes.len().saturating_sub(HEADERS);
        let binding = self.homes.find_plain(inner.source(), candidate)?;
        // The long way's reasons stand there: RFC 6275 §8.4 and §10.4.5.
        let is_sender = binding.care_of() == outer.source();
        let is_clamped = self.tcp_mss_clamp && inner.next_header() != next_header::UDP;
        if !is_sender || !keeps_class(outer.ecn_in_place(), inner.ecn_in_place()) || is_clamped {
            return None;
        }
        let RouteAction::Forward { next_hop } = self.routes.lookup(inner.destination()) else {
            return None;
        };
        let hop = hop.get(next_hop)?;
        if len > usize::from(hop.mtu) {
            return None;
        }
        let hops_left = inner.hops_left();
        let front = packet.trim_to_front::<HEADERS>(IPV6_LEN)?;
        hop.put_link(front);
        put(front, ETHERNET_LEN + 7, [hops_left]);
        binding.carry(len as u64);
        Some(hop.port)
    }
}

/// Whether the outer ECN bits have nothing for the inner ones: where they are some of these, RFC 6040 §4.2 leaves these as they are. Of
/// the few others that it leaves the long way takes care.
#[inline(always)]
const fn keeps_class(outer: u8, inner: u8) -> bool {
    outer & !inner == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::ipv6::decap_traffic_class;

    #[test]
    fn a_class_that_is_kept_is_what_decapsulation_leaves() {
        for outer in 0..4 {
            for inner in 0..4 {
                if keeps_class(outer << 4, inner << 4) {
                    assert_eq!(decap_traffic_class(inner, outer), Some(inner));
                }
                assert!(keeps_class(0, inner << 4) && keeps_class(inner << 4, inner << 4));
            }
        }
    }
}
