//! RFC 6275 §9.2 and §9.3.3: what is checked before a message is looked at.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorAction, Limits, MessageKind, SignallingDrop};
use dhp_wire::codepoints::{DmipType, mh_type};
use dhp_wire::mobility::Builder;
use dhp_wire::packet::compose;

use crate::answer::{Answer, icmp_error};
use crate::harness::{ANCHOR, CARE_OF, HOME, OWN_DHOA, World, config, mn1};
use crate::message::{Dmip, Update};

/// Puts the checksum right after a change.
fn with_checksum(mut packet: Vec<u8>, source: &Ipv6Addr) -> Vec<u8> {
    let mh = packet.len() - 40;
    packet[44..46].fill(0);
    let sum = dhp_wire::checksum::upper_layer_checksum(source, &ANCHOR, 135, &packet[40..40 + mh]);
    packet[44..46].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// MH-1: a wrong checksum is discarded silently.
#[test]
fn a_wrong_checksum_is_silence() {
    let mut world = World::new();
    let mut packet = Dmip::dhoa_request(1).by(&mn1());
    packet[44] ^= 1;
    world.ignored(&packet);
    assert_eq!(world.anchor.counters().dropped(SignallingDrop::Checksum), 1);
}

/// MH-2: an unknown MH Type is answered with Binding Error 2, which copies the Home Address option's address.
#[test]
fn an_unknown_type_gets_a_binding_error() {
    let mut world = World::new();
    let mut packet = Dmip::query().plain();
    packet[42] = 200;
    let answer = world.ask(&with_checksum(packet, &CARE_OF));
    assert_eq!((answer.mh_type, answer.status), (mh_type::BINDING_ERROR, 2));
    assert_eq!(
        (answer.destination, answer.type2_home),
        (CARE_OF, Some(Ipv6Addr::UNSPECIFIED))
    );

    let mut packet = Update::new(HOME, 1).plain();
    packet[64 + 2] = 200;
    packet[64 + 4..64 + 6].fill(0);
    let sum = dhp_wire::checksum::upper_layer_checksum(&HOME, &ANCHOR, 135, &packet[64..]);
    packet[64 + 4..64 + 6].copy_from_slice(&sum.to_be_bytes());
    let answer = world.ask(&packet);
    assert_eq!(
        (answer.destination, answer.type2_home),
        (CARE_OF, Some(HOME))
    );
}

/// MH-8: a Home Address option without a binding is answered with Binding Error 1; not if the address is none that a mobile
/// node could have, and at a limited rate.
#[test]
fn a_home_address_without_a_binding_gets_a_binding_error() {
    let data = |home_address: Ipv6Addr| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 32, 60, 64];
        packet.extend(CARE_OF.octets());
        packet.extend(ANCHOR.octets());
        packet.extend([17, 2, 1, 2, 0, 0, 0xc9, 16]);
        packet.extend(home_address.octets());
        packet.extend([0; 8]);
        packet
    };
    let mut world = World::new();
    world
        .anchor
        .handle_unbound_home_address(world.now, &data(HOME));
    let Some(AnchorAction::Transmit(packet)) = world.anchor.poll_action() else {
        panic!("an answer");
    };
    let answer = Answer::read(&packet);
    assert_eq!((answer.mh_type, answer.status), (mh_type::BINDING_ERROR, 1));
    assert_eq!(
        (answer.destination, answer.type2_home),
        (CARE_OF, Some(HOME))
    );
    let multicast = data("ff0e::1".parse().unwrap());
    world
        .anchor
        .handle_unbound_home_address(world.now, &multicast);
    let counters = world.anchor.counters();
    assert_eq!(counters.dropped(SignallingDrop::HomeAddressNotRoutable), 1);
    assert!(world.anchor.poll_action().is_none());
}

/// MH-2: no Binding Error goes to a source that is not unicast.
#[test]
fn a_multicast_source_gets_nothing() {
    let mut world = World::new();
    for source in ["ff02::1", "::", "::1", "2001:db8:d::1"] {
        let source: Ipv6Addr = source.parse().unwrap();
        let mut packet = Dmip::query().from(source).plain();
        packet[42] = 200;
        world.ignored(&with_checksum(packet, &source));
    }
    assert_eq!(
        world.anchor.counters().dropped(SignallingDrop::BadSource),
        4
    );
}

/// MH-3: Payload Proto other than 59 is answered with a Parameter Problem that points at it.
#[test]
fn payload_proto_is_no_next_header() {
    let mut world = World::new();
    for mut packet in [
        Dmip::query().plain(),
        Dmip::update(1, &[OWN_DHOA]).by(&mn1()),
    ] {
        packet[40] = 58;
        let out = world.feed(&with_checksum(packet, &CARE_OF));
        assert_eq!(icmp_error(&out[0]), (4, 0, 40));
    }
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::PayloadProto),
        2
    );
}

/// MH-4: a Header Len below the type's minimum is answered with a Parameter Problem that points at it, also behind
/// a Home Address option.
#[test]
fn header_len_has_a_minimum() {
    let mut world = World::new();
    let mut mh = vec![59, 0, mh_type::BINDING_UPDATE, 0, 0, 0, 0, 1];
    let sum = dhp_wire::checksum::upper_layer_checksum(&HOME, &ANCHOR, 135, &mh);
    mh[4..6].copy_from_slice(&sum.to_be_bytes());
    let out = world.feed(&compose(&CARE_OF, &ANCHOR, Some(&HOME), None, &mh));
    assert_eq!(icmp_error(&out[0]), (4, 0, 64 + 1));
    assert_eq!(
        world.anchor.counters().dropped(SignallingDrop::HeaderLen),
        1
    );
}

/// MH-5: options that are not known are skipped, and the rest is processed.
#[test]
fn unknown_options_are_skipped() {
    let mut world = World::new();
    let unknown = dhp_wire::mobility::MobilityOption::Unknown {
        kind: 200,
        data: &[1, 2, 3],
    };
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).option(unknown).by(&mn1()))
            .status,
        0
    );
}

/// MH-6: only a Binding Update may carry a Home Address option.
#[test]
fn dmip_messages_carry_no_home_address_option() {
    let mut world = World::new();
    let mh = Dmip::query().plain()[40..].to_vec();
    let mut packet = compose(&CARE_OF, &ANCHOR, Some(&HOME), None, &mh);
    packet[68..70].fill(0);
    let sum = dhp_wire::checksum::upper_layer_checksum(&HOME, &ANCHOR, 135, &packet[64..]);
    packet[68..70].copy_from_slice(&sum.to_be_bytes());
    world.ignored(&packet);
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::HomeAddressOption),
        1
    );
}

/// MH-7: Binding Errors and ICMPv6 errors are limited in rate, each for itself.
#[test]
fn errors_are_limited_in_rate() {
    let limits = Limits {
        errors_per_second: 3,
        ..Limits::default()
    };
    let mut world = World::with(dhp_proto::anchor::AnchorConfig { limits, ..config() });
    let mut unknown = Dmip::query().plain();
    unknown[42] = 200;
    let unknown = with_checksum(unknown, &CARE_OF);
    let mut proto = Dmip::query().plain();
    proto[40] = 6;
    let proto = with_checksum(proto, &CARE_OF);
    let mut count = |packet: &[u8]| (0..10).filter(|_| !world.feed(packet).is_empty()).count();
    assert_eq!((count(&unknown), count(&proto)), (3, 3));
    assert_eq!(
        world.anchor.counters().dropped(SignallingDrop::RateLimited),
        14
    );
    world.wait(Duration::from_secs(1));
    assert_eq!(
        (0..10).filter(|_| !world.feed(&unknown).is_empty()).count(),
        3
    );
}

/// MH-9: what comes with a type 2 routing header is for a mobile node.
#[test]
fn a_type_2_routing_header_is_silence() {
    let mut world = World::new();
    let mh = Builder::binding_refresh_request().finish(&CARE_OF, &HOME);
    world.ignored(&compose(&CARE_OF, &ANCHOR, None, Some(&HOME), &mh));
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::RoutingHeader),
        1
    );
}

/// Section 4.1: unknown DMIP Type or Version, a broken option chain, an answer type: discard and count, never a
/// Binding Error.
#[test]
fn what_dmip_does_not_know_is_counted() {
    let mut world = World::new();
    for (at, value, reason) in [
        (46, 9, SignallingDrop::UnknownDmipType),
        (47, 0x20, SignallingDrop::UnknownDmipVersion),
        (57, 250, SignallingDrop::OptionChain),
        (
            46,
            DmipType::DhoaResponse as u8,
            SignallingDrop::NotForAnchors,
        ),
    ] {
        let mut packet = Dmip::query().plain();
        packet[at] = value;
        if reason == SignallingDrop::OptionChain {
            packet[56] = 99;
        }
        world.ignored(&with_checksum(packet, &CARE_OF));
        assert_eq!(world.anchor.counters().dropped(reason), 1, "{reason:?}");
    }
}

/// Messages that only correspondents and mobile nodes expect are known types, so they get no Binding Error.
#[test]
fn messages_for_others_are_silence() {
    let mut world = World::new();
    let mh = Builder::binding_refresh_request().finish(&CARE_OF, &ANCHOR);
    world.ignored(&compose(&CARE_OF, &ANCHOR, None, None, &mh));
    let mh = Builder::binding_error(1, &HOME).finish(&CARE_OF, &ANCHOR);
    world.ignored(&compose(&CARE_OF, &ANCHOR, None, None, &mh));
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::NotForAnchors),
        2
    );
}

/// What is addressed to another node is not ours, whatever it says.
#[test]
fn only_the_anchors_addresses_count() {
    let mut world = World::new();
    let elsewhere = Dmip {
        destination: OWN_DHOA,
        ..Dmip::query()
    };
    world.ignored(&elsewhere.plain());
    assert_eq!(world.anchor.counters().dropped(SignallingDrop::NotForUs), 1);
}

/// Section 6.6: errors are at most three times as long as what caused them.
#[test]
fn errors_do_not_amplify() {
    let mut world = World::new();
    let mut mh = vec![59, 0, 200, 0, 0, 0, 0, 0];
    let sum = dhp_wire::checksum::upper_layer_checksum(&CARE_OF, &ANCHOR, 135, &mh);
    mh[4..6].copy_from_slice(&sum.to_be_bytes());
    let packet = compose(&CARE_OF, &ANCHOR, None, None, &mh);
    let answer = world.ask(&packet);
    assert!(answer.packet.len() <= 3 * packet.len());
    assert_eq!(
        world.anchor.counters().sent(MessageKind::BindingError, 2),
        1
    );
    assert_eq!(Answer::read(&answer.packet).status, 2);
}

/// A routing header that cannot be processed, such as the type 0 of RFC 5095: Parameter Problem at its type.
#[test]
fn a_type_0_routing_header_is_a_parameter_problem() {
    let mut world = World::new();
    let mh = Builder::binding_refresh_request().finish(&CARE_OF, &ANCHOR);
    let mut packet = compose(&CARE_OF, &ANCHOR, None, Some(&HOME), &mh);
    packet[42] = 0;
    let out = world.feed(&packet);
    assert_eq!(icmp_error(&out[0]), (4, 0, 42));
}
