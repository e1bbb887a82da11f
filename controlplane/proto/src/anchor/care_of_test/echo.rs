//! The cookie comes back.

use core::net::Ipv6Addr;

use subtle::ConstantTimeEq;

use super::Home;
use crate::anchor::Anchor;
use crate::anchor::request::Proven;
use crate::anchor::request_options::{DhoaOption, RequestOptions};

impl Anchor {
    /// Looks at the Cookie of a DHP Binding Update that lists these addresses. `true`: a care-of address that it names has passed
    /// by it. Any other cookie, such as one that is too late or that of a care-of address which the mobile node has left, proves
    /// nothing, and the message is what it would be without.
    pub(crate) fn take_echo(
        &mut self,
        proven: &Proven,
        options: &RequestOptions<'_>,
        listed: &[DhoaOption],
    ) -> bool {
        let Some(cookie) = options.cookie else {
            return false;
        };
        let tests = &self.care_of_tests;
        let is_echoed = |care_of: &Ipv6Addr| {
            let trial = tests.trials.get(&(proven.owner, *care_of));
            trial.is_some_and(|trial| trial.cookie.ct_eq(cookie).into())
        };
        let echoed = if options.identifiers.is_empty() {
            Some(proven.care_of).filter(is_echoed)
        } else {
            // What the BIDs stand for is what is tested at the addresses that they are for.
            let homes = listed
                .iter()
                .filter_map(|dhoa| tests.homes.get(&dhoa.address));
            let mut care_ofs = homes.flat_map(|home: &Home| &home.care_ofs).copied();
            care_ofs.find(is_echoed)
        };
        if let Some(care_of) = echoed {
            self.pass_test(proven.owner, care_of);
        }
        echoed.is_some()
    }
}
