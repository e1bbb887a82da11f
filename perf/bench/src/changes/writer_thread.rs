//! The writer on a core of its own: handoffs of bindings drawn at random, at a pace

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use core_affinity::CoreId;
use dhp_engine::monotonic_ns;
use dhp_segment::SegmentError;

use super::Ledger;
use crate::bindings::{Bound, Handoff, Plan, Random};

/// Packets are taken from the care-of address before for so long, as by `dhpd`.
const PREVIOUS_NS: u64 = 2_000_000_000;
/// Who is late by more does not catch up: that would be another pace.
const LATE: Duration = Duration::from_millis(10);

/// How many handoffs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// None, and the core is free.
    Paused,
    /// So many in a second, at even distances.
    PerSecond(u32),
    /// One after the other.
    Unbounded,
    /// The thread ends.
    Stopped,
}

/// A thread that has the bindings, and changes them.
pub struct WriterThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

struct Shared {
    /// A [`Pace`], as [`Pace::to_word`] has it.
    pace: AtomicU64,
    changes: AtomicU64,
}

impl Pace {
    const fn to_word(self) -> u64 {
        match self {
            Self::Paused => 0,
            Self::PerSecond(rate) => rate as u64,
            Self::Unbounded => u64::MAX - 1,
            Self::Stopped => u64::MAX,
        }
    }

    fn from_word(word: u64) -> Self {
        match (word, u32::try_from(word)) {
            (0, _) => Self::Paused,
            (u64::MAX, _) => Self::Stopped,
            (_, Ok(rate)) => Self::PerSecond(rate),
            _ => Self::Unbounded,
        }
    }
}

impl Shared {
    fn pace(&self) -> Pace {
        Pace::from_word(self.pace.load(Ordering::Relaxed))
    }
}

impl WriterThread {
    /// Begins in a pause. `core`: where it stays.
    pub fn start(plan: Plan, bound: Bound, ledger: Arc<Ledger>, core: Option<CoreId>) -> Self {
        let shared = Arc::new(Shared {
            pace: AtomicU64::new(Pace::Paused.to_word()),
            changes: AtomicU64::new(0),
        });
        let seen = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core);
            }
            change(&plan, bound, &ledger, &seen)
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// From now on.
    pub fn set(&self, pace: Pace) {
        self.shared.pace.store(pace.to_word(), Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Handoffs since the start.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Relaxed)
    }

    /// End the thread.
    ///
    /// # Errors
    /// A handoff was refused.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.set(Pace::Stopped);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(anyhow!("the writer has panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.set(Pace::Stopped);
        if let Some(thread) = self.thread.take() {
            // Whoever wants to know what it has to say calls `stop`.
            let _ = thread.join();
        }
    }
}

fn change(plan: &Plan, mut bound: Bound, ledger: &Ledger, shared: &Shared) -> anyhow::Result<()> {
    let mut random = Random::new();
    let mut due = Instant::now();
    'changes: loop {
        let pace = shared.pace();
        match pace {
            Pace::Stopped => return Ok(()),
            Pace::Paused => {
                thread::park();
                due = Instant::now();
                continue;
            }
            Pace::PerSecond(rate) => {
                let now = Instant::now();
                if now < due {
                    std::hint::spin_loop();
                    continue;
                }
                if now - due > LATE {
                    due = now;
                }
                due += Duration::from_secs(1) / rate;
            }
            Pace::Unbounded => {}
        }
        let number = random.below(plan.bindings);
        let generation = ledger.published(number).wrapping_add(1);
        ledger.begin(number, generation);
        let handoff = Handoff {
            number,
            generation,
            previous_until_ns: monotonic_ns().saturating_add(PREVIOUS_NS),
        };
        loop {
            match bound.hand_off(plan, handoff) {
                Ok(()) => break,
                // The worker has not passed the end of a batch since so many handoffs.
                Err(SegmentError::Busy { .. }) if shared.pace() == pace => std::hint::spin_loop(),
                // The next handoff of this binding is this one.
                Err(SegmentError::Busy { .. }) => continue 'changes,
                Err(error) => return Err(error.into()),
            }
        }
        ledger.publish(number, generation);
        shared.changes.fetch_add(1, Ordering::Relaxed);
    }
}
