//! When the machine's cores stood still, for whatever reason that is none of ours
//!
//! A virtual machine's host takes a core away for milliseconds, and interrupts keep it. On each core a thread that the kernel runs
//! before all others of the benchmark sleeps a short time again and again: when it wakes late, nobody else ran there either.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;
use core_affinity::CoreId;
use dhp_engine::monotonic_ns;
use nix::unistd::gettid;

use super::priority::{Priority, prefer};
use super::site::run_on;

/// From one look at the clock to the next.
const PERIOD: Duration = Duration::from_micros(500);
/// How much later than asked a thread may wake where all is well.
const TOLERANCE_NS: u64 = 500_000;

/// In monotonic nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Stall {
    begun_ns: u64,
    ended_ns: u64,
}

/// Watches cores until it is stopped.
pub struct Stalls {
    seen: Arc<Mutex<Vec<Stall>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Stalls {
    /// Begin to watch these cores.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn watch(cores: &[CoreId]) -> anyhow::Result<Self> {
        let mut stalls = Self {
            seen: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for core in cores.iter().copied() {
            let (seen, stop) = (Arc::clone(&stalls.seen), Arc::clone(&stalls.stop));
            let thread = thread::Builder::new().name("stalls".to_owned());
            let thread = thread.spawn(move || watch(core, &seen, &stop))?;
            stalls.threads.push(thread);
        }
        Ok(stalls)
    }

    /// Whether a core stood still at any time between two moments.
    pub fn were_between(&self, from_ns: u64, until_ns: u64) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        overlaps(&seen, from_ns, until_ns)
    }

    /// End.
    ///
    /// # Errors
    /// A core was not to be had.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let ended = thread.join();
            ended.map_err(|_| anyhow!("who watches a core panicked"))??;
        }
        Ok(())
    }
}

fn overlaps(seen: &[Stall], from_ns: u64, until_ns: u64) -> bool {
    let is_within = |stall: &Stall| stall.begun_ns < until_ns && stall.ended_ns > from_ns;
    seen.iter().any(is_within)
}

fn watch(core: CoreId, seen: &Mutex<Vec<Stall>>, stop: &AtomicBool) -> anyhow::Result<()> {
    run_on(core)?;
    // Where that is not permitted, it sees others of its kind too.
    prefer(gettid(), Priority::Watch);
    while !stop.load(Ordering::Relaxed) {
        let begun_ns = monotonic_ns();
        thread::sleep(PERIOD);
        let ended_ns = monotonic_ns();
        let asleep = ended_ns.saturating_sub(begun_ns);
        if asleep > PERIOD.as_nanos() as u64 + TOLERANCE_NS {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(Stall { begun_ns, ended_ns });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_seen_by_those_whose_time_it_touches() {
        let stall = |begun_ns, ended_ns| Stall { begun_ns, ended_ns };
        let seen = [stall(10, 20), stall(90, 95)];
        assert!(overlaps(&seen, 0, 11) && overlaps(&seen, 12, 13) && overlaps(&seen, 94, 200));
        assert!(!overlaps(&seen, 0, 10) && !overlaps(&seen, 20, 90) && !overlaps(&seen, 95, 99));
    }

    #[test]
    fn it_watches_until_it_is_stopped() {
        let cores = core_affinity::get_core_ids().expect("cores");
        let stalls = Stalls::watch(&cores).expect("threads");
        stalls.stop().expect("cores of this machine");
    }
}
