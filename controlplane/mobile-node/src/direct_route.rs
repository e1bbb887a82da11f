//! Packets that go to a correspondent directly (RFC 6275 §11.3.1).

use std::net::Ipv6Addr;

use dhp_wire::codepoints::{ipv6_option, next_header};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View, MIN_MTU};

use crate::access::CareOf;

/// Octets of a Destination Options header with a Home Address option, and of a type 2 routing header: as much longer is a packet
/// than the programs know.
pub const ADDRESS_HEADER: usize = 24;

/// The route between a home address and a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectRoute {
    /// The care-of address that the correspondent has confirmed, while its interface can be used. Without it packets go by the
    /// anchor, but those that come directly are taken: the correspondent may know already.
    pub care_of: Option<CareOf>,
    /// The longest packet before the Home Address option, in octets.
    pub mtu: u16,
}

impl DirectRoute {
    /// From where a packet goes; `None`: by the anchor. The option stands behind hop-by-hop options and routing headers (RFC 6275
    /// §6.3); what has them is rare, and goes by the anchor. So does what is too long for a path on which not even the shortest
    /// MTU leaves room for the option: no program can be told to send less.
    pub fn way(&self, packet: &Ipv6View<'_>) -> Option<CareOf> {
        let in_front = [next_header::HOP_BY_HOP, next_header::ROUTING];
        let is_plain = !in_front.contains(&packet.next_header());
        let has_room = usize::from(self.mtu) >= MIN_MTU.min(packet.total_len());
        self.care_of.filter(|_| is_plain && has_room)
    }

    /// Whether a packet is too long, though shorter ones would go.
    pub fn is_too_long(&self, packet: &Ipv6View<'_>) -> bool {
        packet.total_len() > usize::from(self.mtu)
    }
}

/// Puts a Home Address option into the packet of `total` octets that stands behind the first 40 octets of `buffer`, and the care-of
/// address where the home address was. "This includes the calculation of upper-layer checksums using the home address as the value
/// of the source": they stay as they are. `None`: it would be too long for a packet.
pub fn put_home_address<'a>(
    buffer: &'a mut [u8],
    total: usize,
    care_of: &Ipv6Addr,
) -> Option<&'a [u8]> {
    const FRONT: usize = HEADER_LEN - ADDRESS_HEADER;
    let payload_len = total
        .checked_add(ADDRESS_HEADER)?
        .checked_sub(HEADER_LEN)
        .and_then(|length| u16::try_from(length).ok())?;
    let packet = buffer.get_mut(FRONT..HEADER_LEN.checked_add(total)?)?;
    packet.copy_within(ADDRESS_HEADER..ADDRESS_HEADER + HEADER_LEN, 0);
    let (header, behind) = packet.split_first_chunk_mut::<HEADER_LEN>()?;
    let option = behind.first_chunk_mut::<ADDRESS_HEADER>()?;
    // The option is aligned 8n+6 (§6.3).
    option[..8].copy_from_slice(&[
        header[6],
        2,
        ipv6_option::PADN,
        2,
        0,
        0,
        ipv6_option::HOME_ADDRESS,
        16,
    ]);
    option[8..].copy_from_slice(&header[8..24]);
    header[4..6].copy_from_slice(&payload_len.to_be_bytes());
    header[6] = next_header::DESTINATION;
    header[8..24].copy_from_slice(&care_of.octets());
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::checksum::upper_layer_checksum;
    use dhp_wire::extension;

    const HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
    const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
    const COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
    const ROUTE: DirectRoute = DirectRoute {
        care_of: Some(CareOf {
            index: 2,
            address: COA,
            router: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
        }),
        mtu: 1476,
    };

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x6b, 0x81, 0x23, 0x45];
        packet.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        packet.extend([next_header::UDP, 63]);
        packet.extend(HOA.octets());
        packet.extend(CN.octets());
        packet.extend(payload);
        packet
    }

    #[test]
    fn the_home_address_moves_into_the_option_and_the_checksum_stays_right() {
        let mut datagram = vec![0, 7, 0, 8, 0, 12, 0, 0, 1, 2, 3, 4];
        let sum = upper_layer_checksum(&HOA, &CN, next_header::UDP, &datagram);
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        let plain = packet(&datagram);
        let mut buffer = [&[0xee; HEADER_LEN], &plain[..]].concat();
        let sent = put_home_address(&mut buffer, plain.len(), &COA).expect("it fits");
        let view = Ipv6View::new(sent).expect("an IPv6 packet");
        assert_eq!(view.packet().len(), plain.len() + ADDRESS_HEADER);
        assert_eq!((view.source(), view.destination()), (COA, CN));
        assert_eq!(sent[..4], plain[..4], "traffic class and flow label");
        assert_eq!(view.hop_limit(), 63);
        let chain = extension::walk(sent).expect("extension headers");
        assert_eq!(chain.home_address, Some((HOA, HEADER_LEN + 6)));
        assert_eq!(chain.upper_protocol, next_header::UDP);
        let upper = &sent[chain.upper_offset..];
        let (home, _) = chain.home_address.expect("a home address");
        assert_eq!(upper_layer_checksum(&home, &CN, next_header::UDP, upper), 0);
        for length in 0..HEADER_LEN * 2 {
            let cut = put_home_address(&mut buffer[..length], plain.len(), &COA);
            assert_eq!(cut, None);
        }
        let mut longest = vec![0; HEADER_LEN + usize::from(u16::MAX)];
        let room = usize::from(u16::MAX) + HEADER_LEN - ADDRESS_HEADER;
        assert!(put_home_address(&mut longest, room - HEADER_LEN, &COA).is_some());
        assert!(put_home_address(&mut longest, room + 1, &COA).is_none());
    }

    #[test]
    fn what_cannot_have_the_option_goes_by_the_anchor() {
        let short = packet(&[0; 100]);
        let view = |packet: &[u8]| ROUTE.way(&Ipv6View::new(packet).expect("a packet"));
        assert_eq!(view(&short), ROUTE.care_of);
        for kind in [next_header::HOP_BY_HOP, next_header::ROUTING] {
            let mut other = short.clone();
            other[6] = kind;
            assert_eq!(view(&other), None);
        }
        let unconfirmed = DirectRoute {
            care_of: None,
            ..ROUTE
        };
        let short = Ipv6View::new(&short).expect("a packet");
        assert_eq!(unconfirmed.way(&short), None);
        // A path of 1,280 octets.
        let narrow = DirectRoute { mtu: 1256, ..ROUTE };
        let long = packet(&[0; 1240]);
        let long = Ipv6View::new(&long).expect("a packet");
        assert_eq!(narrow.way(&long), None);
        assert_eq!(narrow.way(&short), ROUTE.care_of);
        assert!(!ROUTE.is_too_long(&long));
        let longer = packet(&[0; 1437]);
        assert!(ROUTE.is_too_long(&Ipv6View::new(&longer).expect("a packet")));
    }
}
