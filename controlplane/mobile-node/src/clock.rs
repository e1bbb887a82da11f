//! The clocks that the engine is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dhp_proto::time::Now;
use tokio::time::Instant;

/// A monotonic clock that began with the agent, and the time of day.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The present time on both clocks.
    pub fn now(&self) -> Now {
        let mono_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // A clock before 1970 is not set; MESG-ID then lets the anchor set it right.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now::from_clocks(mono_ns, since_epoch)
    }

    /// The moment of a monotonic reading.
    pub fn instant(&self, mono_ns: u64) -> Instant {
        let far = Duration::from_secs(365 * 24 * 3600);
        self.start + Duration::from_nanos(mono_ns).min(far)
    }
}
