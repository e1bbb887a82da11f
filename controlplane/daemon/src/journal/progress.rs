//! How far the journal has reached the disk

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

type Listener = Box<dyn Fn() + Send + Sync>;

/// Told by the thread that writes, asked by the one that waits.
#[derive(Default)]
pub struct Progress {
    /// Entries that are in safety.
    kept: AtomicU64,
    is_failing: AtomicBool,
    listener: OnceLock<Listener>,
}

impl Progress {
    /// So many entries are in safety.
    pub fn reaches(&self, kept: u64) {
        self.is_failing.store(false, Ordering::Relaxed);
        // What was written before this is seen by who sees this.
        self.kept.store(kept, Ordering::Release);
        if let Some(listener) = self.listener.get() {
            listener();
        }
    }

    /// The disk does not take it.
    pub fn fails(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// Entries that are in safety.
    pub fn kept(&self) -> u64 {
        self.kept.load(Ordering::Acquire)
    }

    /// Whether the last write has failed.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Have someone told when more is in safety; the first is.
    pub fn tell(&self, listener: impl Fn() + Send + Sync + 'static) {
        // A journal has one control plane.
        let _ = self.listener.set(Box::new(listener));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("kept", &self.kept)
            .field("is_failing", &self.is_failing)
            .finish_non_exhaustive()
    }
}
