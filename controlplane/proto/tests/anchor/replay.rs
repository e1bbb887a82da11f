//! Section 4.1, retransmission and sequence numbers; section 6.3.

use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, MessageKind, UsedNumber};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use crate::harness::{CARE_OF_2, HOME, OWN_DHOA, START, World, config, mn1, mn2};
use crate::message::{Dmip, Update};

/// What has used up a number is to be kept before it is answered, and nothing else is.
#[test]
fn used_numbers_are_kept() {
    let mut world = World::new();
    world.ask(&Update::new(HOME, 7).by(&mn1()));
    world.ask(&Update::new(HOME, 7).by(&mn1()));
    world.ask(&Dmip::update(100, &[OWN_DHOA]).by(&mn1()));
    world.ask(&Dmip::update(99, &[OWN_DHOA]).by(&mn1()));
    let (home_address, newest_timestamp) = (HOME, None);
    let kept = [
        UsedNumber::Home {
            home_address,
            last: 7,
            newest_timestamp,
        },
        UsedNumber::Association {
            spi: mn1().security.spi(),
            highest: 100,
            newest_timestamp,
            is_restarted: false,
        },
    ];
    assert_eq!(world.kept, kept);
    let mut restarted = World::new();
    for number in kept {
        restarted.anchor.restore_number(number);
    }
    let update = |sequence| Dmip::update(sequence, &[OWN_DHOA]).by(&mn1());
    assert_eq!(restarted.ask(&update(100)).status, 135);
    assert_eq!(restarted.ask(&update(99)).status, 135);
    assert_eq!(restarted.ask(&update(101)).status, 0);
}

/// Identical octets get the stored answer, octet for octet, and act once.
#[test]
fn identical_octets_get_the_stored_answer() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1).by(&mn1());
    let first = world.ask(&request);
    let events = world.events.len();
    world.wait(Duration::from_secs(63));
    assert_eq!(world.ask(&request).packet, first.packet);
    assert_eq!(world.events.len(), events);
    assert_eq!(
        world.anchor.counters().sent(MessageKind::DhoaResponse, 0),
        2
    );
}

/// After 64 s, or 8 later answers, the number is merely used: 135 with the highest accepted number.
#[test]
fn stored_answers_are_forgotten() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1).by(&mn1());
    world.ask(&request);
    world.wait(Duration::from_secs(65));
    let late = world.ask(&request);
    assert_eq!(
        (late.status, late.sequence, late.lifetime),
        (135, 1, Lifetime(1))
    );
    for sequence in 2..=9 {
        assert_eq!(
            world.ask(&Dmip::dhoa_request(sequence).by(&mn1())).status,
            0
        );
    }
    let second = Dmip::dhoa_request(2).by(&mn1());
    assert_eq!(world.ask(&second).status, 0, "one of the last eight");
    world.ask(&Dmip::dhoa_request(10).by(&mn1()));
    assert_eq!(world.ask(&second).status, 135);
}

/// Refused requests have stored answers as well.
#[test]
fn a_refusal_is_stored() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1).lifetime(0).by(&mn1());
    let first = world.ask(&request);
    assert_eq!(first.status, 195);
    assert_eq!(world.ask(&request).packet, first.packet);
}

/// Other octets with a used number: 135.
#[test]
fn a_used_number_is_refused() {
    let mut world = World::new();
    world.ask(&Dmip::dhoa_request(5).by(&mn1()));
    let answer = world.ask(&Dmip::dhoa_request(5).lifetime(7).by(&mn1()));
    assert_eq!((answer.status, answer.lifetime), (135, Lifetime(5)));
    // The number space is shared by both types of request.
    assert_eq!(
        world
            .ask(&Dmip::update(5, &[]).lifetime(0).by(&mn1()))
            .status,
        135
    );
}

/// The same Mobility Header from another address is no retransmission: its answer would go astray.
#[test]
fn a_replay_from_elsewhere_gets_no_stored_answer() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1).alternate(CARE_OF_2);
    world.ask(&request.by(&mn1()));
    let replayed = Dmip {
        source: "2001:db8:bad::1".parse().unwrap(),
        ..request
    };
    assert_eq!(world.ask(&replayed.by(&mn1())).status, 135);
}

/// Parallel requests may overtake each other: the 63 numbers below the highest are good once each.
#[test]
fn requests_may_overtake_each_other() {
    let mut world = World::new();
    world.ask(&Dmip::dhoa_request(100).by(&mn1()));
    for sequence in (37..100).rev() {
        assert_eq!(
            world
                .ask(&Dmip::update(sequence, &[]).lifetime(0).by(&mn1()))
                .status,
            0,
            "{sequence}"
        );
    }
    assert_eq!(
        world
            .ask(&Dmip::update(36, &[]).lifetime(0).by(&mn1()))
            .status,
        135
    );
    assert_eq!(
        world
            .ask(&Dmip::update(37, &[]).lifetime(8).by(&mn1()))
            .status,
        135
    );
    assert_eq!(
        world.bound_count(),
        1,
        "none of them touched the binding that 100 has made"
    );
}

/// Ahead 1 … 32767 modulo 2^16 is good, farther is not.
#[test]
fn half_the_number_space_is_ahead() {
    let mut world = World::new();
    for (sequence, status) in [
        (60_000, 0),
        (60_000 + 32_768 - 65_536, 135),
        (60_000 + 32_767 - 65_536, 0),
        (27_232, 0),
    ] {
        let sequence = u16::try_from(sequence).unwrap();
        assert_eq!(
            world.ask(&Dmip::dhoa_request(sequence).by(&mn1())).status,
            status,
            "{sequence}"
        );
    }
}

/// Numbers belong to an association.
#[test]
fn each_association_has_its_own_numbers() {
    let mut world = World::new();
    assert_eq!(world.ask(&Dmip::dhoa_request(100).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Dmip::dhoa_request(5).by(&mn2())).status, 0);
}

/// A message that was not fresh used nothing up: 146, 145 and 144 leave the number good.
#[test]
fn refusals_before_the_window_use_no_number() {
    let mut world = World::with(AnchorConfig {
        sequence_state_lost: true,
        ..config()
    });
    world.wait(Duration::from_secs(30));
    let with = |mesg_id| {
        Dmip::dhoa_request(1)
            .option(MobilityOption::MesgId(mesg_id))
            .by(&mn1())
    };
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn1())).status, 145);
    assert_eq!(world.ask(&with(world.now.ntp - (8 << 32))).status, 144);
    let now = world.now.ntp;
    let answer = world.ask(&with(now));
    assert_eq!((answer.status, answer.mesg_id), (0, Some(now)));
}

/// MESG-ID is in an answer exactly when it was in the request; 144 has the anchor's time in its high half.
#[test]
fn mesg_id_comes_back() {
    let mut world = World::new();
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn1())).mesg_id, None);
    let good = START.ntp + (6 << 32);
    let ask = |world: &mut World, sequence, mesg_id| {
        world.ask(
            &Dmip::dhoa_request(sequence)
                .option(MobilityOption::MesgId(mesg_id))
                .by(&mn1()),
        )
    };
    assert_eq!(ask(&mut world, 2, good).mesg_id, Some(good));
    let late = ask(&mut world, 3, START.ntp + (8 << 32) + 5);
    assert_eq!(
        (late.status, late.mesg_id),
        (144, Some((START.ntp & !0xffff_ffff) + 5))
    );
    let mut malformed = Dmip::dhoa_request(4)
        .lifetime(0)
        .option(MobilityOption::MesgId(good + 1));
    assert_eq!(world.ask(&malformed.by(&mn1())).mesg_id, Some(good + 1));
    malformed.care_of = CARE_OF_2;
    let refused = world.ask(&malformed.by(&mn1()));
    assert_eq!((refused.status, refused.mesg_id), (146, Some(good + 1)));
}

/// Timestamps rise with the sequence numbers, so a request that was overtaken is still good.
#[test]
fn timestamps_rise_with_the_numbers() {
    let mut world = World::new();
    let ask = |world: &mut World, sequence, mesg_id| {
        world
            .ask(
                &Dmip::dhoa_request(sequence)
                    .option(MobilityOption::MesgId(START.ntp + mesg_id))
                    .by(&mn1()),
            )
            .status
    };
    assert_eq!(ask(&mut world, 10, 100), 0);
    assert_eq!(ask(&mut world, 9, 90), 0);
    assert_eq!(ask(&mut world, 11, 100), 144);
    assert_eq!(ask(&mut world, 11, 101), 0);
}

/// With lost numbers a message that was recorded before the start is not fresh, however recent.
#[test]
fn what_was_recorded_before_the_start_is_refused() {
    let mut world = World::with(AnchorConfig {
        sequence_state_lost: true,
        ..config()
    });
    let recorded = Dmip::dhoa_request(900)
        .option(MobilityOption::MesgId(START.ntp - (2 << 32)))
        .by(&mn1());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.ask(&recorded).status, 144);
    let fresh = Dmip::dhoa_request(3)
        .option(MobilityOption::MesgId(world.now.ntp))
        .by(&mn1());
    assert_eq!(world.ask(&fresh).status, 0);
    assert_eq!(world.ask(&recorded).status, 144);
}

/// A fresh message begins the numbers anew: those that continue it need no timestamp, those that may have been used
/// before the start do.
#[test]
fn a_fresh_message_begins_the_numbers_anew() {
    let mut world = World::with(AnchorConfig {
        sequence_state_lost: true,
        ..config()
    });
    world.wait(Duration::from_secs(1));
    let fresh = |world: &World, sequence| {
        let mesg_id = MobilityOption::MesgId(world.now.ntp);
        Dmip::dhoa_request(sequence).option(mesg_id).by(&mn1())
    };
    assert_eq!(world.ask(&fresh(&world, 100)).status, 0);
    let plain =
        |world: &mut World, sequence| world.ask(&Dmip::dhoa_request(sequence).by(&mn1())).status;
    assert_eq!(plain(&mut world, 102), 0);
    assert_eq!(plain(&mut world, 101), 0, "overtaken");
    assert_eq!(plain(&mut world, 99), 145, "before the first");
    assert_eq!(plain(&mut world, 102 + 65), 145, "far ahead");
    world.wait(Duration::from_secs(1));
    assert_eq!(world.ask(&fresh(&world, 99)).status, 0);
    assert_eq!(world.ask(&fresh(&world, 1000)).status, 0);
    assert_eq!(plain(&mut world, 1001), 0);
}

/// Lost numbers stay lost over every start until a fresh message begins them anew, and what was used before stays unknown then:
/// a number far ahead may be a recorded one.
#[test]
fn lost_numbers_stay_lost_over_further_starts() {
    let lost = UsedNumber::Lost {
        spi: mn1().security.spi(),
    };
    let mut world = World::new();
    world.kept.push(lost);
    for number in [900, 901] {
        world = world.restart(config(), Duration::from_secs(9)).0;
        world.kept.push(lost);
        assert_eq!(world.ask(&Dmip::dhoa_request(900).by(&mn1())).status, 145);
        assert_eq!(world.ask(&Dmip::dhoa_request(number).by(&mn2())).status, 0);
    }
    world.wait(Duration::from_secs(1));
    let mesg_id = MobilityOption::MesgId(world.now.ntp);
    let fresh = Dmip::dhoa_request(3).option(mesg_id).by(&mn1());
    assert_eq!(world.ask(&fresh).status, 0);
    let mut again = world.restart(config(), Duration::from_secs(9)).0;
    assert_eq!(again.ask(&Dmip::dhoa_request(900).by(&mn1())).status, 145);
    assert_eq!(again.ask(&Dmip::dhoa_request(4).by(&mn1())).status, 0);
    let restarted = again.kept.iter().any(
        |number| matches!(number, UsedNumber::Association { highest: 4, is_restarted, .. } if *is_restarted),
    );
    assert!(restarted, "{:?}", again.kept);
}

/// "a new SA has an empty window, which is not lost state"
#[test]
fn an_association_that_is_configured_later_has_lost_nothing() {
    let mut first = AnchorConfig {
        sequence_state_lost: true,
        ..config()
    };
    first.security_associations = vec![mn1().security];
    let mut world = World::with(first);
    world.reconfigure(config()).unwrap();
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn1())).status, 145);
    assert_eq!(world.ask(&Dmip::dhoa_request(1).by(&mn2())).status, 0);
}
