//! A source of packets that is even, whoever takes its core away

use std::time::Duration;

/// So many a second, and what was missed while the source did not run is not sent all at once: that would be another rate.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    /// Packets that may wait to be sent.
    burst: f64,
    /// Packets that are due.
    due: f64,
    counted: Duration,
}

impl Pace {
    /// So many a second, and at most so many at once.
    pub fn new(per_second: u32, burst: u64) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: burst as f64,
            due: 0.0,
            counted: Duration::ZERO,
        }
    }

    /// How many are due, so long after the start.
    pub fn due(&mut self, elapsed: Duration) -> u64 {
        let since = elapsed.saturating_sub(self.counted).as_secs_f64();
        self.counted = elapsed;
        self.due = (self.due + since * self.per_second).min(self.burst);
        self.due as u64
    }

    /// One was sent.
    pub fn sent(&mut self) {
        self.due -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(1_000, 32);
        let mut sent = 0;
        let mut run = |times: std::ops::Range<u64>| {
            for time in times {
                for _ in 0..pace.due(Duration::from_micros(500 * time)) {
                    pace.sent();
                    sent += 1;
                }
            }
            std::mem::take(&mut sent)
        };
        assert_eq!(run(0..2_001), 1_000);
        // A second in which the source stood still: its first step has a burst, and goes on at the rate.
        assert_eq!(run(4_000..4_001), 32);
        assert_eq!(run(4_001..4_201), 100);
    }
}
