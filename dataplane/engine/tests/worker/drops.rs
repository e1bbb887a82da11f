//! Every reason for which this worker drops a packet

use dhp_segment::DropReason;

use crate::appliance::*;
use crate::drops_table::cases;
use crate::packets::*;

const FAR: &str = "2001:db8:a::42";

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
