//! Notices when the machine's cores stood still: the lab's clock of how far a measurement can be trusted.
//!
//! A virtual machine's host, or a busy neighbour on it, takes a core away for milliseconds, and whatever was to run there
//! is late. On each core a thread that the kernel runs before all others of the lab sleeps a short time again and again;
//! when it wakes late, nothing else ran in time either. It sees only what comes from outside: no program of the lab can
//! delay it. What has a real-time priority between the meter's and the wires' it does not see: the wires say themselves when they
//! are late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use core_affinity::CoreId;

use crate::clock::monotonic_ns;
use crate::priority::{Priority, prefer_this_thread};

/// From one look at the clock to the next.
const PERIOD: Duration = Duration::from_millis(2);
/// How much later than asked a timer may be on a machine that runs as it should.
const TOLERANCE_NS: u64 = 1_000_000;

/// A time in which a core, or a wire, stood still, monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stall {
    begun_ns: u64,
    ended_ns: u64,
}

/// Such times.
#[derive(Debug, Default)]
pub struct Stalls(Mutex<Vec<Stall>>);

impl Stalls {
    /// Notes one, monotonic nanoseconds.
    pub fn note(&self, begun_ns: u64, ended_ns: u64) {
        let mut stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.push(Stall { begun_ns, ended_ns });
    }

    /// How much of them lies between two moments, added up, in nanoseconds.
    pub fn within_ns(&self, from_ns: u64, until_ns: u64) -> u64 {
        let stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum_within(&stalls, from_ns, until_ns)
    }
}

/// Watches all cores of this process until it is dropped.
#[derive(Debug)]
pub struct StallMeter {
    stalls: Arc<Stalls>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl StallMeter {
    /// Begins to watch.
    pub fn start() -> Result<Self> {
        let mut meter = Self {
            stalls: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for core in core_affinity::get_core_ids().context("the cores cannot be listed")? {
            let (stalls, stop) = (Arc::clone(&meter.stalls), Arc::clone(&meter.stop));
            let thread = thread::Builder::new()
                .name("stall-meter".into())
                .spawn(move || watch(core, &stalls, &stop))?;
            meter.threads.push(thread);
        }
        Ok(meter)
    }

    /// For how long cores stood still between two moments, added up over the cores, in nanoseconds.
    pub fn stalled_ns(&self, from_ns: u64, until_ns: u64) -> u64 {
        self.stalls.within_ns(from_ns, until_ns)
    }
}

impl Drop for StallMeter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a stall meter had stopped by a panic");
            }
        }
    }
}

fn sum_within(stalls: &[Stall], from_ns: u64, until_ns: u64) -> u64 {
    let within = |stall: &Stall| {
        let begun_ns = stall.begun_ns.max(from_ns);
        stall.ended_ns.min(until_ns).saturating_sub(begun_ns)
    };
    stalls.iter().map(within).sum()
}

fn watch(core: CoreId, stalls: &Stalls, stop: &AtomicBool) {
    core_affinity::set_for_current(core);
    prefer_this_thread(Priority::Meter);
    while !stop.load(Ordering::Relaxed) {
        let due_ns = monotonic_ns().saturating_add(PERIOD.as_nanos() as u64);
        thread::sleep(PERIOD);
        let woken_ns = monotonic_ns();
        if woken_ns.saturating_sub(due_ns) > TOLERANCE_NS {
            stalls.note(due_ns, woken_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_window_counts() {
        let stall = |begun_ns, ended_ns| Stall { begun_ns, ended_ns };
        let stalls = [stall(10, 20), stall(15, 40), stall(90, 95)];
        assert_eq!(sum_within(&stalls, 0, 100), 10 + 25 + 5);
        assert_eq!(sum_within(&stalls, 18, 30), 2 + 12);
        assert_eq!(sum_within(&stalls, 40, 90), 0);
    }

    #[test]
    fn it_watches_every_core_and_ends() {
        let meter = StallMeter::start().unwrap();
        assert_eq!(
            meter.threads.len(),
            core_affinity::get_core_ids().unwrap().len()
        );
        drop(meter);
    }
}
