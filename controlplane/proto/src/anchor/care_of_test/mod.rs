//! The care-of test: a new care-of address may be a victim's (DMIPv6 profile 1, section 6.4).
//!
//! A mobile node has a [`Trial`] for each care-of address that it has named and not shown to be reached at: one cookie and one
//! end, whatever home addresses are to go there, so that repeating an update buys no time. A binding under test has moved
//! already, and what it was while all its care-of addresses had passed is kept beside it: [`Before`]. `echo` says what a
//! cookie that comes back proves, `ending` what becomes of the bindings then, or when none comes, and `challenge` sends it.
//!
//! Tested is what a DMIP message brings. Classic updates "have no cookie: exempt".

mod before;
mod challenge;
mod counters;
mod echo;
mod ending;

use core::net::Ipv6Addr;

use hashbrown::HashMap;

use super::Anchor;
use super::binding_cache::Binding;
use super::care_of_addresses::{self, CareOfAddress};
use super::lifecycle::Registration;
use super::mobile_nodes::MnIndex;
use super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now};
use crate::timer_wheel::TimerKey;
use before::Before;
pub(crate) use challenge::Challenge;
pub use counters::CareOfTestCounters;

/// "Until then (at most 10 s)"
const TEST_NS: u64 = 10 * NANOS_PER_SECOND;

/// Sent to the care-of address, and echoed.
pub(crate) type Cookie = [u8; 16];

/// A care-of address is being tested: until it has passed it gets no more than a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderTest {
    /// Where goes what exceeds the credit: a care-of address of the binding that has passed. `None`: nowhere.
    pub tested: Option<Ipv6Addr>,
}

/// A mobile node is asked whether it is reached at a care-of address.
#[derive(Debug)]
struct Trial {
    cookie: Cookie,
    timer: TimerKey,
    /// The home addresses that wait for it, at least one.
    homes: Vec<Ipv6Addr>,
}

/// A bound home address with care-of addresses under test.
#[derive(Debug)]
struct Home {
    owner: MnIndex,
    /// At least one.
    care_ofs: Vec<Ipv6Addr>,
    /// `None`: it was not bound.
    before: Option<Before>,
}

/// All tests that are going on.
#[derive(Debug, Default)]
pub(crate) struct CareOfTests {
    trials: HashMap<(MnIndex, Ipv6Addr), Trial>,
    homes: HashMap<Ipv6Addr, Home>,
}

impl CareOfTests {
    /// Marks those of several care-of addresses that are under test.
    fn mark(&self, home_address: &Ipv6Addr, care_ofs: &mut [CareOfAddress]) {
        let home = self.homes.get(home_address);
        let is_pending =
            |address: &Ipv6Addr| home.is_some_and(|home: &Home| home.care_ofs.contains(address));
        let before = home.and_then(|home| home.before.as_ref());
        let passed: Vec<CareOfAddress> = care_ofs
            .iter()
            .filter(|care_of| !is_pending(&care_of.address))
            .copied()
            .collect();
        let first = care_of_addresses::first_choice(&passed).map(|care_of| care_of.address);
        for care_of in care_ofs {
            care_of.test = is_pending(&care_of.address).then(|| UnderTest {
                tested: before
                    .and_then(|before| before.with_bid(care_of.bid))
                    .map(|known| known.address)
                    .or(first)
                    .or(before.map(|before| before.care_of)),
            });
        }
    }

    /// The test of the care-of address that packets go to unless a flow binding has them go elsewhere.
    pub(crate) fn of_default(&self, binding: &Binding) -> Option<UnderTest> {
        if let Some(first) = care_of_addresses::first_choice(binding.care_ofs()) {
            return first.test;
        }
        let home = self.homes.get(&binding.home_address)?;
        home.care_ofs
            .contains(&binding.care_of)
            .then_some(UnderTest {
                tested: home.before.as_ref().map(|before| before.care_of),
            })
    }
}

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
            let at = now.deadline_ns(TEST_NS);
            Trial {
                cookie,
                timer: timers.schedule(at, Timer::CareOfTestEnds(owner, care_of)),
                homes: Vec::new(),
            }
        });
        if !trial.homes.contains(&home_address) {
            trial.homes.push(home_address);
        }
    }

    /// A binding is about to be what a registration says: what it has no longer under test need not be tested for it.
    pub(crate) fn follow_tests(&mut self, registration: &Registration) {
        let home_address = &registration.home_address;
        let Some(home) = self.care_of_tests.homes.get_mut(home_address) else {
            return;
        };
        let numbered = &registration.steering.care_ofs;
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
        for care_of in gone {
            self.leave_trial(owner, care_of, home_address);
        }
    }

    /// A binding has ended.
    pub(crate) fn forget_tests(&mut self, home_address: &Ipv6Addr) {
        if let Some(home) = self.care_of_tests.homes.remove(home_address) {
            for care_of in home.care_ofs {
                self.leave_trial(home.owner, care_of, home_address);
            }
        }
    }

    /// A home address does not wait for the end of a test any more, which is abandoned where none does.
    fn leave_trial(&mut self, owner: MnIndex, care_of: Ipv6Addr, home_address: &Ipv6Addr) {
        let trials = &mut self.care_of_tests.trials;
        let Some(trial) = trials.get_mut(&(owner, care_of)) else {
            return;
        };
        trial.homes.retain(|waiting| waiting != home_address);
        if trial.homes.is_empty() {
            self.timers.cancel(trial.timer);
            trials.remove(&(owner, care_of));
            self.counters.care_of_tests_mut().count_abandoned();
        }
    }
}

fn is_at(binding: &Binding, care_of: &Ipv6Addr) -> bool {
    match binding.care_ofs() {
        [] => binding.care_of == *care_of,
        numbered => numbered.iter().any(|known| known.address == *care_of),
    }
}
