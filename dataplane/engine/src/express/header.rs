//! Fields of an IPv6 header, read where they stand

use dhp_segment::AddressWords;

/// The IPv6 header that stands at `AT` in the first `N` octets of a frame. Every place is known when this is compiled, so that each
/// field is one load.
pub(super) struct Header<'a, const N: usize, const AT: usize>(pub(super) &'a [u8; N]);

impl<const N: usize, const AT: usize> Header<'_, N, AT> {
    #[inline(always)]
    pub(super) fn octets<const LEN: usize>(&self, offset: usize) -> [u8; LEN] {
        self.0
            .get(AT + offset..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0; LEN])
    }

    #[inline(always)]
    pub(super) fn octet(&self, offset: usize) -> u8 {
        let [octet] = self.octets(offset);
        octet
    }

    #[inline(always)]
    fn address(&self, offset: usize) -> AddressWords {
        AddressWords([
            u64::from_ne_bytes(self.octets(offset)),
            u64::from_ne_bytes(self.octets(offset + 8)),
        ])
    }

    /// Version, traffic class and flow label.
    #[inline(always)]
    pub(super) fn first_word(&self) -> u32 {
        u32::from_be_bytes(self.octets(0))
    }

    #[inline(always)]
    pub(super) fn is_ipv6(&self) -> bool {
        self.octet(0) >> 4 == 6
    }

    /// The ECN bits of the traffic class, where they stand in their octet.
    #[inline(always)]
    pub(super) fn ecn_in_place(&self) -> u8 {
        self.octet(1) & 0x30
    }

    #[inline(always)]
    pub(super) fn payload_len(&self) -> usize {
        u16::from_be_bytes(self.octets(4)).into()
    }

    #[inline(always)]
    pub(super) fn next_header(&self) -> u8 {
        self.octet(6)
    }

    #[inline(always)]
    pub(super) fn has_hops(&self) -> bool {
        self.octet(7) > 1
    }

    /// The Hop Limit after this hop, of a header that [`has_hops`](Self::has_hops).
    #[inline(always)]
    pub(super) fn hops_left(&self) -> u8 {
        self.octet(7).wrapping_sub(1)
    }

    #[inline(always)]
    pub(super) fn source(&self) -> AddressWords {
        self.address(8)
    }

    #[inline(always)]
    pub(super) fn destination(&self) -> AddressWords {
        self.address(24)
    }
}

/// Writes at a place that is known when this is compiled.
#[inline(always)]
pub(super) fn put<const N: usize, const LEN: usize>(
    front: &mut [u8; N],
    at: usize,
    octets: [u8; LEN],
) {
    if let Some(place) = front.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = octets;
    }
}

#[inline(always)]
pub(super) fn put_address<const N: usize>(
    front: &mut [u8; N],
    at: usize,
    AddressWords([first, second]): AddressWords,
) {
    put(front, at, first.to_ne_bytes());
    put(front, at + 8, second.to_ne_bytes());
}
