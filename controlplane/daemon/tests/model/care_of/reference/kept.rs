//! What the journal keeps, and what of it is good after a restart
//!
//! "A restart is no way round a test": of a binding under test the journal has what has passed, and of one of which nothing has
//! only whose DHoA it is.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::CareOfTestCounters;
use dhp_proto::time::Now;

use super::Model;
use crate::care_of::care_ofs::{Binding, CareOf, CareOfs};
use crate::care_of::credit::Credit;
use crate::journal_time::{Distrust, JOURNAL_GUARD, JournalClock};
use crate::reference::Restart;

/// What the journal has of a DHoA. Times are those of the journal.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Bound {
        owner: usize,
        dedicated: Option<u16>,
        number: i64,
        /// BID, BID-PRI, address and end.
        care_ofs: Vec<(u16, u8, Ipv6Addr, u64)>,
    },
    Rests {
        owner: usize,
        ends: u64,
    },
}

impl Model {
    /// The journal is told of what has changed.
    pub(super) fn keep_touched(&mut self) {
        for address in std::mem::take(&mut self.touched) {
            match self.record(&address) {
                Some(record) => self.kept.insert(address, record),
                None => self.kept.remove(&address),
            };
        }
    }

    fn record(&self, address: &Ipv6Addr) -> Option<Record> {
        let end = |at_ns: u64| self.journal_clock.at(at_ns, self.now);
        let Some(binding) = self.bindings.get(address) else {
            let (owner, until_ns) = *self.quarantine.get(address)?;
            let ends = end(until_ns);
            return Some(Record::Rests { owner, ends });
        };
        let passed = binding.without(|_| true, self.now.mono_ns);
        if passed.is_empty() {
            // As if it were released when the last test is over.
            let released_ns = self.end_of_tests(binding).expect("nothing has passed");
            let owner = binding.owner;
            let ends = end(self.distrust.end_of_quarantine(released_ns, 0));
            return Some(Record::Rests { owner, ends });
        }
        let care_ofs = passed.iter().map(|(bid, care_of)| {
            let ends = end(care_of.ends_ns);
            (*bid, care_of.priority, care_of.address, ends)
        });
        Some(Record::Bound {
            owner: binding.owner,
            dedicated: binding.dedicated,
            number: binding.number,
            care_ofs: care_ofs.collect(),
        })
    }

    /// The anchor starts anew, and has what the journal has.
    pub fn restart(&mut self, how: Restart, now: Now) {
        self.now = now;
        self.started = now;
        self.bindings.clear();
        self.trials.clear();
        self.quarantine.clear();
        self.counts = CareOfTestCounters::default();
        let guard = match how {
            Restart::Sudden => JOURNAL_GUARD,
            Restart::Orderly | Restart::WithoutJournal => 0,
        };
        for association in self.associations.values_mut() {
            if how == Restart::WithoutJournal {
                association.lose_numbers();
            }
            association.restart(guard);
        }
        if how == Restart::WithoutJournal {
            self.kept.clear();
            self.distrust = Distrust::default();
            self.journal_clock = JournalClock::begin(now);
        }
        let may_lack = how == Restart::Sudden;
        self.distrust.take_up(may_lack, &self.journal_clock, now);
        for (address, record) in self.kept.clone() {
            self.take_up(address, &record);
        }
        self.pass(now);
    }

    fn take_up(&mut self, address: Ipv6Addr, record: &Record) {
        let now = self.now;
        let left_ns = |ends: u64| self.journal_clock.ns_until(ends, now);
        match record {
            Record::Rests { owner, ends } => match u64::try_from(left_ns(*ends)) {
                Ok(left_ns) => {
                    let rests = (*owner, now.mono_ns + left_ns);
                    self.quarantine.insert(address, rests);
                }
                Err(_) => {
                    self.touched.insert(address);
                }
            },
            Record::Bound {
                owner,
                dedicated,
                number,
                care_ofs,
            } => {
                let ends = care_ofs.iter().map(|(.., ends)| left_ns(*ends));
                let last_ns = ends.max().expect("at least one");
                let left = care_ofs.iter().map(|(bid, priority, address, ends)| {
                    let care_of = CareOf {
                        priority: *priority,
                        address: *address,
                        ends_ns: now.mono_ns.saturating_add_signed(left_ns(*ends)),
                        is_under_test: false,
                    };
                    (*bid, care_of)
                });
                let left: BTreeMap<_, _> = left
                    .filter(|(_, care_of)| care_of.ends_ns > now.mono_ns)
                    .collect();
                if left.is_empty() {
                    self.rest(address, *owner, last_ns.unsigned_abs());
                } else {
                    let binding = Binding {
                        owner: *owner,
                        dedicated: *dedicated,
                        before: None,
                        number: *number,
                        credit: has_one(&left).then(Credit::default),
                        care_ofs: left,
                    };
                    self.bindings.insert(address, binding);
                }
            }
        }
    }

    /// A DHoA rests whose binding has ended so long ago.
    pub(super) fn rest(&mut self, address: Ipv6Addr, owner: usize, ago_ns: u64) {
        let now_ns = self.now.mono_ns;
        let until_ns = self.distrust.end_of_quarantine(now_ns, ago_ns);
        if until_ns > now_ns {
            self.quarantine.insert(address, (owner, until_ns));
        }
        self.touched.insert(address);
    }
}

/// Whether there is but one care-of address, which has no BID.
fn has_one(care_ofs: &CareOfs) -> bool {
    care_ofs.contains_key(&0)
}
