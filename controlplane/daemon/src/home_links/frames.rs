//! The frames that a home agent sends on a home link

use std::net::Ipv6Addr;

use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN, MacAddr};
use dhp_wire::icmpv6::{Body, Builder, NdOption, neighbor_flag, solicited_node};
use dhp_wire::packet::compose_icmpv6;

/// This box as a station of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Station {
    /// The MAC address that packets for mobile nodes are to come to.
    pub(super) mac: MacAddr,
    /// The link-local address that it speaks from.
    pub(super) address: Ipv6Addr,
}

/// A Neighbor Advertisement of an address that is answered for. RFC 6275 §10.4.1: "The Router (R) bit in the Advertisement MUST
/// be set to zero."
pub(super) fn advertisement(target: &Ipv6Addr, solicited: bool, override_flag: bool) -> Body {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags =
        flag(solicited, neighbor_flag::SOLICITED) | flag(override_flag, neighbor_flag::OVERRIDE);
    Body::NeighborAdvertisement {
        flags,
        target: *target,
    }
}

impl Station {
    /// RFC 4862 §5.4.2: from the unspecified address to the solicited-node multicast address, and so without Source
    /// Link-Layer Address option.
    pub(super) fn probe(&self, target: &Ipv6Addr) -> Vec<u8> {
        let (from, to) = (Ipv6Addr::UNSPECIFIED, solicited_node(target));
        let body = Body::NeighborSolicitation { target: *target };
        let message = Builder::new(&body).finish(&from, &to);
        let packet = compose_icmpv6(&from, &to, None, None, &message);
        self.frame(MacAddr::of_multicast(&to), &packet)
    }

    /// A message from this station with its MAC address as Target Link-Layer Address.
    pub(super) fn say(&self, to: MacAddr, destination: &Ipv6Addr, body: Body) -> Vec<u8> {
        let option: NdOption<&[u8]> = NdOption::TargetLinkLayer(self.mac.0);
        let message = Builder::new(&body)
            .option(&option)
            .finish(&self.address, destination);
        let packet = compose_icmpv6(&self.address, destination, None, None, &message);
        self.frame(to, &packet)
    }

    /// An IPv6 packet in an Ethernet frame.
    pub(super) fn frame(&self, to: MacAddr, packet: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(HEADER_LEN + packet.len());
        frame.extend(to.0);
        frame.extend(self.mac.0);
        frame.extend(ETHERTYPE_IPV6.to_be_bytes());
        frame.extend(packet);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::packet::IcmpPacket;

    const STATION: Station = Station {
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
    };
    const TARGET: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0x12, 0x3456);

    #[test]
    fn a_probe_goes_to_the_solicited_node_group_without_a_link_layer_address() {
        let frame = STATION.probe(&TARGET);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(frame[6..12], STATION.mac.0);
        let packet = IcmpPacket::parse(&frame[HEADER_LEN..]).expect("a packet");
        assert!(packet.checksum_is_valid());
        let message = packet.read().expect("valid by RFC 4861 §7.1.1");
        assert_eq!(message.body, Body::NeighborSolicitation { target: TARGET });
        assert_eq!(message.options.iter().count(), 0);
    }

    #[test]
    fn an_advertisement_tells_the_mac_address_and_never_claims_to_be_a_router() {
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let to = MacAddr::of_multicast(&all_nodes);
        let body = advertisement(&TARGET, false, true);
        let frame = STATION.say(to, &all_nodes, body);
        let packet = IcmpPacket::parse(&frame[HEADER_LEN..]).expect("a packet");
        assert_eq!((packet.source, packet.hop_limit), (STATION.address, 255));
        let message = packet.read().expect("valid by RFC 4861 §7.1.2");
        let flags = neighbor_flag::OVERRIDE;
        let target = TARGET;
        assert_eq!(message.body, Body::NeighborAdvertisement { flags, target });
        let option = message.options.iter().next().expect("an option");
        assert_eq!(option, Ok(NdOption::TargetLinkLayer(STATION.mac.0)));
    }
}
