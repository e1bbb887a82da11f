//! What a packet led to, without what may differ between two routers that are both right

use crate::packets::{address, source};
use crate::router::{ROUTERS_OWN, Side};

/// What came out, and where, in an order of its own.
pub type Outcome = Vec<(Side, Vec<u8>)>;

const ICMPV6: u8 = 58;

fn is_the_routers(packet: &[u8]) -> bool {
    let from = source(packet);
    // MLD speaks before there is an address (RFC 3810 §5.2.13).
    from.is_unspecified()
        || from.is_unicast_link_local()
        || ROUTERS_OWN.iter().any(|own| address(own) == from)
}

/// What a router says by itself: neighbour discovery and MLD. Redirects (RFC 4861 §8.2) count with it: they are for hosts on the
/// router's links, where an anchor has none.
pub fn is_chatter(packet: &[u8]) -> bool {
    let upper = if packet[6] == 0 {
        packet.get(48)
    } else {
        packet.get(40)
    };
    let is_icmp = packet[6] == ICMPV6 || packet[6] == 0 && packet.get(40) == Some(&ICMPV6);
    is_icmp && is_the_routers(packet) && upper.is_some_and(|kind| matches!(kind, 130..=137 | 143))
}

/// The packet as it is compared. Of an error that the router has made, RFC 4443 §2.2 leaves the source address to the router,
/// and RFC 8200 hop limit, traffic class and flow label; with the source goes the checksum, which is checked here.
pub fn comparable(mut packet: Vec<u8>) -> Vec<u8> {
    let is_error = packet[6] == ICMPV6 && packet.get(40).is_some_and(|kind| *kind < 128);
    if is_error && is_the_routers(&packet) {
        let ends = packet[8..40]
            .chunks_exact(16)
            .map(|octets| octets.try_into().expect("16"));
        let ends: Vec<[u8; 16]> = ends.collect();
        let message = etherparse::Icmpv6Slice::from_slice(&packet[40..]).expect("ICMPv6");
        assert!(
            message.is_checksum_valid(ends[0], ends[1]),
            "checksum: {packet:02x?}"
        );
        assert!(packet[7] > 0 && packet.len() <= 1280, "{packet:02x?}");
        packet[..4].copy_from_slice(&[0x60, 0, 0, 0]);
        packet[7] = 0;
        packet[8..24].fill(0);
        packet[42..44].fill(0);
    }
    packet
}
