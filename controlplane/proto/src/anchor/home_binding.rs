//! What a valid Binding Update does to the binding of its home address (RFC 6275 §10.3).

use dhp_wire::codepoints::status;
use dhp_wire::mobility::BuFlags;

use super::Anchor;
use super::config::PoolKind;
use super::events::ReleaseReason;
use super::home_update::{Acknowledgement, Update};
use super::lifecycle::{CareOfFault, MAX_DELETE_BCE_NS, Registration};
use crate::time::Now;

impl Anchor {
    pub(crate) fn refusal_of_registration(&self, update: &Update) -> Option<Acknowledgement> {
        // "A CoA inside a local pool: 174 in both" (routability was checked before the MAC).
        if self.check_care_of(Some(&update.home_address), &update.care_of)
            == Err(CareOfFault::Local)
        {
            return Some(update.acknowledge(status::INVALID_CARE_OF));
        }
        // RFC 6275 §10.3.1: "A Home Address destination option MUST be present in the message."
        if !update.has_home_address_option {
            return Some(update.acknowledge(status::UNSPECIFIED));
        }
        if !self.cache.bindings.contains_key(&update.home_address) && !self.has_room_for(update) {
            return Some(update.acknowledge(status::INSUFFICIENT_RESOURCES));
        }
        None
    }

    /// Binds the home address, which nobody else has.
    pub(crate) fn accept_registration(&mut self, now: Now, update: &Update) -> Acknowledgement {
        let lifetime = self.grant(now, &update.home_address, update.lifetime);
        // The prefix may have ended while its link was asked for duplicates.
        if lifetime.is_zero() {
            return update.acknowledge(status::NOT_HOME_SUBNET);
        }
        let Some(owner) = update.owner else {
            return update.acknowledge(status::PROHIBITED);
        };
        let registration = Registration {
            home_address: update.home_address,
            owner,
            care_of: update.care_of,
            lifetime,
            order: None,
            link_local: update.flags.contains(BuFlags::LINK_LOCAL),
        };
        self.bind(now, registration);
        self.remember_home_sequence(update, None);
        let pool = self.pools.find(&update.home_address).map(|(_, pool)| pool);
        let status = if pool.is_some_and(|pool| pool.ends.needs_discovery(lifetime, now)) {
            status::ACCEPTED_PREFIX_DISCOVERY
        } else {
            status::ACCEPTED
        };
        Acknowledgement {
            lifetime,
            // RFC 6275 §10.3.1: "the Refresh Interval field in the option MUST be set to a value less than the Lifetime value
            // being returned".
            refresh: self
                .config
                .refresh_advice
                .filter(|advice| *advice < lifetime),
            ..update.acknowledge(status)
        }
    }

    pub(crate) fn deregister(&mut self, now: Now, update: &Update) -> Acknowledgement {
        let home_address = &update.home_address;
        // RFC 6275 §10.3.2: "The home agent should wait for MAX_DELETE_BCE_TIMEOUT (Section 12) seconds before
        // removing the Binding Cache entry completely." Until then a repeated de-registration finds the entry.
        let sequence = self.cache.home_sequences.get(home_address);
        let was_valid = sequence
            .and_then(|known| known.invalid_until_ns)
            .is_some_and(|until| until > now.mono_ns);
        self.forget_tentative(home_address);
        let released = self.release(now, home_address, ReleaseReason::Deregistered);
        // "If the receiving node has no entry marked as a home registration in its Binding Cache for this mobile
        // node, then this node MUST reject the Binding Update and SHOULD return … 133".
        if !released && !was_valid {
            return update.acknowledge(status::NOT_HOME_AGENT);
        }
        let invalid_until_ns = now.deadline_ns(MAX_DELETE_BCE_NS);
        self.remember_home_sequence(update, Some(invalid_until_ns));
        // "The Status field MUST be set to a value 0, indicating success." "The Lifetime field MUST be set to zero."
        update.acknowledge(status::ACCEPTED)
    }

    pub(crate) fn has_room_for(&self, update: &Update) -> bool {
        let is_dhoa = self
            .pools
            .find(&update.home_address)
            .is_some_and(|(_, pool)| pool.kind == PoolKind::Dhoa);
        let held = update.owner.and_then(|owner| self.nodes.node(owner));
        let held = held.map_or(0, |node| node.dhoas.len());
        let security = update.security.as_ref();
        let most = security.map_or(usize::MAX, |security| security.permissions().max_dhoas);
        self.has_room() && !(is_dhoa && held >= most)
    }
}
