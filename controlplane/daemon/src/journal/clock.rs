//! The journal's own time, by which ends of bindings are kept
//!
//! Lifetimes count on the monotonic clock, whose readings mean nothing after a reboot. The time of day means the same at every start,
//! but somebody may set it while bindings last. So the file has the times of a clock of its own: it runs as the monotonic one
//! does, over restarts too as long as the machine is up, and from one boot to the next by how far the time of day has got
//! meanwhile. A time of day that is set is noticed when something is kept, and the file told, so that it counts as no time.

use dhp_proto::anchor::KeptTime;
use dhp_proto::time::{Now, ntp_distance, ntp_duration};

/// Where Linux tells one boot from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// A second, as an NTP duration: by less the time of day is not set but kept right.
const STEP: u64 = 1 << 32;

/// Which boot of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// This one; where the system does not say, one that no other start has.
    ///
    /// # Errors
    /// The system has no randomness either.
    pub fn current() -> Result<Self, getrandom::Error> {
        let text = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        if let Ok(id) = u128::from_str_radix(&text.trim_end().replace('-', ""), 16) {
            return Ok(Self(id.to_be_bytes()));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }
}

/// How the journal's clock goes with the machine's two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Whose monotonic clock.
    pub boot: BootId,
    /// What that showed at one moment, in nanoseconds.
    pub mono_ns: u64,
    /// The journal's time then.
    pub time: KeptTime,
    /// How far the time of day was ahead of it at the last look, as an NTP duration modulo the era.
    pub ahead: u64,
}

/// The journal's clock.
#[derive(Clone, Copy, Debug)]
pub struct JournalClock(ClockReading);

impl JournalClock {
    /// Goes on as a file has it, or begins with the time of day where that has nothing.
    #[must_use]
    pub fn go_on(kept: Option<ClockReading>, boot: BootId, now: Now) -> Self {
        let mut reading = ClockReading {
            boot,
            mono_ns: now.mono_ns,
            time: KeptTime(now.ntp),
            ahead: 0,
        };
        match kept {
            // Less on the clock of the same boot is another's: that of a container, say.
            Some(kept) if kept.boot == boot && kept.mono_ns <= now.mono_ns => reading = kept,
            Some(kept) => reading.time = kept.time_by_day(now.ntp),
            None => {}
        }
        let mut clock = Self(reading);
        clock.0.ahead = clock.ahead(now);
        clock
    }

    /// What a file has to have for this clock to go on at the next start.
    #[must_use]
    pub const fn reading(&self) -> ClockReading {
        self.0
    }

    /// The same moment with the journal's time for the time of day.
    #[must_use]
    pub fn show(&self, now: Now) -> Now {
        let passed = ntp_duration(now.mono_ns.saturating_sub(self.0.mono_ns));
        Now {
            ntp: self.0.time.0.wrapping_add(passed),
            ..now
        }
    }

    /// What the file has to have from now on, if the time of day has been set since the last look.
    pub fn notice_step(&mut self, now: Now) -> Option<ClockReading> {
        let ahead = self.ahead(now);
        if ntp_distance(ahead, self.0.ahead) < STEP {
            return None;
        }
        self.0.ahead = ahead;
        Some(self.0)
    }

    fn ahead(&self, now: Now) -> u64 {
        now.ntp.wrapping_sub(self.show(now).ntp)
    }
}

impl ClockReading {
    /// The journal's time by the time of day of a later boot, which may have been set back.
    fn time_by_day(&self, time_of_day: u64) -> KeptTime {
        let KeptTime(before) = self.time;
        let passed = time_of_day.wrapping_sub(self.ahead).wrapping_sub(before);
        KeptTime(before.wrapping_add(passed.cast_signed().max(0).unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;
    const DAY: u64 = 0xe5a1_b2c3 << 32;
    const HERE: BootId = BootId([1; 16]);
    const LATER: BootId = BootId([2; 16]);

    fn at(mono_s: u64, time_of_day: u64) -> Now {
        Now {
            mono_ns: mono_s * 1_000_000_000,
            ntp: time_of_day,
        }
    }

    /// Seconds that the journal's clock has gone since it began at `DAY`.
    fn shown(clock: &JournalClock, now: Now) -> u64 {
        (clock.show(now).ntp - DAY) / SECOND
    }

    #[test]
    fn it_begins_with_the_time_of_day_and_goes_as_the_monotonic_clock_does() {
        let clock = JournalClock::go_on(None, HERE, at(100, DAY));
        assert_eq!(shown(&clock, at(100, DAY)), 0);
        for set_to in [0, DAY, DAY + 3_600 * SECOND] {
            assert_eq!(shown(&clock, at(130, set_to)), 30);
        }
    }

    #[test]
    fn within_a_boot_no_restart_sees_what_the_time_of_day_is_set_to() {
        let clock = JournalClock::go_on(None, HERE, at(100, DAY));
        for set_to in [0, DAY + 3_600 * SECOND] {
            let now = at(160, set_to);
            let again = JournalClock::go_on(Some(clock.reading()), HERE, now);
            assert_eq!(shown(&again, now), 60);
        }
    }

    #[test]
    fn from_boot_to_boot_it_goes_as_the_time_of_day_does_and_never_back() {
        let clock = JournalClock::go_on(None, HERE, at(100, DAY));
        for (set_to, expected) in [(DAY + 90 * SECOND, 90), (DAY - 90 * SECOND, 0)] {
            for boot in [LATER, HERE] {
                let now = at(5, set_to);
                let again = JournalClock::go_on(Some(clock.reading()), boot, now);
                assert_eq!(shown(&again, now), expected, "{boot:?}");
            }
        }
    }

    #[test]
    fn what_was_set_before_a_reboot_counts_as_no_time() {
        let mut clock = JournalClock::go_on(None, HERE, at(100, DAY));
        assert_eq!(clock.notice_step(at(110, DAY + 10 * SECOND)), None);
        let hour = 3_600 * SECOND;
        let set = at(120, DAY + 20 * SECOND + hour);
        let reading = clock.notice_step(set);
        assert_eq!(reading, Some(clock.reading()));
        assert_eq!(clock.notice_step(set), None, "once is enough");
        assert_eq!(shown(&clock, set), 20);
        let after = at(5, set.ntp + 60 * SECOND);
        let again = JournalClock::go_on(reading, LATER, after);
        assert_eq!(shown(&again, after), 80);
    }

    #[test]
    fn this_boot_is_the_same_at_every_look() {
        assert_eq!(BootId::current().unwrap(), BootId::current().unwrap());
    }
}
