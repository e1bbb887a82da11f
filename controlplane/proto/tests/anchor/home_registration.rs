//! RFC 6275 §9.5 and §10.3, RFC 4285: home registration of a plain mobile node.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    AnchorConfig, BindingChange, Limits, PoolKind, ReleaseReason, Roles, SignallingDrop,
};
use dhp_wire::codepoints::mh_type;
use dhp_wire::mobility::{BuFlags, Lifetime, MobilityOption};

use crate::harness::{
    ANCHOR, CARE_OF, CARE_OF_2, HOME, HOME_2, OWN_DHOA, START, TEN_MINUTES, World, config, mn1, mn2,
};
use crate::message::{Dmip, Update, mn_id};

/// §10.3.1: the binding is made; the acknowledgement goes to the source with the home address in a type 2 routing
/// header, copies the number, grants a lifetime, is authenticated, and advises no refresh.
#[test]
fn a_registration_is_acknowledged() {
    let mut world = World::new();
    let answer = world.ask(&Update::new(HOME, 77).by(&mn1()));
    assert_eq!(
        (answer.mh_type, answer.status),
        (mh_type::BINDING_ACKNOWLEDGEMENT, 0)
    );
    assert_eq!((answer.sequence, answer.lifetime), (77, TEN_MINUTES));
    assert_eq!(
        (answer.destination, answer.type2_home),
        (CARE_OF, Some(HOME))
    );
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF, HOME));
    assert!(!answer.has_refresh_advice);
    assert_eq!(world.care_of(HOME), Some(CARE_OF));
    let BindingChange::Bound { kind, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*kind, PoolKind::Home);
}

/// §10.3.1: "Regardless of the setting of the Acknowledge (A) bit".
#[test]
fn an_acknowledgement_comes_without_being_asked_for() {
    let mut world = World::new();
    let update = Update {
        flags: BuFlags::HOME,
        ..Update::new(HOME, 1)
    };
    assert_eq!(world.ask(&update.by(&mn1())).status, 0);
}

/// §9.5.1: the Alternate Care-of Address is the care-of address; the answer goes to the source all the same.
#[test]
fn the_alternate_care_of_address_counts() {
    let mut world = World::new();
    let answer = world.ask(&Update::new(HOME, 1).alternate(CARE_OF_2).by(&mn1()));
    assert_eq!(world.care_of(HOME), Some(CARE_OF_2));
    assert_eq!(answer.destination, CARE_OF);
    assert!(answer.is_by_anchor_of(&mn1(), CARE_OF_2, HOME));
}

/// A DHoA pool is a virtual home link: a plain mobile node registers a DHoA like a home address.
#[test]
fn a_dhoa_is_registered_like_a_home_address() {
    let mut world = World::new();
    assert_eq!(world.ask(&Update::new(OWN_DHOA, 1).by(&mn1())).status, 0);
    let BindingChange::Bound { kind, .. } = world.last_change() else {
        panic!()
    };
    assert_eq!(*kind, PoolKind::Dhoa);
    // One that was assigned on request, too; and the number of DMIP messages stays its own.
    let assigned = world.ask(&Dmip::dhoa_request(500).by(&mn2())).dhoa();
    assert_eq!(
        world
            .ask(&Update::new(assigned, 3).from(CARE_OF_2).by(&mn2()))
            .status,
        0
    );
    assert_eq!(world.care_of(assigned), Some(CARE_OF_2));
    assert_eq!(
        world.ask(&Dmip::update(501, &[assigned]).by(&mn2())).status,
        0
    );
    assert_eq!(world.care_of(assigned), Some(CARE_OF));
}

/// §9.5.1: a home address that is not unicast routable is silence, whether in the option or as the source.
#[test]
fn the_home_address_is_unicast_routable() {
    let mut world = World::new();
    for home in ["ff02::1", "fe80::1", "::1"] {
        world.ignored(&Update::new(home.parse().unwrap(), 1).by(&mn1()));
    }
    world.ignored(
        &Update::new("fe80::1".parse().unwrap(), 1)
            .at_home()
            .by(&mn1()),
    );
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::HomeAddressNotRoutable),
        4
    );
}

/// §6.1.7: a care-of address that is not unicast routable is silence.
#[test]
fn the_care_of_address_is_unicast_routable() {
    let mut world = World::new();
    for care_of in ["fe80::9", "ff0e::1", "::"] {
        world.ignored(
            &Update::new(HOME, 1)
                .alternate(care_of.parse().unwrap())
                .by(&mn1()),
        );
    }
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::CareOfNotRoutable),
        3
    );
}

/// RFC 4285 §5.1.1: no association or no option is silence; a wrong MAC is 146.
#[test]
fn updates_are_authentic() {
    let mut world = World::new();
    world.ignored(&Update::new(HOME, 1).plain());
    world.ignored(&Update::new(HOME, 1).by(&crate::harness::Mn::new(8, &[])));
    let forged = Update {
        care_of: CARE_OF_2,
        ..Update::new(HOME, 1)
    };
    let answer = world.ask(&forged.by(&mn1()));
    assert_eq!((answer.status, answer.type2_home), (146, Some(HOME)));
    assert!(answer.has_auth);
    assert_eq!(
        world
            .ask(&Update::new(HOME, 1).option(mn_id(&mn2())).by(&mn1()))
            .status,
        146
    );
    assert_eq!(world.bound_count(), 0);
}

/// A home address of another mobile node: 129, without a word about its sequence number.
#[test]
fn anothers_home_address_is_prohibited() {
    let mut world = World::new();
    world.ask(&Update::new(HOME_2, 100).by(&mn2()));
    let answer = world.ask(&Update::new(HOME_2, 5).from(CARE_OF_2).by(&mn1()));
    assert_eq!((answer.status, answer.sequence), (129, 5));
    assert_eq!(
        world
            .ask(&Update::new(HOME_2, 101).lifetime(0).by(&mn1()))
            .status,
        129
    );
    assert_eq!(world.care_of(HOME_2), Some(CARE_OF));
    // Nor one that nobody owns.
    assert_eq!(
        world
            .ask(&Update::new("2001:db8:1:1::999".parse().unwrap(), 1).by(&mn1()))
            .status,
        129
    );
}

/// §9.5.1: "If the Home Registration (H) bit is set, the Nonce Indices mobility option MUST NOT be present."
#[test]
fn nonce_indices_in_a_home_registration_are_silence() {
    let mut world = World::new();
    world.ignored(
        &Update::new(HOME, 1)
            .option(MobilityOption::NonceIndices {
                home: 1,
                care_of: 2,
            })
            .by(&mn1()),
    );
    assert_eq!(
        world
            .anchor
            .counters()
            .dropped(SignallingDrop::NonceIndices),
        1
    );
}

/// §9.5.1: the pairs of sequence numbers of the conformance suites; 135 gives the last accepted number.
#[test]
fn sequence_number_pairs() {
    let valid = [(15, 16), (15, 32782), (32783, 32784), (32783, 14)];
    let invalid = [
        (15, 14),
        (15, 15),
        (15, 32783),
        (15, 32784),
        (32783, 32782),
        (32783, 32783),
        (32783, 15),
        (32783, 16),
    ];
    for (last, next) in valid.into_iter().chain(invalid) {
        let mut world = World::new();
        assert_eq!(
            world.ask(&Update::new(HOME, last).by(&mn1())).status,
            0,
            "any number is good for the first"
        );
        let answer = world.ask(&Update::new(HOME, next).from(CARE_OF_2).by(&mn1()));
        if valid.contains(&(last, next)) {
            assert_eq!(
                (answer.status, answer.sequence),
                (0, next),
                "{last} then {next}"
            );
            assert_eq!(world.care_of(HOME), Some(CARE_OF_2));
        } else {
            assert_eq!(
                (answer.status, answer.sequence),
                (135, last),
                "{last} then {next}"
            );
            assert_eq!(answer.destination, CARE_OF_2, "to the source of the packet");
            assert_eq!(world.care_of(HOME), Some(CARE_OF));
        }
    }
}

/// §9.5.1: numbers belong to a home address, not to a mobile node.
#[test]
fn each_home_address_has_its_own_numbers() {
    let mut world = World::new();
    assert_eq!(world.ask(&Update::new(HOME, 100).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Update::new(OWN_DHOA, 5).by(&mn1())).status, 0);
}

/// §9.5.1: the H bit of a binding does not change: 139. A correspondent registration of what is not bound is silence.
#[test]
fn the_home_registration_bit_does_not_change() {
    let mut world = World::new();
    let without_h = |sequence| Update {
        flags: BuFlags::ACKNOWLEDGE,
        ..Update::new(HOME, sequence)
    };
    world.ignored(&without_h(1).by(&mn1()));
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    assert_eq!(
        world.ask(&without_h(2).from(CARE_OF_2).by(&mn1())).status,
        139
    );
    assert_eq!(world.care_of(HOME), Some(CARE_OF));
}

/// §10.3.1: neither home agent nor DHP: 131; a home address of no prefix here: 132.
#[test]
fn only_served_prefixes_are_home() {
    let locator = Roles {
        dhp: false,
        home_agent: false,
        locator: true,
    };
    let mut world = World::with(AnchorConfig {
        roles: locator,
        ..config()
    });
    assert_eq!(world.ask(&Update::new(HOME, 1).by(&mn1())).status, 131);
    let only_dhp = Roles {
        home_agent: false,
        ..Roles::default()
    };
    let mut world = World::with(AnchorConfig {
        roles: only_dhp,
        ..config()
    });
    assert_eq!(world.ask(&Update::new(HOME, 1).by(&mn1())).status, 132);
    assert_eq!(world.ask(&Update::new(OWN_DHOA, 1).by(&mn1())).status, 0);
    let mut world = World::new();
    assert_eq!(
        world
            .ask(&Update::new("2001:db8:77::1".parse().unwrap(), 1).by(&mn1()))
            .status,
        132
    );
}

/// §15.1: a care-of address that is itself a home address here would make a loop: 174.
#[test]
fn a_care_of_address_in_a_pool_is_refused() {
    let mut world = World::new();
    for (sequence, care_of) in (1..).zip([OWN_DHOA, HOME_2, ANCHOR]) {
        assert_eq!(
            world
                .ask(&Update::new(HOME, sequence).alternate(care_of).by(&mn1()))
                .status,
            174
        );
    }
    assert_eq!(world.bound_count(), 0);
}

/// §10.3.1: a registration needs the Home Address option.
#[test]
fn a_registration_without_home_address_option_is_refused() {
    let mut world = World::new();
    let answer = world.ask(&Update::new(HOME, 1).at_home().alternate(CARE_OF).by(&mn1()));
    assert_eq!(
        (answer.status, answer.destination, answer.type2_home),
        (128, HOME, None)
    );
}

/// The cap on home addresses and on a mobile node's DHoAs: 130.
#[test]
fn caps_are_kept() {
    let limits = Limits {
        max_home_addresses: 1,
        ..Limits::default()
    };
    let mut world = World::with(AnchorConfig { limits, ..config() });
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    assert_eq!(world.ask(&Update::new(HOME_2, 1).by(&mn2())).status, 130);
    assert_eq!(
        world.ask(&Update::new(HOME, 2).by(&mn1())).status,
        0,
        "a refresh needs no room"
    );
}

/// §10.3.2: lifetime 0 from a visited link, lifetime 0 from home without routing header, and, as RFC 3775 had it, a
/// care-of address that is the home address.
#[test]
fn deregistrations_end_the_binding() {
    let cases = [
        (Update::new(HOME, 2).lifetime(0), CARE_OF, Some(HOME)),
        (Update::new(HOME, 2).lifetime(0).at_home(), HOME, None),
        (
            Update::new(HOME, 2).lifetime(0).alternate(HOME),
            CARE_OF,
            Some(HOME),
        ),
        (Update::new(HOME, 2).at_home(), HOME, None),
        // The MAC over the home address in place of the care-of address is good as well.
        (
            Update {
                care_of: HOME,
                ..Update::new(HOME, 2).lifetime(0)
            },
            CARE_OF,
            Some(HOME),
        ),
    ];
    for (update, destination, type2_home) in cases {
        let mut world = World::new();
        world.ask(&Update::new(HOME, 1).by(&mn1()));
        let answer = world.ask(&update.by(&mn1()));
        assert_eq!(
            (answer.status, answer.lifetime, answer.sequence),
            (0, Lifetime::ZERO, 2)
        );
        assert_eq!(
            (answer.destination, answer.type2_home),
            (destination, type2_home)
        );
        assert!(!answer.has_refresh_advice && answer.is_by_anchor_of(&mn1(), update.care_of, HOME));
        let released = BindingChange::Released {
            home_address: HOME,
            reason: ReleaseReason::Deregistered,
        };
        assert_eq!(*world.last_change(), released);
    }
}

/// §10.3.2: no entry: 133.
#[test]
fn a_deregistration_of_nothing_is_refused() {
    let mut world = World::new();
    assert_eq!(
        world
            .ask(&Update::new(HOME, 1).lifetime(0).by(&mn1()))
            .status,
        133
    );
}

/// §10.3.2: for MAX_DELETE_BCE_TIMEOUT the entry is only invalid: a delayed update gets 135, a repeated
/// de-registration its success. A later registration is a new one.
#[test]
fn a_delayed_update_does_not_bring_the_binding_back() {
    let mut world = World::new();
    world.ask(&Update::new(HOME, 10).by(&mn1()));
    world.ask(&Update::new(HOME, 12).lifetime(0).at_home().by(&mn1()));
    world.wait(Duration::from_secs(9));
    let delayed = world.ask(&Update::new(HOME, 11).by(&mn1()));
    assert_eq!(
        (delayed.status, delayed.sequence, delayed.destination),
        (135, 12, CARE_OF)
    );
    assert_eq!(world.bound_count(), 0);
    assert_eq!(
        world
            .ask(&Update::new(HOME, 13).lifetime(0).at_home().by(&mn1()))
            .status,
        0
    );
    world.wait(Duration::from_secs(11));
    assert_eq!(
        world
            .ask(&Update::new(HOME, 14).lifetime(0).at_home().by(&mn1()))
            .status,
        133
    );
    assert_eq!(world.ask(&Update::new(HOME, 15).by(&mn1())).status, 0);
}

/// Section 6.3: a recorded update brings nothing back after the binding has ended; a fresh timestamp makes any
/// number good.
#[test]
fn a_recorded_update_is_no_new_one() {
    let mut world = World::new();
    let recorded = Update::new(HOME, 10).by(&mn1());
    world.ask(&recorded);
    world.wait(Duration::from_secs(700));
    assert_eq!(world.bound_count(), 0);
    let answer = world.ask(&recorded);
    assert_eq!((answer.status, answer.sequence), (135, 10));
    let fresh = Update::new(HOME, 3)
        .option(MobilityOption::MesgId(world.now.ntp))
        .by(&mn1());
    let answer = world.ask(&fresh);
    assert_eq!((answer.status, answer.mesg_id), (0, Some(world.now.ntp)));
}

/// RFC 4285 §6: a timestamp outside 7 s, or not above the last: 144 with the anchor's time of day.
#[test]
fn timestamps_are_checked() {
    let mut world = World::new();
    let old = START.ntp - (8 << 32) + 0x55;
    let answer = world.ask(
        &Update::new(HOME, 1)
            .option(MobilityOption::MesgId(old))
            .by(&mn1()),
    );
    assert_eq!(
        (answer.status, answer.mesg_id),
        (144, Some((START.ntp & !0xffff_ffff) | 0x55))
    );
    let good = START.ntp + 1;
    assert_eq!(
        world
            .ask(
                &Update::new(HOME, 2)
                    .option(MobilityOption::MesgId(good))
                    .by(&mn1())
            )
            .mesg_id,
        Some(good)
    );
    assert_eq!(
        world
            .ask(
                &Update::new(HOME, 3)
                    .option(MobilityOption::MesgId(good))
                    .by(&mn1())
            )
            .status,
        144
    );
}

/// Where numbers are lost, the timestamp is required: 145; and it must not predate the start.
#[test]
fn with_lost_numbers_a_timestamp_is_required() {
    let mut world = World::with(AnchorConfig {
        home_sequence_state_lost: true,
        ..config()
    });
    let answer = world.ask(&Update::new(HOME, 1).by(&mn1()));
    assert_eq!((answer.status, answer.mesg_id), (145, None));
    let before = MobilityOption::MesgId(START.ntp - (1 << 32));
    assert_eq!(
        world
            .ask(&Update::new(HOME, 2).option(before).by(&mn1()))
            .status,
        144
    );
    world.wait(Duration::from_secs(1));
    let after = MobilityOption::MesgId(world.now.ntp);
    assert_eq!(
        world
            .ask(&Update::new(HOME, 3).option(after).by(&mn1()))
            .status,
        0
    );
    // From there on the numbers are known again, as far as they continue.
    assert_eq!(world.ask(&Update::new(HOME, 4).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Update::new(HOME, 400).by(&mn1())).status, 145);
}

/// Reserved bits and unknown options are ignored.
#[test]
fn reserved_bits_are_ignored() {
    let mut world = World::new();
    let flags = BuFlags(0xffff);
    let update = Update {
        flags,
        ..Update::new(HOME, 1)
    };
    let unknown = MobilityOption::Unknown {
        kind: 99,
        data: &[1; 5],
    };
    assert_eq!(world.ask(&update.option(unknown).by(&mn1())).status, 0);
}

/// A registration is refreshed and shortened as asked.
#[test]
fn lifetimes_follow_the_last_update() {
    let mut world = World::new();
    let ask = |world: &mut World, sequence, units| {
        world.ask(&Update::new(HOME, sequence).lifetime(units).by(&mn1()))
    };
    assert_eq!(
        ask(&mut world, 1, 0xffff).lifetime,
        TEN_MINUTES,
        "never more than the limit"
    );
    assert_eq!(ask(&mut world, 2, 10).lifetime, Lifetime(10));
    world.wait(Duration::from_secs(41));
    assert_eq!(world.bound_count(), 0);
    let home: Ipv6Addr = HOME;
    let expired = BindingChange::Released {
        home_address: home,
        reason: ReleaseReason::Expired,
    };
    assert_eq!(*world.last_change(), expired);
}

/// A timestamp does not make a lower number good while there is an entry, valid or not (§9.5.1).
#[test]
fn a_timestamp_does_not_replace_the_number() {
    let mut world = World::new();
    let fresh = |world: &World, sequence| {
        Update::new(HOME, sequence).option(MobilityOption::MesgId(world.now.ntp))
    };
    world.ask(&fresh(&world, 10).by(&mn1()));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.ask(&fresh(&world, 9).by(&mn1())).status, 135);
    world.ask(&fresh(&world, 11).lifetime(0).by(&mn1()));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.ask(&fresh(&world, 9).by(&mn1())).status, 135);
}

/// Only in a de-registration may the MAC take the home address for the care-of address.
#[test]
fn a_registration_is_authenticated_with_its_care_of_address() {
    let mut world = World::new();
    let update = Update {
        care_of: HOME,
        ..Update::new(HOME, 1)
    };
    assert_eq!(world.ask(&update.by(&mn1())).status, 146);
}

/// Section 4.1: a classic update "has a number space of its own and does not touch the remembered number".
#[test]
fn a_classic_update_leaves_the_dmip_number_alone() {
    let mut world = World::new();
    world.ask(&Dmip::update(10, &[OWN_DHOA]).by(&mn1()));
    world.ask(&Update::new(OWN_DHOA, 1).from(CARE_OF_2).by(&mn1()));
    assert_eq!(
        world.ask(&Dmip::update(9, &[OWN_DHOA]).by(&mn1())).status,
        0
    );
    assert_eq!(
        world.care_of(OWN_DHOA),
        Some(CARE_OF_2),
        "9 is older than 10"
    );
    world.ask(&Dmip::update(11, &[OWN_DHOA]).by(&mn1()));
    assert_eq!(world.care_of(OWN_DHOA), Some(CARE_OF));
}
