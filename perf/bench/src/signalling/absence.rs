//! What the machine alone makes a thread wait: the limit to measure latencies against

use std::time::{Duration, Instant};

/// What lies between two readings of the clock and is no absence.
const READING: Duration = Duration::from_micros(5);

/// When a thread that does nothing but read the clock did not run.
#[derive(Clone, Debug)]
pub struct Absences {
    window: Duration,
    absences: Vec<Duration>,
}

impl Absences {
    /// Of the calling thread, in so long a time from now on.
    pub fn observe(window: Duration) -> Self {
        let started = Instant::now();
        let (mut last, mut absences) = (started, Vec::new());
        while last.duration_since(started) < window {
            let now = Instant::now();
            let between = now.duration_since(last);
            if between > READING {
                absences.push(between);
            }
            last = now;
        }
        Self {
            window: last.duration_since(started),
            absences,
        }
    }

    /// How long a share of those waits at most who come at any moment of the window, in microseconds.
    pub fn percentile_us(&self, share: f64) -> f64 {
        let mut longest_first: Vec<_> = self.absences.iter().map(Duration::as_secs_f64).collect();
        longest_first.sort_by(|one, other| other.total_cmp(one));
        // Who comes into the first part of a longer absence waits longer. Those parts together are what is left of the window.
        let slower = self.window.as_secs_f64() * (1.0 - share);
        let mut sum = 0.0;
        for (index, absence) in longest_first.iter().enumerate() {
            sum += absence;
            let wait = (sum - slower) / (index + 1) as f64;
            if wait >= longest_first.get(index + 1).copied().unwrap_or(0.0) {
                return wait * 1e6;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absences(milliseconds: &[u64]) -> Absences {
        Absences {
            window: Duration::from_secs(1),
            absences: milliseconds
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
        }
    }

    #[test]
    fn who_comes_into_an_absence_waits_for_its_end() {
        let near = |absences: Absences, share, us: f64| {
            let percentile = absences.percentile_us(share);
            assert!((percentile - us).abs() < 1e-3, "{percentile}");
        };
        near(absences(&[]), 0.999, 0.0);
        // A thousandth of the second, the first of the four, waits for more than three.
        near(absences(&[4]), 0.999, 3_000.0);
        near(absences(&[2, 4, 4]), 0.999, 3_500.0);
        near(absences(&[4, 4]), 0.99, 0.0);
        near(absences(&[12, 2]), 0.99, 2_000.0);
    }

    #[test]
    fn a_thread_is_observed_for_a_window() {
        let absences = Absences::observe(Duration::from_millis(2));
        assert!(absences.window >= Duration::from_millis(2));
        assert!(absences.percentile_us(1.0) <= absences.window.as_secs_f64() * 1e6);
    }
}
