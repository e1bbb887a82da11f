//! The care-of test: a new care-of address may be a victim's (DMIPv6 profile 1, section 6.4).
//!
//! A mobile node has a [`Trial`] for each care-of address that it has named and not shown to be reached at: one cookie and one
//! end, whatever home addresses are to go there, so that repeating an update buys no time. A binding under test has moved
//! already, and what it was while all its care-of addresses had passed is kept beside it: [`Before`].
//!
//! `beginning` says what is tested: what a DMIP message brings, since classic updates "have no cookie: exempt". `challenge` sends
//! the cookie, `echo` says what one that comes back proves, and `ending` what becomes of the bindings then, or when none comes.

mod before;
mod beginning;
mod challenge;
mod counters;
mod echo;
mod ending;

use core::net::Ipv6Addr;

use hashbrown::HashMap;

use super::binding_cache::Binding;
use super::care_of_addresses::{self, CareOfAddress};
use super::mobile_nodes::MnIndex;
use crate::time::NANOS_PER_SECOND;
use crate::timer_wheel::TimerKey;
use before::{Before, Lasting};
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
    ends_ns: u64,
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
        let before = home.and_then(|home| self.lasting(home));
        let passed: Vec<CareOfAddress> = care_ofs
            .iter()
            .filter(|care_of| !is_pending(&care_of.address))
            .copied()
            .collect();
        let first = care_of_addresses::first_choice(&passed).map(|care_of| care_of.address);
        for care_of in care_ofs {
            care_of.test = is_pending(&care_of.address).then(|| UnderTest {
                tested: before
                    .as_ref()
                    .and_then(|before| before.with_bid(care_of.bid))
                    .or(first)
                    .or(before.as_ref().and_then(Lasting::first)),
            });
        }
    }

    /// What a home address may go back to whenever its tests end.
    fn lasting<'b>(&self, home: &'b Home) -> Option<Lasting<'b>> {
        let before = home.before.as_ref()?;
        let trials = home
            .care_ofs
            .iter()
            .filter_map(|care_of| self.trials.get(&(home.owner, *care_of)));
        let until_ns = trials.map(|trial| trial.ends_ns).max().unwrap_or_default();
        Some(Lasting { before, until_ns })
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
                tested: self.lasting(home).and_then(|before| before.first()),
            })
    }
}
