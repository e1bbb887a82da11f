//! The life of a correspondent's binding: the one place where they change.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::constants::MAX_RR_BINDING_LIFETIME;
use dhp_wire::mobility::Lifetime;

use super::super::Anchor;
use super::super::events::AnchorAction;
use super::super::timers::Timer;
use super::RouteOptimization;
use super::cache::Entry;
use super::update::CorrespondentUpdate;
use crate::time::{NANOS_PER_SECOND, Now};

impl Anchor {
    /// Makes, refreshes or moves a binding; the lifetime that is granted. RFC 6275 §5.2.6: bindings "established with
    /// correspondent nodes using keys created by way of the return routability procedure MUST NOT exceed
    /// MAX_RR_BINDING_LIFETIME seconds".
    pub(super) fn bind_correspondent(
        &mut self,
        now: Now,
        update: &CorrespondentUpdate,
    ) -> Lifetime {
        let home_address = update.home_address;
        let longest = Lifetime::at_most(MAX_RR_BINDING_LIFETIME).min(self.config.max_lifetime);
        let lifetime = update.lifetime.min(longest);
        let seconds = lifetime
            .duration()
            .unwrap_or(MAX_RR_BINDING_LIFETIME)
            .as_secs();
        let expires_ns = now.deadline_ns(seconds.saturating_mul(NANOS_PER_SECOND));
        let timer = self
            .timers
            .schedule(expires_ns, Timer::CorrespondentEnds(home_address));
        let entry = Entry {
            care_of: Some(update.care_of),
            sequence: update.sequence,
            expires_ns,
            nonces_until_ns: self.nonces_until(update),
            timer,
            refresh_timer: None,
            in_use: false,
        };
        self.replace_correspondent(home_address, entry);
        self.plan_correspondent_refresh(now, &home_address);
        let change = RouteOptimization::Begins {
            home_address,
            care_of: update.care_of,
            expires_ns,
        };
        self.actions.push_back(AnchorAction::Route(change));
        lifetime
    }

    /// RFC 6275 §9.5.3: "Any existing binding for the given home address MUST be deleted. A Binding Cache entry for the home
    /// address MUST NOT be created". "the correspondent node has to remember the particular combination of nonce indices,
    /// addresses, and sequence number as illegal until at least one of the nonces has become too old."
    pub(super) fn end_correspondent(&mut self, now: Now, update: &CorrespondentUpdate) {
        let home_address = update.home_address;
        let Some(known) = self.correspondents.entries.get(&home_address) else {
            return;
        };
        let was_bound = known.care_of.is_some();
        let nonces_until_ns = known.nonces_until_ns.max(self.nonces_until(update));
        let at = nonces_until_ns.max(now.mono_ns);
        let timer = self
            .timers
            .schedule(at, Timer::CorrespondentEnds(home_address));
        let entry = Entry {
            care_of: None,
            sequence: update.sequence,
            expires_ns: now.mono_ns,
            nonces_until_ns,
            timer,
            refresh_timer: None,
            in_use: false,
        };
        self.replace_correspondent(home_address, entry);
        if was_bound {
            self.end_route(home_address);
        }
    }

    /// The time of a binding has come, or that of its number.
    pub(crate) fn correspondent_ends(&mut self, now: Now, home_address: Ipv6Addr) {
        let Some(entry) = self.correspondents.entries.get_mut(&home_address) else {
            return;
        };
        let was_bound = entry.care_of.take().is_some();
        if entry.nonces_until_ns > now.mono_ns {
            let at = entry.nonces_until_ns;
            entry.timer = self
                .timers
                .schedule(at, Timer::CorrespondentEnds(home_address));
        } else if let Some(entry) = self.correspondents.entries.remove(&home_address)
            && let Some(timer) = entry.refresh_timer
        {
            self.timers.cancel(timer);
        }
        if was_bound {
            self.end_route(home_address);
        }
    }

    /// Packets are going to the home address.
    pub(crate) fn correspondent_is_used(&mut self, now: Now, home_address: &Ipv6Addr) {
        if let Some(entry) = self.correspondents.entries.get_mut(home_address) {
            entry.in_use = true;
        }
        self.plan_correspondent_refresh(now, home_address);
    }

    fn end_route(&mut self, home_address: Ipv6Addr) {
        let change = RouteOptimization::Ends { home_address };
        self.actions.push_back(AnchorAction::Route(change));
    }

    fn replace_correspondent(&mut self, home_address: Ipv6Addr, entry: Entry) {
        if let Some(old) = self.correspondents.entries.insert(home_address, entry) {
            self.timers.cancel(old.timer);
            if let Some(timer) = old.refresh_timer {
                self.timers.cancel(timer);
            }
        }
    }

    /// Until when this update could be sent again and be found authentic.
    fn nonces_until(&self, update: &CorrespondentUpdate) -> u64 {
        let (home, care_of) = update.nonces;
        let home = self.nonces.good_until_ns(home).unwrap_or_default();
        if update.deletes() {
            return home;
        }
        home.min(self.nonces.good_until_ns(care_of).unwrap_or_default())
    }
}
