//! What the journal keeps of bindings and quarantines (RFC 6275 §10.3.1: "in non-volatile storage"), and what of it is good still

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::{Model, Restart};

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

impl Model {
    /// The journal is told of a binding, or of a quarantine, as it is now.
    pub(super) fn keep(&mut self, address: Ipv6Addr) {
        let (now, clock) = (self.now, self.journal_clock);
        let end = |at_ns: u64| clock.at(at_ns, now);
        let (ends_ns, care_ofs) = match self.bindings.get(&address) {
            Some(binding) => (binding.ends_ns, binding.care_ofs.clone()),
            None => (Some(self.quarantine[&address].until_ns), BTreeMap::new()),
        };
        let record = Record {
            at: clock.show(now),
            ends: ends_ns.map(end),
            care_ofs: care_ofs
                .iter()
                .map(|(bid, care_of)| (*bid, care_of.ends_ns.map(end)))
                .collect(),
        };
        self.kept.insert(address, record);
    }

    /// Takes up what the journal has, at a new start.
    pub(super) fn take_up(&mut self, how: Restart) {
        let now = self.now;
        let may_lack = how == Restart::Sudden;
        self.distrust.take_up(may_lack, &self.journal_clock, now);
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

    /// Nanoseconds until a time of the journal, `None` for never.
    fn left_ns(&self, ends: Option<u64>) -> Option<i64> {
        ends.map(|ends| self.journal_clock.ns_until(ends, self.now))
    }

    fn take_up_quarantine(&mut self, address: Ipv6Addr, record: &Record) {
        let left_ns = self.left_ns(record.ends);
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
        let now = self.now;
        let mut binding = self.bindings.remove(&address).expect("bound");
        let left_ns = self.left_ns(record.ends);
        if let Some(left_ns) = left_ns.filter(|left_ns| *left_ns <= 0) {
            self.rest(address, &binding, left_ns.unsigned_abs());
            return;
        }
        let until_ns = |left_ns: i64| now.mono_ns + left_ns.unsigned_abs();
        binding.since = self.counted;
        binding.previous = None;
        binding.ends_ns = left_ns.map(until_ns);
        for (bid, ends) in &record.care_ofs {
            let left_ns = self.left_ns(*ends);
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
