//! What a valid Binding Update does to the binding of its home address (RFC 6275 §10.3).

use dhp_wire::codepoints::status;
use dhp_wire::mobility::BuFlags;

use super::Anchor;
use super::binding_cache::expiry;
use super::care_of_addresses::{self, CareOfAddress};
use super::config::PoolKind;
use super::events::ReleaseReason;
use super::flow_bindings::{FlowUpdate, UpdatedFlows};
use super::home_update::{Acknowledgement, Update};
use super::identifiers::{Identified, deregister_identifiers};
use super::lifecycle::{CareOfFault, MAX_DELETE_BCE_NS, Registration};
use super::steering::Steering;
use super::steering_options::SteeringAnswer;
use crate::time::Now;

impl Anchor {
    pub(crate) fn refusal_of_registration(
        &self,
        now: Now,
        update: &Update,
    ) -> Option<Acknowledgement> {
        let identifiers = &update.options.steering.identifiers;
        // "A CoA inside a local pool: 174 in both" (routability was checked before the MAC). With BIDs those count that they
        // bring.
        if identifiers.is_empty() && self.check_care_of(&update.care_of) == Err(CareOfFault::Local)
        {
            return Some(update.acknowledge(status::INVALID_CARE_OF));
        }
        // RFC 6275 §10.3.1: "A Home Address destination option MUST be present in the message."
        if !update.has_home_address_option && identifiers.is_empty() {
            return Some(update.acknowledge(status::UNSPECIFIED));
        }
        if !self.cache.bindings.contains_key(&update.home_address) && !self.has_room_for(update) {
            return Some(update.acknowledge(status::INSUFFICIENT_RESOURCES));
        }
        if identifiers.is_empty() {
            return None;
        }
        let lifetime = self.grant(now, &update.home_address, update.lifetime);
        let identified = self.identify(update, expiry(lifetime, now));
        (!identified.is_accepted()).then(|| update.acknowledge_identifiers(&identified))
    }

    /// What the Binding Identifier options of a registration come to.
    fn identify(&self, update: &Update, expires_ns: Option<u64>) -> Identified {
        let identifiers = &update.options.steering.identifiers;
        let overwrite = update.flags.overwrites(true);
        let binding = self.cache.bindings.get(&update.home_address);
        let known = binding.map_or(&[][..], |binding| binding.care_ofs());
        // RFC 5648 §6.2: "If the 'O' flag is unset in the Binding Update and the receiver has a regular binding that does not
        // have a BID for the mobile node, it must not process the Binding Update."
        if binding.is_some() && known.is_empty() && !overwrite {
            return Identified::refused(identifiers, status::MCOA_NON_MCOA_BINDING_EXISTS);
        }
        let home_address = &update.home_address;
        self.register_identifiers(home_address, known, identifiers, overwrite, expires_ns)
    }

    /// What the flow options of an update come to, beside these care-of addresses.
    fn updated_flows(&self, update: &Update, care_ofs: &[CareOfAddress]) -> UpdatedFlows {
        let steering = &update.options.steering;
        let binding = self.cache.bindings.get(&update.home_address);
        FlowUpdate {
            home_address: &update.home_address,
            known: binding.map_or(&[][..], |binding| binding.flow_bindings()),
            care_ofs,
            options: steering.flows.iter().collect(),
            summary: &steering.summary,
            keeps_unmentioned: steering.has_unreadable_flow,
            limits: &self.config.limits,
        }
        .apply()
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
        let mut identified = Identified::default();
        if !update.options.steering.identifiers.is_empty() {
            identified = self.identify(update, expiry(lifetime, now));
            if !identified.is_accepted() {
                return update.acknowledge_identifiers(&identified);
            }
        }
        let pool = self.pools.find(&update.home_address).map(|(_, pool)| pool);
        let status = if pool.is_some_and(|pool| pool.ends.needs_discovery(lifetime, now)) {
            status::ACCEPTED_PREFIX_DISCOVERY
        } else {
            status::ACCEPTED
        };
        let (status, statuses) = identified.summary(status);
        let care_ofs = identified.care_ofs;
        let mut flows = self.updated_flows(update, &care_ofs);
        // RFC 5648 §6.2: without a BID "it MUST replace all the existing bindings with the received binding".
        let care_of = care_of_addresses::first_choice(&care_ofs);
        let registration = Registration {
            home_address: update.home_address,
            owner,
            care_of: care_of.map_or(update.care_of, |care_of| care_of.address),
            expires_ns: expiry(lifetime, now),
            order: None,
            link_local: update.flags.contains(BuFlags::LINK_LOCAL),
            steering: Steering {
                care_ofs,
                flows: core::mem::take(&mut flows.flows),
            },
        };
        self.bind(now, registration);
        self.remember_home_sequence(update, None);
        Acknowledgement {
            lifetime,
            // RFC 6275 §10.3.1: "the Refresh Interval field in the option MUST be set to a value less than the Lifetime value
            // being returned".
            refresh: self
                .config
                .refresh_advice
                .filter(|advice| *advice < lifetime),
            steering: SteeringAnswer::new(statuses, flows),
            ..update.acknowledge(status)
        }
    }

    pub(crate) fn deregister(&mut self, now: Now, update: &Update) -> Acknowledgement {
        let home_address = &update.home_address;
        if !update.options.steering.identifiers.is_empty()
            && self.cache.bindings.contains_key(home_address)
        {
            return self.deregister_some(now, update);
        }
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

    /// Takes some care-of addresses away; the binding goes with the last one. RFC 6089 §5.3.3: flow bindings "need to be
    /// preserved" by flow options here too.
    fn deregister_some(&mut self, now: Now, update: &Update) -> Acknowledgement {
        let identifiers = &update.options.steering.identifiers;
        let Some(binding) = self.cache.bindings.get(&update.home_address) else {
            return update.acknowledge(status::NOT_HOME_AGENT);
        };
        let identified = deregister_identifiers(binding.care_ofs(), identifiers);
        let answer = update.acknowledge_identifiers(&identified);
        if !identified.is_accepted() {
            return answer;
        }
        if identified.care_ofs.is_empty() {
            self.release(now, &update.home_address, ReleaseReason::Deregistered);
            let invalid_until_ns = now.deadline_ns(MAX_DELETE_BCE_NS);
            self.remember_home_sequence(update, Some(invalid_until_ns));
            return answer;
        }
        let mut flows = self.updated_flows(update, &identified.care_ofs);
        let left = core::mem::take(&mut flows.flows);
        let registration = binding.with_care_ofs(identified.care_ofs, left);
        self.bind(now, registration);
        self.remember_home_sequence(update, None);
        Acknowledgement {
            steering: SteeringAnswer::new(answer.steering.identifiers, flows),
            ..answer
        }
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
