//! Runs of a model: how many there are, and by which random numbers

use std::cell::Cell;
use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner,
};

use crate::world::Difference;

/// How long runs are.
pub struct Length {
    /// Steps of all together, at least.
    pub all: usize,
    /// Steps of one, on average.
    pub one: usize,
}

/// The steps that are asked for instead of those of every run, which are random then.
pub fn more_steps() -> Option<usize> {
    let more = std::env::var("DHPD_MODEL_STEPS").ok();
    more.and_then(|text| text.parse().ok())
}

/// Runs until there are enough steps; `regressions` gets the seeds of runs that fail.
///
/// # Errors
/// The first difference, in as few steps as show it.
pub fn until_enough<S: Debug>(
    length: &Length,
    regressions: &'static str,
    steps: &impl Strategy<Value = Vec<S>>,
    run: impl Fn(&[S]) -> Result<(), Difference>,
) -> Result<(), String> {
    let wanted = more_steps().unwrap_or(length.all);
    // Some are short: when there are enough steps, the rest take none.
    let runs = 2 * wanted.div_ceil(length.one);
    let config = Config {
        cases: u32::try_from(runs).expect("32 bits"),
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..Config::default()
    };
    let mut runner = match more_steps() {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let taken = Cell::new(0);
    let has_failed = Cell::new(false);
    let outcome = runner.run(steps, |steps| {
        if taken.get() >= wanted && !has_failed.get() {
            return Ok(());
        }
        taken.set(taken.get() + steps.len());
        run(&steps).map_err(|difference| {
            has_failed.set(true);
            TestCaseError::fail(difference.to_string())
        })
    });
    outcome.map_err(|error| error.to_string())
}
