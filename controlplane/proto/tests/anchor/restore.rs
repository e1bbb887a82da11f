//! What was kept is taken up again, as far as time and configuration permit

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{
    AnchorCommand, AnchorConfig, BindingChange, Kept, NotRestored, PoolConfig, PoolKind,
};
use dhp_proto::time::Now;
use dhp_wire::codepoints::{Status, dmip_flag};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use crate::harness::{CARE_OF, CARE_OF_2, HOME, OWN_DHOA, START, World, config, mn1, mn2};
use crate::message::{Dmip, Update, dhoa, flow};

const SECOND: Duration = Duration::from_secs(1);
const QUARANTINE: u64 = 240;

/// With a home address and a DHoA of two mobile nodes, bound for 600 s.
fn bound() -> (World, Ipv6Addr) {
    let mut world = World::new();
    assert_eq!(world.ask(&Update::new(HOME, 7).by(&mn1())).status, 0);
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    (world, granted)
}

fn quarantined(world: &World) -> usize {
    world.anchor.pools().map(|pool| pool.quarantined).sum()
}

fn remaining(world: &World, home_address: Ipv6Addr) -> Option<Lifetime> {
    let binding = world.anchor.binding(world.now, &home_address)?;
    Some(binding.remaining)
}

#[test]
fn bindings_are_served_at_once_and_their_lifetimes_run_on() {
    let (mut world, granted) = bound();
    world.wait(100 * SECOND);
    let (mut world, not_restored) = world.restart(config(), 200 * SECOND);
    assert_eq!(not_restored, []);
    assert_eq!(world.care_of(HOME), Some(CARE_OF));
    assert_eq!(remaining(&world, granted), Some(Lifetime(75)));
    // The number goes on too, and nobody has to register anew.
    let replayed = world.ask(&Update::new(HOME, 7).by(&mn1()));
    assert_eq!(replayed.status, 135);
    let moved = world.ask(&Dmip::update(2, &[granted]).from(CARE_OF_2).by(&mn2()));
    assert_eq!((moved.status, world.care_of(granted)), (0, Some(CARE_OF_2)));
    world.wait(299 * SECOND);
    assert_eq!(world.care_of(HOME), Some(CARE_OF));
    world.wait(2 * SECOND);
    assert_eq!(world.care_of(HOME), None);
}

#[test]
fn all_that_a_binding_has_is_there_again() {
    let mut world = World::new();
    let selector: &[u8] = &[3, 7, 2, 0, 0, 2, 0, 0, 17, 2, 4, 0, 1, 0, 2];
    let bid = |bid, care_of: Ipv6Addr| MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: 0,
        care_of: Some(care_of.into()),
    };
    let request = Dmip::dhoa_request(1)
        .flags(dmip_flag::DEDICATED)
        .option(flow(5));
    let granted = world.ask(&request.by(&mn2())).dhoa();
    let update = Dmip::update(2, &[granted])
        .option(bid(1, CARE_OF))
        .option(bid(2, CARE_OF_2))
        .option(MobilityOption::FlowIdentification {
            fid: 9,
            priority: 3,
            status: 0,
            sub_options: selector,
        });
    assert_eq!(world.ask(&update.by(&mn2())).status, 0);
    let (restored, not_restored) = world.restart(config(), Duration::ZERO);
    assert_eq!(not_restored, []);
    let before = world.anchor.binding(world.now, &granted).unwrap();
    let after = restored.anchor.binding(restored.now, &granted).unwrap();
    assert_eq!(before.flow_bindings.len(), 1);
    assert_eq!(before.care_ofs.len(), 2);
    // The same in all that does not count on the machine's own clock.
    let ends = |care_ofs: &[dhp_proto::anchor::CareOfAddress], now: Now| -> Vec<_> {
        let seconds = |at: u64| at.saturating_sub(now.mono_ns).div_ceil(1_000_000_000);
        care_ofs
            .iter()
            .map(|care_of| {
                (
                    care_of.bid,
                    care_of.address,
                    care_of.expires_ns.map(seconds),
                )
            })
            .collect()
    };
    assert_eq!(
        ends(before.care_ofs, world.now),
        ends(after.care_ofs, restored.now)
    );
    assert_eq!(before.flow_bindings, after.flow_bindings);
    assert_eq!(
        (before.dedicated, before.flows),
        (after.dedicated, after.flows)
    );
    assert_eq!(before.sequence, after.sequence);
    let steered = |world: &World| {
        let mut events = world.events.iter().rev();
        events.find_map(|event| match &event.change {
            BindingChange::Steered {
                care_ofs, rules, ..
            } => Some((care_ofs.clone(), rules.clone())),
            _ => None,
        })
    };
    assert!(steered(&world).is_some());
    assert_eq!(steered(&world), steered(&restored));
}

/// "those that ended while down go to quarantine from their end"
#[test]
fn what_ended_meanwhile_rests_from_its_end() {
    let (world, granted) = bound();
    let (mut world, not_restored) = world.restart(config(), 700 * SECOND);
    let mut expected = [(HOME, NotRestored::Ended), (granted, NotRestored::Ended)];
    expected.sort_unstable_by_key(|(home_address, _)| *home_address);
    assert_eq!(not_restored, expected);
    assert_eq!(quarantined(&world), 1);
    let wish = || dhoa(granted, 0, 0);
    let other = world.ask(&Dmip::dhoa_request(1).option(wish()).by(&mn1()));
    assert_ne!(other.dhoa(), granted);
    world.wait(Duration::from_secs(QUARANTINE) - 101 * SECOND);
    assert_eq!(quarantined(&world), 1);
    world.wait(2 * SECOND);
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn a_quarantine_goes_on() {
    let (mut world, granted) = bound();
    world.command(AnchorCommand::Release {
        home_address: granted,
    });
    let (mut world, _) = world.restart(config(), 200 * SECOND);
    assert_eq!(quarantined(&world), 1);
    let back = world.ask(&Dmip::dhoa_request(2).option(dhoa(granted, 0, 0)).by(&mn2()));
    assert_eq!(back.dhoa(), granted, "for its owner");
    let (world, _) = world.restart(config(), 2000 * SECOND);
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn a_clock_that_was_set_back_makes_no_lifetime_longer() {
    let (world, granted) = bound();
    let back = Now {
        ntp: START.ntp - (5000 << 32),
        ..START
    };
    let (mut world, _) = world.restart_at(config(), back, false);
    assert_eq!(remaining(&world, granted), Some(Lifetime(150)));
    world.wait(601 * SECOND);
    assert_eq!(world.bound_count(), 0);
}

/// A refresh that left before it was kept: the mobile node holds the address for ten minutes from then.
#[test]
fn after_a_stop_without_warning_nothing_is_free_before_a_lost_refresh_has_ended() {
    let (mut world, granted) = bound();
    world.wait(500 * SECOND);
    let up = world.now.plus_ns(1_000_000_000);
    let (mut world, _) = world.restart_at(config(), up, true);
    world.wait(100 * SECOND);
    assert_eq!(world.care_of(granted), None, "as far as is known");
    world.wait(Duration::from_secs(600 - 100 + QUARANTINE) - SECOND);
    assert_eq!(quarantined(&world), 1);
    world.wait(SECOND);
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn a_mobile_node_that_is_gone_leaves_an_address_that_rests() {
    let (world, granted) = bound();
    let without = AnchorConfig {
        security_associations: vec![mn1().security],
        ..config()
    };
    let (mut world, not_restored) = world.restart(without, SECOND);
    assert_eq!(not_restored, [(granted, NotRestored::UnknownMobileNode)]);
    assert_eq!(quarantined(&world), 1);
    world.wait(Duration::from_secs(QUARANTINE));
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn a_pool_that_is_gone_takes_its_bindings_with_it() {
    let (world, granted) = bound();
    let mut without = config();
    without.pools.remove(0);
    without.security_associations[0] = mn2().security;
    without.security_associations.truncate(1);
    let (_, not_restored) = world.restart(without, SECOND);
    assert!(not_restored.contains(&(granted, NotRestored::NoPool)));

    let mut other_kind = config();
    other_kind.pools[0] = PoolConfig::new(other_kind.pools[0].prefix, PoolKind::Home);
    let (world, not_restored) = world.restart(other_kind, SECOND);
    assert!(not_restored.contains(&(granted, NotRestored::NoPool)));
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn what_has_changed_hands_is_released_as_by_a_reload() {
    let (world, granted) = bound();
    let mut changed = config();
    // The care-of address of both lies in a pool now.
    let pool = PoolConfig::new("2001:db8:a::/64".parse().unwrap(), PoolKind::Dhoa);
    changed.pools.push(pool);
    let (restored, not_restored) = world.restart(changed, SECOND);
    let reasons: Vec<NotRestored> = not_restored.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [NotRestored::NotPermitted; 2]);
    assert_eq!((restored.bound_count(), quarantined(&restored)), (0, 1));
    assert!(matches!(
        restored.anchor.kept(restored.now, granted),
        Kept::Quarantined(_)
    ));
}

#[test]
fn another_key_does_not_end_a_binding() {
    let (world, granted) = bound();
    let mut changed = config();
    let rekeyed = crate::harness::Mn::new(4, &[]);
    let rekeyed = dhp_proto::security_association::SecurityAssociation::new(
        mn2().security.spi(),
        mn2().security.mn_id().clone(),
        dhp_proto::auth::Key::new(vec![0x77; 32]),
        rekeyed.security.algorithm(),
        mn2().security.permissions().clone(),
    );
    changed.security_associations[1] = rekeyed.unwrap();
    let (world, not_restored) = world.restart(changed, SECOND);
    assert_eq!(not_restored, []);
    assert_eq!(world.care_of(granted), Some(CARE_OF));
}

#[test]
fn an_own_dhoa_needs_no_quarantine() {
    let mut world = World::new();
    let request = Dmip::dhoa_request(1).option(dhoa(OWN_DHOA, 0, 0));
    assert_eq!(world.ask(&request.by(&mn1())).dhoa(), OWN_DHOA);
    let (world, not_restored) = world.restart(config(), 700 * SECOND);
    assert_eq!(not_restored, [(OWN_DHOA, NotRestored::Ended)]);
    assert_eq!(quarantined(&world), 0);
}

#[test]
fn the_limits_hold_for_what_is_restored() {
    let (world, granted) = bound();
    let mut limited = config();
    limited.limits.max_home_addresses = 1;
    let (world, not_restored) = world.restart(limited, SECOND);
    assert_eq!(not_restored.len(), 1);
    assert_eq!(not_restored[0].1, NotRestored::NoRoom);
    // Home addresses come first here, so that it is the DHoA, which rests.
    assert_eq!((not_restored[0].0, quarantined(&world)), (granted, 1));
}
