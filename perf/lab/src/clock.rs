//! The lab's clocks.
//!
//! All namespaces share one kernel, hence one monotonic clock: a one-way delay is a plain subtraction.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970 of `CLOCK_REALTIME`, the clock of capture files.
pub fn realtime_ns() -> u64 {
    read(ClockId::CLOCK_REALTIME)
}

/// What to subtract from a realtime stamp to get a monotonic one. Whoever loses its core between the two looks finds too little.
pub fn realtime_minus_monotonic_ns() -> u64 {
    let looks = std::iter::repeat_with(|| realtime_ns().saturating_sub(monotonic_ns()));
    looks.take(3).max().unwrap_or_default()
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux; zero only shows in a log, never in a decision about memory.
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_does_not_go_back() {
        let first = monotonic_ns();
        assert!(first > 0);
        assert!(monotonic_ns() >= first);
    }
}
