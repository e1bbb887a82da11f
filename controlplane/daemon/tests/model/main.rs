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
mod coverage;
mod findings;
mod invariants;
mod ledger;
mod message;
mod network;
mod reference;
mod signer;
mod site;
mod step;
mod strategies;
mod world;

use std::cell::RefCell;

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner,
};

use coverage::Coverage;
use world::World;

/// Steps of all runs together, at least, and of one on average.
const STEPS: usize = 20_000;
const STEPS_OF_A_RUN: usize = 400;
/// Runs are of different lengths: so many more see to it that there are enough steps.
const SPARE_RUNS: usize = 2;

#[test]
fn the_anchor_does_what_the_reference_does() {
    let more = std::env::var("DHPD_MODEL_STEPS").ok();
    let more: Option<usize> = more.and_then(|text| text.parse().ok());
    let runs = more.unwrap_or(STEPS).div_ceil(STEPS_OF_A_RUN) + SPARE_RUNS;
    let config = Config {
        cases: u32::try_from(runs).expect("32 bits"),
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/model/regressions.txt",
        ))),
        ..Config::default()
    };
    let mut runner = match more {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let coverage = RefCell::new(Coverage::default());
    let outcome = runner.run(&strategies::steps(STEPS_OF_A_RUN), |steps| {
        let mut coverage = coverage.borrow_mut();
        let run = World::new(&mut coverage).run(&steps);
        run.map_err(|difference| TestCaseError::fail(difference.to_string()))
    });
    let coverage = coverage.into_inner();
    println!("{coverage}");
    if let Err(error) = outcome {
        panic!("{error}");
    }
    if more.is_none() {
        coverage.assert_enough(STEPS);
    }
}
