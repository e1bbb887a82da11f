//! Commands, and what an operator sees.

use dhp_proto::anchor::{
    AnchorCommand, AnchorConfig, BindingChange, ConfigError, MessageKind, PoolKind, ReleaseReason,
    SignallingDrop,
};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::Lifetime;

use crate::harness::{ANCHOR, CARE_OF, HOME, Mn, OWN_DHOA, START, World, config, mn1, mn2};
use crate::message::{Dmip, Update};

/// Release ends a binding; a DHoA goes into quarantine.
#[test]
fn a_binding_can_be_released() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    world.command(AnchorCommand::Release {
        home_address: granted,
    });
    let released = BindingChange::Released {
        home_address: granted,
        reason: ReleaseReason::Administrative,
    };
    assert_eq!(*world.last_change(), released);
    let events = world.events.len();
    world.command(AnchorCommand::Release {
        home_address: granted,
    });
    assert_eq!(world.events.len(), events);
    assert_eq!(
        world.ask(&Dmip::update(2, &[granted]).by(&mn1())).status,
        194
    );
}

/// Draining: new DHoAs are refused with 196, which may name another DHP; bindings live on.
#[test]
fn draining_refuses_what_is_new() {
    let mut world = World::new();
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    world.command(AnchorCommand::SetDraining(true));
    assert!(world.anchor.is_draining());
    let refused = world.ask(&Dmip::dhoa_request(1).by(&mn2()));
    assert_eq!(
        (refused.status, refused.dhps),
        (196, vec![("2001:db8:e::1".parse().unwrap(), 32)])
    );
    assert_eq!(world.ask(&Dmip::dhoa_request(2).by(&mn1())).status, 196);
    assert_eq!(world.ask(&Dmip::update(3, &[granted]).by(&mn1())).status, 0);
    world.command(AnchorCommand::SetDraining(false));
    assert_eq!(world.ask(&Dmip::dhoa_request(2).by(&mn2())).status, 0);
}

/// The views tell what there is, and no key.
#[test]
fn the_views_tell_what_there_is() {
    let mut world = World::new();
    world.ask(&Update::new(HOME, 44).by(&mn1()));
    world.ask(&Dmip::update(7, &[OWN_DHOA]).by(&mn1()));
    let mut bindings: Vec<_> = world.anchor.bindings(world.now).collect();
    bindings.sort_by_key(|binding| binding.home_address);
    let [home, dhoa] = &bindings[..] else {
        panic!()
    };
    assert_eq!(
        (
            home.home_address,
            home.kind,
            home.sequence,
            home.home_sequence
        ),
        (HOME, PoolKind::Home, None, Some(44))
    );
    assert_eq!(
        (dhoa.home_address, dhoa.kind, dhoa.sequence),
        (OWN_DHOA, PoolKind::Dhoa, Some(7))
    );
    assert_eq!(
        (home.mn.to_string().as_str(), home.care_of, home.anchor),
        ("mn1@example.net", CARE_OF, ANCHOR)
    );
    assert_eq!(home.remaining, Lifetime(150));
    let pools: Vec<_> = world
        .anchor
        .pools()
        .map(|pool| (pool.kind, pool.size, pool.used))
        .collect();
    assert_eq!(
        pools,
        [(PoolKind::Dhoa, u64::MAX, 1), (PoolKind::Home, u64::MAX, 1)]
    );
    let association = world
        .anchor
        .security_associations()
        .find(|view| view.spi == 256)
        .unwrap();
    assert_eq!((association.sequence, association.dhoas), (Some(7), 1));
    assert!(
        !format!("{:?}", world.anchor).contains("17, 17"),
        "keys do not show"
    );
}

/// Counters have names, by message type and status, and by reason.
#[test]
fn counters_have_names() {
    let mut world = World::new();
    world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    world.ignored(&[0; 10]);
    let counters = world.anchor.counters();
    assert_eq!(counters.received(MessageKind::DhoaRequest), 1);
    assert_eq!(counters.sent(MessageKind::DhoaResponse, 0), 1);
    assert_eq!(counters.registrations(), 1);
    assert_eq!(counters.dropped(SignallingDrop::NotMobility), 1);
    let samples = counters.samples();
    let value = |name: &str, label: &str| {
        let sample = samples
            .iter()
            .find(|sample| sample.name == name && sample.labels.iter().any(|(_, v)| v == label));
        sample.map(|sample| sample.value)
    };
    assert_eq!(value("dhp_signalling_sent_total", "dhoa_response"), Some(1));
    assert_eq!(
        value("dhp_signalling_dropped_total", "not_mobility"),
        Some(1)
    );
    assert_eq!(value("dhp_signalling_dropped_total", "checksum"), Some(0));
    assert_eq!(value("dhp_bindings_released_total", "expired"), Some(0));
}

/// What cannot work is refused by name.
#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |change: fn(&mut AnchorConfig)| {
        let mut config = config();
        change(&mut config);
        dhp_proto::anchor::Anchor::new(config, START, [0; 32]).unwrap_err()
    };
    assert!(matches!(
        refused(|c| c.address = "fe80::1".parse().unwrap()),
        ConfigError::Address(_)
    ));
    assert!(matches!(
        refused(|c| c.code_points = CodePoints {
            mh_type: 5,
            option: 18
        }),
        ConfigError::CodePoints(_)
    ));
    assert_eq!(
        refused(|c| c.max_lifetime = Lifetime::ZERO),
        ConfigError::MaxLifetime
    );
    assert!(matches!(
        refused(|c| c.pools[0].prefix = "ff00::/8".parse().unwrap()),
        ConfigError::PoolPrefix(_)
    ));
    assert!(matches!(
        refused(|c| c.pools[0].prefix = "2001:db8:1::/48".parse().unwrap()),
        ConfigError::PoolsOverlap(..)
    ));
    assert_eq!(
        refused(|c| c.security_associations.push(mn1().security)),
        ConfigError::DuplicateSpi(256)
    );
    let outside = "2001:db8:77::1".parse().unwrap();
    assert_eq!(
        refused(|c| c
            .security_associations
            .push(Mn::new(7, &["2001:db8:77::1".parse().unwrap()]).security)),
        ConfigError::HomeAddressOutsidePools(outside)
    );
    assert_eq!(
        refused(|c| c.security_associations.push(Mn::new(7, &[HOME]).security)),
        ConfigError::HomeAddressOwnedTwice(HOME)
    );
    assert_eq!(
        refused(|c| {
            c.address = "2001:db8:1:1::1".parse().unwrap();
            c.security_associations
                .push(Mn::new(7, &[c.address]).security);
        }),
        ConfigError::HomeAddressIsAnchor("2001:db8:1:1::1".parse().unwrap())
    );
}
