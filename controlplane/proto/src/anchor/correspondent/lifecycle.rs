//! The life of a correspondent's binding: the one place where they change.

use dhp_wire::codepoints::constants::MAX_RR_BINDING_LIFETIME;
use dhp_wire::mobility::Lifetime;

use super::super::Anchor;
use super::super::events::AnchorAction;
use super::super::timers::Timer;
use super::cache::{Entry, Usage};
use super::update::CorrespondentUpdate;
use super::{RouteEnds, RouteOptimization};
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
        let ends = update.ends;
        let longest = Lifetime::at_most(MAX_RR_BINDING_LIFETIME).min(self.config.max_lifetime);
        let lifetime = update.lifetime.min(longest);
        let seconds = lifetime
            .duration()
            .unwrap_or(MAX_RR_BINDING_LIFETIME)
            .as_secs();
        let expires_ns = now.deadline_ns(seconds.saturating_mul(NANOS_PER_SECOND));
        let timer = self
            .timers
            .schedule(expires_ns, Timer::CorrespondentEnds(ends));
        let entry = Entry {
            care_of: Some(update.care_of),
            sequence: update.sequence,
            expires_ns,
            nonces_until_ns: self.nonces_until(update),
            timer,
            refresh_timer: None,
            usage: Usage::Unknown,
        };
        self.replace_correspondent(ends, entry);
        self.plan_correspondent_refresh(now, ends);
        let change = RouteOptimization::Begins {
            ends,
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
        let ends = update.ends;
        let Some(known) = self.correspondents.entries.get(&ends) else {
            return;
        };
        let was_bound = known.care_of.is_some();
        let nonces_until_ns = known.nonces_until_ns.max(self.nonces_until(update));
        let at = nonces_until_ns.max(now.mono_ns);
        let timer = self.timers.schedule(at, Timer::CorrespondentEnds(ends));
        let entry = Entry {
            care_of: None,
            sequence: update.sequence,
            expires_ns: now.mono_ns,
            nonces_until_ns,
            timer,
            refresh_timer: None,
            usage: Usage::Unknown,
        };
        self.replace_correspondent(ends, entry);
        if was_bound {
            self.end_route(ends);
        }
    }

    /// The time of a binding has come, or that of its number.
    pub(crate) fn correspondent_ends(&mut self, now: Now, ends: RouteEnds) {
        let Some(entry) = self.correspondents.entries.get_mut(&ends) else {
            return;
        };
        let was_bound = entry.care_of.take().is_some();
        if entry.nonces_until_ns > now.mono_ns {
            let at = entry.nonces_until_ns;
            entry.timer = self.timers.schedule(at, Timer::CorrespondentEnds(ends));
        } else if let Some(entry) = self.correspondents.entries.remove(&ends)
            && let Some(timer) = entry.refresh_timer
        {
            self.timers.cancel(timer);
        }
        if was_bound {
            self.end_route(ends);
        }
    }

    /// Ends the bindings that another configuration does not allow. Their numbers stay.
    pub(crate) fn end_forbidden_correspondents(&mut self) {
        let mut forbidden = Vec::new();
        for (ends, entry) in &self.correspondents.entries {
            let is_allowed = self.is_correspondent(&ends.correspondent)
                && self.pools.find(&ends.home_address).is_none()
                && entry
                    .care_of
                    .is_none_or(|care_of| self.check_care_of(&care_of).is_ok());
            if !is_allowed {
                forbidden.push(*ends);
            }
        }
        for ends in forbidden {
            let entry = self.correspondents.entries.get_mut(&ends);
            if entry.is_some_and(|entry| entry.care_of.take().is_some()) {
                self.end_route(ends);
            }
        }
    }

    fn end_route(&mut self, ends: RouteEnds) {
        let change = RouteOptimization::Ends { ends };
        self.actions.push_back(AnchorAction::Route(change));
    }

    fn replace_correspondent(&mut self, ends: RouteEnds, entry: Entry) {
        if let Some(old) = self.correspondents.entries.insert(ends, entry) {
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
