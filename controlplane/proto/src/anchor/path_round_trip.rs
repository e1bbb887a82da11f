//! How far the correspondents are that this DHP covers: "Path RTT DHP→CN" of its DHP Information (DMIPv6 profile 1, section 4.2).
//!
//! The engine sends no probes. Who has a socket asks somebody there, as often as the operator wants, and tells what came of it.

use core::time::Duration;
use std::collections::VecDeque;

use hashbrown::HashMap;
use ipnet::Ipv6Net;

use super::Anchor;

/// Outcomes that count. Of what they measured the least counts: what an answer took longer, it has waited in queues here or
/// there, and tells nothing of the way. It is forgotten in time when the way gets longer.
const KEPT: usize = 8;

/// After so many losses in a row nothing is known of the way any more.
const LOSSES: usize = 3;

/// What came of one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathOutcome {
    /// An answer came after this time.
    Answered(Duration),
    /// None came.
    Lost,
    /// Nobody measures this way any more.
    Unmeasured,
}

/// The last outcomes of one way in µs, oldest first; `None` is a loss.
#[derive(Debug, Default)]
struct Path {
    outcomes: VecDeque<Option<u32>>,
}

impl Path {
    fn note(&mut self, outcome: Option<u32>) {
        if self.outcomes.len() >= KEPT {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome);
    }

    fn round_trip_us(&self) -> Option<u32> {
        let is_lost = self.outcomes.iter().rev().take(LOSSES).all(Option::is_none);
        let least = self.outcomes.iter().flatten().min();
        least.copied().filter(|_| !is_lost)
    }
}

/// The ways to the prefixes of the coverage.
#[derive(Debug, Default)]
pub(crate) struct PathRoundTrips {
    by_prefix: HashMap<Ipv6Net, Path>,
}

impl PathRoundTrips {
    /// Round-trip time in µs, as a DHP Information option has it: 0 where it is not known.
    pub(crate) fn round_trip_us(&self, prefix: &Ipv6Net) -> u32 {
        let path = self.by_prefix.get(prefix);
        path.and_then(Path::round_trip_us).unwrap_or(0)
    }

    fn note(&mut self, prefix: Ipv6Net, outcome: PathOutcome) {
        let outcome = match outcome {
            PathOutcome::Answered(time) => {
                let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
                // 0 would tell that it is not known.
                Some(us.max(1))
            }
            PathOutcome::Lost => None,
            PathOutcome::Unmeasured => {
                self.by_prefix.remove(&prefix);
                return;
            }
        };
        self.by_prefix.entry(prefix).or_default().note(outcome);
    }
}

impl Anchor {
    /// Takes note of a measurement. What this DHP does not cover (any more) concerns nobody.
    pub(crate) fn note_path(&mut self, prefix: Ipv6Net, outcome: PathOutcome) {
        let prefix = prefix.trunc();
        if self.coverage.contains(&prefix) {
            self.paths.note(prefix, outcome);
        }
    }

    /// After another configuration.
    pub(crate) fn forget_uncovered_paths(&mut self) {
        let coverage = &self.coverage;
        self.paths
            .by_prefix
            .retain(|prefix, _| coverage.contains(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> Ipv6Net {
        "2001:db8:c::/48".parse().unwrap()
    }

    fn after(outcomes: &[PathOutcome]) -> u32 {
        let mut paths = PathRoundTrips::default();
        for outcome in outcomes {
            paths.note(prefix(), *outcome);
        }
        paths.round_trip_us(&prefix())
    }

    fn answered(us: u64) -> PathOutcome {
        PathOutcome::Answered(Duration::from_micros(us))
    }

    #[test]
    fn the_least_of_the_last_eight_counts() {
        assert_eq!(after(&[]), 0);
        assert_eq!(after(&[answered(500), answered(400), answered(900)]), 400);
        let mut outcomes = vec![answered(100)];
        outcomes.extend([answered(700); 7]);
        assert_eq!(after(&outcomes), 100);
        outcomes.push(answered(800));
        assert_eq!(after(&outcomes), 700, "the way has become longer");
    }

    #[test]
    fn three_losses_in_a_row_make_it_unknown_until_the_next_answer() {
        let mut outcomes = vec![answered(500), PathOutcome::Lost, PathOutcome::Lost];
        assert_eq!(after(&outcomes), 500);
        outcomes.push(PathOutcome::Lost);
        assert_eq!(after(&outcomes), 0);
        outcomes.push(answered(600));
        assert_eq!(after(&outcomes), 500);
    }

    #[test]
    fn a_measured_time_is_never_zero_and_fits_its_field() {
        assert_eq!(after(&[PathOutcome::Answered(Duration::ZERO)]), 1);
        assert_eq!(after(&[PathOutcome::Answered(Duration::MAX)]), u32::MAX);
    }

    #[test]
    fn what_nobody_measures_any_more_is_unknown() {
        assert_eq!(after(&[answered(500), PathOutcome::Unmeasured]), 0);
    }
}
