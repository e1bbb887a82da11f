//! The Internet checksum over the IPv6 pseudo-header (RFC 1071, RFC 8200 §8.1).
//!
//! A *sum* here is an unfolded one's complement sum of 16-bit big-endian words. Sums of even-length pieces may be
//! added piece by piece: pass what one call returned to the next.

use core::net::Ipv6Addr;

/// The sum of the pseudo-header of RFC 8200 §8.1; `len` is the upper-layer packet length in octets.
#[inline]
#[must_use]
pub fn pseudo_header_sum(src: &Ipv6Addr, dst: &Ipv6Addr, len: u32, next_header: u8) -> u32 {
    let sum = ones_complement(0, &src.octets());
    let sum = ones_complement(sum, &dst.octets());
    shorten(
        u64::from(sum) + u64::from(len >> 16) + u64::from(len & 0xffff) + u64::from(next_header),
    )
}

/// `sum` plus the words of `bytes`; an odd last octet counts as the high half of a word (RFC 1071 §4.1).
#[inline]
#[must_use]
pub fn ones_complement(sum: u32, bytes: &[u8]) -> u32 {
    // 32-bit words are congruent to their two halves modulo 0xffff, and four of them at a time keep the adder busy.
    let mut total = u64::from(sum);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_be_bytes(*word));
    }
    let mut last = [0u8; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_be_bytes(last));
    shorten(total)
}

/// The checksum field's value for a sum: folded to 16 bits and complemented. Over a message that carries its
/// checksum the result is 0 exactly if that checksum is right.
#[inline]
#[must_use]
pub fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    !(twice as u16)
}

/// The checksum of an upper-layer message as it stands: over one whose checksum field is 0 it is the value to
/// write there, over one that carries a checksum it is 0 if that is right.
#[inline]
#[must_use]
pub fn upper_layer_checksum(
    src: &Ipv6Addr,
    dst: &Ipv6Addr,
    next_header: u8,
    message: &[u8],
) -> u16 {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    fold(ones_complement(
        pseudo_header_sum(src, dst, len, next_header),
        message,
    ))
}

/// Folds a 64-bit sum below 2^18, so that no chain of calls can overflow.
#[inline]
fn shorten(total: u64) -> u32 {
    let half = (total & 0xffff_ffff) + (total >> 32);
    let quarter = (half & 0xffff) + ((half >> 16) & 0xffff) + (half >> 32);
    quarter as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of RFC 1071 §3: its sum is 0xddf2.
    #[test]
    fn rfc1071_example() {
        let sum = ones_complement(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(!fold(sum), 0xddf2);
    }

    #[test]
    fn odd_octet_is_the_high_half() {
        assert_eq!(fold(ones_complement(0, &[0x12])), !0x1200);
        assert_eq!(fold(ones_complement(0, &[0, 0, 0x12])), !0x1200);
    }

    #[test]
    fn pieces_add_up() {
        let bytes: [u8; 60] = core::array::from_fn(|i| (i * 37 + 200) as u8);
        let whole = fold(ones_complement(0, &bytes));
        for cut in (0..=bytes.len()).step_by(2) {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(fold(ones_complement(ones_complement(0, a), b)), whole);
        }
    }

    /// RFC 8200 §8.1: the pseudo-header's length field has 32 bits.
    #[test]
    fn the_pseudo_header_has_every_field() {
        let zero = Ipv6Addr::UNSPECIFIED;
        let one = Ipv6Addr::from(1);
        assert_eq!(
            fold(pseudo_header_sum(&zero, &zero, 0x0003_0020, 135)),
            !(3 + 0x20 + 135)
        );
        assert_eq!(fold(pseudo_header_sum(&one, &zero, 0, 0)), !1);
        assert_eq!(fold(pseudo_header_sum(&zero, &one, 0, 0)), !1);
    }

    #[test]
    fn a_long_run_of_ones_does_not_overflow() {
        assert_eq!(fold(ones_complement(u32::MAX, &[0xff; 1 << 17])), 0);
    }
}
