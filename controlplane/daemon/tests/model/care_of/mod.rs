//! The care-of test alone (DMIPv6 profile 1, section 6.4): a reference of its own against both planes
//!
//! A few mobile nodes, and DHoAs with one care-of address or several: which care-of addresses are tested, by which cookies they pass,
//! what becomes of the bindings when they do not or when the anchor starts anew, and how many octets they get until then. Messages come late or
//! again; a network that loses them is the other model's.

mod answer;
mod care_ofs;
mod credit;
mod findings;
mod reference;
mod step;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::run::{Length, more_steps, until_enough};
use world::World;

const LENGTH: Length = Length {
    all: 3_000,
    one: 80,
};

/// What has to have happened, and at least so often.
const OCCASIONS: &[&str] = &[
    "abandoned",
    "accepted while others are under test",
    "begun",
    "DHoA is refused",
    "echo in vain",
    "failed",
    "from a stranger",
    "from a tested care-of address",
    "from a care-of address under test",
    "goes on after a restart",
    "has ended after a restart",
    "is after a restart where it had passed",
    "message again",
    "message late",
    "orderly restart",
    "passed",
    "restart without journal",
    "rests after a restart, untested",
    "status 0",
    "status 16",
    "status 135",
    "status 145",
    "status 194",
    "status 195",
    "sudden restart",
    "to a care-of address under test",
    "to nowhere",
    "to the first of several under test",
    "to the mobile node",
    "to the tested care-of address instead",
    "to nobody",
];

#[test]
fn care_of_addresses_get_what_the_reference_gives_them() {
    let seen = RefCell::new(BTreeMap::new());
    let outcome = until_enough(
        &LENGTH,
        "tests/model/care_of/regressions.txt",
        &step::steps(LENGTH.one),
        |steps| World::new(&mut seen.borrow_mut()).run(steps),
    );
    let seen = seen.into_inner();
    println!("care-of test: {seen:#?}");
    if let Err(error) = outcome {
        panic!("{error}");
    }
    if more_steps().is_none() {
        let count = |name: &str| seen.get(name).copied().unwrap_or(0);
        assert!(
            count("step") >= LENGTH.all as u64,
            "{} steps",
            count("step")
        );
        for name in OCCASIONS {
            assert!(count(name) >= 5, "{name}: {}", count(name));
        }
    }
}
