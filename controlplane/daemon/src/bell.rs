//! What wakes the control thread

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// An eventfd that workers ring after they have punted packets, and everybody else after having sent a command.
#[derive(Clone, Debug)]
pub struct Bell(Arc<EventFd>);

impl Bell {
    /// A new bell.
    ///
    /// # Errors
    /// What `eventfd(2)` says, such as `EMFILE`.
    pub fn new() -> Result<Self, Errno> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Self(Arc::new(EventFd::from_flags(flags)?)))
    }

    /// Wakes who waits, or has the next wait end at once. Never blocks.
    pub fn ring(&self) {
        // The one possible refusal, EAGAIN, means that 2^64 - 2 rings are pending.
        let _ = self.0.write(1);
    }

    /// Waits for a ring, at most so long, and forgets the rings so far.
    pub fn wait(&self, at_most: Duration) {
        // Rounded up: a timeout of 0 for what is due within the millisecond would be a busy loop.
        let milliseconds = at_most.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let mut watched = [PollFd::new(self.fd(), PollFlags::POLLIN)];
        // Whatever ends it, be it a signal, the caller looks at everything.
        let _ = poll(&mut watched, timeout);
        let _ = self.0.read();
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
