//! Every reason for which this worker drops a packet

use dhp_segment::DropReason;

use crate::appliance::*;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

/// A packet, the port it comes in by, and why it ends there.
fn cases() -> Vec<(usize, Vec<u8>, DropReason)> {
    let data = udp(FAR, CORRESPONDENT, 10);
    let up = |source, destination| tunnelled(CARE_OF, ANCHOR, &udp(source, destination, 10));
    let uplink = up(HOME, CORRESPONDENT);
    let from_home = with_extension(&udp(CARE_OF, ANCHOR, 10), 60, &home_address_header(HOME));
    let mut no_segment_left = type_2_routing_header(ANCHOR);
    no_segment_left[3] = 0;
    let mut version_4 = data.clone();
    version_4[0] = 0x45;
    let mut too_long = data.clone();
    too_long[5] += 1;
    let mut inner_too_long = uplink.clone();
    inner_too_long[45] += 1;
    vec![
        (CORE, version_4, DropReason::MalformedIpv6),
        (CORE, too_long, DropReason::MalformedIpv6),
        (CORE, data[..39].to_vec(), DropReason::MalformedIpv6),
        (CORE, vec![], DropReason::MalformedIpv6),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 60, &[0, 0, 5, 200, 0, 0, 0, 0]),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            with_extension(&from_home, 60, &home_address_header(HOME)),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &no_segment_left),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            raw(FAR, ANCHOR, 43, &[41, 9, 0, 0]),
            DropReason::BadExtensionChain,
        ),
        (
            CORE,
            udp("ff02::1", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("::1", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("::", CORRESPONDENT, 10),
            DropReason::InvalidSource,
        ),
        (
            CORE,
            udp("fe80::1", CORRESPONDENT, 10),
            DropReason::LinkScope,
        ),
        (HOST, udp(ANCHOR, "fe80::1", 10), DropReason::LinkScope),
        (HOST, udp("fe80::1", "ff02::2", 10), DropReason::Multicast),
        (CORE, up(HOME, "fe80::1"), DropReason::LinkScope),
        (CORE, up(HOME, "::1"), DropReason::LinkScope),
        (CORE, up(HOME, "ff0e::1"), DropReason::Multicast),
        (CORE, udp(FAR, NOWHERE, 10), DropReason::NoRoute),
        (CORE, udp(FAR, BLACKHOLE, 10), DropReason::Blackhole),
        (CORE, with_hop_limit(&data, 1), DropReason::HopLimitExceeded),
        (
            CORE,
            with_hop_limit(&udp(FAR, HOME, 10), 1),
            DropReason::HopLimitExceeded,
        ),
        (CORE, udp(FAR, NARROW, 1400), DropReason::PacketTooBig),
        (CORE, udp(FAR, HOME, 1452), DropReason::PacketTooBig),
        (
            HOST,
            udp(ANCHOR, PENDING, 10),
            DropReason::NeighbourUnresolved,
        ),
        (CORE, udp(FAR, UNBOUND_HOME, 10), DropReason::NoBinding),
        (CORE, up(HOME, UNBOUND_HOME), DropReason::NoBinding),
        (
            CORE,
            udp(HOME, CORRESPONDENT, 10),
            DropReason::SpoofedPoolSource,
        ),
        (
            CN,
            mobility(UNBOUND_HOME, ANCHOR),
            DropReason::SpoofedPoolSource,
        ),
        (
            CORE,
            tunnelled(HOME, ANCHOR, &udp(HOME, CORRESPONDENT, 10)),
            DropReason::SpoofedPoolSource,
        ),
        (
            CORE,
            tunnelled(FAR, ANCHOR, &udp(HOME, CORRESPONDENT, 10)),
            DropReason::TunnelSourceMismatch,
        ),
        (
            CORE,
            up(OTHER_HOME, CORRESPONDENT),
            DropReason::TunnelSourceMismatch,
        ),
        (
            CORE,
            up(UNBOUND_HOME, CORRESPONDENT),
            DropReason::TunnelUnknownHome,
        ),
        (CORE, up(FAR, CORRESPONDENT), DropReason::TunnelUnknownHome),
        (
            CORE,
            up("fe80::1", CORRESPONDENT),
            DropReason::TunnelUnknownHome,
        ),
        (CORE, inner_too_long, DropReason::TunnelInnerMalformed),
        (
            CORE,
            tunnelled(CARE_OF, ANCHOR, &[]),
            DropReason::TunnelInnerMalformed,
        ),
        (CORE, udp(FAR, LOOPED_HOME, 10), DropReason::TunnelLoop),
        (
            CORE,
            with_extension(&tunnelled(FAR, HOME, &data), 60, &tunnel_limit_header(0)),
            DropReason::EncapsulationLimit,
        ),
        (
            CORE,
            with_traffic_class(&uplink, 0b11),
            DropReason::EcnInvalid,
        ),
        (
            CORE,
            with_extension(&uplink, 43, &[0, 0, 0, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader0,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 0, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader0,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &type_2_routing_header(HOME)),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            with_extension(&mobility(FAR, ANCHOR), 43, &[0, 0, 2, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeader2,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 43, &[0, 0, 4, 1, 0, 0, 0, 0]),
            DropReason::RoutingHeaderUnknown,
        ),
        (
            CORE,
            with_extension(&udp(FAR, ANCHOR, 10), 60, &home_address_header(HOME)),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            with_extension(
                &udp(CARE_OF, ANCHOR, 10),
                60,
                &home_address_header(UNBOUND_HOME),
            ),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            with_extension(&uplink, 60, &home_address_header(HOME)),
            DropReason::HomeAddressOptionUnbound,
        ),
        (
            CORE,
            tunnelled(
                CARE_OF,
                ANCHOR,
                &with_extension(&mobility(HOME, ANCHOR), 44, &fragment_header(0, true)),
            ),
            DropReason::Fragment,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 33]),
                44,
                &fragment_header(0, true),
            ),
            DropReason::FragmentMalformed,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 33]),
                44,
                &fragment_header(65_504, false),
            ),
            DropReason::FragmentMalformed,
        ),
        (
            CORE,
            with_extension(
                &raw(CARE_OF, ANCHOR, 41, &[0x60; 32]),
                44,
                &fragment_header(16_384, false),
            ),
            DropReason::ReassemblyLimit,
        ),
    ]
}

#[test]
fn each_packet_is_dropped_for_its_reason_and_no_other() {
    for (port, packet, reason) in cases() {
        let mut appliance = Appliance::new();
        appliance.pass(port, &packet);
        let counters = appliance.counters();
        assert_eq!(
            counters.drops(reason),
            1,
            "{reason}: {:?} {packet:02x?}",
            appliance.counted()
        );
        assert_eq!(
            counters.total_drops(),
            1,
            "{reason}: {:?}",
            appliance.counted()
        );
    }
}

/// The host's copy changes who sees what is the host's, not what is dropped.
#[test]
fn drops_do_not_depend_on_the_hosts_copy() {
    for (port, packet, reason) in cases() {
        let mut appliance = Appliance::with(Setup {
            host_has_copy: true,
            ..Setup::default()
        });
        appliance.pass(port, &packet);
        assert_eq!(appliance.counters().drops(reason), 1, "{reason}");
    }
}

/// RFC 2473 §4.1.2: the exit of a tunnel is not its entry.
#[test]
fn a_tunnel_to_the_anchor_itself_is_a_loop() {
    let mut appliance = Appliance::new();
    let mut tunnel = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .tunnel();
    tunnel.care_of = tunnel.anchor;
    appliance
        .writer
        .publish_binding(address(HOME), &tunnel)
        .expect("room");
    assert_eq!(appliance.pass(CORE, &udp(FAR, HOME, 10)), []);
    assert_eq!(appliance.counters().drops(DropReason::TunnelLoop), 1);
}

fn one_drop(setup: Setup, packet: &[u8], reason: DropReason) {
    let mut appliance = Appliance::with(setup);
    appliance.pass(CORE, packet);
    assert_eq!(
        appliance.counters().drops(reason),
        1,
        "{reason}: {:?}",
        appliance.counted()
    );
}

#[test]
fn transit_can_be_switched_off() {
    for destination in [CORRESPONDENT, STRANGER, PENDING, NOWHERE] {
        let mut setup = Setup::default();
        setup.config.transit = false;
        one_drop(
            setup,
            &udp(FAR, destination, 10),
            DropReason::TransitDisabled,
        );
    }
}

#[test]
fn without_a_host_port_there_is_no_host() {
    let alone = || Setup {
        host_port: None,
        ..Setup::default()
    };
    one_drop(
        alone(),
        &echo_request(FAR, ANCHOR),
        DropReason::HostUnavailable,
    );
    one_drop(
        alone(),
        &raw("fe80::1", "ff02::1", 58, &[134, 0]),
        DropReason::HostUnavailable,
    );
    one_drop(
        alone(),
        &udp(FAR, STRANGER, 10),
        DropReason::NeighbourUnresolved,
    );
    one_drop(
        alone(),
        &udp(FAR, PENDING_HOME, 10),
        DropReason::NeighbourUnresolved,
    );
}

#[test]
fn frames_that_are_no_ipv6_or_no_frames() {
    let mut appliance = Appliance::new();
    let mut ipv4 = ethernet(PORT_MACS[CORE], &[0x45; 40]);
    ipv4[12..14].copy_from_slice(&[0x08, 0x00]);
    appliance.wires[CORE].push(&ipv4).expect("room");
    appliance.wires[CORE].push(&[0; 13]).expect("room");
    appliance.wires[CORE].push(&[]).expect("room");
    appliance.poll();
    assert_eq!(appliance.counters().drops(DropReason::NotIpv6), 3);
    appliance.assert_conserved();
}

#[test]
fn a_link_layer_multicast_is_not_multiplied() {
    let mut appliance = Appliance::new();
    let frame = ethernet([0x33, 0x33, 0, 0, 0, 1], &udp(FAR, CORRESPONDENT, 10));
    appliance.wires[CORE].push(&frame).expect("room");
    appliance.poll();
    assert_eq!(appliance.counters().drops(DropReason::Multicast), 1);
    appliance.assert_conserved();
}

#[test]
fn a_full_link_drops_what_it_cannot_take() {
    let mut appliance = Appliance::with(Setup {
        wire_depth: 4,
        ..Setup::default()
    });
    for _ in 0..2 {
        for _ in 0..3 {
            appliance.receive(CORE, &udp(FAR, CORRESPONDENT, 10));
        }
        appliance.poll();
    }
    assert_eq!(appliance.counters().drops(DropReason::TxFull), 2);
    appliance.assert_conserved();
}

#[test]
fn without_buffers_nothing_is_made() {
    let starved = || Setup {
        frames: 1,
        ..Setup::default()
    };
    one_drop(starved(), &udp(FAR, UNBOUND_HOME, 10), DropReason::NoBuffer);
    one_drop(
        starved(),
        &udp(FAR, NARROW_HOME, 1280 - 48),
        DropReason::NoBuffer,
    );
}

#[test]
fn signalling_that_fits_no_ring_slot() {
    let setup = Setup {
        frame_octets: 9216,
        ..Setup::default()
    };
    let signalling = raw(FAR, ANCHOR, 135, &[0; dhp_segment::RING_PACKET_BYTES]);
    one_drop(setup, &signalling, DropReason::PuntTooLong);
}
