//! The two clocks of the control plane

use std::time::{SystemTime, UNIX_EPOCH};

use dhp_proto::time::Now;

/// Tells the time. Tests and simulations have clocks of their own.
pub type Clock = Box<dyn FnMut() -> Now + Send>;

/// The machine's clocks: the monotonic one is that of the workers' punt timestamps.
pub fn system_clock() -> Clock {
    Box::new(|| {
        // A clock set before 1970 only spoils the MESG-ID timestamps, and is refused by those who check them.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now::from_clocks(dhp_engine::monotonic_ns(), since_epoch)
    })
}
