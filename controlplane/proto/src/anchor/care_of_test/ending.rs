//! A test ends: the mobile node is reached at the care-of address, or it is not.

use core::net::Ipv6Addr;

use super::{Home, Trial};
use crate::anchor::Anchor;
use crate::anchor::binding_cache::Binding;
use crate::anchor::care_of_addresses::CareOfAddress;
use crate::anchor::events::ReleaseReason;
use crate::anchor::lifecycle::Registration;
use crate::anchor::mobile_nodes::MnIndex;
use crate::time::Now;

impl Anchor {
    /// All that waits for the care-of address has it in full from now on.
    pub(super) fn pass_test(&mut self, owner: MnIndex, care_of: Ipv6Addr) {
        let Some(trial) = self.end_trial(owner, care_of) else {
            return;
        };
        self.counters.care_of_tests_mut().count_passed();
        for home_address in trial.homes {
            self.take_into_service(&home_address, care_of);
        }
    }

    /// No echo has come in time.
    pub(crate) fn fail_test(&mut self, now: Now, owner: MnIndex, care_of: Ipv6Addr) {
        let Some(trial) = self.end_trial(owner, care_of) else {
            return;
        };
        self.counters.care_of_tests_mut().count_failed();
        for home_address in trial.homes {
            self.take_back(now, &home_address, care_of);
        }
    }

    fn end_trial(&mut self, owner: MnIndex, care_of: Ipv6Addr) -> Option<Trial> {
        let trial = self.care_of_tests.trials.remove(&(owner, care_of))?;
        self.timers.cancel(trial.timer);
        Some(trial)
    }

    /// What is known of a home address beside the care-of address whose test has ended.
    fn take_home(&mut self, home_address: &Ipv6Addr, care_of: Ipv6Addr) -> Option<Home> {
        let mut home = self.care_of_tests.homes.remove(home_address)?;
        home.care_ofs.retain(|pending| *pending != care_of);
        Some(home)
    }

    fn take_into_service(&mut self, home_address: &Ipv6Addr, care_of: Ipv6Addr) {
        let Some(mut home) = self.take_home(home_address, care_of) else {
            return;
        };
        let Some(binding) = self.cache.bindings.get_mut(home_address) else {
            return;
        };
        let steered_before = binding.steering.clone();
        let is_pending = !home.care_ofs.is_empty();
        if let Some(steering) = &mut binding.steering {
            for known in &mut steering.care_ofs {
                known.test = known.test.filter(|_| known.address != care_of);
            }
            if is_pending {
                home.before = home
                    .before
                    .and_then(|before| before.left_to(&steering.care_ofs));
                self.care_of_tests.homes.insert(*home_address, home);
                self.care_of_tests
                    .mark(home_address, &mut steering.care_ofs);
            }
        }
        self.tell_of_binding(home_address, None);
        self.tell_of_steering(home_address, steered_before);
    }

    /// "Not echoed: the old CoA stays; without one the binding and its assignment end."
    fn take_back(&mut self, now: Now, home_address: &Ipv6Addr, care_of: Ipv6Addr) {
        let Some(home) = self.take_home(home_address, care_of) else {
            return;
        };
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return;
        };
        let old = |known: &CareOfAddress| {
            if known.test.is_none() || known.address != care_of {
                return Some(*known);
            }
            let old = home.before.as_ref()?.with_bid(known.bid)?;
            (!old.has_expired(now)).then_some(*old)
        };
        let mut left: Vec<CareOfAddress> = binding.care_ofs().iter().filter_map(old).collect();
        let registration = if left.is_empty() {
            home.before
                .and_then(|before| before.registration(now, binding))
        } else {
            let flows = binding.flow_bindings().to_vec();
            if !home.care_ofs.is_empty() {
                self.care_of_tests.homes.insert(*home_address, home);
            }
            self.care_of_tests.mark(home_address, &mut left);
            Some(binding.with_care_ofs(left, flows))
        };
        // A pool may have been added around it.
        let registration = registration.filter(|registration| {
            registration
                .addresses()
                .all(|care_of| self.check_care_of(&care_of).is_ok())
        });
        match registration {
            Some(registration) => {
                self.bind(now, registration);
            }
            None => {
                self.release(now, home_address, ReleaseReason::CareOfTestFailed);
            }
        }
    }

    /// When the last test of a home address ends; `None`: there is none.
    pub(crate) fn end_of_tests(&self, home_address: &Ipv6Addr) -> Option<u64> {
        let home = self.care_of_tests.homes.get(home_address)?;
        let trials = &self.care_of_tests.trials;
        let trials = home
            .care_ofs
            .iter()
            .filter_map(|care_of| trials.get(&(home.owner, *care_of)));
        trials.map(|trial| trial.ends_ns).max()
    }

    /// What a binding would be if none of its tests were passed; `None`: none.
    pub(crate) fn without_tests(&self, now: Now, binding: &Binding) -> Option<Registration> {
        let home = self.care_of_tests.homes.get(&binding.home_address)?;
        let before = home.before.as_ref();
        let passed = |known: &CareOfAddress| match known.test {
            None => Some(*known),
            Some(_) => before?
                .with_bid(known.bid)
                .filter(|old| !old.has_expired(now))
                .copied(),
        };
        let passed: Vec<CareOfAddress> = binding.care_ofs().iter().filter_map(passed).collect();
        if passed.is_empty() {
            before.cloned()?.registration(now, binding)
        } else {
            let flows = binding.flow_bindings().to_vec();
            Some(binding.with_care_ofs(passed, flows))
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
    pub(super) fn leave_trial(
        &mut self,
        owner: MnIndex,
        care_of: Ipv6Addr,
        home_address: &Ipv6Addr,
    ) {
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
