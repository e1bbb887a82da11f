//! Which care-of addresses are tested, and how a test ends

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use super::Model;
use super::request::Request;
use crate::care_of::care_ofs::{Binding, CareOf};

/// "Until then (at most 10 s)"
const TEST_NS: u64 = 10_000_000_000;

/// A mobile node's care-of address is tested.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) cookie: Vec<u8>,
    pub(super) ends_ns: u64,
}

impl Model {
    /// "unless a DHoA of the same mobile node is there and not under test, however it got there, or was until a test began that
    /// is still going on"
    pub(super) fn is_reached(&self, owner: usize, care_of: Ipv6Addr) -> bool {
        let own = self.bindings.values();
        let mut own = own.filter(|binding| binding.owner == owner);
        let is_it = |known: &CareOf| known.address == care_of;
        own.any(|binding| {
            let mut before = binding.before.iter().flat_map(BTreeMap::values);
            let mut now = binding.care_ofs.values();
            before.any(|known| is_it(known) && known.ends_ns > self.now.mono_ns)
                || now.any(|known| is_it(known) && !known.is_under_test)
        })
    }

    /// "one cookie of 16 octets and one end, 10 s from the first message, for all DHoAs that are to go there"
    pub(super) fn try_out(&mut self, request: &Request<'_>, care_of: Ipv6Addr) {
        let key = (request.owner, care_of);
        if self.trials.contains_key(&key) {
            return;
        }
        let mut there = request.observed.iter();
        let there =
            there.find(|read| read.destination == care_of && !read.contents.cookies.is_empty());
        let cookie = there.and_then(|read| read.contents.cookies.first());
        // Another one than before, a restart included: else an old echo would do.
        let cookie = cookie.filter(|cookie| cookie.len() == 16);
        let cookie = cookie.filter(|cookie| self.given.insert((*cookie).clone()));
        let trial = Trial {
            cookie: cookie.cloned().unwrap_or_default(),
            ends_ns: self.now.mono_ns + TEST_NS,
        };
        self.counts.begun += 1;
        self.trials.insert(key, trial);
    }

    /// "An echo passes it for all of them, whichever it lists", if it names the care-of address that its cookie was sent to: with
    /// BIDs by what is tested at the addresses that it lists.
    pub(super) fn take_echo(&mut self, request: &Request<'_>) -> bool {
        let contents = &request.read.contents;
        let Some(cookie) = contents.cookies.first() else {
            return false;
        };
        let named: BTreeSet<Ipv6Addr> = if contents.bids.is_empty() {
            BTreeSet::from([request.care_of])
        } else {
            let listed = contents.dhoas.iter();
            let listed = listed.filter_map(|dhoa| self.bindings.get(&dhoa.address));
            listed.flat_map(Binding::under_test).collect()
        };
        let mut keys = named.iter().map(|care_of| (request.owner, *care_of));
        let Some(key) = keys.find(|key| {
            let trial = self.trials.get(key);
            trial.is_some_and(|trial| trial.cookie == *cookie)
        }) else {
            return false;
        };
        for address in self.waiting(key) {
            let binding = self.bindings.get_mut(&address).expect("it waits");
            binding.pass(key.1);
            self.touched.insert(address);
        }
        self.trials.remove(&key);
        self.counts.passed += 1;
        true
    }

    /// "Not echoed: the old CoA stays; without one the binding and its assignment end."
    pub(super) fn fail(&mut self, owner: usize, care_of: Ipv6Addr) {
        let waiting = self.waiting((owner, care_of));
        self.trials.remove(&(owner, care_of));
        self.counts.failed += 1;
        for address in waiting {
            let binding = self.bindings.get_mut(&address).expect("it waits");
            let left = binding.without(|address| address == care_of, self.now.mono_ns);
            if left.is_empty() {
                self.end(address);
            } else {
                binding.change_to(left);
                self.touched.insert(address);
            }
        }
        self.abandon();
    }

    /// The DHoAs that a test is for.
    fn waiting(&self, (owner, care_of): (usize, Ipv6Addr)) -> Vec<Ipv6Addr> {
        let waits =
            |binding: &Binding| binding.owner == owner && binding.under_test().contains(&care_of);
        let waiting = self.bindings.iter().filter(|(_, binding)| waits(binding));
        waiting.map(|(address, _)| *address).collect()
    }

    /// Ends the tests that nothing waits for any more.
    pub(super) fn abandon(&mut self) {
        let keys: Vec<_> = self.trials.keys().copied().collect();
        for key in keys {
            if self.waiting(key).is_empty() {
                self.trials.remove(&key);
                self.counts.abandoned += 1;
            }
        }
    }

    /// When the last test of a binding ends; `None`: there is none.
    pub(super) fn end_of_tests(&self, binding: &Binding) -> Option<u64> {
        let under_test = binding.under_test().into_iter();
        let ends = under_test.map(|care_of| self.trials[&(binding.owner, care_of)].ends_ns);
        ends.max()
    }

    /// Where goes what exceeds the credit of a BID.
    pub fn tested(&self, binding: &Binding, bid: u16) -> Option<Ipv6Addr> {
        binding.tested(bid, self.end_of_tests(binding)?)
    }

    /// Tests that are going on.
    pub fn pending(&self) -> usize {
        self.trials.len()
    }
}
