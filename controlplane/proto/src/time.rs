//! The time an engine is told, and the conversions that messages need.

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Seconds between the NTP era 0 epoch (1900-01-01) and the Unix epoch (1970-01-01).
const NTP_UNIX_OFFSET_SECONDS: u64 = 2_208_988_800;

/// The moment at which an input happens. Both clocks are read once by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic clock, in nanoseconds since an arbitrary start. Everything that has a lifetime counts on it.
    pub mono_ns: u64,
    /// Time of day as a 64-bit NTP timestamp (RFC 4285 §6): seconds in the high 32 bits, fraction in the low ones.
    pub ntp: u64,
}

impl Now {
    /// Makes a `Now` of a monotonic reading and the time since the Unix epoch.
    #[must_use]
    pub fn from_clocks(mono_ns: u64, since_unix_epoch: core::time::Duration) -> Self {
        let seconds = since_unix_epoch
            .as_secs()
            .wrapping_add(NTP_UNIX_OFFSET_SECONDS)
            & 0xffff_ffff;
        let fraction = (u64::from(since_unix_epoch.subsec_nanos()) << 32) / NANOS_PER_SECOND;
        Self {
            mono_ns,
            ntp: seconds << 32 | fraction,
        }
    }

    /// The same moment `nanos` later on both clocks.
    #[must_use]
    pub fn plus_ns(self, nanos: u64) -> Self {
        Self {
            mono_ns: self.mono_ns.saturating_add(nanos),
            ntp: self.ntp.wrapping_add(ntp_duration(nanos)),
        }
    }

    /// The monotonic deadline `nanos` from now.
    #[must_use]
    pub fn deadline_ns(self, nanos: u64) -> u64 {
        self.mono_ns.saturating_add(nanos)
    }
}

/// A duration in whole nanoseconds; saturates after some 584 years.
#[must_use]
pub fn nanos(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration in nanoseconds as an NTP 32.32 fixed-point number of seconds; saturates at 2^32 seconds.
#[must_use]
pub fn ntp_duration(nanos: u64) -> u64 {
    let fixed = (u128::from(nanos) << 32) / u128::from(NANOS_PER_SECOND);
    u64::try_from(fixed).unwrap_or(u64::MAX)
}

/// The distance of two NTP timestamps as a 32.32 fixed-point number of seconds, modulo the NTP era.
#[must_use]
pub fn ntp_distance(a: u64, b: u64) -> u64 {
    a.wrapping_sub(b).cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn the_unix_epoch_is_ntp_2208988800() {
        let now = Now::from_clocks(5, Duration::from_millis(500));
        assert_eq!(
            now,
            Now {
                mono_ns: 5,
                ntp: 2_208_988_800 << 32 | 0x8000_0000
            }
        );
    }

    #[test]
    fn both_clocks_advance_together() {
        let now = Now {
            mono_ns: 1,
            ntp: 7 << 32,
        }
        .plus_ns(1_500_000_000);
        assert_eq!(
            now,
            Now {
                mono_ns: 1_500_000_001,
                ntp: 8 << 32 | 0x8000_0000
            }
        );
    }

    #[test]
    fn the_distance_has_no_direction_and_survives_the_era() {
        assert_eq!(ntp_distance(3, 10), 7);
        assert_eq!(ntp_distance(10, 3), 7);
        assert_eq!(ntp_distance(u64::MAX, 1), 2);
    }
}
