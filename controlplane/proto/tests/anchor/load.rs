//! Section 4.2, option 2: "Load (0 idle … 255 full: takes no new DHoAs)".

use std::time::Duration;

use dhp_proto::anchor::{AnchorCommand, AnchorConfig, Limits, PoolConfig, PoolKind};
use dhp_wire::codepoints::status;
use proptest::prelude::*;

use crate::harness::{HOME, Mn, OWN_DHOA, World, config, mn1};
use crate::message::{Dmip, Update};

fn load(world: &World) -> u8 {
    let mut covered = world.anchor.own_coverage(world.now);
    covered.next().expect("a coverage").entry.load
}

/// An anchor with a DHoA pool of this length, room for so many home addresses, and a mobile node more for each number.
fn with(length: u8, most: usize, others: &[Mn]) -> World {
    let mut config = config();
    let pool = format!("2001:db8:d:1::/{length}").parse().unwrap();
    config.pools[0] = PoolConfig::new(pool, PoolKind::Dhoa);
    let others = others.iter().map(|mn| mn.security.clone());
    config.security_associations.extend(others);
    let limits = Limits {
        max_home_addresses: most,
        ..Limits::default()
    };
    World::with(AnchorConfig { limits, ..config })
}

/// The share of the home addresses that this anchor may hold: bound ones of both kinds, and those in quarantine.
#[test]
fn load_is_the_share_of_home_addresses_that_are_held() {
    let mut world = with(64, 4, &[]);
    assert_eq!(load(&world), 0);
    world.ask(&Update::new(HOME, 1).by(&mn1()));
    assert_eq!(load(&world), 63);
    let granted = world.ask(&Dmip::dhoa_request(1).by(&mn1())).dhoa();
    assert_eq!(load(&world), 127);
    world.ask(&Dmip::update(2, &[granted]).lifetime(0).by(&mn1()));
    assert_eq!(load(&world), 127, "in quarantine");
    world.wait(Duration::from_secs(240));
    assert_eq!(load(&world), 63);
}

/// The share of the pools' addresses that nobody can get: here 15 of which one belongs to a mobile node for good.
#[test]
fn load_is_the_share_of_the_pools_that_is_taken() {
    let mut world = with(124, 1000, &[]);
    assert_eq!(load(&world), 17, "one of fifteen");
    world.ask(&Dmip::dhoa_request(1).by(&mn1()));
    assert_eq!(load(&world), 34);
    world.ask(&Dmip::update(2, &[OWN_DHOA]).by(&mn1()));
    assert_eq!(load(&world), 34, "bound or not");
    world.ask(&Dmip::update(3, &[OWN_DHOA]).lifetime(0).by(&mn1()));
    assert_eq!(load(&world), 34);
}

/// A draining DHP takes nobody, and one without a pool cannot.
#[test]
fn a_dhp_that_takes_nobody_is_full() {
    let mut world = World::new();
    world.command(AnchorCommand::SetDraining(true));
    assert_eq!(load(&world), 255);
    world.command(AnchorCommand::SetDraining(false));
    assert_eq!(load(&world), 0);
    let mut config = config();
    config.pools.remove(0);
    config.security_associations.clear();
    assert_eq!(load(&World::with(config)), 255);
}

/// Who owns what may change while the anchor works.
#[test]
fn a_reload_counts_anew() {
    let mut world = with(124, 1000, &[]);
    let mut changed = world.anchor.config().clone();
    changed.security_associations = vec![Mn::new(1, &[HOME]).security];
    world.reconfigure(changed).unwrap();
    assert_eq!(load(&world), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Request(usize),
    BindOwn(bool),
    BindHome(bool),
    Leave(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4usize).prop_map(Step::Request),
        1 => any::<bool>().prop_map(Step::BindOwn),
        1 => any::<bool>().prop_map(Step::BindHome),
        2 => (0..4usize).prop_map(Step::Leave),
        1 => (1..300u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// 255 stands exactly where a mobile node that has nothing here would be refused for lack of room.
    #[test]
    fn full_is_who_would_refuse(
        // Short, but with room for the DHoA that a mobile node owns.
        length in 124..=125u8,
        most in 1..12usize,
        steps in prop::collection::vec(step(), 0..24),
    ) {
        let others = [3, 4, 5, 6, 7].map(|number| Mn::new(number, &[]));
        let mut world = with(length, most, &others);
        let (newcomer, others) = others.split_last().unwrap();
        for (number, step) in (1u16..).zip(steps) {
            let life = |stays: bool| if stays { 150 } else { 0 };
            match step {
                Step::Request(mn) => {
                    // Each time one that is not shared.
                    let request = Dmip::dhoa_request(number).flags(0x8000);
                    let request = request.option(crate::message::flow(number));
                    world.feed(&request.by(&others[mn]));
                }
                Step::BindOwn(stays) => {
                    let update = Dmip::update(number, &[OWN_DHOA]).lifetime(life(stays));
                    world.feed(&update.by(&mn1()));
                }
                Step::BindHome(stays) => {
                    world.feed(&Update::new(HOME, number).lifetime(life(stays)).by(&mn1()));
                }
                Step::Leave(mn) => {
                    world.feed(&Dmip::update(number, &[]).lifetime(0).by(&others[mn]));
                }
                Step::Wait(seconds) => world.wait(Duration::from_secs(seconds)),
            }
        }
        let is_full = load(&world) == 255;
        let answer = world.ask(&Dmip::dhoa_request(1).by(newcomer));
        let is_refused = answer.status == status::INSUFFICIENT_RESOURCES;
        prop_assert_eq!(is_full, is_refused, "{}", answer.status);
    }
}
