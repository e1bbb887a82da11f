//! The care-of addresses of a DHoA, and what they go back to

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::credit::Credit;

/// By BID; 0 is the only one of a DHoA that has one without.
pub type CareOfs = BTreeMap<u16, CareOf>;

/// A care-of address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CareOf {
    pub priority: u8,
    pub address: Ipv6Addr,
    pub ends_ns: u64,
    /// It has not shown to be the mobile node's.
    pub is_under_test: bool,
}

/// A bound DHoA.
#[derive(Debug, Clone)]
pub struct Binding {
    pub owner: usize,
    /// The flow that it is dedicated to.
    pub dedicated: Option<u16>,
    /// At least one.
    pub care_ofs: CareOfs,
    /// What it was while all of them had passed, if one is under test.
    pub before: Option<CareOfs>,
    /// Of the DMIP message that last changed it.
    pub number: i64,
    /// `None` once it has had several care-of addresses: each has a credit of its own, which is not followed here.
    pub credit: Option<Credit>,
}

/// "the one associated with the BID with the lowest BID-PRI" (RFC 6089 §5.3.6), where 0 is the last.
pub fn first(care_ofs: &CareOfs) -> Option<(&u16, &CareOf)> {
    let rank = |(bid, care_of): &(&u16, &CareOf)| match care_of.priority {
        0 => (u8::MAX, **bid),
        priority => (priority, **bid),
    };
    care_ofs.iter().min_by_key(rank)
}

/// "of several, those that have failed go, or have the ones that their Binding Identifiers had before": what is left of those from
/// before once another one has passed.
fn left_to(mut before: CareOfs, care_ofs: &CareOfs) -> Option<CareOfs> {
    let waits = |bid: &u16| care_ofs.get(bid).is_some_and(|now| now.is_under_test);
    before.retain(|bid, _| waits(bid));
    (!before.is_empty()).then_some(before)
}

impl Binding {
    /// Of several the first choice.
    pub fn default(&self) -> (&u16, &CareOf) {
        first(&self.care_ofs).expect("at least one")
    }

    pub fn is_numbered(&self) -> bool {
        !self.care_ofs.contains_key(&0)
    }

    /// When the last care-of address ends.
    pub fn ends_ns(&self) -> u64 {
        let ends = self.care_ofs.values().map(|care_of| care_of.ends_ns);
        ends.max().expect("at least one")
    }

    /// What is being tested.
    pub fn under_test(&self) -> BTreeSet<Ipv6Addr> {
        let care_ofs = self.care_ofs.values();
        let under_test = care_ofs.filter(|care_of| care_of.is_under_test);
        under_test.map(|care_of| care_of.address).collect()
    }

    /// Has these care-of addresses from now on.
    pub fn change_to(&mut self, care_ofs: CareOfs) {
        let known = std::mem::replace(&mut self.care_ofs, care_ofs);
        let mut before = self.before.take();
        if self.is_numbered() {
            self.credit = None;
            // What has been taken away does not come back.
            let is_gone = |bid: &u16| known.contains_key(bid) && !self.care_ofs.contains_key(bid);
            before = before.map(|mut before| {
                before.retain(|bid, _| *bid == 0 || !is_gone(bid));
                before
            });
            before = before.filter(|before| !before.is_empty());
            // One that needs no test takes the place of what was there before.
            if self.care_ofs.values().any(|care_of| !care_of.is_under_test) {
                before = before.and_then(|before| left_to(before, &self.care_ofs));
            }
        }
        self.before = before.filter(|_| !self.under_test().is_empty());
    }

    /// A care-of address has passed.
    pub fn pass(&mut self, care_of: Ipv6Addr) {
        for known in self.care_ofs.values_mut() {
            known.is_under_test &= known.address != care_of;
        }
        let before = self.before.take();
        self.before = before.and_then(|before| left_to(before, &self.care_ofs));
    }

    /// What it is without those of its care-of addresses under test that fail: nothing, if there is nothing to go back to.
    pub fn without(&self, fails: impl Fn(Ipv6Addr) -> bool, now_ns: u64) -> CareOfs {
        let mut before = self.before.clone().unwrap_or_default();
        before.retain(|_, old| old.ends_ns > now_ns);
        let mut left = CareOfs::new();
        for (bid, known) in &self.care_ofs {
            if !known.is_under_test || !fails(known.address) {
                left.insert(*bid, known.clone());
            } else if let Some(old) = before.get(bid) {
                left.insert(*bid, old.clone());
            }
        }
        if left.is_empty() { before } else { left }
    }

    /// Where goes what exceeds the credit of a BID: "to the old one of the same Binding Identifier, else to the first choice of
    /// those that have passed, else to the one before the test. An old one whose lifetime ends within the test is none."
    pub fn tested(&self, bid: u16, tests_end_ns: u64) -> Option<Ipv6Addr> {
        let mut old = self.before.clone().unwrap_or_default();
        old.retain(|_, old| old.ends_ns > tests_end_ns);
        let mut passed = self.care_ofs.clone();
        passed.retain(|_, care_of| !care_of.is_under_test);
        let same = old.get_key_value(&bid);
        let instead = same.or(first(&passed)).or(first(&old));
        instead.map(|(_, care_of)| care_of.address)
    }
}

/// One care-of address, without a BID.
pub fn only(address: Ipv6Addr, ends_ns: u64) -> CareOfs {
    let care_of = CareOf {
        priority: 0,
        address,
        ends_ns,
        is_under_test: false,
    };
    CareOfs::from([(0, care_of)])
}
