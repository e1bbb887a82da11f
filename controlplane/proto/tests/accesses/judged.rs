//! The access network is judged, and flows that it is not good enough for are terminated (profile 1, section 3).

use dhp_proto::anchor::ReleaseReason;
use dhp_proto::mobile_node::judgment::{Shortfall, Verdict, Waiting};
use dhp_proto::mobile_node::{
    AccessRule, Attachment, FallbackReason, FlowKey, FlowProgress, MnCommand, MnEvent, Need,
    Requirements, Session, UnboundReason, Unmet,
};

use super::world::{DHP, HA, MS, Path, WLAN, WWAN, World, attachment, care_of, requirements, rule};

const OTHER: &str = "2001:db8:c:2::/64";

/// Flows that may not cost money.
fn free() -> AccessRule {
    AccessRule {
        may_be_metered: false,
        ..rule()
    }
}

fn verdict(world: &World, correspondent: &str) -> Verdict {
    let flows = world.node.status().flows;
    let flow = flows
        .iter()
        .find(|flow| flow.key.correspondent.to_string() == correspondent);
    flow.expect("the flow").verdict
}

#[test]
fn what_may_not_cost_money_is_terminated_on_a_metered_network_and_begins_again_after_it() {
    let mut world = World::new();
    world.rules(vec![free()]);
    let flow = FlowKey::new(
        "2001:db8:c:1::/64".parse().expect("a prefix"),
        Session::SessionLasting,
    );
    world.command(MnCommand::Use(flow));
    let free_access = Attachment {
        metered: false,
        ..attachment(WLAN, 0)
    };
    world.attach(&[free_access]);
    world.pass(1000);
    let dhoa = world.binding(DHP).home_address;
    // The free access may come back: for a while it costs.
    world.attach(&[attachment(WWAN, 0)]);
    world.pass(1000);
    let waiting = Verdict::Wait(Waiting::ComingBack(Shortfall::Metered));
    assert_eq!(verdict(&world, "2001:db8:c:1::/64"), waiting);
    assert_eq!(world.binding(DHP).care_of, care_of(WWAN, 0));
    world.pass(60_000);
    let ended = Verdict::Terminate(Shortfall::Metered);
    assert_eq!(verdict(&world, "2001:db8:c:1::/64"), ended);
    assert_eq!(world.anchors[&DHP].bindings(world.now).count(), 0);
    let reason = UnboundReason::Terminated(Shortfall::Metered);
    let unbound = world.events.iter().find(|event| {
        matches!(event, MnEvent::Unbound { home_addresses, reason: of, .. } if *home_addresses == [dhoa] && *of == reason)
    });
    assert!(unbound.is_some(), "{:#?}", world.events);
    let fallback = FallbackReason::Terminated(Shortfall::Metered);
    assert_eq!(world.node.status().flows[0].fallback, Some(fallback));
    // Nobody asks for an address meanwhile.
    world.sent.clear();
    world.pass(100_000);
    assert!(
        world.sent.iter().all(|(to, _)| *to == HA),
        "{:?}",
        world.sent
    );
    // The home address is that of the whole node.
    assert_eq!(world.binding(HA).care_of, care_of(WWAN, 0));
    world.attach(&[free_access]);
    world.pass(1000);
    let progress = world.node.status().flows[0].progress;
    assert!(
        matches!(progress, FlowProgress::Ready { .. }),
        "{progress:?}"
    );
    assert_eq!(verdict(&world, "2001:db8:c:1::/64"), Verdict::Maintain);
}

/// The terminated one is left out of the only update, which replaces what there was.
#[test]
fn a_move_takes_one_update_per_dhp_that_leaves_out_what_is_terminated() {
    let slow = Need {
        requirements: Requirements {
            min_bandwidth_kbps: 5000,
            ..Requirements::default()
        },
        ..Session::GracefulReplacement.into()
    };
    let heavy = AccessRule {
        correspondents: vec![OTHER.parse().expect("a prefix")],
        need: Some(slow),
        unmet: Unmet::Release,
        ..rule()
    };
    let fast = Attachment {
        rate_kbps: Some(100_000),
        ..attachment(WLAN, 0)
    };
    let mut world = World::new();
    world.rules(vec![heavy.clone(), rule()]);
    for rule in [&heavy, &rule()] {
        let need = rule.need.expect("an anchored flow");
        world.command(MnCommand::Use(FlowKey::new(rule.correspondents[0], need)));
    }
    world.attach(&[fast]);
    world.pass(1000);
    assert_eq!(verdict(&world, OTHER), Verdict::Maintain);
    world.attach(&[Attachment {
        rate_kbps: Some(1000),
        ..attachment(WLAN, 1)
    }]);
    assert_eq!(
        verdict(&world, OTHER),
        Verdict::Terminate(Shortfall::Bandwidth)
    );
    world.pass(1000);
    let mut told = world.updates();
    told.sort_unstable();
    assert_eq!(told, [HA, DHP]);
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    // Both had the same address, so that it stays for the other.
    assert_eq!(world.binding(DHP).care_of, care_of(WLAN, 1));
    assert_eq!(world.anchors[&DHP].bindings(world.now).count(), 1);
}

#[test]
fn sessions_that_last_wait_for_as_long_as_it_takes_and_graceful_ones_end() {
    for (session, unmet, ends) in [
        (Session::SessionLasting, Unmet::Wait, false),
        (Session::GracefulReplacement, Unmet::Release, true),
    ] {
        let need = Need {
            session,
            ..requirements(30, 0)
        };
        let limited = AccessRule {
            need: Some(need),
            unmet,
            ..rule()
        };
        let mut world = World::new();
        world.rules(vec![limited]);
        let prefix = rule().correspondents[0];
        world.command(MnCommand::Use(FlowKey::new(prefix, need)));
        world.attach(&[attachment(WLAN, 0)]);
        let name = prefix.to_string();
        world.pass(3000);
        assert_eq!(verdict(&world, &name), Verdict::Maintain);
        let slow = Path {
            delay_ns: 90 * MS,
            loses_one_in: 0,
        };
        let good = world.paths.insert(WLAN, slow).expect("a path");
        world.pass(10_000);
        let waiting = Verdict::Wait(Waiting::Passing(Shortfall::Latency));
        assert_eq!(verdict(&world, &name), waiting);
        world.pass(70_000);
        let expected = match ends {
            true => Verdict::Terminate(Shortfall::Latency),
            false => waiting,
        };
        assert_eq!(verdict(&world, &name), expected);
        let bound = world.anchors[&DHP].bindings(world.now).count();
        assert_eq!(bound, usize::from(!ends));
        world.paths.insert(WLAN, good);
        // In another place it is looked at anew.
        world.attach(&[attachment(WLAN, 1)]);
        world.pass(4000);
        assert_eq!(verdict(&world, &name), Verdict::Maintain);
        assert_eq!(world.binding(DHP).care_of, care_of(WLAN, 1));
    }
}

#[test]
fn what_was_terminated_is_measured_now_and_then_and_begins_again_when_its_access_is_good() {
    let too_slow = Path {
        delay_ns: 90 * MS,
        loses_one_in: 0,
    };
    let lossy = Path {
        delay_ns: 10 * MS,
        loses_one_in: 3,
    };
    for (need, bad) in [
        (requirements(30, 0), too_slow),
        (requirements(0, 20), lossy),
    ] {
        let need = Need {
            session: Session::GracefulReplacement,
            ..need
        };
        let limited = AccessRule {
            need: Some(need),
            unmet: Unmet::Release,
            ..rule()
        };
        let mut world = World::new();
        world.rules(vec![limited]);
        let prefix = rule().correspondents[0];
        world.command(MnCommand::Use(FlowKey::new(prefix, need)));
        world.attach(&[attachment(WLAN, 0)]);
        world.pass(3000);
        let good = world.paths.insert(WLAN, bad).expect("a path");
        world.pass(150_000);
        let is_terminated = |world: &World| {
            let verdict = verdict(world, &prefix.to_string());
            matches!(verdict, Verdict::Terminate(_))
        };
        assert!(is_terminated(&world));
        world.sent.clear();
        world.pass(100_000);
        assert!(is_terminated(&world));
        let probes = world.sent.iter().filter(|(to, _)| *to == DHP).count();
        assert!((9..=11).contains(&probes), "{probes} in 100 seconds");
        world.paths.insert(WLAN, good);
        world.pass(150_000);
        assert_eq!(verdict(&world, &prefix.to_string()), Verdict::Maintain);
        assert_eq!(world.binding(DHP).care_of, care_of(WLAN, 0));
        world.sent.clear();
        world.pass(10_000);
        let probes = world.sent.iter().filter(|(to, _)| *to == DHP).count();
        assert!((9..=11).contains(&probes), "{probes} in 10 seconds");
    }
}

/// A restart of both has kept two DHoAs, of which the move ends one.
#[test]
fn a_dhoa_whose_flow_is_terminated_by_a_move_is_released_by_the_update_that_binds_the_other() {
    let [stays, ends] =
        ["2001:db8:d:1::a1", "2001:db8:d:1::a2"].map(|text| text.parse().expect("an address"));
    let fast_enough = Need {
        requirements: Requirements {
            min_bandwidth_kbps: 5000,
            ..Requirements::default()
        },
        ..Session::GracefulReplacement.into()
    };
    let heavy = AccessRule {
        correspondents: vec![OTHER.parse().expect("a prefix")],
        need: Some(fast_enough),
        unmet: Unmet::Release,
        ..rule()
    };
    let keys = [&rule(), &heavy].map(|rule| {
        let need = rule.need.expect("an anchored flow");
        FlowKey::new(rule.correspondents[0], need)
    });
    let mut world = World::new();
    world.restore_dhoas(&[(stays, keys[0]), (ends, keys[1])]);
    world.rules(vec![heavy, rule()]);
    for key in keys {
        world.command(MnCommand::Use(key));
    }
    let access = |network, rate_kbps| Attachment {
        rate_kbps: Some(rate_kbps),
        ..attachment(WLAN, network)
    };
    world.attach(&[access(0, 100_000)]);
    world.pass(1000);
    let bound = |world: &World| -> Vec<_> {
        let bindings = world.anchors[&DHP].bindings(world.now);
        let mut bound: Vec<_> = bindings
            .map(|one| (one.home_address, one.care_of))
            .collect();
        bound.sort_unstable();
        bound
    };
    let both = [(stays, care_of(WLAN, 0)), (ends, care_of(WLAN, 0))];
    assert_eq!(bound(&world), both);
    world.attach(&[access(1, 1000)]);
    let ended = Verdict::Terminate(Shortfall::Bandwidth);
    assert_eq!(verdict(&world, OTHER), ended);
    world.pass(1000);
    let mut told = world.updates();
    told.sort_unstable();
    assert_eq!(told, [HA, DHP]);
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    assert_eq!(bound(&world), [(stays, care_of(WLAN, 1))]);
    let counters = world.anchors[&DHP].counters();
    assert_eq!(counters.released(ReleaseReason::Replaced), 1);
    let reason = UnboundReason::Terminated(Shortfall::Bandwidth);
    let told = world.events.iter().any(|event| {
        matches!(event, MnEvent::Unbound { home_addresses, reason: of, .. } if *home_addresses == [ends] && *of == reason)
    });
    assert!(told, "{:#?}", world.events);
}
