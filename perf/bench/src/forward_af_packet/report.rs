//! The result, for people and as JSON

use std::fmt;

use serde::Serialize;

use super::Arguments;
use super::plan::Direction;
use super::windows::Window;
use crate::statistics::Spread;

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub struct Report {
    benchmark: &'static str,
    kernel: String,
    cores: usize,
    workers: u16,
    bindings: u16,
    frame_octets: u16,
    windows: u16,
    window_ms: u64,
    results: Vec<Measured>,
}

/// One direction, alone or together with the other.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    direction: Direction,
    /// Both directions had packets at once.
    both_directions: bool,
    /// Arrived at the other side, in thousands per second.
    kpps: Spread,
    /// Offered by the generator.
    offered_kpps: Spread,
    /// By each worker.
    per_worker_kpps: Vec<Spread>,
    /// Arrived, window by window.
    window_kpps: Vec<f64>,
}

impl Report {
    pub fn new(arguments: &Arguments, cores: usize) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            benchmark: "forward-af-packet",
            kernel: kernel.trim().to_owned(),
            cores,
            workers: arguments.workers,
            bindings: arguments.bindings,
            frame_octets: arguments.size,
            windows: arguments.windows,
            window_ms: arguments.window_ms,
            results: Vec::new(),
        }
    }

    /// Add the windows of one measurement, and give back what they say of each direction.
    pub fn add(&mut self, directions: &[Direction], windows: &[Window]) -> Vec<Measured> {
        let results: Vec<_> = directions
            .iter()
            .filter_map(|direction| {
                let of_it: Vec<_> = windows
                    .iter()
                    .filter(|window| window.direction == *direction)
                    .collect();
                summarize(*direction, directions.len() > 1, &of_it)
            })
            .collect();
        self.results.extend_from_slice(&results);
        results
    }

    /// The median of the slowest worker and direction, each direction alone.
    pub fn slowest_kpps(&self) -> f64 {
        let alone = self.results.iter().filter(|result| !result.both_directions);
        alone
            .flat_map(|result| &result.per_worker_kpps)
            .map(|spread| spread.median)
            .fold(f64::INFINITY, f64::min)
    }
}

fn summarize(direction: Direction, both_directions: bool, windows: &[&Window]) -> Option<Measured> {
    let spread = |value: &dyn Fn(&Window) -> f64| {
        let values: Vec<_> = windows.iter().map(|window| value(window)).collect();
        Spread::of(&values)
    };
    let workers = windows.first()?.per_worker_kpps.len();
    let per_worker_kpps = (0..workers)
        .filter_map(|worker| {
            spread(&|window| window.per_worker_kpps.get(worker).copied().unwrap_or(0.0))
        })
        .collect();
    Some(Measured {
        direction,
        both_directions,
        kpps: spread(&|window| window.arrived_kpps)?,
        offered_kpps: spread(&|window| window.offered_kpps)?,
        per_worker_kpps,
        window_kpps: windows.iter().map(|window| window.arrived_kpps).collect(),
    })
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.both_directions {
            "both ways"
        } else {
            "alone"
        };
        let Spread { min, median, max } = self.kpps;
        write!(
            f,
            "{:<8} {with:<9} {median:7.1} kpps median ({min:.1} to {max:.1}), {:.1} offered; workers:",
            self.direction.name(),
            self.offered_kpps.median,
        )?;
        for worker in &self.per_worker_kpps {
            write!(f, " {:.1}", worker.median)?;
        }
        Ok(())
    }
}
