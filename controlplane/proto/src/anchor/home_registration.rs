//! Home registration by an RFC 6275 Binding Update, authenticated as RFC 4285 has it.
//!
//! DHoA pools, and home prefixes without a link, are virtual home links: there is no link on which Duplicate Address
//! Detection or proxy Neighbor Discovery could happen. On a real one they do, see `duplicate_detection` and `home_link`.

use dhp_wire::codepoints::status;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::{BindingUpdate, BuFlags};

use super::Anchor;
use super::correspondent::RouteEnds;
use super::drop_reason::SignallingDrop;
use super::home_update::{Acknowledgement, Update, read_options};
use super::receive::Received;
use super::reply::Proof;
use crate::time::Now;

impl Anchor {
    pub(crate) fn home_registration(
        &mut self,
        now: Now,
        received: &Received<'_>,
        update: &BindingUpdate<'_>,
    ) -> Result<(), SignallingDrop> {
        // RFC 6275 §9.5.1: "The packet MUST contain a unicast routable home address, either in the Home Address
        // option or in the Source Address, if the Home Address option is not present."
        let home_address = received.home_address.unwrap_or(received.source);
        if !is_unicast_routable(&home_address) {
            return Err(SignallingDrop::HomeAddressNotRoutable);
        }
        let (options, mn_id) = read_options(update)?;
        let care_of = options.alternate_care_of.unwrap_or(received.source);
        // RFC 6275 §6.1.7: "Binding Updates for a care-of address that is not a unicast routable address MUST be
        // silently discarded."
        if !is_unicast_routable(&care_of) {
            return Err(SignallingDrop::CareOfNotRoutable);
        }
        let sender = self.sender_of(received, update, &home_address, care_of, mn_id)?;
        let update = Update {
            source: received.source,
            security: sender.security,
            owner: sender.owner,
            home_address,
            care_of,
            mac_care_of: sender.mac_care_of,
            has_home_address_option: received
                .home_address
                .is_some_and(|home| home != received.source),
            sequence: update.sequence,
            flags: update.flags,
            lifetime: update.lifetime,
            options,
        };
        // RFC 4285 §5.1.1: "If authentication fails, the Home Agent MUST send BA with Status Code MIPV6-AUTH-FAIL."
        if !sender.is_proven {
            if let Some(security) = &update.security {
                self.nodes.count_refused(security.spi());
            }
            let refused = update.acknowledge(status::AUTHENTICATION_FAILED);
            return self.send_acknowledgement(&update, refused, received.unproved());
        }
        match self.decide(now, &update)? {
            Some(acknowledgement) => {
                self.send_acknowledgement(&update, acknowledgement, Proof::Mac)
            }
            None => Ok(()),
        }
    }

    /// Validates an authentic Binding Update and carries it out. RFC 6275 §10.3.1: "Regardless of the setting of the
    /// Acknowledge (A) bit in the Binding Update, the home agent MUST return a Binding Acknowledgement".
    /// `None`: not yet.
    fn decide(
        &mut self,
        now: Now,
        update: &Update,
    ) -> Result<Option<Acknowledgement>, SignallingDrop> {
        let refuse = |status| Ok(Some(update.acknowledge(status)));
        let home_address = &update.home_address;
        // RFC 6275 §9.5.1: "If the Home Registration (H) bit is set, the Nonce Indices mobility option MUST NOT be
        // present."
        let home = update.flags.contains(BuFlags::HOME);
        if home && update.options.has_nonce_indices {
            return Err(SignallingDrop::NonceIndices);
        }
        let is_bound = self.cache.bindings.contains_key(home_address);
        if !home && !is_bound {
            return Err(SignallingDrop::CorrespondentRegistration);
        }
        // RFC 6275 §10.3.1: only "the right node can control a particular home address", so nobody else learns of
        // its sequence number either.
        let pool = self.pools.find(home_address).map(|(_, pool)| pool);
        let is_on_link = pool.is_some_and(|pool| pool.ends.is_valid(now));
        if pool.is_some() && !self.may_register(update) {
            return refuse(status::PROHIBITED);
        }
        if let Some(refused) = self.check_home_sequence(now, update) {
            return Ok(Some(refused));
        }
        let spi = update.security.as_ref().map(|security| security.spi());
        if let Some(association) = spi.and_then(|spi| self.nodes.association_mut(spi)) {
            association.heard(now.mono_ns);
        }
        // "If a binding already exists for the given home address and the home registration flag has a different
        // value than the Home Registration (H) bit in the Binding Update, then the receiving node MUST send back a
        // Binding Acknowledgement with status code 139".
        let ends = RouteEnds {
            home_address: *home_address,
            correspondent: self.config.address,
        };
        let is_correspondents = self.correspondents.care_of(&ends).is_some();
        if !home || (is_correspondents && !is_bound) {
            return refuse(status::REGISTRATION_TYPE_CHANGE);
        }
        if !self.config.roles.home_agent && !self.config.roles.dhp {
            return refuse(status::HOME_REGISTRATION_NOT_SUPPORTED);
        }
        // "not an on-link IPv6 address with respect to the home agent's current Prefix List"
        if !is_on_link {
            return refuse(status::NOT_HOME_SUBNET);
        }
        let steering = &update.options.steering;
        // RFC 5648 §6.2: "If the length is incorrect, the receiver MUST reject the Binding Update and return the status value
        // set to [MCOA MALFORMED]."
        if steering.has_malformed_identifier {
            return refuse(status::MCOA_MALFORMED);
        }
        let refused = self.refusal_of_identifiers(&steering.identifiers);
        if let Some(refused) = refused.filter(|_| !steering.identifiers.is_empty()) {
            return refuse(refused);
        }
        if update.deregisters() {
            return Ok(Some(self.deregister(now, update)));
        }
        self.register(now, update)
    }

    fn register(
        &mut self,
        now: Now,
        update: &Update,
    ) -> Result<Option<Acknowledgement>, SignallingDrop> {
        let home_address = &update.home_address;
        // RFC 5142 §5.3: "Attempts by the mobile node to extend the binding lifetime with a Binding Update message SHOULD be
        // rejected … 129". The same of a binding that is being revoked (RFC 5846 §7 leaves it to local policy).
        if self.departures.contains(home_address) {
            return Ok(Some(update.acknowledge(status::PROHIBITED)));
        }
        if let Some(refused) = self.refusal_of_registration(now, update) {
            return Ok(Some(refused));
        }
        let Some(link) = self.home_link(home_address) else {
            return Ok(Some(self.accept_registration(now, update)));
        };
        if self.link_local_is_anothers(link, update) {
            return Ok(Some(update.acknowledge(status::DAD_FAILED)));
        }
        let targets = self.addresses_to_probe(link, update);
        if !targets.is_empty() {
            return self.probe_before_binding(now, link, targets, update.clone());
        }
        // A refresh that claims nothing new overtakes one that did.
        self.forget_tentative(home_address);
        Ok(Some(self.accept_registration(now, update)))
    }

    /// Whether the home address is the mobile node's: by configuration, or as its DHoA.
    fn may_register(&self, update: &Update) -> bool {
        let Some(owner) = update.owner else {
            return false;
        };
        let owns = self.nodes.owner(&update.home_address) == Some(owner);
        let holds = self
            .cache
            .bindings
            .get(&update.home_address)
            .is_some_and(|binding| binding.owner == owner);
        let held = self
            .pools
            .quarantine
            .get(&update.home_address)
            .is_some_and(|entry| {
                // A repeated de-registration, which gets its answer but no binding.
                entry.owner == owner && update.deregisters()
            });
        owns || holds || held
    }
}
