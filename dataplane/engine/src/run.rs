//! Rounds until told to stop: pinning, the clock, and what to do when there is nothing to do

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrayvec::ArrayVec;
use dhp_segment::Counter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use thiserror::Error;

use crate::worker::MAX_PORTS;
use crate::{IdlePolicy, Port, WakeFd, Worker};

/// Longest sleep of a worker that has a port without a descriptor.
const UNWATCHED_SLEEP: Duration = Duration::from_millis(1);

/// Why a worker did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// The core does not exist, or is not this process's to use.
    #[error("cannot run on core {0}")]
    Core(usize),
}

/// Monotonic time in nanoseconds (`CLOCK_MONOTONIC`): the clock of [`Worker::poll`], of the punt timestamps and of the
/// segment's `previous_until_ns`. All processes of a host share it.
pub fn monotonic_ns() -> u64 {
    // The clock exists on every Linux; 0 would only let previous care-of addresses live longer.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds)
    })
}

/// Bind the calling thread to a core that it may run on.
fn pin(core: usize) -> Result<(), RunError> {
    core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .find(|permitted| permitted.id == core)
        .filter(|permitted| core_affinity::set_for_current(*permitted))
        .map(|_| ())
        .ok_or(RunError::Core(core))
}

impl<P: Port> Worker<P> {
    /// Pin the calling thread to the configured core and work until `stop` is set; then send what is queued and return. Ring
    /// `wake` after setting `stop`, and after injecting a packet, so that a sleeping worker sees it.
    ///
    /// # Errors
    /// [`RunError`], before the first round.
    pub fn run(&mut self, stop: &AtomicBool, wake: &WakeFd) -> Result<(), RunError> {
        if let Some(core) = self.config.core {
            pin(core)?;
        }
        for port in &mut self.path.ports {
            port.enter_thread();
        }
        let mut empty_rounds = 0_u32;
        while !stop.load(Ordering::Acquire) {
            // The clock is read here and nowhere else on the packet path.
            if self.poll(monotonic_ns()) > 0 {
                empty_rounds = 0;
                continue;
            }
            empty_rounds = empty_rounds.saturating_add(1);
            match self.config.idle {
                IdlePolicy::Sleep {
                    empty_rounds: patience,
                    at_most,
                } if empty_rounds >= patience => self.sleep(at_most, wake),
                IdlePolicy::Poll | IdlePolicy::Sleep { .. } => std::hint::spin_loop(),
            }
        }
        self.path.flush();
        self.park();
        Ok(())
    }

    /// Wait until a port has something, the control plane rings, or the time is over.
    fn sleep(&mut self, at_most: Duration, wake: &WakeFd) {
        let mut at_most = at_most;
        let mut watched: ArrayVec<PollFd<'_>, { MAX_PORTS + 1 }> = ArrayVec::new();
        watched.push(PollFd::new(wake.fd(), PollFlags::POLLIN));
        for port in &self.path.ports {
            match port.poll_fd() {
                // At most `MAX_PORTS` of them, so that there is room.
                Some(fd) => drop(watched.try_push(PollFd::new(fd, PollFlags::POLLIN))),
                None => at_most = at_most.min(UNWATCHED_SLEEP),
            }
        }
        self.path.reader.count(Counter::Sleeps, 1);
        // Not `self.park()`, since the ports are borrowed: awake again before anything is looked up.
        self.path.reader.park();
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
        // Whatever ends it, be it a signal, the next round looks at everything.
        let _ = poll(&mut watched, timeout);
        self.path.reader.unpark();
        // Before the rings are looked at, so that what is rung from now on is not lost.
        wake.silence();
    }
}
