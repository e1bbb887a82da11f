//! Rewriting an IPv6 header in place

use dhp_wire::ipv6::HEADER_LEN;

/// Offset of the Hop Limit (RFC 8200 §3).
const HOP_LIMIT: usize = 7;

/// The Hop Limit of the packet; 0 where there is no packet.
#[inline]
pub(crate) fn hop_limit(packet: &[u8]) -> u8 {
    packet.get(HOP_LIMIT).copied().unwrap_or(0)
}

/// The source address of the packet; unspecified where there is no packet.
#[inline]
pub(crate) fn source_of(packet: &[u8]) -> [u8; 16] {
    match packet.first_chunk::<24>() {
        Some([_, _, _, _, _, _, _, _, source @ ..]) => *source,
        None => [0; 16],
    }
}

/// Write the Hop Limit.
#[inline]
pub(crate) fn set_hop_limit(packet: &mut [u8], hop_limit: u8) {
    if let Some(field) = packet.get_mut(HOP_LIMIT) {
        *field = hop_limit;
    }
}

/// Write the Traffic Class, leaving version and flow label.
#[inline]
pub(crate) fn set_traffic_class(packet: &mut [u8], traffic_class: u8) {
    if let Some([first, second, ..]) = packet.first_chunk_mut::<2>() {
        *first = 0x60 | traffic_class >> 4;
        *second = traffic_class << 4 | *second & 0x0f;
    }
}

/// Write the source address.
#[inline]
pub(crate) fn set_source(packet: &mut [u8], source: [u8; 16]) {
    if let Some((header, _)) = packet.split_first_chunk_mut::<HEADER_LEN>()
        && let Some(field) = header.get_mut(8..24)
    {
        field.copy_from_slice(&source);
    }
}

/// Write the destination address.
#[inline]
pub(crate) fn set_destination(packet: &mut [u8], destination: [u8; 16]) {
    if let Some((header, _)) = packet.split_first_chunk_mut::<HEADER_LEN>()
        && let Some(field) = header.get_mut(24..40)
    {
        field.copy_from_slice(&destination);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_and_no_other() {
        let mut packet = [0x5a; 48];
        set_traffic_class(&mut packet, 0xb9);
        set_hop_limit(&mut packet, 9);
        set_source(&mut packet, [1; 16]);
        set_destination(&mut packet, [2; 16]);
        let mut expected = [0x5a; 48];
        expected[0] = 0x6b;
        expected[1] = 0x9a;
        expected[7] = 9;
        expected[8..24].fill(1);
        expected[24..40].fill(2);
        assert_eq!(packet, expected);
        assert_eq!(hop_limit(&packet), 9);
        assert_eq!(source_of(&packet), [1; 16]);
    }

    #[test]
    fn what_is_too_short_stays_as_it_is() {
        let mut packet = [1];
        set_traffic_class(&mut packet, 0);
        set_hop_limit(&mut packet, 0);
        set_source(&mut packet, [0; 16]);
        assert_eq!(packet, [1]);
        assert_eq!(hop_limit(&packet), 0);
        assert_eq!(source_of(&packet), [0; 16]);
    }
}
