//! What the journal keeps of bindings and quarantines (RFC 6275 §10.3.1: "in non-volatile storage"), and what of it is good still
//!
//! Lifetimes run on while the process is down, by a clock that does not care what the time of day is set to: it went with that
//! when the journal began, and with the monotonic clock since. That has nanoseconds, and the journal's time 2^32 parts of a second.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::time::ntp_duration;

use super::{Model, Restart};
use crate::site::{LONGEST_LIFETIME, QUARANTINE_NS};

/// What the journal has of an address. Times are those of the journal.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was written.
    at: u64,
    /// When the binding ends, or the quarantine; `None` for never.
    ends: Option<u64>,
    /// When each care-of address with a BID ends.
    care_ofs: BTreeMap<u16, Option<u64>>,
}

/// Nanoseconds until a time of the journal, not more than 0 after it.
fn ns_until(ends: u64, shown: u64) -> i64 {
    let left = i128::from(ends) - i128::from(shown);
    i64::try_from((left * 1_000_000_000) >> 32).expect("2^31 seconds at most")
}

impl Model {
    /// The journal's time.
    fn shown(&self) -> u64 {
        let began = self.journal_began;
        began.ntp + ntp_duration(self.now.mono_ns - began.mono_ns)
    }

    /// The journal is told of a binding, or of a quarantine, as it is now.
    pub(super) fn keep(&mut self, address: Ipv6Addr) {
        let (now, shown) = (self.now, self.shown());
        let end = |at_ns: u64| shown + ntp_duration(at_ns - now.mono_ns);
        let (ends_ns, care_ofs) = match self.bindings.get(&address) {
            Some(binding) => (binding.ends_ns, binding.care_ofs.clone()),
            None => (Some(self.quarantine[&address].until_ns), BTreeMap::new()),
        };
        let record = Record {
            at: shown,
            ends: ends_ns.map(end),
            care_ofs: care_ofs
                .iter()
                .map(|(bid, care_of)| (*bid, care_of.ends_ns.map(end)))
                .collect(),
        };
        self.kept.insert(address, record);
    }

    /// When an address whose binding ended so long ago has rested.
    pub(super) fn end_of_quarantine(&self, ago_ns: u64) -> u64 {
        let until_ns = self.now.mono_ns + QUARANTINE_NS - ago_ns.min(QUARANTINE_NS);
        // Its mobile node may have it still, by a refresh that the journal does not know of.
        match self.refreshed_until_ns > self.now.mono_ns {
            true => until_ns.max(self.refreshed_until_ns + QUARANTINE_NS),
            false => until_ns,
        }
    }

    /// Takes up what the journal has, at a new start.
    pub(super) fn take_up(&mut self, how: Restart) {
        let (now, shown) = (self.now, self.shown());
        let distrust = self.distrust.take();
        let left_ns = distrust.map(|until| ns_until(until, shown));
        let mut distrusted_ns = left_ns.map_or(0, |left_ns| left_ns.max(0).unsigned_abs());
        if how == Restart::Sudden {
            distrusted_ns = distrusted_ns.max(u64::from(LONGEST_LIFETIME) * 4_000_000_000);
        }
        self.refreshed_until_ns = now.mono_ns + distrusted_ns;
        self.distrust = (distrusted_ns > 0).then(|| shown + ntp_duration(distrusted_ns));
        let mut kept: Vec<_> = self.kept.clone().into_iter().collect();
        // What was not refreshed for the longest time counts as the oldest.
        kept.sort_by_key(|(address, record)| (record.at, *address));
        for (address, record) in kept {
            self.counted += 1;
            if self.quarantine.contains_key(&address) {
                self.take_up_quarantine(address, &record);
            } else {
                self.take_up_binding(address, &record);
            }
        }
        self.pass(now);
    }

    fn take_up_quarantine(&mut self, address: Ipv6Addr, record: &Record) {
        let left_ns = record.ends.map(|ends| ns_until(ends, self.shown()));
        match left_ns.and_then(|left_ns| u64::try_from(left_ns).ok()) {
            Some(left_ns) => {
                let quarantine = self.quarantine.get_mut(&address).expect("in quarantine");
                quarantine.until_ns = self.now.mono_ns + left_ns;
                quarantine.since = self.counted;
            }
            None => {
                self.quarantine.remove(&address);
                self.be_nobodys(address);
            }
        }
    }

    fn take_up_binding(&mut self, address: Ipv6Addr, record: &Record) {
        let (now, shown) = (self.now, self.shown());
        let mut binding = self.bindings.remove(&address).expect("bound");
        let left_ns = record.ends.map(|ends| ns_until(ends, shown));
        if let Some(left_ns) = left_ns.filter(|left_ns| *left_ns <= 0) {
            self.rest(address, &binding, left_ns.unsigned_abs());
            return;
        }
        let until_ns = |left_ns: i64| now.mono_ns + left_ns.unsigned_abs();
        binding.since = self.counted;
        binding.previous = None;
        binding.ends_ns = left_ns.map(until_ns);
        for (bid, ends) in &record.care_ofs {
            let left_ns = ends.map(|ends| ns_until(ends, shown));
            match binding.care_ofs.get_mut(bid) {
                Some(care_of) if left_ns.is_none_or(|left_ns| left_ns > 0) => {
                    care_of.ends_ns = left_ns.map(until_ns);
                }
                _ => {
                    binding.care_ofs.remove(bid);
                }
            }
        }
        binding.choose();
        self.bindings.insert(address, binding);
    }
}
