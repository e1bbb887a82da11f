//! The test is the correspondent: each status, forgeries, and correspondents that know nothing of mobility.

use core::net::Ipv6Addr;

use dhp_proto::mobile_node::ProxyReason;
use dhp_proto::return_routability::{KeygenToken, authenticator, management_key};
use dhp_wire::codepoints::{CodePoints, Status, next_header};
use dhp_wire::mobility::{Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose, compose_icmpv6};

use crate::proxied;
use crate::world::{CN, DHP, MS, SECOND, World, care_of, tunnelled};

const HOME_TOKEN: [u8; 8] = [0x11; 8];
const CARE_OF_TOKEN: [u8; 8] = [0x22; 8];

/// A message of the mobile node's.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    HomeTestInit([u8; 8]),
    CareOfTestInit([u8; 8]),
    Update {
        sequence: u16,
        lifetime: u16,
        nonces: (u16, u16),
        care_of: Ipv6Addr,
    },
}

/// What has come to the correspondent since.
fn heard(world: &mut World) -> Vec<Heard> {
    let packets = core::mem::take(&mut world.to_cn);
    packets.iter().map(|packet| read(packet)).collect()
}

fn read(packet: &[u8]) -> Heard {
    let packet = MobilityPacket::parse(packet).expect("a packet with a Mobility Header");
    assert!(packet.checksum_is_valid());
    let header = MobilityHeader::parse(packet.mh).expect("a Mobility Header");
    match header.message(&CodePoints::default()).expect("a message") {
        Message::HomeTestInit { cookie, .. } => {
            assert_eq!(packet.home_address, None, "RFC 6275 §9.4.1");
            Heard::HomeTestInit(cookie)
        }
        Message::CareOfTestInit { cookie, .. } => Heard::CareOfTestInit(cookie),
        Message::BindingUpdate(update) => {
            assert!(packet.home_address.is_some());
            let nonces = update.options.iter().find_map(|option| match option {
                Ok(MobilityOption::NonceIndices { home, care_of }) => Some((home, care_of)),
                _ => None,
            });
            Heard::Update {
                sequence: update.sequence,
                lifetime: update.lifetime.0,
                nonces: nonces.expect("nonce indices"),
                care_of: packet.source,
            }
        }
        other => panic!("a mobile node does not send {other:?}"),
    }
}

/// Answers all Test Inits that have come.
fn answer_tests(world: &mut World, heard: &[Heard], nonces: (u16, u16)) {
    let home = world.dhoa();
    for one in heard {
        match one {
            Heard::HomeTestInit(cookie) => {
                let mh = Builder::home_test(nonces.0, *cookie, HOME_TOKEN).finish(&CN, &home);
                let inner = compose(&CN, &home, None, None, &mh);
                world.arrive_from_cn(inner);
            }
            Heard::CareOfTestInit(cookie) => {
                let to = care_of(1);
                let mh = Builder::care_of_test(nonces.1, *cookie, CARE_OF_TOKEN).finish(&CN, &to);
                world.arrive_from_cn(compose(&CN, &to, None, None, &mh));
            }
            Heard::Update { .. } => {}
        }
    }
    world.pass(10 * MS);
}

fn management() -> dhp_proto::auth::Key {
    management_key(
        &KeygenToken::from_octets(HOME_TOKEN),
        Some(&KeygenToken::from_octets(CARE_OF_TOKEN)),
    )
}

/// A Binding Acknowledgement; without authenticator where the status has none.
fn acknowledgement(world: &World, status: u8, sequence: u16, lifetime: u16) -> Vec<u8> {
    let home = world.dhoa();
    let builder = Builder::binding_acknowledgement(Status(status), 0, sequence, Lifetime(lifetime));
    let builder = match status {
        136..=138 => builder,
        _ => builder.binding_authorization(|mh| authenticator(&management(), &care_of(1), &CN, mh)),
    };
    let mh = builder.finish(&CN, &home);
    compose(&CN, &care_of(1), None, Some(&home), &mh)
}

/// A world where the first update is out; its Sequence #.
fn with_update() -> (World, u16) {
    let mut world = World::by_hand();
    world.talk();
    world.pass(20 * MS);
    let tests = heard(&mut world);
    assert!(matches!(
        tests[..],
        [Heard::CareOfTestInit(_), Heard::HomeTestInit(_)]
    ));
    answer_tests(&mut world, &tests, (7, 9));
    world.pass(10 * MS);
    let sequence = sequence_of(&mut world);
    (world, sequence)
}

/// The Sequence # of the only message that has come, an update.
fn sequence_of(world: &mut World) -> u16 {
    match heard(world)[..] {
        [Heard::Update { sequence, .. }] => sequence,
        ref other => panic!("one update, not {other:?}"),
    }
}

#[test]
fn an_update_names_the_nonces_and_ends_before_the_home_token_does() {
    let mut world = World::by_hand();
    world.talk();
    world.pass(20 * MS);
    let tests = heard(&mut world);
    answer_tests(&mut world, &tests, (7, 9));
    world.pass(10 * MS);
    match heard(&mut world)[..] {
        [
            Heard::Update {
                lifetime,
                nonces,
                care_of: from,
                ..
            },
        ] => {
            assert_eq!((nonces, from), ((7, 9), care_of(1)));
            assert_eq!(lifetime, 52, "208 of the token's 210 s");
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_message_is_sent_three_times_and_a_silent_correspondent_left_in_peace() {
    let mut world = World::by_hand();
    world.talk();
    world.pass(8 * SECOND);
    let tests = heard(&mut world);
    assert_eq!(tests.len(), 6, "two kinds, after 0, 1 and 3 s");
    assert!(proxied(&mut world, ProxyReason::NoAnswer));
    for _ in 0..9 {
        world.talk();
        world.pass(60 * SECOND);
        world.move_to(1);
    }
    assert!(heard(&mut world).is_empty());
    world.talk();
    world.pass(60 * SECOND);
    assert!(!heard(&mut world).is_empty(), "after ten minutes");
}

#[test]
fn updates_are_repeated_with_new_numbers_and_an_answer_to_any_counts() {
    let (mut world, first) = with_update();
    world.pass(SECOND);
    let second = sequence_of(&mut world);
    assert_eq!(second, first.wrapping_add(1));
    let answer = acknowledgement(&world, 0, first, 52);
    world.arrive_from_cn(answer);
    assert_eq!(world.optimized(), Some(care_of(1)));
}

#[test]
fn what_does_not_verify_changes_nothing() {
    let (mut world, sequence) = with_update();
    let good = acknowledgement(&world, 0, sequence, 52);
    // The reserved octets of the routing header are the only ones that mean nothing.
    for at in (8..good.len()).filter(|at| !(44..48).contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        world.arrive_from_cn(bad);
        assert_eq!(world.optimized(), None, "octet {at}");
    }
    for status in [136, 137, 138, 0] {
        let other = acknowledgement(&world, status, sequence.wrapping_add(9), 52);
        world.arrive_from_cn(other);
    }
    assert_eq!(world.optimized(), None);
    world.arrive_from_cn(good);
    assert_eq!(world.optimized(), Some(care_of(1)));
}

#[test]
fn tests_that_were_not_asked_for_bring_no_token() {
    let mut world = World::by_hand();
    world.talk();
    world.pass(20 * MS);
    let tests = heard(&mut world);
    let forged: Vec<Heard> = tests
        .iter()
        .map(|test| match test {
            Heard::HomeTestInit(_) => Heard::HomeTestInit([0; 8]),
            _ => Heard::CareOfTestInit([0; 8]),
        })
        .collect();
    answer_tests(&mut world, &forged, (1, 1));
    // A Home Test that does not come by the anchor.
    let home = world.dhoa();
    let Some(Heard::HomeTestInit(cookie)) = tests.get(1) else {
        panic!("{tests:?}")
    };
    let mh = Builder::home_test(7, *cookie, HOME_TOKEN).finish(&CN, &home);
    let inner = compose(&CN, &home, None, None, &mh);
    for by in [CN, care_of(2)] {
        world
            .node
            .handle_packet(world.now, &tunnelled(by, care_of(1), &inner));
    }
    world.node.handle_packet(world.now, &inner);
    world.pass(500 * MS);
    assert!(heard(&mut world).is_empty(), "no update");
    world
        .node
        .handle_packet(world.now, &tunnelled(DHP, care_of(1), &inner));
    answer_tests(&mut world, &tests[..1], (7, 9));
    world.pass(20 * MS);
    assert!(matches!(heard(&mut world)[..], [Heard::Update { .. }]));
}

/// Status, which tests are made again, whether it goes on at once.
#[test]
fn each_refusal_has_its_consequence() {
    let home = |test: &Heard| matches!(test, Heard::HomeTestInit(_));
    let away = |test: &Heard| matches!(test, Heard::CareOfTestInit(_));
    for (status, home_again, away_again) in [
        (136, true, false),
        (137, false, true),
        (138, true, true),
        (129, false, false),
        (130, false, false),
        (139, false, false),
        (174, false, false),
    ] {
        let (mut world, sequence) = with_update();
        let answer = acknowledgement(&world, status, sequence, 0);
        world.arrive_from_cn(answer);
        world.pass(500 * MS);
        let tests = heard(&mut world);
        assert_eq!(tests.iter().any(home), home_again, "{status}");
        assert_eq!(tests.iter().any(away), away_again, "{status}");
        if home_again || away_again {
            answer_tests(&mut world, &tests, (8, 10));
            world.pass(20 * MS);
            let sequence = sequence_of(&mut world);
            let answer = acknowledgement(&world, 0, sequence, 52);
            world.arrive_from_cn(answer);
            assert_eq!(world.optimized(), Some(care_of(1)), "{status}");
        } else {
            assert!(proxied(&mut world, ProxyReason::Refused(status)));
            world.pass(28 * SECOND);
            assert!(heard(&mut world).is_empty(), "{status}: not at once");
            world.talk();
            world.pass(3 * SECOND);
            assert!(!heard(&mut world).is_empty(), "{status}: but later");
        }
    }
}

#[test]
fn numbers_are_resynchronised_but_not_without_end() {
    let (mut world, mut sequence) = with_update();
    for accepted in [100, 200, 300] {
        let answer = acknowledgement(&world, 135, accepted, 0);
        world.arrive_from_cn(answer);
        world.pass(700 * MS);
        sequence = sequence_of(&mut world);
        assert_eq!(sequence, accepted + 1);
    }
    let answer = acknowledgement(&world, 135, sequence, 0);
    world.arrive_from_cn(answer);
    assert!(proxied(&mut world, ProxyReason::Refused(135)));
    world.pass(20 * SECOND);
    assert!(heard(&mut world).is_empty());
}

#[test]
fn a_granted_lifetime_counts_and_a_refresh_request_shortens_it() {
    let (mut world, sequence) = with_update();
    let answer = acknowledgement(&world, 0, sequence, 25);
    world.arrive_from_cn(answer);
    world.pass(60 * SECOND);
    assert!(heard(&mut world).is_empty());
    // Anyone may forge it; it costs a refresh.
    let home = world.dhoa();
    let mh = Builder::binding_refresh_request().finish(&CN, &home);
    world.arrive_from_cn(compose(&CN, &home, None, None, &mh));
    world.pass(20 * MS);
    assert_eq!(heard(&mut world).len(), 1, "the tokens are good still");
    assert_eq!(world.optimized(), Some(care_of(1)));
    // Not answered, it ends 100 s after the first update.
    world.pass(41 * SECOND);
    assert_eq!(world.optimized(), None);
    assert!(proxied(&mut world, ProxyReason::Expired));
}

#[test]
fn who_knows_nothing_of_mobility_is_not_asked_for_an_hour() {
    let errors: [fn(&World) -> Vec<u8>; 3] = [
        |world| {
            // ICMPv6 to the home address, about the Home Test Init.
            let home = world.dhoa();
            let mh = Builder::home_test_init([0; 8]).finish(&home, &CN);
            problem(&home, &compose(&home, &CN, None, None, &mh))
        },
        |world| {
            let mh = Builder::binding_error(2, &Ipv6Addr::UNSPECIFIED).finish(&CN, &world.dhoa());
            compose(&CN, &world.dhoa(), None, None, &mh)
        },
        |_| {
            let mh = Builder::binding_error(2, &Ipv6Addr::UNSPECIFIED).finish(&CN, &care_of(1));
            compose(&CN, &care_of(1), None, None, &mh)
        },
    ];
    for error in errors {
        let mut world = World::by_hand();
        world.talk();
        world.pass(20 * MS);
        heard(&mut world);
        let error = error(&world);
        world.arrive_from_cn(error);
        world.pass(20 * MS);
        assert!(proxied(&mut world, ProxyReason::NotSupported));
        for round in 0..59 {
            world.talk();
            world.pass(60 * SECOND);
            world.move_to(1 + round % 2);
            assert!(heard(&mut world).is_empty());
        }
        world.talk();
        world.pass(120 * SECOND);
        assert!(!heard(&mut world).is_empty());
    }
}

/// A Parameter Problem: unrecognized next header.
fn problem(to: &Ipv6Addr, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![4, 1, 0, 0, 0, 0, 0, 6];
    message.extend(quoted);
    let sum = dhp_wire::checksum::upper_layer_checksum(&CN, to, next_header::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    compose_icmpv6(&CN, to, None, None, &message)
}

#[test]
fn an_icmp_error_ends_what_was_optimized_and_one_about_strangers_nothing() {
    let (mut world, sequence) = with_update();
    let answer = acknowledgement(&world, 0, sequence, 52);
    world.arrive_from_cn(answer);
    let refuse = |world: &mut World, destination: Ipv6Addr| {
        let quoted = compose(&care_of(1), &destination, None, None, &[59, 1, 5, 0]);
        world.arrive_from_cn(problem(&care_of(1), &quoted));
    };
    refuse(&mut world, DHP);
    assert_eq!(world.optimized(), Some(care_of(1)));
    refuse(&mut world, CN);
    assert_eq!(world.optimized(), None);
    assert!(proxied(&mut world, ProxyReason::NotSupported));
}
