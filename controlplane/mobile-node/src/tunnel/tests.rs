//! What goes into tunnels, what comes out, and what is refused

use super::*;
use crate::arrival::Arrival;
use dhp_wire::codepoints::icmpv6;
use dhp_wire::mobility::SelectorRange;

const HOA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const HA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const DHP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);
const CARE_OF: CareOf = CareOf {
    index: 2,
    address: COA,
    router: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
};

fn packet(source: Ipv6Addr, destination: Ipv6Addr, class: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_LEN];
    Ipv6Header {
        traffic_class: class,
        flow_label: 0x12345,
        payload_len: u16::try_from(payload.len()).expect("a short payload"),
        next_header: next_header::UDP,
        hop_limit: 64,
        source,
        destination,
    }
    .emit(packet.first_chunk_mut().expect("room for a header"));
    packet.extend(payload);
    packet
}

fn with_room(inner: &[u8]) -> Vec<u8> {
    [&[0; HEADER_LEN], inner].concat()
}

fn tunnels(care_of: Option<CareOf>) -> Tunnels {
    let mut tunnels = Tunnels::default();
    let tunnel = Tunnel {
        anchor: HA,
        care_of,
        mtu: 1460,
        steered: Vec::new(),
    };
    tunnels.insert(HOA, tunnel);
    tunnels
}

#[test]
fn at_home_the_home_address_needs_no_tunnel() {
    let way = CareOf {
        address: HOA,
        ..CARE_OF
    };
    let at_home = tunnels(Some(way));
    // As long as the link takes: there is no tunnel header to leave room for.
    let sent = packet(HOA, CN, 0, &[0; 1460]);
    let mut buffer = with_room(&sent);
    assert_eq!(at_home.encapsulate(&mut buffer), Uplink::Plain(way, &sent));
}

#[test]
fn flows_leave_from_the_access_that_they_are_bound_to() {
    let other = CareOf {
        index: 3,
        ..CARE_OF
    };
    let path = Path {
        care_of: other,
        mtu: 1400,
    };
    let steered = |path| {
        let selector = TrafficSelector {
            source: Some(SelectorRange::one(CN)),
            source_port: Some(SelectorRange {
                start: 5000,
                end: Some(5999),
            }),
            next_header: Some(SelectorRange::one(next_header::UDP)),
            ..TrafficSelector::default()
        };
        let mut tunnels = Tunnels::default();
        let tunnel = Tunnel {
            anchor: HA,
            care_of: Some(CARE_OF),
            mtu: 1460,
            steered: vec![SteeredPath { selector, path }],
        };
        tunnels.insert(HOA, tunnel);
        tunnels
    };
    let from = |tunnels: &Tunnels, destination, port: u16| {
        let payload = [&[0x90, 0x00], &port.to_be_bytes()[..], &[0; 4]].concat();
        let mut buffer = with_room(&packet(HOA, destination, 0, &payload));
        match tunnels.encapsulate(&mut buffer) {
            Uplink::Send(care_of, _) => care_of.index,
            other => panic!("it is sent, not {other:?}"),
        }
    };
    let both = steered(Some(path));
    assert_eq!(from(&both, CN, 5004), 3);
    assert_eq!(from(&both, CN, 443), 2);
    assert_eq!(from(&both, DHP, 5004), 2);
    assert_eq!(from(&steered(None), CN, 5004), 2, "the access is gone");
    // Too short for ports.
    let mut cut = with_room(&packet(HOA, CN, 0, &[0x90]));
    let sent = both.encapsulate(&mut cut);
    assert!(matches!(sent, Uplink::Send(CARE_OF, _)));
}

#[test]
fn packets_of_the_care_of_address_leave_as_they_are() {
    let mut tunnels = Tunnels::default();
    let packet = packet(COA, CN, 0, &[1, 2, 3, 4]);
    let mut buffer = with_room(&packet);
    assert_eq!(
        tunnels.encapsulate(&mut buffer),
        Uplink::Drop(Refusal::NotForTunnel)
    );
    tunnels.set_care_of(Some(CARE_OF));
    assert_eq!(
        tunnels.encapsulate(&mut buffer),
        Uplink::Plain(CARE_OF, &packet)
    );
}

#[test]
fn a_packet_goes_to_the_anchor_of_its_source() {
    let inner = packet(HOA, CN, 0xb8 | 2, &[1, 2, 3, 4, 5]);
    let mut buffer = with_room(&inner);
    let tunnels = tunnels(Some(CARE_OF));
    let Uplink::Send(care_of, sent) = tunnels.encapsulate(&mut buffer) else {
        panic!("it is sent")
    };
    assert_eq!(care_of, CARE_OF);
    let outer = Ipv6View::new(sent).expect("an IPv6 packet");
    assert_eq!((outer.source(), outer.destination()), (COA, HA));
    assert_eq!((outer.next_header(), outer.hop_limit()), (41, 64));
    assert_eq!(outer.traffic_class(), 0xb8 | 2, "DSCP and ECN are copied");
    assert_ne!(outer.flow_label(), 0);
    assert_eq!(outer.payload(), inner);
}

#[test]
fn what_is_no_home_address_or_cannot_be_routed_is_dropped() {
    let tunnels = tunnels(Some(CARE_OF));
    let multicast = "ff02::2".parse().expect("an address");
    for (source, destination) in [(COA, CN), (HOA, multicast)] {
        let mut buffer = with_room(&packet(source, destination, 0, &[]));
        assert_eq!(
            tunnels.encapsulate(&mut buffer),
            Uplink::Drop(Refusal::NotForTunnel)
        );
    }
    assert_eq!(
        tunnels.encapsulate(&mut [0; 79]),
        Uplink::Drop(Refusal::Malformed)
    );
    assert_eq!(
        tunnels.encapsulate(&mut [0; 20]),
        Uplink::Drop(Refusal::Malformed)
    );
}

#[test]
fn long_packets_are_told_and_unbound_ones_held() {
    let mut long = with_room(&packet(HOA, CN, 0, &[0; 1421]));
    let mut fitting = with_room(&packet(HOA, CN, 0, &[0; 1420]));
    assert_eq!(
        tunnels(Some(CARE_OF)).encapsulate(&mut long),
        Uplink::TooBig { mtu: 1460 }
    );
    assert!(matches!(
        tunnels(Some(CARE_OF)).encapsulate(&mut fitting),
        Uplink::Send(..)
    ));
    assert_eq!(tunnels(None).encapsulate(&mut fitting), Uplink::Hold(HA));
}

#[test]
fn only_the_anchor_of_a_home_address_may_send_to_it() {
    let inner = packet(CN, HOA, 0, &[1, 2, 3]);
    let outer = |source| {
        let mut outer = packet(source, COA, 0, &inner);
        outer[6] = next_header::IPV6;
        outer
    };
    let tunnels = tunnels(Some(CARE_OF));
    assert_eq!(tunnels.decapsulate(&mut outer(HA)), Ok(&inner[..]));
    assert_eq!(
        tunnels.decapsulate(&mut outer(DHP)),
        Err(Refusal::WrongAnchor)
    );
    let mut other = packet(HA, COA, 0, &packet(CN, COA, 0, &[]));
    assert_eq!(tunnels.decapsulate(&mut other), Err(Refusal::NotForTunnel));
    let good = outer(HA);
    for length in 0..good.len() {
        assert!(
            tunnels.decapsulate(&mut good[..length].to_vec()).is_err(),
            "{length}"
        );
    }
}

#[test]
fn what_the_anchor_itself_sends_comes_with_a_routing_header() {
    let plain = packet(HA, HOA, 0, &[1, 2, 3, 4, 5]);
    let routed = |source: Ipv6Addr, home: Ipv6Addr, segments_left| {
        let mut routed = packet(source, COA, 0, &[]);
        routed[5] = 24 + 5;
        routed[6] = next_header::ROUTING;
        routed.extend([next_header::UDP, 2, 2, segments_left, 0, 0, 0, 0]);
        routed.extend(home.octets());
        routed.extend([1, 2, 3, 4, 5]);
        routed
    };
    let tunnels = tunnels(Some(CARE_OF));
    let good = routed(HA, HOA, 1);
    let view = Ipv6View::new(&good).expect("an IPv6 packet");
    assert_eq!(Arrival::of(&view), Arrival::Routed);
    assert_eq!(tunnels.take_off_routing(&mut good.clone()), Ok(&plain[..]));
    for (wrong, refusal) in [
        (routed(DHP, HOA, 1), Refusal::WrongAnchor),
        (routed(HA, COA, 1), Refusal::NotForTunnel),
        (routed(HA, HOA, 0), Refusal::Malformed),
    ] {
        assert_eq!(tunnels.take_off_routing(&mut wrong.clone()), Err(refusal));
    }
    for length in 0..good.len() {
        assert!(
            tunnels
                .take_off_routing(&mut good[..length].to_vec())
                .is_err(),
            "{length}"
        );
    }
    let mut acknowledgement = good.clone();
    acknowledgement[40] = next_header::MOBILITY;
    let view = Ipv6View::new(&acknowledgement).expect("an IPv6 packet");
    assert_eq!(Arrival::of(&view), Arrival::Signalling);
    let mut message = good.clone();
    message[40] = next_header::ICMPV6;
    for (kind, arrival) in [
        (icmpv6::MOBILE_PREFIX_ADVERTISEMENT, Arrival::Signalling),
        (icmpv6::ECHO_REPLY, Arrival::Routed),
    ] {
        message[64] = kind;
        let view = Ipv6View::new(&message).expect("an IPv6 packet");
        assert_eq!(Arrival::of(&view), arrival);
    }
}

#[test]
fn packets_of_a_route_go_and_come_directly() {
    let mut tunnels = tunnels(Some(CARE_OF));
    let inner = packet(HOA, CN, 0, &[1, 2, 3, 4, 5]);
    let mut routed = packet(CN, COA, 0, &[]);
    routed[5] = 24 + 5;
    routed[6] = next_header::ROUTING;
    routed.extend([next_header::UDP, 2, 2, 1, 0, 0, 0, 0]);
    routed.extend(HOA.octets());
    routed.extend([1, 2, 3, 4, 5]);
    let opened = |tunnels: &Tunnels| tunnels.take_off_routing(&mut routed.clone()).is_ok();
    assert!(!opened(&tunnels), "nobody has told the correspondent");
    for (care_of, directly) in [(None, false), (Some(CARE_OF), true)] {
        tunnels.insert_route(HOA, CN, DirectRoute { care_of, mtu: 1476 });
        assert!(opened(&tunnels));
        let mut buffer = with_room(&inner);
        let sent = tunnels.encapsulate(&mut buffer);
        assert_eq!(matches!(sent, Uplink::Direct(CARE_OF, _)), directly);
        // All others go by the anchor.
        let mut buffer = with_room(&packet(HOA, DHP, 0, &[]));
        assert!(matches!(
            tunnels.encapsulate(&mut buffer),
            Uplink::Send(CARE_OF, _)
        ));
    }
    let mut long = with_room(&packet(HOA, CN, 0, &[0; 1437]));
    assert_eq!(tunnels.encapsulate(&mut long), Uplink::TooBig { mtu: 1476 });
}

#[test]
fn congestion_of_the_tunnel_reaches_the_inner_packet() {
    let tunnels = tunnels(Some(CARE_OF));
    let decapsulated = |inner_class, outer_class| {
        let mut outer = packet(HA, COA, outer_class, &packet(CN, HOA, inner_class, &[7]));
        let inner = tunnels.decapsulate(&mut outer)?;
        Ok(Ipv6View::new(inner)
            .expect("an IPv6 packet")
            .traffic_class())
    };
    assert_eq!(decapsulated(0xb8 | 2, 3), Ok(0xb8 | 3));
    assert_eq!(decapsulated(0xb8 | 1, 0), Ok(0xb8 | 1));
    assert_eq!(decapsulated(0xb8, 3), Err(Refusal::Congestion));
}
