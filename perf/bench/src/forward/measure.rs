//! Throughput and latency of one device with the generator that keeps time

use dhp_port_dpdk::Eal;
use serde::Serialize;

use super::check;
use super::device::{Device, Subject};
use super::distance;
use super::generator::Generator;
use super::recording::Recording;
use super::report::{DeviceResult, Latency, Rate};
use super::search::{Bounds, Goal, Outcome, Search, Trial};
use super::setup::{Link, Setup};
use super::traffic::Traffic;
use crate::statistics::percentile;

/// Shares of the NDR at which latencies are taken, in percent.
const LATENCY_LOADS: [u16; 3] = [10, 50, 90];
/// More than any device here forwards.
const MAX_LOAD: f64 = 20e6;
const MIN_LOAD: f64 = 10e3;
const PDR_LOSS: f64 = 0.005;

/// How long to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effort {
    /// Of the flood.
    pub rounds: u16,
    /// Of the flood, each.
    pub window_ms: u64,
    /// Seconds of the longest trials.
    trial: f64,
    /// Of those that decide about a load, together.
    trial_sum: f64,
    /// Of the intervals in which the rates are found, as a share of their upper end.
    width: f64,
    /// Of a search.
    max_trials: usize,
    /// Seconds of each latency trial.
    latency_trial: f64,
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 5,
        window_ms: 1_000,
        trial: 0.5,
        trial_sum: 1.5,
        width: 0.005,
        max_trials: 90,
        latency_trial: 1.0,
    };
    pub const QUICK: Self = Self {
        rounds: 1,
        window_ms: 400,
        trial: 0.1,
        trial_sum: 0.3,
        width: 0.02,
        max_trials: 40,
        latency_trial: 0.2,
    };

    fn goal(&self, loss_ratio: f64) -> Goal {
        Goal {
            loss_ratio,
            final_duration: self.trial,
            duration_sum: self.trial_sum,
            exceed_ratio: 0.5,
            width: self.width,
        }
    }

    fn search(&self) -> Search {
        let bounds = Bounds {
            min_load: MIN_LOAD,
            max_load: MAX_LOAD,
            initial_duration: 0.05,
            preceding_targets: 3,
            max_trials: self.max_trials,
        };
        Search::new(&[self.goal(0.0), self.goal(PDR_LOSS)], bounds)
    }
}

/// Search the rates of a device, and take the latencies at shares of the first.
pub fn paced(
    subject: Subject,
    setup: &Setup,
    eal: &Eal,
    (traffic, recording): (&mut Traffic, &Recording),
    effort: &Effort,
) -> anyhow::Result<DeviceResult> {
    let before = distance::nanoseconds(setup.device_core)?;
    let link = Link::new(setup);
    let device = Device::start(subject, setup, &link)?;
    let mut generator = Generator::connect(eal, &link)?;
    check::packets(subject, &mut generator, traffic)?;
    let mut search = effort.search();
    let mut longest_pause_us = 0.0_f64;
    while let Some(trial) = search.next() {
        let counts = generator.run(recording, trial, false);
        longest_pause_us = counts.longest_pause_us.max(longest_pause_us);
        let loss_ratio = counts.loss_ratio();
        search.record(Outcome { trial, loss_ratio });
    }
    let [ndr, pdr] = [0, 1].map(|goal| Rate::of(search.interval(goal)));
    let mut latencies = Vec::new();
    for percent in LATENCY_LOADS {
        let Some(ndr_mpps) = ndr.mpps else {
            break;
        };
        let trial = Trial {
            load: ndr_mpps * 1e6 * f64::from(percent) / 100.0,
            duration: effort.latency_trial,
        };
        latencies.push(latency(&mut generator, recording, trial, percent));
    }
    device.stop()?;
    Ok(DeviceResult {
        subject,
        ndr,
        pdr,
        complete: search.is_complete(),
        latencies,
        core_to_core_ns: [before, distance::nanoseconds(setup.device_core)?],
        longest_pause_us,
        trials: search.outcomes().to_vec(),
    })
}

fn latency(
    generator: &mut Generator,
    recording: &Recording,
    trial: Trial,
    percent_of_ndr: u16,
) -> Latency {
    let mut counts = generator.run(recording, trial, true);
    let loss_ratio = counts.loss_ratio();
    let samples = &mut counts.latencies_us;
    samples.sort_by(f64::total_cmp);
    Latency {
        percent_of_ndr,
        mpps: trial.load / 1e6,
        loss_ratio,
        samples: samples.len(),
        p50_us: percentile(samples, 0.5),
        p99_us: percentile(samples, 0.99),
        p999_us: percentile(samples, 0.999),
    }
}
