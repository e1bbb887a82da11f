//! From a correspondent to a mobile node

use dhp_segment::{NextHop, NextHopState, Tunnel};

use crate::appliance::*;
use crate::packets::*;

#[test]
fn a_bound_address_is_tunnelled() {
    let mut appliance = Appliance::new();
    let packet = with_traffic_class(&udp(CORRESPONDENT, HOME, 100), 0xb9);
    let sent = appliance.pass(CN, &packet);
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (source(outer), destination(outer)),
        (address(ANCHOR), address(CARE_OF))
    );
    assert_eq!((outer[6], outer[7]), (41, 64));
    assert_eq!(traffic_class(outer), 0xb9, "DSCP and ECN are copied");
    assert_ne!(flow_label(outer), 0);
    assert_eq!(outer[40..], with_hop_limit(&packet, 63));
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 1), ("tx_packets", 1), ("encapsulated", 1)].into()
    );
}

#[test]
fn a_flow_keeps_its_label_and_another_has_another() {
    let mut appliance = Appliance::new();
    let mut label = |packet: &[u8]| flow_label(&appliance.pass(CN, packet)[0].1);
    let flow = udp(CORRESPONDENT, HOME, 100);
    let mut other_port = flow.clone();
    other_port[41] ^= 1;
    let one = label(&flow);
    assert_eq!(label(&udp(CORRESPONDENT, HOME, 700)), one);
    assert_ne!(label(&udp("2001:db8:c:1::90", HOME, 100)), one);
    // The UDP checksum is wrong now, which is nothing to a router.
    appliance.receive(CN, &other_port);
    appliance.poll();
    let frame = appliance.wires[CORE].pop().expect("a tunnel packet");
    assert_ne!(flow_label(&frame[14..]), one);
}

#[test]
fn what_the_kernel_forwards_to_a_home_address_pays_no_second_hop() {
    let mut appliance = Appliance::new();
    let packet = with_hop_limit(&udp(CORRESPONDENT, HOME, 10), 1);
    let sent = appliance.pass(HOST, &packet);
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(outer[40..], packet);
    assert_eq!(appliance.counted()["from_host"], 1);
}

/// RFC 6275 §9.3.2, §6.4.
#[test]
fn what_the_box_itself_sends_to_a_home_address_goes_by_type_2_routing_header() {
    for packet in [
        with_hop_limit(&udp(ANCHOR, HOME, 10), 1),
        echo_request(LOCAL, HOME),
        with_extension(&udp(ANCHOR, HOME, 10), 0, &[0, 0, 5, 2, 0, 0, 1, 0]),
        with_extension(&udp(ANCHOR, HOME, 10), 60, &[0, 0, 1, 4, 0, 0, 0, 0]),
    ] {
        let mut appliance = Appliance::new();
        let sent = appliance.pass(HOST, &packet);
        let [(CORE, routed)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(destination(routed), address(CARE_OF));
        // Behind Hop-by-Hop Options, before all else (RFC 8200 §4.1).
        let at = if packet[6] == 0 { 48 } else { 40 };
        let mut header = type_2_routing_header(HOME);
        header[0] = if at == 48 { packet[40] } else { packet[6] };
        assert_eq!(routed[at..at + 24], header);
        assert_eq!(routed[at + 24..], packet[at..]);
        assert_eq!(routed.len(), packet.len() + 24);
        assert_eq!(appliance.counted()["routed_type_2"], 1);
    }
}

/// Neither one that the header would make longer than the path takes, nor signalling (RFC 6275 §6.1), nor anybody else's.
#[test]
fn what_may_not_have_a_type_2_routing_header_is_tunnelled() {
    let appliance = Appliance::new;
    for packet in [
        mobility(ANCHOR, HOME),
        with_extension(&udp(ANCHOR, HOME, 10), 43, &type_2_routing_header(HOME)),
        udp(CORRESPONDENT, HOME, 10),
    ] {
        let sent = appliance().pass(HOST, &packet);
        assert!(
            matches!(&sent[..], [(CORE, outer)] if outer[6] == 41 && outer[40..] == packet),
            "{sent:?}"
        );
    }
    let sent = appliance().pass(HOST, &udp(ANCHOR, NARROW_HOME, 1_280 - 48));
    assert_eq!(sent.len(), 2, "two fragments: {sent:?}");
}

/// Only what comes by a link can be spoofed: the kernel routes here what a mobile node sent through it.
/// RFC 2473 §4.1.2 has loops looked for at the entry of a tunnel; this header would make one as well.
#[test]
fn nothing_is_routed_to_a_home_address_that_is_its_own_care_of_address() {
    let mut appliance = Appliance::new();
    assert_eq!(appliance.pass(HOST, &udp(ANCHOR, LOOPED_HOME, 10)), []);
    assert_eq!(appliance.counted()["tunnel_loop"], 1);
}

#[test]
fn the_kernel_may_send_from_one_home_address_to_another() {
    let mut appliance = Appliance::new();
    let packet = udp(OTHER_HOME, HOME, 10);
    let sent = appliance.pass(HOST, &packet);
    assert!(
        matches!(&sent[..], [(CORE, outer)] if outer[40..] == packet),
        "{sent:?}"
    );
}

#[test]
fn a_handoff_takes_effect_with_the_next_packet() {
    let mut appliance = Appliance::new();
    let packet = udp(CORRESPONDENT, HOME, 10);
    assert_eq!(
        destination(&appliance.pass(CN, &packet)[0].1),
        address(CARE_OF)
    );
    let mut tunnel = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .tunnel();
    tunnel = Tunnel {
        care_of: address("2001:db8:b::77"),
        previous: Some((tunnel.care_of, PREVIOUS_UNTIL_NS)),
        ..tunnel
    };
    appliance
        .writer
        .publish_binding(address(HOME), &tunnel)
        .expect("room");
    assert_eq!(
        destination(&appliance.pass(CN, &packet)[0].1),
        address("2001:db8:b::77")
    );
}

#[test]
fn an_unresolved_next_hop_is_left_to_the_kernel() {
    let mut appliance = Appliance::new();
    let packet = udp(CORRESPONDENT, PENDING_HOME, 10);
    let sent = appliance.pass(CN, &packet);
    let [(HOST, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(outer[7], 65, "the kernel takes one hop when it forwards");
    assert_eq!(destination(outer), address("2001:db8:a::8"));
    assert_eq!(outer[40..], with_hop_limit(&packet, 63));
    assert_eq!(appliance.counted()["neighbour_pending"], 1);
}

#[test]
fn the_kernel_can_be_asked_for_the_next_hop_of_its_own_packet() {
    let mut appliance = Appliance::new();
    let sent = appliance.pass(HOST, &udp(ANCHOR, PENDING_HOME, 10));
    assert!(
        matches!(&sent[..], [(HOST, routed)] if routed[6] == 43),
        "{sent:?}"
    );
}

#[test]
fn the_tunnel_mtu_is_answered_above_1280_octets() {
    let mut appliance = Appliance::new();
    let fitting = udp(CORRESPONDENT, HOME, 1460 - 48);
    assert_eq!(appliance.pass(CN, &fitting)[0].1.len(), 1500);
    let too_big = udp(CORRESPONDENT, HOME, 1461 - 48);
    let sent = appliance.pass(CN, &too_big);
    let [(CN, error)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let (kind, code, mtu, quoted) = icmp_error(error);
    assert_eq!((kind, code, mtu), (2, 0, 1460));
    assert_eq!(
        (source(error), destination(error)),
        (address(ANCHOR), address(CORRESPONDENT))
    );
    assert_eq!(error.len(), 1280);
    assert_eq!(quoted, &too_big[..1280 - 48]);
}

#[test]
fn a_tunnel_of_less_than_1280_octets_is_never_advertised() {
    let mut appliance = Appliance::new();
    let sent = appliance.pass(CN, &udp(CORRESPONDENT, NARROW_HOME, 1281 - 48));
    let (kind, _, mtu, _) = icmp_error(&sent[0].1);
    assert_eq!((kind, mtu), (2, 1280));
}

/// RFC 2473 §7.1: the inner packet is no larger than 1280 octets, so it is the tunnel packet that is cut.
#[test]
fn up_to_1280_octets_are_sent_in_two_outer_fragments() {
    for len in [1241, 1248, 1279, 1280] {
        let mut appliance = Appliance::new();
        let packet = udp(CORRESPONDENT, NARROW_HOME, len - 48);
        let sent = appliance.pass(CN, &packet);
        let [(CORE, first), (CORE, second)] = &sent[..] else {
            panic!("{len}: {sent:?}");
        };
        for fragment in [first, second] {
            assert!(fragment.len() <= 1280, "the path carries 1280 octets");
            assert_eq!(
                (source(fragment), destination(fragment)),
                (address(ANCHOR), address("2001:db8:a::9"))
            );
            assert_eq!((fragment[6], fragment[7], fragment[40]), (44, 64, 41));
            assert_eq!(fragment[44..48], first[44..48], "Identification");
        }
        let position = |fragment: &[u8]| u16::from_be_bytes([fragment[42], fragment[43]]);
        let first_len = first.len() - 48;
        assert_eq!(first_len % 8, 0);
        assert_eq!(position(first), 1);
        assert_eq!(usize::from(position(second)), first_len);
        let whole = [&first[48..], &second[48..]].concat();
        assert_eq!(whole, with_hop_limit(&packet, 63));
        assert_eq!(appliance.counted()["outer_fragments"], 1);
    }
}

#[test]
fn a_tunnel_inside_a_tunnel_has_its_limit_lowered() {
    let mut appliance = Appliance::new();
    let nested = tunnelled(
        "2001:db8:c:1::90",
        HOME,
        &udp("2001:db8:1::1", "2001:db8:2::2", 10),
    );
    let nested = with_extension(&nested, 60, &tunnel_limit_header(4));
    let sent = appliance.pass(CN, &nested);
    let outer = &sent[0].1;
    assert_eq!(outer[6], 60);
    assert_eq!(outer[40..48], [41, 0, 4, 1, 3, 1, 1, 0]);
    assert_eq!(outer[48..], with_hop_limit(&nested, 63));
}

#[test]
fn a_tunnel_with_a_limit_has_8_octets_less_room() {
    let mut appliance = Appliance::new();
    let limited = |len: usize| {
        let nested = tunnelled(
            "2001:db8:c:1::90",
            HOME,
            &udp("2001:db8:1::1", "2001:db8:2::2", len - 96),
        );
        with_extension(&nested, 60, &tunnel_limit_header(4))
    };
    let fitting = limited(1452);
    assert_eq!(fitting.len(), 1452);
    assert_eq!(appliance.pass(CN, &fitting)[0].1.len(), 1500);
    let sent = appliance.pass(CN, &limited(1453));
    assert_eq!(icmp_error(&sent[0].1).2, 1452);
}

#[test]
fn a_used_up_encapsulation_limit_is_answered_at_its_octet() {
    let mut appliance = Appliance::new();
    let nested = tunnelled(
        CORRESPONDENT,
        HOME,
        &udp("2001:db8:1::1", "2001:db8:2::2", 10),
    );
    let nested = with_extension(&nested, 60, &tunnel_limit_header(0));
    let sent = appliance.pass(CN, &nested);
    let (kind, code, pointer, _) = icmp_error(&sent[0].1);
    assert_eq!((kind, code, pointer), (4, 0, 44));
    assert_eq!(appliance.counted()["encapsulation_limit"], 1);
}

#[test]
fn the_next_link_bounds_the_tunnel_as_well() {
    let mut appliance = Appliance::new();
    let tunnel = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .tunnel();
    let hop = appliance.writer.next_hop(tunnel.next_hop).expect("set");
    assert_eq!(hop.state, NextHopState::Resolved);
    let narrow = NextHop { mtu: 1400, ..hop };
    appliance
        .writer
        .set_next_hop(tunnel.next_hop, narrow)
        .expect("room");
    let sent = appliance.pass(CN, &udp(CORRESPONDENT, HOME, 1361 - 48));
    assert_eq!(icmp_error(&sent[0].1).2, 1360);
}

#[test]
fn fragments_of_a_packet_take_one_way() {
    let mut appliance = Appliance::new();
    let mut label = |packet: &[u8]| {
        appliance.receive(CN, packet);
        appliance.poll();
        let frame = appliance.wires[CORE].pop().expect("a tunnel packet");
        flow_label(&frame[14..])
    };
    // Only the first fragment shows the ports, and the headers between the fragment header and UDP.
    let packet = with_extension(
        &udp(CORRESPONDENT, HOME, 1000),
        60,
        &[0, 0, 1, 4, 0, 0, 0, 0],
    );
    let first = with_extension(&packet[..40 + 512], 44, &fragment_header(0, true));
    let mut rest = packet[..40].to_vec();
    rest.extend(&packet[40 + 512..]);
    let second = with_extension(&rest, 44, &fragment_header(512, false));
    assert_eq!(label(&first), label(&second));
}

fn rebind(appliance: &mut Appliance, home: &str, change: impl FnOnce(&mut Tunnel)) {
    let mut tunnel = appliance
        .writer
        .binding(address(home))
        .expect("bound")
        .tunnel();
    change(&mut tunnel);
    appliance
        .writer
        .publish_binding(address(home), &tunnel)
        .expect("room");
}

#[test]
fn outer_fragments_begin_at_multiples_of_8_octets() {
    for mtu in 1240..1250 {
        let mut appliance = Appliance::new();
        rebind(&mut appliance, HOME, |tunnel| tunnel.mtu = mtu);
        let sent = appliance.pass(CN, &udp(CORRESPONDENT, HOME, 1280 - 48));
        assert_eq!(sent.len(), 2);
        let first_len = sent[0].1.len() - 48;
        assert_eq!(first_len, usize::from(mtu - 8) & !7);
        assert_eq!(sent[1].1[42..44], (first_len as u16).to_be_bytes());
    }
}

/// No IPv6 path carries less than 1280 octets, whatever a binding says.
#[test]
fn an_impossible_tunnel_mtu_is_taken_for_the_smallest_possible() {
    let mut appliance = Appliance::new();
    rebind(&mut appliance, HOME, |tunnel| tunnel.mtu = 0);
    assert_eq!(
        appliance
            .pass(CN, &udp(CORRESPONDENT, HOME, 1240 - 48))
            .len(),
        1
    );
    assert_eq!(
        appliance
            .pass(CN, &udp(CORRESPONDENT, HOME, 1241 - 48))
            .len(),
        2
    );
}

#[test]
fn the_encapsulation_limit_stands_in_the_first_outer_fragment() {
    let mut appliance = Appliance::new();
    let nested = tunnelled(
        "2001:db8:c:1::90",
        NARROW_HOME,
        &udp("2001:db8:1::1", "2001:db8:2::2", 1280 - 136),
    );
    let nested = with_extension(&nested, 60, &tunnel_limit_header(2));
    let sent = appliance.pass(CN, &nested);
    let [(CORE, first), (CORE, second)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((first[40], second[40]), (60, 60));
    let whole = [&first[48..], &second[48..]].concat();
    assert_eq!(whole[..8], [41, 0, 4, 1, 1, 1, 1, 0]);
    assert_eq!(whole[8..], with_hop_limit(&nested, 63));
}
