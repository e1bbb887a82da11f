//! When the state was written, on clocks that the next agent can read too.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use dhp_proto::time::nanos;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A moment on the clock of this boot, which goes on while the machine sleeps, and on that of the wall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    boot_id: String,
    boottime_ns: u64,
    unix_ns: u64,
}

impl Moment {
    /// The present one.
    pub(super) fn read() -> io::Result<Self> {
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            boot_id: std::fs::read_to_string(BOOT_ID)?.trim().to_owned(),
            boottime_ns: nanos(since_boot.into()),
            unix_ns: nanos(since_epoch),
        })
    }

    /// Nanoseconds from `earlier` to here; `None`: nobody knows, since the clock was set back over a reboot.
    pub(super) fn since(&self, earlier: &Self) -> Option<u64> {
        match self.boot_id == earlier.boot_id {
            true => self.boottime_ns.checked_sub(earlier.boottime_ns),
            false => self.unix_ns.checked_sub(earlier.unix_ns),
        }
    }

    #[cfg(test)]
    pub(super) fn at(boot_id: &str, boottime_ns: u64, unix_ns: u64) -> Self {
        Self {
            boot_id: boot_id.to_owned(),
            boottime_ns,
            unix_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_boot_counts_and_after_a_reboot_that_of_the_wall() {
        let earlier = Moment::at("a", 1_000, 50_000);
        assert_eq!(Moment::at("a", 1_700, 10).since(&earlier), Some(700));
        assert_eq!(Moment::at("b", 3, 50_900).since(&earlier), Some(900));
        assert_eq!(Moment::at("b", 3, 49_000).since(&earlier), None);
        let now = Moment::read().expect("the clocks");
        assert!(now.since(&now) == Some(0) && !now.boot_id.is_empty());
    }
}
