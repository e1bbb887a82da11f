//! Everything that was measured, and how

use std::fmt;

use serde::Serialize;

use super::device::Subject;
use super::flood::Flooded;
use super::measure::Effort;
use super::search::{Interval, Outcome};
use super::setup::Setup;
use super::traffic::Mix;
use crate::results::Figures;

/// A generator that stops for longer has lost its core to somebody. Rings of 1,024 places last for a tenth of that at full rate.
const QUIET_US: f64 = 1_000.0;

/// The whole result.
#[derive(Debug, Serialize)]
pub struct Report {
    eal: Vec<String>,
    bindings: u32,
    ring_log2: u8,
    effort: Effort,
    pub results: Vec<MixResult>,
}

/// Of one mix of sizes.
#[derive(Debug, Serialize)]
pub struct MixResult {
    pub traffic: Mix,
    pub flood: Option<Flooded>,
    pub devices: Vec<DeviceResult>,
}

/// What the search has found of a device.
#[derive(Debug, Serialize)]
pub struct DeviceResult {
    pub subject: Subject,
    pub ndr: Rate,
    pub pdr: Rate,
    /// The search came to its end, and not to its last trial.
    pub complete: bool,
    pub latencies: Vec<Latency>,
    /// What a changed cache line takes between generator and device, before and after.
    pub core_to_core_ns: [f64; 2],
    /// For how long the generator did not run at worst, which on a machine of its own is next to nothing.
    pub longest_pause_us: f64,
    pub trials: Vec<Outcome>,
}

/// A throughput, in millions of packets in a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// The greatest load that was good enough.
    pub mpps: Option<f64>,
    /// The least that was not.
    pub above_mpps: Option<f64>,
}

/// Microseconds from generator to generator.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub percent_of_ndr: u16,
    pub mpps: f64,
    pub loss_ratio: f64,
    pub samples: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
}

impl Rate {
    pub fn of(interval: Interval) -> Self {
        Self {
            mpps: interval.lower.map(|pps| pps / 1e6),
            above_mpps: interval.upper.map(|pps| pps / 1e6),
        }
    }
}

impl MixResult {
    pub fn new(traffic: Mix, flood: Option<Flooded>) -> Self {
        Self {
            traffic,
            flood,
            devices: Vec::new(),
        }
    }

    /// What was found of one of the devices.
    pub fn device(&self, subject: Subject) -> Option<&DeviceResult> {
        self.devices.iter().find(|device| device.subject == subject)
    }
}

impl Report {
    /// Of nothing yet.
    pub fn new(setup: &Setup, effort: &Effort) -> Self {
        Self {
            eal: setup.eal.clone(),
            bindings: setup.bindings,
            ring_log2: setup.ring_log2,
            effort: *effort,
            results: Vec::new(),
        }
    }

    /// What to say if others have computed on the same cores.
    pub fn disturbed(&self) -> Option<String> {
        let devices = self.results.iter().flat_map(|result| &result.devices);
        let longest_us = devices
            .map(|device| device.longest_pause_us)
            .fold(0.0, f64::max);
        (longest_us > QUIET_US).then(|| {
            format!(
                "disturbed: the generator did not run for up to {:.1} ms, so that losses and latencies are others' too; remedy: a machine with \
                 nothing else to do",
                longest_us / 1e3
            )
        })
    }

    /// What targets can name.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::new();
        for result in &self.results {
            let mut put =
                |name: &str, value| figures.put(format!("{}.{name}", result.traffic), value);
            let flood = result.flood.as_ref();
            put("flood_mpps", flood.map(|flood| flood.worker.mpps.median));
            put(
                "flood_times_testpmd",
                flood.map(|flood| flood.times_testpmd.median),
            );
            let worker = result.device(Subject::Worker);
            let testpmd = result.device(Subject::Testpmd);
            for (name, rate) in [
                ("ndr", DeviceResult::ndr as fn(&_) -> _),
                ("pdr", DeviceResult::pdr),
            ] {
                let (ours, theirs) = (worker.and_then(rate), testpmd.and_then(rate));
                put(&format!("{name}_mpps"), ours);
                let times = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
                put(&format!("{name}_times_testpmd"), times);
            }
            for latency in worker.iter().flat_map(|worker| &worker.latencies) {
                let percent = latency.percent_of_ndr;
                put(&format!("latency_{percent}.p50_us"), Some(latency.p50_us));
                put(&format!("latency_{percent}.p99_us"), Some(latency.p99_us));
                put(&format!("latency_{percent}.p999_us"), Some(latency.p999_us));
            }
        }
        figures
    }
}

impl DeviceResult {
    fn ndr(&self) -> Option<f64> {
        self.ndr.mpps
    }

    fn pdr(&self) -> Option<f64> {
        self.pdr.mpps
    }
}

impl fmt::Display for MixResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}  flood ", self.traffic.to_string(),)?;
        let Some(flood) = &self.flood else {
            return f.write_str("not measured: the cores moved in every round");
        };
        let (ours, theirs, times) = (flood.worker.mpps, flood.testpmd.mpps, flood.times_testpmd);
        write!(
            f,
            "{:.2} Mpps ({:.2} to {:.2}), testpmd io {:.2} ({:.2} to {:.2}): {:.2} times that ({:.2} to {:.2}); full rings refused {:.0} % and {:.0} %; cores {:.0} ns apart",
            ours.median,
            ours.min,
            ours.max,
            theirs.median,
            theirs.min,
            theirs.max,
            times.median,
            times.min,
            times.max,
            flood.worker.refused.median * 100.0,
            flood.testpmd.refused.median * 100.0,
            flood.core_to_core_ns.median,
        )
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mpps, self.above_mpps) {
            (Some(mpps), Some(_)) => write!(f, "{mpps:.2} Mpps"),
            (Some(mpps), None) => write!(f, "at least {mpps:.2} Mpps"),
            (None, Some(above)) => write!(f, "less than {above:.2} Mpps"),
            (None, None) => f.write_str("not found"),
        }
    }
}

impl fmt::Display for DeviceResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ndr, pdr, .. } = self;
        let [before, after] = self.core_to_core_ns;
        let short = if self.complete { "" } else { ", out of trials" };
        write!(
            f,
            "      {:<10} NDR {ndr}, PDR {pdr} ({} trials{short}); µs p50/p99/p99.9 at",
            self.subject.name(),
            self.trials.len()
        )?;
        for latency in &self.latencies {
            write!(
                f,
                "  {} %: {:.1}/{:.1}/{:.1}",
                latency.percent_of_ndr, latency.p50_us, latency.p99_us, latency.p999_us
            )?;
        }
        write!(
            f,
            "; generator stopped for {:.0} at most; cores {before:.0} ns apart, then {after:.0}",
            self.longest_pause_us
        )
    }
}
