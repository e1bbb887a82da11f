//! What a reference knows of a journal beside what stands in it: its clock, and for how long the ends in it are not trusted
//!
//! Lifetimes run on while the process is down, by a clock that does not care what the time of day is set to: it went with that
//! when the journal began, and with the monotonic clock since. That has nanoseconds, and the journal's time 2^32 parts of a second.

use dhp_proto::time::{Now, ntp_duration};

use crate::site::{LONGEST_LIFETIME, QUARANTINE_NS};

/// How far the journal counts a number on after a stop without warning.
pub const JOURNAL_GUARD: u16 = 64;

/// The journal's clock.
#[derive(Debug, Clone, Copy)]
pub struct JournalClock {
    began: Now,
}

impl JournalClock {
    /// That of a journal that begins now.
    pub fn begin(now: Now) -> Self {
        Self { began: now }
    }

    /// What it shows.
    pub fn show(&self, now: Now) -> u64 {
        self.began.ntp + ntp_duration(now.mono_ns - self.began.mono_ns)
    }

    /// What it will show at a moment.
    pub fn at(&self, mono_ns: u64, now: Now) -> u64 {
        self.show(now) + ntp_duration(mono_ns - now.mono_ns)
    }

    /// Nanoseconds until it shows a time, not more than 0 after it.
    pub fn ns_until(&self, time: u64, now: Now) -> i64 {
        let left = i128::from(time) - i128::from(self.show(now));
        i64::try_from((left * 1_000_000_000) >> 32).expect("2^31 seconds at most")
    }
}

/// Until when mobile nodes may hold addresses that the journal has lost sight of, by refreshes that it does not know of.
#[derive(Debug, Default)]
pub struct Distrust {
    until_ns: u64,
    /// What the journal has of that.
    kept: Option<u64>,
}

impl Distrust {
    /// A new start, which may lack the last changes.
    pub fn take_up(&mut self, may_lack: bool, clock: &JournalClock, now: Now) {
        let left_ns = self.kept.map(|until| clock.ns_until(until, now));
        let mut left_ns = left_ns.map_or(0, |left_ns| left_ns.max(0).unsigned_abs());
        if may_lack {
            left_ns = left_ns.max(u64::from(LONGEST_LIFETIME) * 4_000_000_000);
        }
        self.until_ns = now.mono_ns + left_ns;
        self.kept = (left_ns > 0).then(|| clock.at(self.until_ns, now));
    }

    /// When an address has rested that is released at `at_ns`, and whose binding has ended so long before.
    pub fn end_of_quarantine(&self, at_ns: u64, ago_ns: u64) -> u64 {
        let until_ns = at_ns + QUARANTINE_NS - ago_ns.min(QUARANTINE_NS);
        match self.until_ns > at_ns {
            true => until_ns.max(self.until_ns + QUARANTINE_NS),
            false => until_ns,
        }
    }
}
