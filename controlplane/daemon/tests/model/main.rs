//! A reference model against the daemon's two planes, in a simulated network
//!
//! Some two hundred mobile nodes register, move and leave through a network that loses, duplicates, delays and reorders, at an
//! anchor whose clock steps and that starts anew. After every turn of the control plane the [`reference`] says what the answer
//! had to be and which bindings there are; these are held against the engine, the segment, and packets through a worker.
//! Everything is simulated, and the same in every run.
//!
//! `DHPD_MODEL_STEPS=1000000 cargo test -p dhpd --release --test model` takes as many steps, other ones each time; a difference
//! that it finds comes with its seed for `regressions.txt`.

#[path = "../support/journal_file.rs"]
mod journal_file;
#[path = "../support/memory_ports.rs"]
mod memory_ports;

mod agents;
mod appliance;
mod care_of;
mod coverage;
mod findings;
mod invariants;
mod journal_time;
mod ledger;
mod message;
mod network;
mod reference;
mod run;
mod signer;
mod site;
mod step;
mod strategies;
mod world;

use std::cell::RefCell;

use coverage::Coverage;
use run::{Length, more_steps, until_enough};
use world::World;

/// With the steps of [`care_of`] there are 20,000.
const LENGTH: Length = Length {
    all: 17_000,
    one: 400,
};

#[test]
fn the_anchor_does_what_the_reference_does() {
    let coverage = RefCell::new(Coverage::default());
    let outcome = until_enough(
        &LENGTH,
        "tests/model/regressions.txt",
        &strategies::steps(LENGTH.one),
        |steps| World::new(&mut coverage.borrow_mut()).run(steps),
    );
    let coverage = coverage.into_inner();
    println!("{coverage}");
    if let Err(error) = outcome {
        panic!("{error}");
    }
    if more_steps().is_none() {
        coverage.assert_enough(LENGTH.all);
    }
}
