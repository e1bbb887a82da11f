//! Percentiles of a histogram that is fine enough for them

use anyhow::Context;
use prometheus::core::{Collector, Metric};
use prometheus::{Histogram, HistogramOpts};
use serde::Serialize;

use crate::statistics::Spread;

/// Width of a bucket: the error of a percentile.
const STEP_US: u32 = 5;
/// The last bucket's end; what is slower counts as this slow.
const LONGEST_US: u32 = 10_000;

/// A histogram for the control plane to fill.
pub fn histogram() -> prometheus::Result<Histogram> {
    let ends = (1..=LONGEST_US / STEP_US).map(|step| f64::from(step * STEP_US) / 1e6);
    Histogram::with_opts(
        HistogramOpts::new("punt_to_inject_seconds", "from punt to inject").buckets(ends.collect()),
    )
}

/// How many fell into each bucket, and how many in all.
#[derive(Clone, Debug)]
pub struct Latencies {
    cumulative: Vec<u64>,
    count: u64,
}

impl Latencies {
    /// What the histogram has now.
    pub fn of(histogram: &Histogram) -> Self {
        debug_assert_eq!(histogram.desc().len(), 1);
        let metric = histogram.metric();
        let histogram = metric.get_histogram();
        Self {
            cumulative: histogram
                .get_bucket()
                .iter()
                .map(prometheus::proto::Bucket::cumulative_count)
                .collect(),
            count: histogram.get_sample_count(),
        }
    }

    /// What has come since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            cumulative: self
                .cumulative
                .iter()
                .zip(&before.cumulative)
                .map(|(now, then)| now - then)
                .collect(),
            count: self.count - before.count,
        }
    }

    /// What a share of them did not exceed, in microseconds.
    pub fn percentile_us(&self, share: f64) -> f64 {
        let wanted = self.count as f64 * share;
        let bucket = self
            .cumulative
            .iter()
            .position(|count| *count as f64 >= wanted);
        let steps = bucket.map_or(LONGEST_US / STEP_US, |bucket| {
            u32::try_from(bucket + 1).unwrap_or(u32::MAX)
        });
        f64::from(steps * STEP_US)
    }
}

/// Percentiles of several windows, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    pub p50_us: Spread,
    pub p99_us: Spread,
    pub p999_us: Spread,
}

impl Percentiles {
    /// Of these windows.
    ///
    /// # Errors
    /// There is none.
    pub fn of(windows: &[Latencies]) -> anyhow::Result<Self> {
        let spread = |share| {
            let values: Vec<_> = windows
                .iter()
                .map(|window| window.percentile_us(share))
                .collect();
            Spread::of(&values).context("nothing was measured")
        };
        Ok(Self {
            p50_us: spread(0.5)?,
            p99_us: spread(0.99)?,
            p999_us: spread(0.999)?,
        })
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            ("p50", self.p50_us),
            ("p99", self.p99_us),
            ("p99.9", self.p999_us),
        ];
        for (name, Spread { min, median, max }) in named {
            write!(f, " {name} {median:.0} µs ({min:.0} to {max:.0})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_ends_of_their_buckets_and_of_the_window_only() {
        let histogram = histogram().expect("valid buckets");
        histogram.observe(0.009);
        let before = Latencies::of(&histogram);
        for microseconds in 1..=100 {
            histogram.observe(f64::from(microseconds) / 1e6);
        }
        let window = Latencies::of(&histogram).since(&before);
        assert_eq!(window.percentile_us(0.5), 50.0);
        assert_eq!(window.percentile_us(0.99), 100.0);
        histogram.observe(1.0);
        let slow = Latencies::of(&histogram).since(&before);
        assert_eq!(slow.percentile_us(1.0), 10_000.0);
    }
}
