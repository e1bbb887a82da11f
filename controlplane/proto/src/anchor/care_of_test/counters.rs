//! How tests have ended.

use crate::anchor::counters::{CounterSample, increment, sample};

/// The care-of tests of an anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CareOfTestCounters {
    /// Tests begun. Each of them ends in one of the other ways.
    pub begun: u64,
    /// The cookie was echoed in time.
    pub passed: u64,
    /// It was not.
    pub failed: u64,
    /// The mobile node has gone elsewhere, or the bindings have ended.
    pub abandoned: u64,
}

impl CareOfTestCounters {
    pub(crate) fn count_begun(&mut self) {
        increment(&mut self.begun);
    }

    pub(crate) fn count_passed(&mut self) {
        increment(&mut self.passed);
    }

    pub(crate) fn count_failed(&mut self) {
        increment(&mut self.failed);
    }

    pub(crate) fn count_abandoned(&mut self) {
        increment(&mut self.abandoned);
    }

    /// Everything, for export.
    pub(crate) fn samples(&self) -> impl Iterator<Item = CounterSample> {
        let ended = [
            ("passed", self.passed),
            ("failed", self.failed),
            ("abandoned", self.abandoned),
        ];
        let (begun, help) = ("dhp_care_of_tests_begun_total", "Care-of tests begun");
        let begun = sample(begun, help, Vec::new(), self.begun);
        let ended = ended.map(|(result, value)| {
            let labels = vec![("result", result.to_owned())];
            let (name, help) = ("dhp_care_of_tests_ended_total", "Care-of tests ended");
            sample(name, help, labels, value)
        });
        core::iter::once(begun).chain(ended)
    }
}
