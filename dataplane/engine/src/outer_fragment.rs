//! Tunnel packets that leave in two pieces
//!
//! RFC 2473 §7.1 (b): for an inner packet that is not larger than the IPv6 minimum MTU, whatever the tunnel's, the entry
//! point "encapsulates the original packet, and subsequently fragments the resulting IPv6 tunnel packet into IPv6 fragments
//! that do not exceed the Path MTU". A tunnel has room for 1240 octets at least, so that two fragments always do.

use dhp_segment::{Counter, DropReason, NextHop, OUTER_HEADER_LEN};
use dhp_wire::codepoints::next_header;

use crate::origin::Origin;
use crate::outer_header::{FRAGMENT_HEADER_LEN, OuterHeader, prepend_octets};
use crate::path::Path;
use crate::{PacketBuf, Port};

/// Makes the Identifications of fragments: none repeats within 2^24 packets of a worker nor ever between workers, and
/// without the key they cannot be foreseen (RFC 7739 §5 asks for both).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identifications {
    key: u32,
    worker: u32,
    count: u32,
}

impl Identifications {
    pub(crate) const fn new(key: u32, worker: u32) -> Self {
        Self {
            key,
            worker: worker << 24,
            count: 0,
        }
    }

    fn next(&mut self) -> u32 {
        self.count = self.count.wrapping_add(1);
        // Each step is a bijection of the 32-bit numbers, so that different inputs stay different.
        let mut id = (self.worker | self.count & 0x00ff_ffff) ^ self.key;
        id ^= id >> 16;
        id = id.wrapping_mul(0x85eb_ca6b);
        id ^= id >> 13;
        id = id.wrapping_mul(0xc2b2_ae35);
        id ^= id >> 16;
        id ^ self.key.rotate_left(16)
    }
}

impl<P: Port> Path<P> {
    /// Encapsulate `packet`, which is too long for the tunnel but not for any IPv6 link, and send it as two fragments.
    #[cold]
    pub(crate) fn send_in_two(
        &mut self,
        mut packet: P::Buf,
        outer: &OuterHeader<'_>,
        hop: NextHop,
    ) {
        if !outer.prepend_limit(&mut packet) {
            return self.discard(packet, DropReason::NoHeadroom);
        }
        let path_mtu = usize::from(outer.template.mtu)
            .max(crate::downlink::MIN_TUNNEL_MTU)
            .saturating_add(OUTER_HEADER_LEN)
            .min(usize::from(hop.mtu).max(dhp_wire::ipv6::MIN_MTU));
        // RFC 8200 §4.5: the lengths of all fragments but the last are multiples of 8 octets.
        let first_len = path_mtu.saturating_sub(OUTER_HEADER_LEN + FRAGMENT_HEADER_LEN) & !7;
        let Some(mut rest) = self.ports.first_mut().and_then(Port::alloc) else {
            return self.discard(packet, DropReason::NoBuffer);
        };
        let tail = packet.bytes().get(first_len..).unwrap_or_default();
        if !rest.set_len(tail.len()) {
            return self.discard(packet, DropReason::NoBuffer);
        }
        rest.bytes_mut().copy_from_slice(tail);
        let identification = self.identifications.next();
        let offset = u16::try_from(first_len).unwrap_or(0);
        if !packet.set_len(first_len)
            || !prepend_fragment_headers(&mut packet, outer, 1, identification)
            || !prepend_fragment_headers(&mut rest, outer, offset, identification)
        {
            return self.discard(packet, DropReason::NoHeadroom);
        }
        self.reader.count(Counter::Encapsulated, 1);
        self.reader.count(Counter::OuterFragments, 1);
        self.send_to(packet, hop, Origin::Own);
        self.send_to(rest, hop, Origin::Own);
    }
}

/// Put the fragment header and the outer IPv6 header in front of a piece. `position` is the third and fourth octet of the
/// fragment header: the offset in octets, a multiple of 8, and in the lowest bit whether more follow.
fn prepend_fragment_headers(
    piece: &mut impl PacketBuf,
    outer: &OuterHeader<'_>,
    position: u16,
    identification: u32,
) -> bool {
    let [p0, p1] = position.to_be_bytes();
    let [i0, i1, i2, i3] = identification.to_be_bytes();
    let header = [outer.first_next_header(), 0, p0, p1, i0, i1, i2, i3];
    prepend_octets(piece, &header) && outer.prepend_ipv6(piece, next_header::FRAGMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifications_differ_within_and_between_workers() {
        let mut seen = HashSet::new();
        for worker in 0..4 {
            let mut identifications = Identifications::new(0x1234_5678, worker);
            for _ in 0..10_000 {
                assert!(seen.insert(identifications.next()));
            }
        }
    }

    #[test]
    fn another_key_gives_other_identifications() {
        let first = |key| Identifications::new(key, 0).next();
        assert_ne!(first(1), first(2));
    }
}
