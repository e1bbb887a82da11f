//! From a mobile node

use dhp_segment::Counter;

use crate::appliance::*;
use crate::packets::*;

#[test]
fn a_tunnelled_packet_is_forwarded_by_route() {
    let mut appliance = Appliance::new();
    let inner = udp(HOME, CORRESPONDENT, 100);
    let sent = appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner));
    assert_eq!(sent, [(CN, with_hop_limit(&inner, 63))]);
    assert_eq!(
        appliance.counted(),
        [
            ("rx_packets", 1),
            ("tx_packets", 1),
            ("decapsulated", 1),
            ("forwarded", 1)
        ]
        .into()
    );
}

#[test]
fn link_padding_is_no_part_of_the_packet() {
    let mut appliance = Appliance::new();
    let inner = udp(HOME, CORRESPONDENT, 3);
    let mut padded_inside = inner.clone();
    padded_inside.extend([0xff; 5]);
    let mut padded = tunnelled(CARE_OF, ANCHOR, &padded_inside);
    padded.extend([0xff; 7]);
    assert_eq!(
        appliance.pass(CORE, &padded),
        [(CN, with_hop_limit(&inner, 63))]
    );
}

#[test]
fn transit_switched_off_does_not_stop_mobile_nodes() {
    let mut setup = Setup::default();
    setup.config.transit = false;
    let mut appliance = Appliance::with(setup);
    let inner = udp(HOME, CORRESPONDENT, 100);
    assert_eq!(
        appliance
            .pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner))
            .len(),
        1
    );
}

#[test]
fn the_previous_care_of_address_is_good_for_its_time_and_no_longer() {
    let mut appliance = Appliance::new();
    let packet = tunnelled(
        PREVIOUS_CARE_OF,
        ANCHOR,
        &udp(OTHER_HOME, CORRESPONDENT, 10),
    );
    appliance.now_ns = PREVIOUS_UNTIL_NS - 1;
    assert_eq!(appliance.pass(CORE, &packet).len(), 1);
    assert_eq!(appliance.counted()["previous_care_of"], 1);
    appliance.now_ns = PREVIOUS_UNTIL_NS;
    assert_eq!(appliance.pass(CORE, &packet), []);
    assert_eq!(appliance.counted()["tunnel_source_mismatch"], 1);
    let current = tunnelled(OTHER_CARE_OF, ANCHOR, &udp(OTHER_HOME, CORRESPONDENT, 10));
    assert_eq!(appliance.pass(CORE, &current).len(), 1);
}

/// RFC 6040 figure 4; the ECN field of the outer header has the two lowest bits.
#[test]
fn congestion_marks_survive_the_tunnel() {
    let cases = [
        (0b00, 0b00, Some(0b00)),
        (0b00, 0b10, Some(0b00)),
        (0b00, 0b11, None),
        (0b10, 0b10, Some(0b10)),
        (0b10, 0b01, Some(0b01)),
        (0b10, 0b11, Some(0b11)),
        (0b01, 0b11, Some(0b11)),
        (0b11, 0b00, Some(0b11)),
    ];
    for (inner_ecn, outer_ecn, expected) in cases {
        let mut appliance = Appliance::new();
        let inner = with_traffic_class(&udp(HOME, CORRESPONDENT, 10), 0xb8 | inner_ecn);
        let outer = with_traffic_class(&tunnelled(CARE_OF, ANCHOR, &inner), 0x28 | outer_ecn);
        let sent = appliance.pass(CORE, &outer);
        let found = sent.first().map(|(_, packet)| traffic_class(packet));
        assert_eq!(
            found,
            expected.map(|ecn| 0xb8 | ecn),
            "{inner_ecn} in {outer_ecn}"
        );
        let dropped = appliance.counted().get("ecn_invalid").copied();
        assert_eq!(dropped, expected.is_none().then_some(1));
    }
}

#[test]
fn one_mobile_node_reaches_another_with_one_decrement() {
    let mut appliance = Appliance::new();
    let inner = udp(HOME, OTHER_HOME, 10);
    let sent = appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner));
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(destination(outer), address(OTHER_CARE_OF));
    assert_eq!(outer[40..], with_hop_limit(&inner, 63));
    let counters = appliance.counters();
    for counter in [
        Counter::Decapsulated,
        Counter::Hairpinned,
        Counter::Encapsulated,
    ] {
        assert_eq!(counters.get(counter), 1, "{counter}");
    }
}

#[test]
fn signalling_inside_the_tunnel_is_punted_without_it() {
    let mut appliance = Appliance::new();
    let inner = mobility(HOME, ANCHOR);
    assert_eq!(
        appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner)),
        []
    );
    let punted = appliance.punted();
    assert_eq!(punted.len(), 1);
    assert_eq!(punted[0].1, inner);
}

#[test]
fn the_rest_for_the_anchor_goes_to_the_host_even_if_it_has_a_copy_of_the_tunnel() {
    let mut appliance = Appliance::with(Setup {
        host_has_copy: true,
        ..Setup::default()
    });
    let inner = echo_request(HOME, ANCHOR);
    let sent = appliance.pass(CORE, &tunnelled(CARE_OF, ANCHOR, &inner));
    assert_eq!(sent, [(HOST, inner)]);
}

#[test]
fn extension_headers_before_the_inner_packet_end_with_the_tunnel() {
    let inner = udp(HOME, CORRESPONDENT, 10);
    let outer = tunnelled(CARE_OF, ANCHOR, &inner);
    for outer in [
        with_extension(&outer, 60, &tunnel_limit_header(4)),
        with_extension(&outer, 44, &fragment_header(0, false)),
    ] {
        let mut appliance = Appliance::new();
        let sent = appliance.pass(CORE, &outer);
        assert_eq!(sent, [(CN, with_hop_limit(&inner, 63))]);
    }
}

/// Down the tunnel and up again, as a mobile node would bounce it: nothing but the hop limit has changed.
#[test]
fn the_round_trip_changes_the_hop_limit_alone() {
    for traffic_class in [0x00, 0x02, 0x01, 0x03, 0xb8, 0xbb] {
        let mut appliance = Appliance::new();
        let down = with_traffic_class(&udp(CORRESPONDENT, HOME, 333), traffic_class);
        let tunnel_packet = appliance.pass(CN, &down).remove(0).1;
        let mut back = tunnel_packet.clone();
        // The mobile node's answer: both headers turned around. The checksum is a sum, so that it stays right.
        for at in [8, 48] {
            let (source, destination) = back[at..at + 32].split_at_mut(16);
            source.swap_with_slice(destination);
        }
        let sent = appliance.pass(CORE, &back);
        let [(CN, up)] = &sent[..] else {
            panic!("{sent:?}");
        };
        let mut expected = with_hop_limit(&down, 62);
        let (source, destination) = expected[8..40].split_at_mut(16);
        source.swap_with_slice(destination);
        assert_eq!(*up, expected);
    }
}

/// The kernel has taken a hop of the tunnel packet, and none of what is in it.
#[test]
fn a_tunnel_that_comes_through_the_kernel_is_a_tunnel() {
    let mut appliance = Appliance::new();
    let inner = udp(HOME, CORRESPONDENT, 10);
    let sent = appliance.pass(HOST, &tunnelled(CARE_OF, ANCHOR, &inner));
    assert_eq!(sent, [(CN, with_hop_limit(&inner, 63))]);
    let inner = udp(HOME, LOCAL, 10);
    let sent = appliance.pass(HOST, &tunnelled(CARE_OF, ANCHOR, &inner));
    assert_eq!(sent, [(HOST, inner)]);
}

/// Nothing but the whole tunnel packet shows where the inner one ends.
#[test]
fn no_piece_of_a_tunnel_packet_is_opened() {
    let mut appliance = Appliance::new();
    let packet = tunnelled(CARE_OF, ANCHOR, &udp(HOME, CORRESPONDENT, 10));
    let ignored_routing = with_extension(&packet, 43, &[0; 8]);
    let first = with_extension(&ignored_routing, 44, &fragment_header(0, true));
    assert_eq!(appliance.pass(CORE, &first), []);
    assert_eq!(appliance.counted()["fragment"], 1);
}
