//! Packets that are longer than every path takes, in pieces.

use alloc::vec::Vec;

use crate::codepoints::next_header;
use crate::ipv6::{HEADER_LEN, MIN_MTU};

/// Octets of a Fragment header (RFC 8200 §4.5).
const FRAGMENT_HEADER_LEN: usize = 8;
/// Where an IPv6 header has its payload length and its next header.
const PAYLOAD_LEN: usize = 4;
const NEXT_HEADER: usize = 6;

/// The fragments of a packet that [`super::compose`] has made, in their order: each of 1280 octets at most, which every link takes
/// (RFC 8200 §5: a sender "may simply restrict itself to sending packets no larger than 1280 octets, and omit implementation of Path
/// MTU Discovery"). A packet that is no longer comes back as it is, one that is no IPv6 packet too. `identification` has
/// to be one that the two ends have not used lately, and that others cannot guess (RFC 7739).
#[must_use]
pub fn fragments(packet: Vec<u8>, identification: u32) -> Vec<Vec<u8>> {
    let whole = packet.len() <= MIN_MTU;
    let cut = if whole { None } else { cut(&packet) };
    let Some((front, at_next_header, rest)) = cut else {
        return Vec::from([packet]);
    };
    let room = MIN_MTU.saturating_sub(front.len().saturating_add(FRAGMENT_HEADER_LEN));
    // All but the last have a multiple of 8 octets.
    let room = (room & !7).max(8);
    let protocol = front.get(at_next_header).copied().unwrap_or_default();
    let last = rest.len().div_ceil(room).saturating_sub(1);
    let pieces = rest.chunks(room).enumerate().map(|(number, piece)| {
        let mut fragment = Vec::with_capacity(MIN_MTU);
        fragment.extend(front);
        // Offset in units of 8 octets in the high 13 bits, then two reserved ones, then M: more fragments.
        let offset = u16::try_from(number.saturating_mul(room)).unwrap_or_default();
        let offset_and_more = offset | u16::from(number < last);
        fragment.extend([protocol, 0]);
        fragment.extend(offset_and_more.to_be_bytes());
        fragment.extend(identification.to_be_bytes());
        fragment.extend(piece);
        let payload_len = fragment.len().saturating_sub(HEADER_LEN);
        let payload_len = u16::try_from(payload_len).unwrap_or(u16::MAX);
        if let Some(field) = fragment.get_mut(PAYLOAD_LEN..NEXT_HEADER) {
            field.copy_from_slice(&payload_len.to_be_bytes());
        }
        if let Some(field) = fragment.get_mut(at_next_header) {
            *field = next_header::FRAGMENT;
        }
        fragment
    });
    pieces.collect()
}

/// What every fragment repeats, with the place of its last Next Header field, and what is divided: the type 2 routing header and
/// the Home Address option stand before a Fragment header (RFC 6275 §6.3, §6.4.1).
fn cut(packet: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let (mut at_next_header, mut end) = (NEXT_HEADER, HEADER_LEN);
    while matches!(
        *packet.get(at_next_header)?,
        next_header::ROUTING | next_header::DESTINATION
    ) {
        let length = usize::from(*packet.get(end.checked_add(1)?)?);
        at_next_header = end;
        end = end.checked_add(length.checked_add(1)?.checked_mul(8)?)?;
    }
    Some((packet.get(..end)?, at_next_header, packet.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension;
    use crate::ipv6::Ipv6View;
    use crate::packet::compose;
    use core::net::Ipv6Addr;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
    const DESTINATION: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1);

    fn packet(length: usize, has_routing_header: bool) -> Vec<u8> {
        let octets: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let home = has_routing_header.then_some(&SOURCE);
        compose(&SOURCE, &DESTINATION, None, home, &octets)
    }

    #[test]
    fn what_fits_stays_whole() {
        let whole = packet(1240, false);
        assert_eq!(whole.len(), 1280);
        assert_eq!(fragments(whole.clone(), 7), [whole]);
        assert_eq!(fragments(Vec::new(), 7), [Vec::new()]);
        let no_packet = [60u8; 2000].to_vec();
        assert_eq!(
            fragments(no_packet.clone(), 7),
            [no_packet],
            "headers without an end"
        );
    }

    #[test]
    fn the_pieces_of_what_does_not_are_the_whole() {
        for (length, has_routing_header) in [
            (1241, false),
            (2048, false),
            (2048, true),
            (65_000, true),
            (2464, false),
        ] {
            let whole = packet(length, has_routing_header);
            let front = if has_routing_header { 64 } else { 40 };
            let mut rest: Vec<u8> = Vec::new();
            let pieces = fragments(whole.clone(), 0x0102_0304);
            for (number, piece) in (1..).zip(&pieces) {
                assert!(piece.len() <= 1280);
                let view = Ipv6View::new(piece).expect("IPv6");
                assert_eq!(view.total_len(), piece.len());
                let chain = extension::walk(piece).expect("sound headers");
                let fragment = chain.fragment.expect("a fragment");
                assert_eq!(fragment.offset, rest.len());
                assert_eq!(fragment.more, number < pieces.len());
                assert_eq!(piece[front..front + 2], [next_header::MOBILITY, 0]);
                assert_eq!(piece[front + 4..front + 8], [1, 2, 3, 4]);
                rest.extend(&piece[front + 8..]);
            }
            assert_eq!(rest, whole[front..]);
        }
    }
}
