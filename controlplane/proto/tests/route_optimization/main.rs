//! Route optimization (RFC 6275 §5.2, §11): the mobile node's engine, a real DHP and a real correspondent.

mod by_hand;
mod random;
mod world;

use dhp_proto::mobile_node::{MnCommand, MnEvent, ProxyReason};
use dhp_wire::mobility::Mode;

use world::{MS, SECOND, World, care_of};

/// Whether the engine has told so since the events were looked at last.
fn proxied(world: &mut World, why: ProxyReason) -> bool {
    let events = core::mem::take(&mut world.events);
    events
        .iter()
        .any(|event| matches!(event, MnEvent::RouteProxied { reason, .. } if *reason == why))
}

#[test]
fn a_route_is_optimized_two_round_trips_after_the_first_packet() {
    let mut world = World::new(1);
    world.talk();
    // Home Test Init by the DHP: 20 ms there, 20 ms back; then the update.
    world.pass(59 * MS);
    assert_eq!(world.optimized(), None);
    world.pass(2 * MS);
    assert_eq!(world.optimized(), Some(care_of(1)));
    let ends = world.ends();
    assert_eq!(world.bound.get(&ends), Some(&care_of(1)));
    let told = MnEvent::RouteOptimized {
        ends,
        care_of: care_of(1),
        round_trip_ns: 20 * MS,
    };
    assert!(world.events.contains(&told));
    assert_eq!(world.node.counters().route_tests_sent, 2);
    assert_eq!(world.node.counters().route_updates_sent, 1);
}

#[test]
fn a_binding_is_refreshed_for_as_long_as_somebody_talks() {
    let mut world = World::new(1);
    for _ in 0..30 {
        world.talk();
        world.pass(60 * SECOND);
        assert_eq!(world.optimized(), Some(care_of(1)));
        assert_eq!(world.bound.len(), 1);
    }
    let updates = world.node.counters().route_updates_sent;
    assert!((9..=15).contains(&updates), "in half an hour: {updates}");
    // And ended at the correspondent when nobody does.
    world.pass(151 * SECOND);
    assert_eq!(world.optimized(), None);
    assert!(world.bound.is_empty());
    assert!(proxied(&mut world, ProxyReason::NotWanted));
    assert_eq!(world.node.routes().count(), 0);
}

#[test]
fn after_a_movement_it_goes_by_the_anchor_until_the_correspondent_knows() {
    let mut world = World::new(1);
    world.talk();
    world.pass(SECOND);
    let tests = world.node.counters().route_tests_sent;
    world.move_to(2);
    assert_eq!(world.optimized(), None);
    assert!(proxied(&mut world, ProxyReason::Moved));
    // One round trip to the anchor with the care-of test beside it, then one for the update: the home token is good still.
    world.pass(39 * MS);
    assert_eq!(world.optimized(), None);
    world.pass(2 * MS);
    assert_eq!(world.optimized(), Some(care_of(2)));
    assert_eq!(world.bound.get(&world.ends()), Some(&care_of(2)));
    assert_eq!(world.node.counters().route_tests_sent, tests + 1);
    // Without any network nothing is sent, and nothing is said to be optimized.
    world.lose_care_of();
    let sent = world.node.counters().packets_sent;
    world.pass(30 * SECOND);
    assert_eq!(world.optimized(), None);
    assert_eq!(world.node.counters().packets_sent, sent);
    world.move_to(3);
    world.pass(SECOND);
    assert_eq!(world.optimized(), Some(care_of(3)));
}

#[test]
fn a_dhp_that_permits_it_no_more_is_obeyed_and_one_that_does_again_as_well() {
    let mut world = World::new(1);
    world.talk();
    world.pass(SECOND);
    world.permit(false);
    world.move_to(2);
    world.pass(SECOND);
    assert_eq!(world.optimized(), None);
    assert!(world.bound.is_empty(), "the correspondent was told");
    world.permit(true);
    world.move_to(3);
    world.pass(SECOND);
    assert_eq!(world.optimized(), Some(care_of(3)), "nobody had to ask");
}

#[test]
fn what_is_not_permitted_is_not_tried() {
    let mut world = World::new(1);
    world.permit(false);
    world.move_to(2);
    world.pass(SECOND);
    world.talk();
    world.pass(60 * SECOND);
    assert_eq!(world.node.counters().route_tests_sent, 0);
    assert!(world.to_cn.is_empty());
}

#[test]
fn a_flow_can_be_proxied_again() {
    let mut world = World::new(1);
    world.talk();
    world.pass(SECOND);
    world.command(MnCommand::ProxyRoute(world.ends()));
    assert_eq!(world.optimized(), None);
    assert!(proxied(&mut world, ProxyReason::NotWanted));
    world.pass(SECOND);
    assert!(world.bound.is_empty());
    assert_eq!(world.node.routes().count(), 0);
    world.talk();
    world.pass(SECOND);
    assert_eq!(world.optimized(), Some(care_of(1)));
}

#[test]
fn a_shutdown_ends_the_binding_at_the_correspondent() {
    let mut world = World::new(1);
    world.talk();
    world.pass(SECOND);
    world.command(MnCommand::Shutdown);
    world.pass(SECOND);
    assert!(world.node.is_stopped());
    assert!(world.bound.is_empty());
}

#[test]
fn a_correspondent_that_has_forgotten_everything_is_told_again() {
    let mut world = World::new(1);
    world.talk();
    world.pass(SECOND);
    world.restart_cn(2);
    assert!(!world.sends_data(), "a Binding Error comes back");
    world.pass(10 * MS);
    assert!(proxied(&mut world, ProxyReason::Forgotten));
    // It has other nonces, so that the tokens are made anew as well.
    world.pass(SECOND);
    assert_eq!(world.optimized(), Some(care_of(1)));
    assert!(world.sends_data());
}

#[test]
fn the_confirmed_mode_is_reported_in_the_next_update() {
    let mut world = World::new(1);
    assert_eq!(world.reported_mode(), Some(Mode::Proxy));
    world.talk();
    world.pass(SECOND);
    world.move_to(2);
    world.pass(SECOND);
    assert_eq!(world.reported_mode(), Some(Mode::RouteOptimized));
    // While no answer of the correspondent arrives, so that the movement ends in proxy mode.
    world.silence_cn(true);
    world.move_to(3);
    world.pass(20 * SECOND);
    world.move_to(4);
    world.pass(SECOND);
    assert_eq!(world.reported_mode(), Some(Mode::Proxy));
}
