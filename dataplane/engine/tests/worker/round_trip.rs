//! What goes into a tunnel comes out of it, and all that is made on the way has right lengths and checksums

use std::net::Ipv6Addr;

use dhp_segment::{Route, RouteAction, Tunnel};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::appliance::*;
use crate::naive::{Chain, ecn_behind_tunnel};
use crate::packets::*;
use crate::strategies::{arrival, batch, packet};

/// The appliance at the other end of [`HOME`]'s tunnel: for it the anchor is at [`CARE_OF`], and the correspondent a home
/// address behind a tunnel to [`ANCHOR`].
fn other_end() -> Appliance {
    let mut appliance = Appliance::new();
    let mut hops = appliance.writer.next_hops();
    let (core, _) = hops
        .find(|(_, hop)| {
            hop.port == CORE as u16 && hop.mtu == 1500 && hop.destination_mac == CORE_ROUTER_MAC
        })
        .expect("the core's router");
    drop(hops);
    let route = |prefix, action| Route {
        prefix: address(prefix),
        len: 128,
        action,
    };
    let routes = [
        route(CARE_OF, RouteAction::Anchor),
        route(CORRESPONDENT, RouteAction::Pool),
        route(HOME, RouteAction::Forward { next_hop: core }),
        route(NARROW_HOME, RouteAction::Forward { next_hop: core }),
    ];
    assert!(appliance.writer.publish_routes(&routes).expect("room"));
    let tunnel = Tunnel {
        anchor: address(CARE_OF),
        care_of: address(ANCHOR),
        next_hop: core,
        mtu: 1460,
        previous: None,
        metered: false,
        rate_cap: None,
        test: None,
    };
    let bound = appliance
        .writer
        .publish_binding(address(CORRESPONDENT), &tunnel);
    bound.expect("room");
    appliance
}

/// A packet between these, otherwise arbitrary, which a tunnel takes: with hops left, no encapsulation limit of 0, and no
/// longer than what leaves in one piece, or may leave in two.
fn data(destination: &'static str, longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let padding = prop_oneof![3 => Just(0), 1 => 0..1500_usize, 1 => 1150..1300_usize];
    (packet(1), padding).prop_filter_map("no packet for a tunnel", move |(mut packet, padding)| {
        packet.extend(std::iter::repeat_n(0x5a, padding));
        packet.truncate(longest);
        let length = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet[8..24].copy_from_slice(&address(CORRESPONDENT).octets());
        packet[24..40].copy_from_slice(&address(destination).octets());
        packet[7] = packet[7].max(3);
        let chain = Chain::of(&packet);
        match chain.and_then(|chain| chain.limit) {
            Some((0, _)) => None,
            // The tunnel's own limit takes 8 octets.
            Some(_) if packet.len() > longest - 8 => None,
            _ => Some(packet),
        }
    })
}

/// The whole of what left in two fragments, as the node behind them puts it together (RFC 8200 §4.5).
fn reassembled(first: &[u8], second: &[u8]) -> Vec<u8> {
    let field = |packet: &[u8]| u16::from_be_bytes([packet[42], packet[43]]);
    assert_eq!((first[6], second[6], field(first)), (44, 44, 1));
    assert_eq!(first[44..48], second[44..48], "Identification");
    assert_eq!(
        usize::from(field(second)),
        first.len() - 48,
        "where the second begins"
    );
    assert!(first.len() <= 1280 && second.len() <= 1280);
    let mut whole = first[..40].to_vec();
    whole[6] = first[40];
    whole.extend(&first[48..]);
    whole.extend(&second[48..]);
    let length = (whole.len() - 40) as u16;
    whole[4..6].copy_from_slice(&length.to_be_bytes());
    whole
}

/// All that was sent on the core's link.
fn on_core(appliance: &Appliance) -> Vec<Vec<u8>> {
    let frames = std::iter::from_fn(|| appliance.wires[CORE].pop());
    frames.map(|frame| frame[14..].to_vec()).collect()
}

/// In at one end, out at the other, each outer header marked with `mark` on its way.
fn through_both(packets: &[Vec<u8>], care_of: Ipv6Addr, mark: Option<u8>) -> Vec<Vec<u8>> {
    let (mut entry, mut exit) = (Appliance::new(), other_end());
    for packet in packets {
        entry.receive(CN, packet);
    }
    while entry.poll() > 0 {}
    entry.assert_conserved();
    let mut tunnelled = on_core(&entry).into_iter();
    while let Some(mut outer) = tunnelled.next() {
        assert_eq!(
            (source(&outer), destination(&outer)),
            (address(ANCHOR), care_of)
        );
        if outer[6] == 44 {
            outer = reassembled(&outer, &tunnelled.next().expect("the second fragment"));
        }
        if let Some(mark) = mark {
            outer = with_traffic_class(&outer, traffic_class(&outer) & !3 | mark);
        }
        outer[24..40].copy_from_slice(&address(CARE_OF).octets());
        exit.receive(CORE, &outer);
    }
    while exit.poll() > 0 {}
    exit.assert_conserved();
    on_core(&exit)
}

/// The packet two routers later, or nothing where RFC 6040 has it dropped.
fn expected(packet: &[u8], mark: Option<u8>) -> Option<Vec<u8>> {
    let class = traffic_class(packet);
    let ecn = ecn_behind_tunnel(class, mark.unwrap_or(class))?;
    let packet = with_traffic_class(packet, class & !3 | ecn);
    Some(with_hop_limit(&packet, packet[7] - 2))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 512 }))]

    #[test]
    fn the_exit_of_a_tunnel_has_what_its_entry_had(
        packets in batch().prop_flat_map(|size| vec(data(HOME, 1460), size)),
        mark in proptest::option::of(0..4_u8),
    ) {
        let out = through_both(&packets, address(CARE_OF), mark);
        let expected: Vec<_> = packets.iter().filter_map(|packet| expected(packet, mark)).collect();
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn nor_does_a_tunnel_of_two_fragments_change_it(
        packets in batch().prop_flat_map(|size| vec(data(NARROW_HOME, 1280), size)),
    ) {
        let out = through_both(&packets, address("2001:db8:a::9"), None);
        let expected: Vec<_> = packets.iter().filter_map(|packet| expected(packet, None)).collect();
        prop_assert_eq!(out, expected);
    }

    /// Packets that come right leave right, and so do the errors about them and the tunnels around them.
    #[test]
    fn lengths_and_checksums_are_right(
        packets in batch().prop_flat_map(|size| vec(valid(), size)),
    ) {
        let mut appliance = Appliance::new();
        for (port, packet) in &packets {
            appliance.receive(*port, packet);
        }
        while appliance.poll() > 0 {}
        appliance.assert_conserved();
        for (port, packet) in appliance.left() {
            let stated = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            prop_assert_eq!(stated + 40, packet.len(), "port {}", port);
            assert_valid(&packet);
        }
    }
}

/// A packet of UDP or ICMPv6 with right checksum, perhaps in a tunnel, of any length that a link carries.
fn valid() -> impl Strategy<Value = (usize, Vec<u8>)> {
    const FAR: &str = "2001:db8:a::42";
    let ends = prop::sample::select(
        &[
            (FAR, HOME),
            (FAR, NARROW_HOME),
            (FAR, UNBOUND_HOME),
            (FAR, CORRESPONDENT),
            (FAR, NARROW),
            (FAR, NOWHERE),
            (HOME, CORRESPONDENT),
            (HOME, OTHER_HOME),
            (HOME, UNBOUND_HOME),
            (HOME, ANCHOR),
        ][..],
    );
    let hops = prop_oneof![4 => Just(64_u8), 1 => Just(1)];
    let length = prop_oneof![0..1453_usize, 1180..1260_usize, Just(1452)];
    (arrival(), ends, hops, length, any::<bool>()).prop_map(
        |(port, (from, to), hops, length, echo)| {
            let inner = if echo {
                echo_request(from, to)
            } else {
                udp(from, to, length.min(1412))
            };
            let inner = with_hop_limit(&inner, hops);
            match from {
                HOME => (port, tunnelled(CARE_OF, ANCHOR, &inner)),
                _ => (port, inner),
            }
        },
    )
}
