//! Several accesses at once: what anchors are told, and how flows go from one access to another.

use dhp_proto::mobile_node::{AccessRule, ChoiceReason, MnCommand, MnEvent, judgment::Shortfall};

use super::world::{
    DHP, HA, MS, Path, UDP, WLAN, WWAN, World, attachment, care_of, requirements, rule, voice,
};

const VOICE: &str =
    "from 2001:db8:c:1::-2001:db8:c:1:ffff:ffff:ffff:ffff source-port 5000-5999 protocol 17";

#[test]
fn each_flow_has_its_access_at_the_dhp_and_at_the_home_agent() {
    let world = World::new().settled(vec![voice(), rule()]);
    for anchor in [DHP, HA] {
        let both = [(WLAN, care_of(WLAN, 0)), (WWAN, care_of(WWAN, 0))];
        assert_eq!(world.care_ofs(anchor), both);
        assert_eq!(
            world.binding(anchor).care_of,
            care_of(WLAN, 0),
            "the default"
        );
        assert_eq!(world.flows(anchor), [(VOICE.to_owned(), vec![WWAN])]);
    }
    assert_eq!((world.access(0), world.access(1)), (Some(WWAN), Some(WLAN)));
    let counters = world.node.counters();
    assert_eq!((counters.refusals, counters.unmatched), (0, 0));
}

#[test]
fn a_flow_moves_to_the_other_access_when_its_own_is_gone_and_back() {
    let mut world = World::new().settled(vec![voice(), rule()]);
    world.attach(&[attachment(WLAN, 0)]);
    assert_eq!(world.access(0), Some(WLAN));
    world.pass(100);
    // One message to each anchor, and nothing is left of the other care-of address.
    let mut told = world.updates();
    told.sort_unstable();
    assert_eq!(told, [HA, DHP]);
    for anchor in [DHP, HA] {
        assert_eq!(world.care_ofs(anchor), []);
        assert_eq!(world.binding(anchor).care_of, care_of(WLAN, 0));
        assert_eq!(world.flows(anchor), []);
    }
    // It comes back with another address, and is watched for a while.
    world.attach(&[attachment(WLAN, 0), attachment(WWAN, 1)]);
    assert_eq!(world.access(0), Some(WLAN));
    world.pass(3000);
    assert!(world.updates().is_empty());
    world.pass(4000);
    assert_eq!(world.access(0), Some(WWAN));
    for anchor in [DHP, HA] {
        assert_eq!(world.care_ofs(anchor)[1], (WWAN, care_of(WWAN, 1)));
        assert_eq!(world.flows(anchor), [(VOICE.to_owned(), vec![WWAN])]);
    }
}

#[test]
fn the_default_access_may_go_and_the_other_takes_all() {
    let mut world = World::new().settled(vec![voice(), rule()]);
    world.attach(&[attachment(WWAN, 0)]);
    world.pass(100);
    for anchor in [DHP, HA] {
        assert_eq!(world.care_ofs(anchor), []);
        assert_eq!(world.binding(anchor).care_of, care_of(WWAN, 0));
    }
    world.attach(&[attachment(WLAN, 1), attachment(WWAN, 0)]);
    world.pass(100);
    for anchor in [DHP, HA] {
        let both = [(WLAN, care_of(WLAN, 1)), (WWAN, care_of(WWAN, 0))];
        assert_eq!(world.care_ofs(anchor), both);
        assert_eq!(world.binding(anchor).care_of, care_of(WLAN, 1));
    }
}

#[test]
fn an_access_that_loses_too_much_is_left_until_it_is_good_again() {
    let voice = AccessRule {
        need: Some(requirements(0, 20)),
        ..voice()
    };
    let mut world = World::new().settled(vec![voice, rule()]);
    assert_eq!(world.access(0), Some(WWAN));
    let bad = Path {
        delay_ns: 10 * MS,
        loses_one_in: 3,
    };
    let good = world.paths.insert(WWAN, bad).expect("a path");
    world.pass(30_000);
    assert_eq!(world.access(0), Some(WLAN));
    let left = world.events.iter().any(|event| {
        let reason = ChoiceReason::OthersWorse(Shortfall::Loss);
        matches!(event, MnEvent::AccessChosen { rule: 0, bid: Some(WLAN), reason: of } if *of == reason)
    });
    assert!(left, "{:#?}", world.events);
    world.paths.insert(WWAN, good);
    world.pass(30_000);
    assert_eq!(world.access(0), Some(WWAN));
    assert_eq!(world.flows(DHP), [(VOICE.to_owned(), vec![WWAN])]);
}

#[test]
fn an_access_that_takes_too_long_is_left_and_one_that_is_as_bad_is_not_gone_to() {
    let voice = AccessRule {
        need: Some(requirements(30, 0)),
        ..voice()
    };
    let mut world = World::new().settled(vec![voice, rule()]);
    let slow = Path {
        delay_ns: 40 * MS,
        loses_one_in: 0,
    };
    world.paths.insert(WWAN, slow);
    world.pass(10_000);
    assert_eq!(world.access(0), Some(WLAN));
    world.paths.insert(WLAN, slow);
    world.pass(10_000);
    assert_eq!(world.access(0), Some(WLAN), "it stays");
    world.paths.insert(
        WWAN,
        Path {
            delay_ns: 10 * MS,
            loses_one_in: 0,
        },
    );
    world.pass(10_000);
    assert_eq!(world.access(0), Some(WWAN));
}

#[test]
fn nothing_is_told_of_accesses_that_no_flow_asks_for() {
    let mut with_one = World::new().settled(vec![rule()]);
    with_one.attach(&[attachment(WLAN, 1)]);
    with_one.pass(1000);
    let mut with_two = World::new().settled(vec![rule()]);
    with_two.attach(&[attachment(WLAN, 1), attachment(WWAN, 0)]);
    with_two.pass(1000);
    assert_eq!(with_one.sent, with_two.sent);
    assert_eq!(
        with_one.sent.len(),
        2,
        "one to each anchor: {:?}",
        with_one.sent
    );
    assert_eq!(with_two.care_ofs(DHP), []);
}

#[test]
fn a_rule_before_one_with_an_access_keeps_its_packets() {
    let signalling = AccessRule {
        protocol: Some(UDP),
        ports: vec![5060..=5061],
        ..rule()
    };
    let elsewhere = AccessRule {
        protocol: Some(6),
        ..rule()
    };
    let world = World::new().settled(vec![signalling, elsewhere, voice(), rule()]);
    let flows = world.flows(DHP);
    let bids: Vec<_> = flows.iter().map(|(_, bids)| bids[0]).collect();
    assert_eq!(bids, [WLAN, WWAN], "{flows:?}");
    assert!(flows[0].0.contains("source-port 5060-5061"));
}

#[test]
fn an_access_that_goes_while_others_stay_is_taken_away() {
    let third = AccessRule {
        protocol: Some(6),
        accesses: vec![3, WLAN],
        ..rule()
    };
    let mut world = World::new();
    let path = world.paths[&WLAN];
    world.paths.insert(3, path);
    let mut world = world.settled(vec![voice(), third, rule()]);
    let all = [attachment(WLAN, 0), attachment(WWAN, 0), attachment(3, 0)];
    world.attach(&all);
    world.pass(7000);
    assert_eq!(world.care_ofs(DHP).len(), 3);
    world.attach(&all[..2]);
    world.pass(1000);
    let both = [(WLAN, care_of(WLAN, 0)), (WWAN, care_of(WWAN, 0))];
    for anchor in [DHP, HA] {
        assert_eq!(world.care_ofs(anchor), both);
        assert_eq!(world.flows(anchor), [(VOICE.to_owned(), vec![WWAN])]);
    }
}

#[test]
fn an_anchor_that_does_not_take_them_gets_one_care_of_address() {
    let mut world = World::with(|anchor| anchor.limits.max_care_of_addresses = 0)
        .settled(vec![voice(), rule()]);
    for anchor in [DHP, HA] {
        assert_eq!(world.binding(anchor).care_of, care_of(WLAN, 0));
        assert_eq!(world.care_ofs(anchor), []);
        let refused = world.events.iter().any(|event| {
            matches!(event, MnEvent::SteeringRefused { anchor: of, status: Some(166) } if *of == anchor)
        });
        assert!(refused, "{:#?}", world.events);
    }
    world.attach(&[attachment(WLAN, 1), attachment(WWAN, 0)]);
    world.pass(100);
    assert_eq!(
        world.updates().len(),
        2,
        "nobody is asked for it again so soon"
    );
    assert_eq!(world.binding(DHP).care_of, care_of(WLAN, 1));
}

#[test]
fn each_new_care_of_address_is_tested_on_its_own() {
    let world = World::with(|anchor| anchor.care_of_test = true).settled(vec![voice(), rule()]);
    let binding = world.binding(DHP);
    assert_eq!(world.care_ofs(DHP).len(), 2);
    assert!(
        binding
            .care_ofs
            .iter()
            .all(|care_of| care_of.test.is_none())
    );
    let mut world = world;
    world.attach(&[attachment(WLAN, 1), attachment(WWAN, 1)]);
    world.pass(2000);
    let both = [(WLAN, care_of(WLAN, 1)), (WWAN, care_of(WWAN, 1))];
    assert_eq!(world.care_ofs(DHP), both);
    let binding = world.binding(DHP);
    assert!(
        binding
            .care_ofs
            .iter()
            .all(|care_of| care_of.test.is_none())
    );
    let tests = world.anchors[&DHP].counters().care_of_tests();
    // Two for the first address of each access, two for the second, and none for nothing.
    let ended = (tests.passed, tests.failed, tests.abandoned);
    assert_eq!((tests.begun, ended), (4, (4, 0, 0)));
}

/// Profile 1, section 3: all in parallel; what bears the least delay goes first, and what is in use before what is not.
#[test]
fn the_most_urgent_anchor_is_told_first() {
    let order = |latency: u16, active: &dyn Fn(&World) -> Vec<core::net::Ipv6Addr>| {
        let with_limit = AccessRule {
            need: Some(requirements(latency, 0)),
            ..rule()
        };
        let mut world = World::new().settled(vec![with_limit]);
        let addresses = active(&world);
        world.command(MnCommand::Active(addresses));
        world.attach(&[attachment(WLAN, 1)]);
        world.updates()
    };
    let nothing = |_: &World| Vec::new();
    let home = |world: &World| vec![world.binding(HA).home_address];
    let dhoa = |world: &World| vec![world.binding(DHP).home_address];
    assert_eq!(order(100, &nothing), [DHP, HA]);
    assert_eq!(order(100, &home), [DHP, HA]);
    assert_eq!(order(0, &home), [HA, DHP]);
    assert_eq!(order(0, &dhoa), [DHP, HA]);
}
