//! Narrow pools: used up to the last address, given back, and to nobody else too early

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::{AnchorCommand, AnchorConfig, PoolConfig, PoolKind, PoolView};
use dhp_proto::auth::Algorithm;
use dhp_proto::security_association::Permissions;

use crate::harness::{Mn, World, config};
use crate::message::{Dmip, dhoa};

/// Of 16 addresses one is the subnet-router anycast address.
const USABLE: usize = 15;

fn mobile_node(number: u8) -> Mn {
    let permissions = Permissions {
        max_dhoas: 1,
        ..Permissions::default()
    };
    Mn::with(number, Algorithm::HmacSha256_128, permissions)
}

/// As many mobile nodes as there are addresses, and two more.
fn narrow() -> (AnchorConfig, Vec<Mn>) {
    let mns: Vec<Mn> = (1..=17).map(mobile_node).collect();
    let config = AnchorConfig {
        pools: vec![PoolConfig::new(
            "2001:db8:d:1::/124".parse().unwrap(),
            PoolKind::Dhoa,
        )],
        security_associations: mns.iter().map(|mn| mn.security.clone()).collect(),
        ..config()
    };
    (config, mns)
}

fn pool(world: &World) -> PoolView {
    world.anchor.pools().next().unwrap()
}

#[test]
fn a_pool_is_used_up_to_the_last_address_and_then_refused() {
    let (config, mns) = narrow();
    let mut world = World::with(config.clone());
    let (lucky, others) = mns.split_at(USABLE);
    let granted: BTreeSet<Ipv6Addr> = lucky
        .iter()
        .map(|mn| world.ask(&Dmip::dhoa_request(1).by(mn)).dhoa())
        .collect();
    assert_eq!(granted.len(), USABLE);
    for mn in others {
        assert_eq!(world.ask(&Dmip::dhoa_request(1).by(mn)).status, 130);
    }
    // Nor does a restart make room.
    let (mut world, not_restored) = world.restart(config, Duration::from_secs(1));
    assert_eq!((not_restored.len(), pool(&world).used), (0, USABLE));
    for mn in others {
        assert_eq!(world.ask(&Dmip::dhoa_request(2).by(mn)).status, 130);
    }
    for mn in lucky {
        let answer = world.ask(&Dmip::dhoa_request(2).by(mn));
        assert!(granted.contains(&answer.dhoa()));
    }
}

#[test]
fn a_released_address_rests_and_its_mobile_node_gets_it_back() {
    let (config, mns) = narrow();
    let mut world = World::with(config);
    let mut granted = Vec::new();
    for mn in &mns[..USABLE] {
        granted.push(world.ask(&Dmip::dhoa_request(1).by(mn)).dhoa());
    }
    world.command(AnchorCommand::Release {
        home_address: granted[3],
    });
    assert_eq!((pool(&world).used, pool(&world).quarantined), (14, 1));
    let wish = || dhoa(granted[3], 0, 0);
    let other = &mns[USABLE];
    let refused = world.ask(&Dmip::dhoa_request(1).option(wish()).by(other));
    assert_eq!(refused.status, 130, "it rests, whoever wishes for it");
    let back = world.ask(&Dmip::dhoa_request(2).by(&mns[3]));
    assert_eq!(back.dhoa(), granted[3], "unasked");

    world.command(AnchorCommand::Release {
        home_address: granted[3],
    });
    world.wait(Duration::from_secs(239));
    assert_eq!(world.ask(&Dmip::dhoa_request(2).by(other)).status, 130);
    world.wait(Duration::from_secs(1));
    let next = world.ask(&Dmip::dhoa_request(3).by(other));
    assert_eq!(next.dhoa(), granted[3], "the only one that is free");
    assert_eq!(world.ask(&Dmip::dhoa_request(3).by(&mns[3])).status, 130);
}
