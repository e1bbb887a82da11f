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

/// All counts of about one moment, each with the time at which it was read: on a busy machine that takes a while.
struct Moment {
    at: Instant,
    arrived: Vec<(Instant, u64)>,
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
    let of_both = |from: u64, to: u64| rate((before.at, from), (after.at, to));
    let counter = match direction {
        Direction::Downlink => Counter::Encapsulated,
        Direction::Uplink => Counter::Decapsulated,
    };
    Window {
        direction,
        offered_kpps: match (before.sent.get(number), after.sent.get(number)) {
            (Some(from), Some(to)) => of_both(*from, *to),
            _ => 0.0,
        },
        arrived_kpps: match (before.arrived.get(number), after.arrived.get(number)) {
            (Some(from), Some(to)) => rate(*from, *to),
            _ => 0.0,
        },
        per_worker_kpps: before
            .workers
            .iter()
            .zip(&after.workers)
            .map(|(from, to)| of_both(from.get(counter), to.get(counter)))
            .collect(),
    }
}

/// Thousands per second between two readings of a counter.
fn rate((from_at, from): (Instant, u64), (to_at, to): (Instant, u64)) -> f64 {
    let milliseconds = to_at.duration_since(from_at).as_secs_f64() * 1e3;
    to.saturating_sub(from) as f64 / milliseconds
}
