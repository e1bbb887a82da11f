//! What a message brings is put to the test, and the tests follow what becomes of the binding.

use core::net::Ipv6Addr;

use super::before::Before;
use super::{Cookie, Home, TEST_NS, Trial};
use crate::anchor::Anchor;
use crate::anchor::binding_cache::Binding;
use crate::anchor::care_of_addresses;
use crate::anchor::lifecycle::Registration;
use crate::anchor::mobile_nodes::MnIndex;
use crate::anchor::timers::Timer;
use crate::time::Now;

impl Anchor {
    /// Puts the care-of addresses that a DMIP message brings to the test, before they are bound: those of which nothing shows
    /// that the mobile node is reached there.
    pub(crate) fn put_to_test(&mut self, now: Now, registration: &mut Registration) {
        let (owner, home_address) = (registration.owner, registration.home_address);
        let mut new = Vec::new();
        if self.config.care_of_test {
            for care_of in registration.addresses() {
                if !new.contains(&care_of) && !self.is_reached_at(now, owner, &care_of) {
                    new.push(care_of);
                }
            }
        }
        if !new.is_empty() {
            let bindings = &self.cache.bindings;
            let home = self
                .care_of_tests
                .homes
                .entry(home_address)
                .or_insert_with(|| Home {
                    owner,
                    care_ofs: Vec::new(),
                    before: bindings.get(&home_address).map(Before::of),
                });
            for care_of in &new {
                if !home.care_ofs.contains(care_of) {
                    home.care_ofs.push(*care_of);
                }
            }
            for care_of in new {
                self.join_trial(now, owner, care_of, home_address);
            }
        }
        let care_ofs = &mut registration.steering.care_ofs;
        self.care_of_tests.mark(&home_address, care_ofs);
    }

    /// Whether a mobile node need not be tested at a care-of address: a DHoA of its is there and not under test, or was until a
    /// test began that has not passed yet.
    fn is_reached_at(&self, now: Now, owner: MnIndex, care_of: &Ipv6Addr) -> bool {
        let is_there = |home_address: &Ipv6Addr| {
            let home = self.care_of_tests.homes.get(home_address);
            let before = home.and_then(|home| home.before.as_ref());
            if before.is_some_and(|before| before.is_at(now, care_of)) {
                return true;
            }
            let is_pending = home.is_some_and(|home| home.care_ofs.contains(care_of));
            let binding = self.cache.bindings.get(home_address);
            !is_pending && binding.is_some_and(|binding| is_at(binding, care_of))
        };
        let node = self.nodes.node(owner);
        node.is_some_and(|node| node.dhoas.iter().any(is_there))
    }

    fn join_trial(&mut self, now: Now, owner: MnIndex, care_of: Ipv6Addr, home_address: Ipv6Addr) {
        let (timers, random) = (&mut self.timers, &mut self.random);
        let counters = &mut self.counters;
        let trials = &mut self.care_of_tests.trials;
        let trial = trials.entry((owner, care_of)).or_insert_with(|| {
            counters.care_of_tests_mut().count_begun();
            let mut cookie = Cookie::default();
            for (to, from) in cookie.iter_mut().zip(random.next_block()) {
                *to = from;
            }
            let ends_ns = now.deadline_ns(TEST_NS);
            Trial {
                cookie,
                ends_ns,
                timer: timers.schedule(ends_ns, Timer::CareOfTestEnds(owner, care_of)),
                homes: Vec::new(),
            }
        });
        if !trial.homes.contains(&home_address) {
            trial.homes.push(home_address);
        }
    }

    /// A binding is about to be what a registration says: what it has no longer under test need not be tested for it.
    pub(crate) fn follow_tests(&mut self, registration: &mut Registration) {
        let home_address = &registration.home_address;
        let Some(home) = self.care_of_tests.homes.get_mut(home_address) else {
            return;
        };
        let numbered = &mut registration.steering.care_ofs;
        // What has been taken away does not come back.
        let known = self.cache.bindings.get(home_address);
        let known = known.map_or(&[][..], Binding::care_ofs);
        if !numbered.is_empty() {
            let bids = known.iter().map(|known| known.bid);
            let is_gone = |bid: &u16| care_of_addresses::find(numbered, *bid).is_none();
            let gone: Vec<u16> = bids.filter(is_gone).collect();
            let before = home.before.take();
            let before = before.and_then(|before| before.without(&gone));
            // One of them that needs no test takes the place of what was there before, as one does that passes.
            home.before = match numbered.iter().any(|known| known.test.is_none()) {
                true => before.and_then(|before| before.left_to(numbered)),
                false => before,
            };
        }
        // A classic update, which is exempt, has no order.
        let is_tested = registration.order.is_some();
        let stays = |care_of: &Ipv6Addr| match &**numbered {
            [] => is_tested && *care_of == registration.care_of,
            numbered => numbered
                .iter()
                .any(|known| known.test.is_some() && known.address == *care_of),
        };
        let owner = home.owner;
        let gone: Vec<Ipv6Addr> = home
            .care_ofs
            .extract_if(.., |care_of| !stays(care_of))
            .collect();
        if home.care_ofs.is_empty() {
            self.care_of_tests.homes.remove(home_address);
        }
        self.care_of_tests.mark(home_address, numbered);
        for care_of in gone {
            self.leave_trial(owner, care_of, home_address);
        }
    }
}

fn is_at(binding: &Binding, care_of: &Ipv6Addr) -> bool {
    match binding.care_ofs() {
        [] => binding.care_of == *care_of,
        numbered => numbered.iter().any(|known| known.address == *care_of),
    }
}
