//! What the model has found, as the few steps that show it

use std::collections::BTreeMap;

use super::step::{By, Step, Update};
use super::world::World;
use crate::reference::Restart;
use crate::site::PLACES;

const BY: By = By {
    node: 0,
    place: 0,
    care_of: 0,
    is_late: false,
};

fn no_difference(steps: &[Step]) {
    let mut seen = BTreeMap::new();
    if let Err(difference) = World::new(&mut seen).run(steps) {
        panic!("{difference}");
    }
}

/// The only DHoA gets these care-of addresses.
fn update(bids: &[(u16, usize)]) -> Step {
    let bids = bids.iter().map(|(bid, place)| (*bid, (*place, 0)));
    let update = Update {
        listed: vec![0],
        of_another: false,
        bids: bids.collect(),
        lifetime: 100,
        replace: false,
        echo: None,
    };
    Step::Update(BY, update)
}

/// Packets were taken from it as from one that had passed: for the whole of the next test and 2 s more.
#[test]
fn a_bid_that_moves_on_during_its_test_has_not_been_where_it_was() {
    no_difference(&[
        Step::Request {
            by: BY,
            fid: 0,
            lifetime: 100,
        },
        update(&[(1, 0), (3, PLACES)]),
        update(&[(3, 0)]),
        Step::Wait(2_000),
        Step::Up(0, PLACES),
    ]);
}

/// A start that lacks the last refreshes has addresses rest for longer, and the next one had forgotten that of a DHoA under test.
#[test]
fn a_dhoa_under_test_rests_as_long_as_any_after_a_start_that_distrusts_the_journal() {
    no_difference(&[
        Step::Restart(Restart::Sudden, 0),
        Step::Request {
            by: BY,
            fid: 0,
            lifetime: 1,
        },
        Step::Restart(Restart::Orderly, 0),
    ]);
}
