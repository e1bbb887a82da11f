//! Between a correspondent and a mobile node whose home is elsewhere (RFC 6275 §9.3)

use dhp_segment::{Counter, CounterSnapshot, OptimizedRoute, PuntKind};

use crate::appliance::*;
use crate::packets::*;

/// The home address of a mobile node whose home agent is somewhere behind the core.
const ROAMER: &str = "2001:db8:b::f00d";
/// Where it is.
const ROAMER_AT: &str = "2001:db8:a::42";
/// Where it was a moment ago.
const ROAMER_WAS: &str = "2001:db8:a::41";
const ELSEWHERE: &str = "2001:db8:a::66";
/// A router on the way to it.
const ROUTER: &str = "2001:db8:a::ffff";

/// An appliance that acts for the hosts of the correspondents' link.
fn acting() -> Appliance {
    let mut setup = Setup::default();
    setup.config.correspondents = vec!["2001:db8:c:1::/64".parse().expect("a prefix")];
    Appliance::with(setup)
}

/// Has the roamer be known to a correspondent.
fn tell(appliance: &mut Appliance, correspondent: &str, path_mtu: u16) {
    let next_hop = appliance
        .writer
        .binding(address(HOME))
        .expect("bound")
        .next_hop;
    appliance
        .writer
        .publish_optimized(&OptimizedRoute {
            correspondent: address(correspondent),
            home_address: address(ROAMER),
            care_of: address(ROAMER_AT),
            previous: Some((address(ROAMER_WAS), PREVIOUS_UNTIL_NS)),
            next_hop,
            path_mtu,
        })
        .expect("room");
}

/// One that acts for the hosts, and [`CORRESPONDENT`] knows where the roamer is.
fn known() -> Appliance {
    let mut appliance = acting();
    tell(&mut appliance, CORRESPONDENT, 1500);
    appliance
}

/// What the roamer sends from `source`: its checksum counts the home address.
fn from_roamer(source: &str, destination: &str, payload: usize) -> Vec<u8> {
    let mut packet = udp(ROAMER, destination, payload);
    packet[8..24].copy_from_slice(&address(source).octets());
    with_extension(&packet, 60, &home_address_header(ROAMER))
}

/// A packet between the two that came in by this port.
pub fn between_host_and_roamer(port: usize) -> CounterSnapshot {
    let mut appliance = known();
    let packet = match port {
        CN => udp(CORRESPONDENT, ROAMER, 100),
        _ => from_roamer(ROAMER_AT, CORRESPONDENT, 100),
    };
    assert_eq!(appliance.pass(port, &packet).len(), 1);
    appliance.counters()
}

fn message(kind: u8, flags: u8) -> Vec<u8> {
    let data = [59, 1, kind, 0, 0, 0, 0, 1, flags, 0, 0, 0, 0, 0, 0, 0];
    raw(ROAMER_AT, CORRESPONDENT, 135, &data)
}

/// The packets that [`CONTROL`] got, and as what.
fn punted(appliance: &mut Appliance) -> Vec<(PuntKind, Vec<u8>)> {
    let punted = appliance.punted().into_iter();
    punted.map(|(meta, packet)| (meta.kind, packet)).collect()
}

#[test]
fn a_hosts_packet_goes_to_the_care_of_address() {
    let mut appliance = known();
    let packet = udp(CORRESPONDENT, ROAMER, 100);
    let sent = appliance.pass(CN, &packet);
    let [(CORE, direct)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(destination(direct), address(ROAMER_AT));
    assert_eq!(direct[6], 43);
    assert_eq!(
        direct[40..64],
        with_next(17, &type_2_routing_header(ROAMER))
    );
    // One hop is paid, and nothing else is different.
    assert_eq!(without_type_2_routing(direct), with_hop_limit(&packet, 63));
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 1), ("tx_packets", 1), ("optimized_out", 1)].into()
    );
    let carried = appliance
        .writer
        .carried_optimized(address(CORRESPONDENT), address(ROAMER))
        .expect("there");
    assert_eq!((carried.packets, carried.octets), (1, packet.len() as u64));
}

fn with_next(next: u8, header: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    header[0] = next;
    header
}

#[test]
fn other_hosts_and_strangers_go_by_the_home_agent() {
    // A host that the roamer has told nothing, and one that nobody acts for.
    for source in [STRANGER, NOWHERE] {
        let mut appliance = known();
        let packet = udp(source, ROAMER, 100);
        let sent = appliance.pass(CN, &packet);
        assert_eq!(sent, [(CORE, with_hop_limit(&packet, 63))]);
    }
    // The binding is there, the role is not.
    let mut appliance = Appliance::new();
    tell(&mut appliance, CORRESPONDENT, 1500);
    let packet = udp(CORRESPONDENT, ROAMER, 100);
    let sent = appliance.pass(CN, &packet);
    assert_eq!(sent, [(CORE, with_hop_limit(&packet, 63))]);
}

#[test]
fn what_cannot_have_the_header_goes_by_the_home_agent() {
    let plain = udp(CORRESPONDENT, ROAMER, 100);
    let mut ended = type_2_routing_header(NOWHERE);
    ended[3] = 0;
    for packet in [
        mobility(CORRESPONDENT, ROAMER),
        with_extension(&plain, 43, &ended),
        // RFC 4302: 24 octets.
        with_extension(
            &plain,
            51,
            &[
                0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4,
            ],
        ),
    ] {
        let mut appliance = known();
        let sent = appliance.pass(CN, &packet);
        assert_eq!(sent, [(CORE, with_hop_limit(&packet, 63))]);
    }
}

#[test]
fn the_header_stands_behind_hop_by_hop_options_and_before_a_fragment_header() {
    let fragment = with_extension(
        &udp(CORRESPONDENT, ROAMER, 100),
        44,
        &fragment_header(0, true),
    );
    let options = with_extension(&fragment, 0, &[0, 0, 1, 4, 0, 0, 0, 0]);
    for packet in [fragment, options] {
        let mut appliance = known();
        appliance.receive(CN, &packet);
        appliance.poll();
        let frame = appliance.wires[CORE].pop().expect("sent");
        let direct = &frame[14..];
        assert_eq!(destination(direct), address(ROAMER_AT));
        assert_eq!(without_type_2_routing(direct), with_hop_limit(&packet, 63));
    }
}

#[test]
fn hop_limits_are_paid_and_missed() {
    let mut appliance = known();
    let packet = with_hop_limit(&udp(CORRESPONDENT, ROAMER, 100), 1);
    let sent = appliance.pass(CN, &packet);
    let [(CN, error)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (icmp_error(error).0, destination(error)),
        (3, address(CORRESPONDENT))
    );
    assert_eq!(appliance.counted()["hop_limit_exceeded"], 1);
}

/// The routing header takes 24 octets of the path.
#[test]
fn what_is_too_big_with_the_header_is_answered() {
    let mut appliance = acting();
    tell(&mut appliance, CORRESPONDENT, 1400);
    let fits = udp(CORRESPONDENT, ROAMER, 1400 - 24 - 48);
    assert_eq!(appliance.pass(CN, &fits)[0].1.len(), 1400);
    let packet = udp(CORRESPONDENT, ROAMER, 1400 - 24 - 48 + 1);
    let sent = appliance.pass(CN, &packet);
    let [(CN, error)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let (kind, code, mtu, _) = icmp_error(error);
    assert_eq!((kind, code, mtu), (2, 0, 1376));
}

/// RFC 8200 §5: nobody need send less than 1280 octets.
#[test]
fn what_is_no_longer_than_the_minimum_mtu_goes_by_the_home_agent_instead() {
    let mut appliance = acting();
    tell(&mut appliance, CORRESPONDENT, 1280);
    for (len, is_direct) in [(1256, true), (1257, false), (1280, false)] {
        let packet = udp(CORRESPONDENT, ROAMER, len - 48);
        let sent = appliance.pass(CN, &packet);
        assert_eq!(destination(&sent[0].1) == address(ROAMER_AT), is_direct);
    }
    let sent = appliance.pass(CN, &udp(CORRESPONDENT, ROAMER, 1281 - 48));
    assert_eq!(icmp_error(&sent[0].1).2, 1280);
}

#[test]
fn the_mobile_nodes_packet_gets_to_the_host_from_its_home_address() {
    for source_address in [ROAMER_AT, ROAMER_WAS] {
        let mut appliance = known();
        let packet = from_roamer(source_address, CORRESPONDENT, 20);
        let sent = appliance.pass(CORE, &packet);
        let [(CN, opened)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(source(opened), address(ROAMER));
        assert_eq!(opened[46..48], [0x1e, 16], "an option that is skipped");
        assert_eq!(opened[48..64], [0; 16]);
        assert_eq!(opened[64..], packet[64..]);
        assert_eq!((packet[7], opened[7]), (64, 63));
        assert_eq!(appliance.counted()["optimized_in"], 1);
    }
}

#[test]
fn a_home_address_option_that_the_host_was_not_told_of_is_dropped_and_answered() {
    let cases = [
        (ELSEWHERE, CORRESPONDENT, START_NS),
        (ROAMER_WAS, CORRESPONDENT, PREVIOUS_UNTIL_NS),
        (ROAMER_AT, STRANGER, START_NS),
    ];
    for (source, destination, now_ns) in cases {
        let mut appliance = known();
        appliance.now_ns = now_ns;
        let packet = from_roamer(source, destination, 20);
        assert_eq!(appliance.pass(CORE, &packet), []);
        assert_eq!(
            punted(&mut appliance),
            [(PuntKind::HomeAddressOption, packet)]
        );
        assert_eq!(appliance.counted()["home_address_option_unbound"], 1);
    }
    // Two of them.
    let mut appliance = known();
    let twice = with_extension(
        &from_roamer(ROAMER_AT, CORRESPONDENT, 20),
        60,
        &home_address_header(ROAMER),
    );
    assert_eq!(appliance.pass(CORE, &twice), []);
    assert_eq!(appliance.counted()["bad_extension_chain"], 1);
}

#[test]
fn home_address_options_to_hosts_that_nobody_acts_for_are_transit() {
    let mut appliance = Appliance::new();
    let packet = from_roamer(ROAMER_AT, CORRESPONDENT, 20);
    appliance.receive(CORE, &packet);
    appliance.poll();
    // Its checksum is right for nobody but the one that takes the option off.
    assert_eq!(appliance.left(), [(CN, with_hop_limit(&packet, 63))]);
}

#[test]
fn what_is_said_to_a_host_as_a_correspondent_goes_to_the_control_plane() {
    let home_test = message(1, 0);
    let care_of_test = message(2, 0);
    let update = with_extension(&message(5, 0x80), 60, &home_address_header(ROAMER));
    for packet in [home_test, care_of_test, update] {
        let mut appliance = acting();
        assert_eq!(appliance.pass(CORE, &packet), []);
        assert_eq!(punted(&mut appliance), [(PuntKind::Mobility, packet)]);
        // Without the role it is the host's.
        let mut appliance = Appliance::new();
        let packet = message(1, 0);
        assert_eq!(appliance.pass(CORE, &packet).len(), 1);
    }
}

#[test]
fn what_else_is_said_to_a_host_is_the_hosts() {
    // A Home Test, a home registration, an error, a fragment of something, and nothing at all.
    let fragment = with_extension(&message(1, 0), 44, &fragment_header(0, true));
    let empty = raw(ROAMER_AT, CORRESPONDENT, 135, &[59]);
    for packet in [
        message(3, 0),
        message(5, 0xc0),
        message(7, 0),
        fragment,
        empty,
    ] {
        let mut appliance = acting();
        let sent = appliance.pass(CORE, &packet);
        assert_eq!(sent, [(CN, with_hop_limit(&packet, 63))]);
    }
}

/// What the kernel of the box sends from the anchor's address, and what it gets there.
#[test]
fn the_box_itself_is_a_correspondent_too() {
    let mut appliance = Appliance::new();
    tell(&mut appliance, ANCHOR, 1500);
    let packet = udp(ANCHOR, ROAMER, 100);
    let sent = appliance.pass(HOST, &packet);
    let [(CORE, direct)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(destination(direct), address(ROAMER_AT));
    assert_eq!(without_type_2_routing(direct), packet, "no hop is paid");

    let packet = from_roamer(ROAMER_AT, ANCHOR, 20);
    let sent = appliance.pass(CORE, &packet);
    let [(HOST, opened)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(source(opened), address(ROAMER));

    assert_eq!(
        appliance.pass(CORE, &from_roamer(ELSEWHERE, ANCHOR, 20)),
        []
    );
    assert_eq!(punted(&mut appliance)[0].0, PuntKind::HomeAddressOption);
    let counters = appliance.counters();
    assert_eq!(counters.get(Counter::OptimizedOut), 1);
    assert_eq!(counters.get(Counter::OptimizedIn), 1);
    assert_eq!(counters.get(Counter::RoutedType2), 0);
}

#[test]
fn what_the_control_plane_and_the_worker_themselves_send_goes_by_the_home_agent() {
    let mut appliance = acting();
    tell(&mut appliance, ANCHOR, 1500);
    let request = mobility(ANCHOR, ROAMER);
    appliance.control.inject(0, &request).expect("room");
    appliance.poll();
    assert_eq!(appliance.sent(), [(CORE, request)]);
    // An error about what came from the home address.
    let sent = appliance.pass(CORE, &udp(ROAMER, UNBOUND_HOME, 10));
    assert_eq!(destination(&sent[0].1), address(ROAMER));
}

/// RFC 6275 §8.4: only a home agent's binding has a reverse tunnel.
#[test]
fn an_optimized_route_opens_no_tunnel() {
    let mut appliance = known();
    tell(&mut appliance, ANCHOR, 1500);
    let packet = tunnelled(ROAMER_AT, ANCHOR, &udp(ROAMER, CORRESPONDENT, 10));
    assert_eq!(appliance.pass(CORE, &packet), []);
    assert_eq!(appliance.counted()["tunnel_unknown_home"], 1);
}

/// A control plane makes no such route; if it did, the home agent's binding would have the address.
#[test]
fn a_home_address_of_the_box_is_its_home_agents() {
    let mut appliance = acting();
    let next_hop = appliance.writer.binding(address(HOME)).expect("bound");
    appliance
        .writer
        .publish_optimized(&OptimizedRoute {
            correspondent: address(CORRESPONDENT),
            home_address: address(HOME),
            care_of: address(ROAMER_AT),
            previous: None,
            next_hop: next_hop.next_hop,
            path_mtu: 1500,
        })
        .expect("room");
    let sent = appliance.pass(CN, &udp(CORRESPONDENT, HOME, 10));
    assert_eq!(destination(&sent[0].1), address(CARE_OF));
    assert_eq!(sent[0].1[6], 41);
}

#[test]
fn a_narrow_path_to_a_care_of_address_is_told_to_the_control_plane() {
    for (correspondent, port) in [(CORRESPONDENT, CN), (ANCHOR, HOST)] {
        let mut appliance = acting();
        tell(&mut appliance, correspondent, 1500);
        let sent = appliance.pass(port, &udp(correspondent, ROAMER, 1300));
        let quoted = &sent[0].1[..1232];
        let error =
            |mtu, quoted: &[u8]| icmp(address(ROUTER), address(correspondent), [2, 0], mtu, quoted);
        let believed = error(1400, quoted);
        assert_eq!(appliance.pass(CORE, &believed), []);
        assert_eq!(punted(&mut appliance), [(PuntKind::IcmpError, believed)]);
        // Of no use: not narrower, narrower than any link, another care-of address, a wrong checksum.
        let mut elsewhere = quoted.to_vec();
        elsewhere[24..40].copy_from_slice(&address(ELSEWHERE).octets());
        let mut damaged = error(1400, quoted);
        damaged[100] ^= 1;
        for message in [
            error(1500, quoted),
            error(1279, quoted),
            error(1400, &elsewhere),
            damaged,
        ] {
            appliance.receive(CORE, &message);
            appliance.poll();
            assert_eq!(punted(&mut appliance), []);
            appliance.assert_conserved();
        }
    }
}

#[test]
fn without_transit_nothing_is_optimized_for_hosts() {
    let mut setup = Setup::default();
    setup.config.correspondents = vec!["2001:db8:c:1::/64".parse().expect("a prefix")];
    setup.config.transit = false;
    let mut appliance = Appliance::with(setup);
    tell(&mut appliance, CORRESPONDENT, 1500);
    for (port, packet) in [
        (CN, udp(CORRESPONDENT, ROAMER, 10)),
        (CORE, from_roamer(ROAMER_AT, CORRESPONDENT, 10)),
    ] {
        assert_eq!(appliance.pass(port, &packet), []);
    }
    assert_eq!(appliance.counted()["transit_disabled"], 2);
}
