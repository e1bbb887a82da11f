//! Section 3: expiry, and the quarantine of a DHoA.

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, BindingChange, PoolConfig, PoolKind, ReleaseReason};
use dhp_wire::codepoints::status;
use dhp_wire::mobility::Lifetime;

use crate::harness::{HOME, Mn, OWN_DHOA, World, config, mn1, mn2};
use crate::message::{Dmip, Update, dhoa};

/// A binding ends when its lifetime has passed, to the nanosecond.
#[test]
fn bindings_expire() {
    let mut world = World::new();
    let granted = world
        .ask(&Dmip::dhoa_request(1).lifetime(3).by(&mn1()))
        .dhoa();
    world.wait(Duration::from_nanos(11_999_999_999));
    assert!(world.care_of(granted).is_some());
    world.wait(Duration::from_nanos(1));
    let expired = BindingChange::Released {
        home_address: granted,
        reason: ReleaseReason::Expired,
    };
    assert_eq!(*world.last_change(), expired);
    assert_eq!(world.anchor.counters().released(ReleaseReason::Expired), 1);
}

/// What has expired is gone for the next message, even if nobody has woken the anchor since.
#[test]
fn a_packet_comes_after_what_was_due_before_it() {
    let mut world = World::new();
    let granted = world
        .ask(&Dmip::dhoa_request(1).lifetime(3).by(&mn1()))
        .dhoa();
    world.now = world.now.plus_ns(13_000_000_000);
    assert_eq!(
        world.ask(&Dmip::update(2, &[granted]).by(&mn1())).status,
        194
    );
}

/// The lifetimes of many bindings end in the same moment: the anchor does some of them at a time, says that there are more, and
/// answers packets in between.
#[test]
fn packets_do_not_wait_for_a_thousand_bindings_that_end() {
    const BOUND: u16 = 1000;
    let homes: Vec<_> = (1..=BOUND)
        .map(|number| Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 1, number))
        .collect();
    let many = Mn::new(3, &homes);
    let mut config = config();
    config.security_associations.push(many.security.clone());
    let mut world = World::with(config);
    for home in homes {
        world.ask(&Update::new(home, 1).lifetime(3).by(&many));
    }
    world.ask(&Update::new(HOME, 1).by(&mn1()));

    world.now = world.now.plus_ns(12_000_000_000);
    world.anchor.handle_timeout(world.now);
    world.collect();
    let left = world.bound_count();
    assert!(left > usize::from(BOUND) / 2, "{left} are left");
    let is_due = |world: &World| {
        let due = world.anchor.poll_timeout();
        due.is_some_and(|at| at <= world.now.mono_ns)
    };
    assert!(is_due(&world));
    for sequence in 2..=10 {
        let update = Update::new(HOME, sequence).by(&mn1());
        assert_eq!(world.ask(&update).status, status::ACCEPTED);
    }
    assert!(left - world.bound_count() <= 9, "one for each packet");
    while is_due(&world) {
        world.anchor.handle_timeout(world.now);
        world.collect();
    }
    assert_eq!(world.bound_count(), 1);
    let expired = world.anchor.counters().released(ReleaseReason::Expired);
    assert_eq!(expired, u64::from(BOUND));
}

/// A refresh puts the end off.
#[test]
fn a_refresh_prolongs() {
    let mut world = World::new();
    let granted = world
        .ask(&Dmip::dhoa_request(1).lifetime(3).by(&mn1()))
        .dhoa();
    world.wait(Duration::from_secs(10));
    world.ask(&Dmip::update(2, &[granted]).lifetime(3).by(&mn1()));
    world.wait(Duration::from_secs(11));
    assert!(world.care_of(granted).is_some());
    let view = world.anchor.bindings(world.now).next().unwrap();
    assert_eq!((view.remaining, view.sequence), (Lifetime(1), Some(2)));
    world.wait(Duration::from_secs(1));
    assert_eq!(world.bound_count(), 0);
}

/// The last lifetime counts, also where it is shorter than the one before.
#[test]
fn a_refresh_may_shorten() {
    let mut world = World::new();
    let granted = world
        .ask(&Dmip::dhoa_request(1).lifetime(150).by(&mn1()))
        .dhoa();
    world.ask(&Dmip::update(2, &[granted]).lifetime(150).by(&mn1()));
    world.ask(&Dmip::update(3, &[granted]).lifetime(1).by(&mn1()));
    world.wait(Duration::from_nanos(3_999_999_999));
    assert_eq!(world.bound_count(), 1);
    world.wait(Duration::from_nanos(1));
    assert_eq!(world.bound_count(), 0);
    world.wait(Duration::from_secs(600));
    assert_eq!(world.anchor.counters().released(ReleaseReason::Expired), 1);
}

/// For 240 s nobody else gets a released DHoA, not even by a wish; the same mobile node does.
#[test]
fn a_released_dhoa_is_quarantined() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    world.ask(&Dmip::update(2, &[granted]).lifetime(0).by(&mn1()));
    world.wait(Duration::from_secs(239));
    let wish = |sequence| Dmip::dhoa_request(sequence).option(dhoa(granted, 0, 0));
    assert_ne!(world.ask(&wish(1).by(&mn2())).dhoa(), granted);
    world.ask(&Dmip::update(2, &[]).lifetime(0).by(&mn2()));
    assert_eq!(world.ask(&wish(3).by(&mn1())).dhoa(), granted);
    // Wished back, it is out of quarantine, and its old timer does nothing.
    world.wait(Duration::from_secs(5));
    assert!(world.care_of(granted).is_some());
    let quarantined: usize = world.anchor.pools().map(|pool| pool.quarantined).sum();
    assert_eq!(quarantined, 1, "the other mobile node's");
}

/// After the quarantine the address is anyone's, with classic numbers of its own.
#[test]
fn after_the_quarantine_the_address_is_free() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    world.ask(&Update::new(granted, 900).by(&mn1()));
    world.ask(&Dmip::update(2, &[granted]).lifetime(0).by(&mn1()));
    world.wait(Duration::from_secs(240));
    assert_eq!(
        world
            .ask(&Dmip::dhoa_request(1).option(dhoa(granted, 0, 0)).by(&mn2()))
            .dhoa(),
        granted
    );
    assert_eq!(world.ask(&Update::new(granted, 3).by(&mn2())).status, 0);
}

/// A pool that is used up, by bindings or by quarantine: 130, until an address is free again.
#[test]
fn a_full_pool_refuses() {
    let pools = vec![PoolConfig::new(
        "2001:db8:d:1::/127".parse().unwrap(),
        PoolKind::Dhoa,
    )];
    let associations = [3, 4, 5].map(|number| crate::harness::Mn::new(number, &[]));
    let security_associations = associations.iter().map(|mn| mn.security.clone()).collect();
    let mut world = World::with(AnchorConfig {
        pools,
        security_associations,
        ..config()
    });
    let ask = |world: &mut World, mn: usize, sequence| {
        world
            .ask(&Dmip::dhoa_request(sequence).by(&associations[mn]))
            .status
    };
    assert_eq!(
        (
            ask(&mut world, 0, 1),
            ask(&mut world, 1, 1),
            ask(&mut world, 2, 1)
        ),
        (0, 0, 130)
    );
    world.ask(&Dmip::update(2, &[]).lifetime(0).by(&associations[0]));
    assert_eq!(ask(&mut world, 2, 2), 130);
    world.wait(Duration::from_secs(240));
    assert_eq!(ask(&mut world, 2, 3), 0);
}

/// A DHoA that is its mobile node's for good is never anybody else's, bound or not, and needs no quarantine.
#[test]
fn an_own_dhoa_stays_its_owners() {
    let mut world = World::new();
    world.ask(&Update::new(OWN_DHOA, 1).by(&mn1()));
    world.ask(&Update::new(OWN_DHOA, 2).lifetime(0).by(&mn1()));
    assert_eq!(
        world
            .anchor
            .pools()
            .map(|pool| pool.quarantined)
            .sum::<usize>(),
        0
    );
    world.wait(Duration::from_secs(1000));
    assert_ne!(
        world
            .ask(
                &Dmip::dhoa_request(1)
                    .option(dhoa(OWN_DHOA, 0, 0))
                    .by(&mn2())
            )
            .dhoa(),
        OWN_DHOA
    );
    assert_eq!(world.ask(&Update::new(OWN_DHOA, 1).by(&mn2())).status, 129);
}

/// A DHoA that was wished back and released again is in quarantine for its whole time again.
#[test]
fn each_release_has_its_own_quarantine() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    let wish = |sequence| Dmip::dhoa_request(sequence).option(dhoa(granted, 0, 0));
    world.ask(&Dmip::update(2, &[granted]).lifetime(0).by(&mn1()));
    world.wait(Duration::from_secs(230));
    assert_eq!(world.ask(&wish(3).by(&mn1())).dhoa(), granted);
    world.ask(&Dmip::update(4, &[granted]).lifetime(0).by(&mn1()));
    world.wait(Duration::from_secs(230));
    assert_ne!(world.ask(&wish(1).by(&mn2())).dhoa(), granted);
}

/// The end of a binding that was released is not the end of the next one.
#[test]
fn each_binding_has_its_own_lifetime() {
    let mut world = World::new();
    world.ask(&Dmip::update(1, &[OWN_DHOA]).lifetime(3).by(&mn1()));
    world.ask(&Dmip::update(2, &[OWN_DHOA]).lifetime(0).by(&mn1()));
    world.ask(&Dmip::update(3, &[OWN_DHOA]).by(&mn1()));
    world.wait(Duration::from_secs(20));
    assert_eq!(world.held_by(&mn1()), [OWN_DHOA]);
}
