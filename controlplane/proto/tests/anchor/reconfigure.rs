//! Another configuration while mobile nodes are bound.

use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, ConfigError, PoolConfig, PoolKind, ReconfigureError};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::SecurityAssociation;
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::Lifetime;

use crate::harness::{CARE_OF, HOME, HOME_2, Mn, OWN_DHOA, World, config, mn1, mn2};
use crate::message::{Dmip, Update};

/// The same configuration again: bindings, assignments and sequence numbers go on as if nothing had been.
#[test]
fn bindings_and_sequence_numbers_survive() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(5).by(&mn1())).dhoa();
    world.ask(&Update::new(HOME, 44).by(&mn1()));
    assert_eq!(world.reconfigure(config()), Ok(Vec::new()));
    assert_eq!(world.held_by(&mn1()), [HOME, granted]);
    // 135, sequence number out of window: of the classic update, and of the DMIPv6 one.
    assert_eq!(world.ask(&Update::new(HOME, 44).by(&mn1())).status, 135);
    let sequence = |world: &World| {
        let mut views = world.anchor.security_associations();
        views.find(|view| view.spi == 256).unwrap().sequence
    };
    assert_eq!(sequence(&world), Some(5));
    assert_eq!(world.ask(&Update::new(HOME, 45).by(&mn1())).status, 0);
    assert_eq!(world.ask(&Dmip::update(6, &[granted]).by(&mn1())).status, 0);
    assert_eq!(world.anchor.config().epoch, 9);
}

/// Pools in another order, with one before them: what is bound and what rests is counted where it lies.
#[test]
fn pools_may_be_added_and_reordered() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    let resting = world.ask(&Dmip::dhoa_request(2).by(&mn2())).dhoa();
    world.ask(&Dmip::update(3, &[resting]).lifetime(0).by(&mn2()));
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    let mut changed = config();
    changed.pools.reverse();
    changed.pools.insert(
        0,
        PoolConfig::new("2001:db8:d:2::/64".parse().unwrap(), PoolKind::Dhoa),
    );
    assert_eq!(world.reconfigure(changed), Ok(Vec::new()));
    let pools: Vec<_> = world.anchor.pools().collect();
    let counted: Vec<_> = pools
        .iter()
        .map(|pool| (pool.prefix.to_string(), pool.used, pool.quarantined))
        .collect();
    assert_eq!(
        counted,
        [
            ("2001:db8:d:2::/64".to_owned(), 0, 0),
            ("2001:db8:1:1::/64".to_owned(), 1, 0),
            ("2001:db8:d:1::/64".to_owned(), 1, 1),
        ]
    );
    let fresh = world.ask(&Dmip::dhoa_request(4).by(&mn2())).dhoa();
    assert!(pools[0].prefix.contains(&fresh));
    // A release finds the pool it was bound in.
    world.ask(&Dmip::update(5, &[granted]).lifetime(0).by(&mn1()));
    let last = world.anchor.pools().last().unwrap();
    assert_eq!((last.used, last.quarantined), (0, 2));
}

/// A pool goes only when nobody is bound in it; with it goes what rests there.
#[test]
fn a_pool_in_use_stays() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn2())).dhoa();
    let mut without = config();
    without.pools.remove(0);
    without.security_associations = vec![Mn::new(1, &[HOME]).security, mn2().security];
    let in_use = ReconfigureError::PoolInUse {
        prefix: "2001:db8:d:1::/64".parse().unwrap(),
        bound: 1,
    };
    assert_eq!(world.reconfigure(without.clone()), Err(in_use));
    assert_eq!(world.care_of(granted), Some(CARE_OF));
    world.ask(&Dmip::update(2, &[granted]).lifetime(0).by(&mn2()));
    assert_eq!(world.reconfigure(without), Ok(Vec::new()));
    assert_eq!(world.anchor.pools().count(), 1);
    // The end of the quarantine that is no more does no harm.
    world.wait(PoolConfig::DEFAULT_QUARANTINE * 2);
}

/// Who is no longer known loses what it has; the others do not notice.
#[test]
fn a_removed_mobile_node_loses_its_bindings() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    world.ask(&Update::new(HOME_2, 1).by(&mn2()));
    let mut without = config();
    without.security_associations = vec![mn2().security];
    assert_eq!(world.reconfigure(without), Ok(vec![HOME, granted]));
    assert_eq!(world.held_by(&mn2()), [HOME_2]);
    world.ignored(&Dmip::dhoa_request(2).by(&mn1()));
    assert_eq!(world.reconfigure(config()), Ok(Vec::new()));
    assert_eq!(world.ask(&Dmip::dhoa_request(3).by(&mn1())).status, 0);
}

/// A home address that belongs to somebody else now is taken from who had it.
#[test]
fn a_home_address_that_changes_hands_is_released() {
    let mut world = World::new();
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    world.ask(&Dmip::update(1, &[OWN_DHOA]).by(&mn1()));
    let mut swapped = config();
    swapped.security_associations = vec![
        Mn::new(1, &[HOME_2]).security,
        Mn::new(2, &[HOME, OWN_DHOA]).security,
    ];
    assert_eq!(world.reconfigure(swapped), Ok(vec![HOME, OWN_DHOA]));
}

/// A new key is good at once, the old one no longer; the numbers go on, so that nothing recorded is good again.
#[test]
fn a_key_may_change() {
    let mut world = World::new();
    world.ask(&Dmip::dhoa_request(7).by(&mn2()));
    let mut renewed = mn2();
    renewed.security = SecurityAssociation::new(
        renewed.security.spi(),
        renewed.security.mn_id().clone(),
        Key::new(vec![0x77; Algorithm::HmacSha256_128.key_len()]),
        renewed.security.algorithm(),
        renewed.security.permissions().clone(),
    )
    .unwrap();
    let mut changed = config();
    changed.security_associations = vec![mn1().security, renewed.security.clone()];
    assert_eq!(world.reconfigure(changed), Ok(Vec::new()));
    assert_ne!(world.ask(&Dmip::dhoa_request(8).by(&mn2())).status, 0);
    assert_eq!(world.ask(&Dmip::dhoa_request(7).by(&renewed)).status, 135);
    assert_eq!(world.ask(&Dmip::dhoa_request(8).by(&renewed)).status, 0);
}

/// A pool around a bound care-of address: its packets would come back here.
#[test]
fn a_care_of_address_in_a_new_pool_is_released() {
    let mut world = World::new();
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    let mut changed = config();
    let around = "2001:db8:a::/64".parse().unwrap();
    changed.pools.push(PoolConfig::new(around, PoolKind::Dhoa));
    assert_eq!(world.reconfigure(changed), Ok(vec![HOME]));
}

/// Coverage, preference, directory and the longest lifetime hold from now on.
#[test]
fn what_is_answered_follows() {
    let mut world = World::new();
    let mut changed = config();
    changed.max_lifetime = Lifetime(5);
    changed.coverage.clear();
    assert_eq!(world.reconfigure(changed), Ok(Vec::new()));
    let answer = world.ask(&Update::new(HOME, 1).by(&mn1()));
    assert_eq!((answer.status, answer.lifetime), (0, Lifetime(5)));
    assert!(world.anchor.config().coverage.is_empty());
}

/// What cannot change, and what cannot work, is refused as a whole.
#[test]
fn what_cannot_change_is_refused() {
    let mut world = World::new();
    let mut refused = |change: fn(&mut AnchorConfig)| {
        let mut changed = config();
        changed.coverage.clear();
        change(&mut changed);
        let error = world.reconfigure(changed).unwrap_err();
        assert_eq!(world.anchor.config().coverage, config().coverage);
        error
    };
    assert_eq!(
        refused(|c| c.address = "2001:db8:d::2".parse().unwrap()),
        ReconfigureError::Fixed("address")
    );
    assert_eq!(
        refused(|c| c.code_points = CodePoints {
            mh_type: 14,
            option: 18
        }),
        ReconfigureError::Fixed("code points")
    );
    assert_eq!(
        refused(|c| c.roles.locator = false),
        ReconfigureError::Fixed("roles")
    );
    assert_eq!(
        refused(|c| c.heartbeat.peers = vec![CARE_OF]),
        ReconfigureError::Fixed("peers")
    );
    assert_eq!(
        refused(|c| c.max_lifetime = Lifetime::ZERO),
        ReconfigureError::Invalid(ConfigError::MaxLifetime)
    );
}

/// What belongs to the start stays as it was, whatever the new configuration says of it.
#[test]
fn the_restart_counter_is_of_the_start() {
    let mut world = World::new();
    let mut changed = config();
    changed.heartbeat.restart_counter = 77;
    assert_eq!(world.reconfigure(changed), Ok(Vec::new()));
    assert_eq!(world.anchor.config().heartbeat.restart_counter, 0);
}

/// RFC 6275 §10.3.1: a prefix that is configured with other lifetimes ends by them, and its bindings with it; one that is
/// configured as it was goes on.
#[test]
fn lifetimes_of_a_prefix_go_on_unless_they_change() {
    let mut world = World::new();
    let with = |seconds: Option<u64>| {
        let mut changed = config();
        changed.pools[1].lifetimes.valid = seconds.map(Duration::from_secs);
        changed
    };
    assert_eq!(world.ask(&Update::new(HOME, 1).by(&mn1())).status, 0);
    assert_eq!(world.reconfigure(with(Some(100))), Ok(Vec::new()));
    world.wait(Duration::from_secs(60));
    assert_eq!(world.reconfigure(with(Some(100))), Ok(Vec::new()));
    world.wait(Duration::from_secs(41));
    assert_eq!(world.care_of(HOME), None);
    assert_eq!(world.reconfigure(with(None)), Ok(Vec::new()));
    assert_eq!(world.ask(&Update::new(HOME, 2).by(&mn1())).status, 0);
    world.wait(Duration::from_secs(200));
    assert_eq!(world.care_of(HOME), Some(CARE_OF));
}
