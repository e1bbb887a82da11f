//! Counting per window

use std::time::{Duration, Instant};

use dhp_segment::{Counter, CounterSnapshot};

use super::appliance::Appliance;
use super::plan::Direction;
use super::traffic::Generator;
use crate::namespace::Namespace;

/// What one direction did in one window, in thousands of packets per second.
#[derive(Clone, Debug)]
pub struct Window {
    pub direction: Direction,
    /// Sent by the generator.
    pub offered_kpps: f64,
    /// Arrived at the other side.
    pub arrived_kpps: f64,
    /// Put into or taken out of tunnels, by each worker.
    pub per_worker_kpps: Vec<f64>,
}

/// All counts of one moment.
struct Moment {
    at: Instant,
    arrived: Vec<u64>,
    sent: Vec<u64>,
    workers: Vec<CounterSnapshot>,
}

/// Measure `count` windows, after one to warm up.
pub fn measure(
    outside: &Namespace,
    appliance: &Appliance,
    generator: &Generator,
    directions: &[Direction],
    length: Duration,
    count: usize,
) -> anyhow::Result<Vec<Window>> {
    let now = || -> anyhow::Result<Moment> {
        let mut arrived = Vec::with_capacity(directions.len());
        for direction in directions {
            let (_, interface) = direction.interfaces();
            arrived.push(outside.received_packets(interface)?);
        }
        Ok(Moment {
            at: Instant::now(),
            arrived,
            sent: directions
                .iter()
                .map(|direction| generator.sent(*direction))
                .collect(),
            workers: appliance.counters(),
        })
    };
    std::thread::sleep(length);
    let mut windows = Vec::with_capacity(count * directions.len());
    let mut before = now()?;
    for _ in 0..count {
        std::thread::sleep(length);
        let after = now()?;
        for (number, direction) in directions.iter().enumerate() {
            windows.push(between(&before, &after, number, *direction));
        }
        before = after;
    }
    Ok(windows)
}

fn between(before: &Moment, after: &Moment, number: usize, direction: Direction) -> Window {
    let milliseconds = after.at.duration_since(before.at).as_secs_f64() * 1e3;
    let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / milliseconds;
    let of = |from: &[u64], to: &[u64]| match (from.get(number), to.get(number)) {
        (Some(from), Some(to)) => rate(*from, *to),
        _ => 0.0,
    };
    let counter = match direction {
        Direction::Downlink => Counter::Encapsulated,
        Direction::Uplink => Counter::Decapsulated,
    };
    Window {
        direction,
        offered_kpps: of(&before.sent, &after.sent),
        arrived_kpps: of(&before.arrived, &after.arrived),
        per_worker_kpps: before
            .workers
            .iter()
            .zip(&after.workers)
            .map(|(from, to)| rate(from.get(counter), to.get(counter)))
            .collect(),
    }
}
