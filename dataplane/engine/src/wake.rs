//! Waking a worker that sleeps

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Ends the sleep of an idle worker: the control plane rings it after it has injected a packet, and to have the stop flag
/// looked at. Ringing never blocks, and never costs the worker anything while it is busy.
#[derive(Clone, Debug)]
pub struct WakeFd {
    event: Arc<EventFd>,
}

impl WakeFd {
    /// A new bell.
    ///
    /// # Errors
    /// What `eventfd(2)` says, such as `EMFILE`.
    pub fn new() -> Result<Self, Errno> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self {
            event: Arc::new(event),
        })
    }

    /// Wake the worker that sleeps on it, or let its next sleep end at once.
    pub fn wake(&self) {
        // The one possible refusal, EAGAIN, means that 2^64 - 2 wake-ups are already pending.
        let _ = self.event.write(1);
    }

    /// Forget what was rung so far.
    pub(crate) fn silence(&self) {
        // EAGAIN: nobody has rung.
        let _ = self.event.read();
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
