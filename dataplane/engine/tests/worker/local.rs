//! For the box itself

use dhp_engine::PuntRates;
use dhp_segment::{Counter, DropReason, PuntKind};

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

#[test]
fn signalling_to_the_anchor_is_punted_whole() {
    let mut appliance = Appliance::new();
    let update = with_extension(&mobility(FAR, ANCHOR), 60, &home_address_header(HOME));
    let acknowledgement =
        with_extension(&mobility(FAR, ANCHOR), 43, &type_2_routing_header(ANCHOR));
    for packet in [&mobility(FAR, ANCHOR), &update, &acknowledgement] {
        assert_eq!(appliance.pass(CN, packet), []);
        let punted = appliance.punted();
        let [(meta, punted)] = &punted[..] else {
            panic!("{punted:?}");
        };
        assert_eq!(punted, packet);
        assert_eq!((meta.kind, meta.port), (PuntKind::Mobility, CN as u16));
        assert_eq!(meta.timestamp_ns, START_NS);
    }
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 3), ("punted_mobility", 3)].into()
    );
}

#[test]
fn queries_for_covered_prefixes_are_punted() {
    let mut appliance = Appliance::new();
    let query = mobility(FAR, ANYCAST);
    let discovery = raw(FAR, ANYCAST, 58, &[144, 0, 0, 0, 0, 0, 0, 0]);
    for packet in [&query, &discovery] {
        assert_eq!(appliance.pass(CORE, packet), []);
        let punted = appliance.punted();
        assert_eq!(punted[0].0.kind, PuntKind::QueryAnycast);
        assert_eq!(punted[0].1, *packet);
    }
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 2), ("punted_query", 2)].into()
    );
}

/// A Mobility Header to a home address is data.
#[test]
fn signalling_to_a_home_address_is_tunnelled() {
    let mut appliance = Appliance::new();
    let sent = appliance.pass(CN, &mobility(CORRESPONDENT, HOME));
    assert!(
        matches!(&sent[..], [(CORE, outer)] if outer[6] == 41),
        "{sent:?}"
    );
}

#[test]
fn the_rest_is_the_hosts() {
    let packets = [
        echo_request(FAR, ANCHOR),
        echo_request(FAR, LOCAL),
        mobility(FAR, LOCAL),
        tunnelled(FAR, LOCAL, &udp(HOME, CORRESPONDENT, 10)),
        with_extension(&udp(FAR, ANCHOR, 10), 44, &fragment_header(1448, false)),
        with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 0, 0, 0, 0, 0, 0]),
        raw("fe80::1", "ff02::1:ff00:1", 58, &[135, 0, 0, 0]),
        raw("::", "ff02::16", 58, &[143, 0, 0, 0]),
        raw("fe80::1", "fe80::2", 58, &[136, 0, 0, 0]),
        raw("fe80::1", ANCHOR, 58, &[135, 0, 0, 0]),
    ];
    for packet in packets {
        let mut appliance = Appliance::new();
        appliance.receive(CORE, &packet);
        appliance.poll();
        assert_eq!(appliance.wires[HOST].pop(), Some(packet.clone()));
        assert_eq!(
            appliance.counted(),
            [("rx_packets", 1), ("tx_packets", 1), ("punted_host", 1)].into()
        );

        let mut appliance = Appliance::with(Setup {
            host_has_copy: true,
            ..Setup::default()
        });
        assert_eq!(
            appliance.pass(CORE, &packet),
            [],
            "the kernel has it already"
        );
        assert_eq!(
            appliance.counted(),
            [("rx_packets", 1), ("host_has_copy", 1)].into()
        );
    }
}

#[test]
fn arp_and_the_like_are_left_to_a_host_that_hears_them() {
    let mut appliance = Appliance::with(Setup {
        host_has_copy: true,
        ..Setup::default()
    });
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 9, 0x08, 0x06, 0, 1]);
    appliance.wires[CORE].push(&arp).expect("room");
    appliance.wires[CORE].push(&[1, 2, 3]).expect("room");
    assert_eq!(appliance.poll(), 2);
    assert_eq!(appliance.counted()["host_has_copy"], 2);
    appliance.assert_conserved();
}

/// RFC 6275 §9.3.1: what the upper layer sees comes from the home address.
#[test]
fn the_home_address_option_of_a_bound_node_is_taken_off() {
    let mut appliance = Appliance::with(Setup {
        host_has_copy: true,
        ..Setup::default()
    });
    // The checksum counts the home address as the source.
    let mut packet = udp(HOME, ANCHOR, 20);
    packet[8..24].copy_from_slice(&address(CARE_OF).octets());
    let packet = with_extension(&packet, 60, &home_address_header(HOME));
    let sent = appliance.pass(CORE, &packet);
    let [(HOST, opened)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(source(opened), address(HOME));
    // RFC 8200 §4.2: padding needs at most 7 octets, and Linux drops what has more.
    assert_eq!(
        opened[46..48],
        [0x1e, 16],
        "an option that is skipped where it stood"
    );
    assert_eq!(opened[48..64], [0; 16]);
    assert_eq!(opened[64..], packet[64..]);
}

fn from_nobody_bound(source: &str) -> Vec<u8> {
    with_extension(&udp(source, ANCHOR, 10), 60, &home_address_header(HOME))
}

/// RFC 6275 §9.3.1: it is dropped, and the control plane gets what the Binding Error is about.
#[test]
fn a_home_address_option_of_nobody_bound_is_dropped_and_punted() {
    let mut appliance = Appliance::new();
    let packet = from_nobody_bound(FAR);
    assert_eq!(appliance.pass(CORE, &packet), []);
    let punted = appliance.punted();
    let [(meta, punted)] = &punted[..] else {
        panic!("{punted:?}");
    };
    assert_eq!(punted, &packet);
    assert_eq!(
        (meta.kind, meta.port),
        (PuntKind::HomeAddressOption, CORE as u16)
    );
    assert_eq!(
        appliance.counted(),
        [
            ("rx_packets", 1),
            ("binding_errors_asked", 1),
            ("home_address_option_unbound", 1)
        ]
        .into()
    );
}

#[test]
fn no_more_binding_errors_are_asked_for_than_the_limits_let_through() {
    let mut setup = Setup::default();
    setup.config.punt_rates = PuntRates {
        per_source: 3,
        ..PuntRates::default()
    };
    let mut appliance = Appliance::with(setup);
    for _ in 0..10 {
        assert_eq!(appliance.pass(CORE, &from_nobody_bound(FAR)), []);
    }
    let counters = appliance.counters();
    assert_eq!(counters.get(Counter::BindingErrorsAsked), 3);
    assert_eq!(counters.get(Counter::BindingErrorsNotAsked), 7);
    assert_eq!(counters.drops(DropReason::HomeAddressOptionUnbound), 10);
    assert_eq!(counters.total_drops(), 10, "each packet is dropped once");
    assert_eq!(appliance.punted().len(), 3);
}
