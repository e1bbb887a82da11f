//! ICMPv6 errors that come back from inside tunnels (RFC 2473 §8)

use dhp_segment::{DropReason, PuntKind};
use etherparse::{Icmpv6Slice, Icmpv6Type, PacketBuilder, icmpv6};

use crate::appliance::{
    ANCHOR, Appliance, CARE_OF, CN, CORE, CORRESPONDENT, HOME, HOST, OTHER_HOME, PREVIOUS_CARE_OF,
    PREVIOUS_UNTIL_NS, Setup,
};
use crate::packets::{address, tunnelled, udp, with_extension};

/// A router on the way to the mobile nodes.
const ROUTER: &str = "2001:db8:a::ffff";

/// An ICMPv6 error of the router about a packet, of which it quotes at most `quoted` octets.
fn error(kind: Icmpv6Type, offending: &[u8], quoted: usize) -> Vec<u8> {
    let builder =
        PacketBuilder::ipv6(address(ROUTER).octets(), address(ANCHOR).octets(), 60).icmpv6(kind);
    let mut packet = Vec::new();
    let quoted = &offending[..offending.len().min(quoted)];
    builder.write(&mut packet, quoted).expect("a packet");
    packet
}

fn too_big(mtu: u32) -> Icmpv6Type {
    Icmpv6Type::PacketTooBig { mtu }
}

fn unreachable() -> Icmpv6Type {
    Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::NoRoute)
}

/// A packet of the correspondent, as it looks in its tunnel to [`HOME`]'s care-of address.
fn in_tunnel(payload: usize) -> (Vec<u8>, Vec<u8>) {
    let inner = udp(CORRESPONDENT, HOME, payload);
    let outer = tunnelled(ANCHOR, CARE_OF, &inner);
    (inner, outer)
}

/// Type and code, the MTU where there is one, and the quoted octets of an error that was sent to the correspondent.
fn told(sent: &[(usize, Vec<u8>)]) -> (Icmpv6Type, Vec<u8>) {
    let [(CN, packet)] = sent else {
        panic!("one packet to the correspondent, not {sent:?}");
    };
    assert_eq!(packet[24..40], address(CORRESPONDENT).octets());
    assert_eq!(packet[8..24], address(ANCHOR).octets());
    assert!(packet.len() <= 1280);
    let icmp_type = Icmpv6Slice::from_slice(&packet[40..])
        .expect("ICMPv6")
        .icmp_type();
    (icmp_type, packet[48..].to_vec())
}

#[test]
fn what_the_tunnel_cannot_deliver_is_an_unreachable_address_to_the_source() {
    let time_exceeded = Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded);
    for kind in [unreachable(), time_exceeded] {
        let mut appliance = Appliance::new();
        let (inner, outer) = in_tunnel(100);
        let sent = appliance.pass(CORE, &error(kind, &outer, 1232));
        let (told, quoted) = told(&sent);
        let expected = Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Address);
        assert_eq!((told, quoted), (expected, inner));
        assert_eq!(appliance.counted()["relayed_errors"], 1);
        assert!(appliance.punted().is_empty());
    }
}

#[test]
fn a_narrow_path_is_told_to_the_source_and_to_the_control_plane() {
    let mut appliance = Appliance::new();
    let (inner, outer) = in_tunnel(1400);
    let message = error(too_big(1400), &outer, 1232);
    let sent = appliance.pass(CORE, &message);
    let (kind, quoted) = told(&sent);
    assert_eq!(kind, too_big(1360), "less the outer header");
    assert_eq!(
        quoted[..],
        inner[..1232 - 40],
        "as much as the router quoted"
    );
    let punted = appliance.punted();
    let [(meta, packet)] = &punted[..] else {
        panic!("one packet, not {punted:?}");
    };
    assert_eq!((meta.kind, packet), (PuntKind::IcmpError, &message));
    assert_eq!(appliance.counted()["punted_errors"], 1);
}

#[test]
fn a_path_that_is_known_to_be_narrow_is_told_to_the_source_alone() {
    let mut appliance = Appliance::new();
    let (_, outer) = in_tunnel(1450);
    let sent = appliance.pass(CORE, &error(too_big(1500), &outer, 1232));
    assert_eq!(told(&sent).0, too_big(1460));
    assert!(
        appliance.punted().is_empty(),
        "1460 is the tunnel's MTU already"
    );
}

#[test]
fn nobody_is_told_to_send_less_than_1280() {
    // An inner packet of 1280 octets cannot be made smaller by its source: the outer packet will be fragmented.
    let mut appliance = Appliance::new();
    let (inner, outer) = in_tunnel(1280 - 48);
    assert_eq!(inner.len(), 1280);
    let sent = appliance.pass(CORE, &error(too_big(1300), &outer, 1232));
    assert_eq!(sent, []);
    assert_eq!(appliance.punted().len(), 1, "the tunnel follows");

    let (_, outer) = in_tunnel(1400);
    let sent = appliance.pass(CORE, &error(too_big(1300), &outer, 1232));
    assert_eq!(told(&sent).0, too_big(1280));

    let sent = appliance.pass(CORE, &error(too_big(1279), &outer, 1232));
    assert_eq!(sent, [], "RFC 8201 has it discarded");
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::IcmpErrorIgnored), 1);
}

#[test]
fn the_first_fragment_of_a_tunnel_packet_tells_whose_it_is() {
    let (_, outer) = in_tunnel(1400);
    let first = with_extension(&outer, 44, &[0, 0, 0, 1, 0, 0, 0, 9]);
    let mut appliance = Appliance::new();
    let sent = appliance.pass(CORE, &error(too_big(1400), &first, 1232));
    assert_eq!(
        told(&sent).0,
        too_big(1360),
        "the fragment header is no part of the tunnel"
    );

    let later = with_extension(&outer, 44, &[0, 0, 2, 0, 0, 0, 0, 9]);
    let sent = appliance.pass(CORE, &error(too_big(1400), &later, 1232));
    assert_eq!(sent, []);
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::IcmpErrorUnrelated), 1);
}

#[test]
fn a_limit_of_encapsulations_is_told_and_other_problems_of_our_header_are_not() {
    let (inner, outer) = in_tunnel(100);
    let limited = with_extension(&outer, 60, &[0, 0, 4, 1, 0, 1, 1, 0]);
    let problem = |pointer: u32| {
        let code = icmpv6::ParameterProblemCode::ErroneousHeaderField;
        Icmpv6Type::ParameterProblem(icmpv6::ParameterProblemHeader { code, pointer })
    };
    let mut appliance = Appliance::new();
    let sent = appliance.pass(CORE, &error(problem(44), &limited, 1232));
    assert_eq!(told(&sent).1, inner);
    let sent = appliance.pass(CORE, &error(problem(6), &limited, 1232));
    assert_eq!(sent, []);
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::IcmpErrorIgnored), 1);
}

#[test]
fn what_quotes_no_packet_of_ours_is_ignored() {
    let (_, outer) = in_tunnel(100);
    let inner = udp(CORRESPONDENT, HOME, 100);
    let elsewhere = tunnelled(ANCHOR, "2001:db8:a::66", &inner);
    let of_another = tunnelled(ROUTER, CARE_OF, &inner);
    let unbound = tunnelled(ANCHOR, CARE_OF, &udp(CORRESPONDENT, ROUTER, 100));
    let mut damaged = error(unreachable(), &outer, 1232);
    *damaged.last_mut().expect("octets") ^= 1;
    let cases = [
        error(unreachable(), &elsewhere, 1232),
        error(unreachable(), &of_another, 1232),
        error(unreachable(), &unbound, 1232),
        error(unreachable(), &outer, 60),
        damaged,
    ];
    let mut appliance = Appliance::new();
    for (number, message) in (1..).zip(&cases) {
        assert_eq!(appliance.pass(CORE, message), [], "case {number}");
        let counters = appliance.counters();
        assert_eq!(counters.drops(DropReason::IcmpErrorUnrelated), number);
    }
    assert!(appliance.punted().is_empty());
}

#[test]
fn errors_about_packets_of_the_box_itself_are_the_hosts() {
    let mut appliance = Appliance::new();
    let message = error(unreachable(), &udp(ANCHOR, CORRESPONDENT, 10), 1232);
    let sent = appliance.pass(CORE, &message);
    assert_eq!(sent, [(HOST, message)]);
}

#[test]
fn a_message_about_a_packet_in_flight_may_come_after_the_handoff() {
    let inner = udp(CORRESPONDENT, OTHER_HOME, 100);
    let outer = tunnelled(ANCHOR, PREVIOUS_CARE_OF, &inner);
    let message = error(unreachable(), &outer, 1232);
    let mut appliance = Appliance::new();
    assert_eq!(told(&appliance.pass(CORE, &message)).1, inner);
    appliance.now_ns = PREVIOUS_UNTIL_NS;
    assert_eq!(appliance.pass(CORE, &message), []);
}

#[test]
fn errors_are_not_answered_with_errors_and_not_without_limit() {
    let mut setup = Setup::default();
    setup.config.icmp_errors.per_network = 1_100;
    let mut appliance = Appliance::with(setup);
    let from_correspondent = error(unreachable(), &udp(HOME, CORRESPONDENT, 10), 1232);
    let outer = tunnelled(ANCHOR, CARE_OF, &{
        let mut inner = from_correspondent;
        inner[24..40].copy_from_slice(&address(HOME).octets());
        inner
    });
    assert_eq!(
        appliance.pass(CORE, &error(unreachable(), &outer, 1232)),
        []
    );
    assert_eq!(appliance.counted()["relayed_errors"], 1, "it is done with");

    let (_, outer) = in_tunnel(100);
    let message = error(unreachable(), &outer, 1232);
    let sent: usize = (0..1_500)
        .map(|_| appliance.pass(CORE, &message).len())
        .sum();
    assert_eq!(sent, 1_000);
    let counters = appliance.counters();
    assert_eq!(counters.drops(DropReason::IcmpRateLimited), 500);
}

#[test]
fn an_error_about_an_uplink_packet_goes_down_the_tunnel_to_the_mobile_node() {
    // The mobile node's packet has left its tunnel here; the router beyond tells its source, the home address.
    let offending = udp(HOME, "2001:db8:c:1::99", 100);
    let builder = PacketBuilder::ipv6(address(CORRESPONDENT).octets(), address(HOME).octets(), 64)
        .icmpv6(unreachable());
    let mut message = Vec::new();
    builder.write(&mut message, &offending).expect("a packet");
    let mut appliance = Appliance::new();
    let sent = appliance.pass(CN, &message);
    let [(CORE, outer)] = &sent[..] else {
        panic!("one packet to the core, not {sent:?}");
    };
    assert_eq!(outer[24..40], address(CARE_OF).octets());
    message[7] -= 1;
    assert_eq!(outer[40..], message);
}
