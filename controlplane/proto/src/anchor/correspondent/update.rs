//! Binding Updates to a correspondent node (RFC 6275 §9.5.1 to §9.5.3).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::{BindingUpdate, BuFlags, Lifetime, MobilityOption};

use super::super::Anchor;
use super::super::drop_reason::SignallingDrop;
use super::super::receive::Received;
use super::super::sequence::is_greater;
use super::RouteEnds;
use crate::auth::Key;
use crate::return_routability::{TokenKind, management_key, verify_authenticator};
use crate::time::Now;

/// Correspondents that one home address can have here. With one pair of tokens a mobile node can send updates to every address of
/// the hosts' prefixes, whether there is a host or not, and fill what is meant for all.
const MOST_OF_ONE_HOME: usize = 64;

/// A Binding Update as a correspondent looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CorrespondentUpdate {
    pub(super) source: Ipv6Addr,
    /// Whose update it is, and to whom.
    pub(super) ends: RouteEnds,
    pub(super) care_of: Ipv6Addr,
    pub(super) sequence: u16,
    pub(super) lifetime: Lifetime,
    pub(super) wants_answer: bool,
    /// Nonce indices of the home and of the care-of address.
    pub(super) nonces: (u16, u16),
}

impl CorrespondentUpdate {
    /// RFC 6275 §9.5.1: "If the Lifetime specified in the Binding Update is zero, then this is a request to delete the cached
    /// binding"; as is one for the home address itself.
    pub(super) fn deletes(&self) -> bool {
        self.lifetime.is_zero() || self.care_of == self.ends.home_address
    }

    /// The address that the authenticators take (RFC 6275 §6.2.7): "the care-of address that will be registered … or the
    /// home address of the mobile node if this option is used in de-registration".
    pub(super) fn mac_address(&self) -> Ipv6Addr {
        if self.deletes() {
            self.ends.home_address
        } else {
            self.care_of
        }
    }
}

/// The options of such an update.
#[derive(Debug, Default)]
struct CorrespondentOptions<'a> {
    alternate_care_of: Option<Ipv6Addr>,
    nonces: Option<(u16, u16)>,
    /// Authenticator, and how many octets of the header it covers.
    authenticator: Option<(&'a [u8], usize)>,
    is_last: bool,
}

impl Anchor {
    /// RFC 6275 §9.5.1 for H=0. The nonces and the authenticator come before the sequence number: an answer with the last
    /// accepted number has to be authenticated, and nobody but the mobile node needs to know it.
    pub(crate) fn correspondent_update(
        &mut self,
        now: Now,
        received: &Received<'_>,
        update: &BindingUpdate<'_>,
    ) -> Result<(), SignallingDrop> {
        let home_address = received.home_address.unwrap_or(received.source);
        if !is_unicast_routable(&home_address) {
            return Err(SignallingDrop::HomeAddressNotRoutable);
        }
        let options = read_options(update)?;
        let care_of = options.alternate_care_of.unwrap_or(received.source);
        if !is_unicast_routable(&care_of) {
            return Err(SignallingDrop::CareOfNotRoutable);
        }
        // "A Nonce Indices mobility option MUST be present".
        let nonces = options.nonces.ok_or(SignallingDrop::NoNonceIndices)?;
        // "The Binding Authorization Data mobility option MUST be present". It "MUST be the last option and MUST NOT have
        // trailing padding."
        let (authenticator, covered) = options
            .authenticator
            .filter(|_| options.is_last)
            .ok_or(SignallingDrop::NoAuthentication)?;
        let update = CorrespondentUpdate {
            source: received.source,
            ends: RouteEnds {
                home_address,
                correspondent: received.destination,
            },
            care_of,
            sequence: update.sequence,
            lifetime: update.lifetime,
            wants_answer: update.flags.contains(BuFlags::ACKNOWLEDGE),
            nonces,
        };
        let key = match self.management_key(now, &update) {
            Ok(key) => key,
            // "If the receiving node no longer recognizes the Home Nonce Index value, Care-of Nonce Index value, or both
            // values from the Binding Update, then the receiving node MUST send back a Binding Acknowledgement with
            // status code 136, 137, or 138, respectively."
            Err(expired) => {
                let proof = received.unproved();
                return self.acknowledge_unauthenticated(&update, expired, proof);
            }
        };
        let mh = received.header.bytes();
        let mh = mh.get(..covered).unwrap_or(mh);
        let own = &update.ends.correspondent;
        if !verify_authenticator(&key, &update.mac_address(), own, mh, authenticator) {
            return Err(SignallingDrop::Authenticator);
        }
        let (status, lifetime) = self.decide_correspondent(now, &update);
        self.acknowledge_correspondent(&update, &key, status, lifetime)
    }

    /// "The correspondent node MUST re-generate the home keygen token and the care-of keygen token from the information
    /// contained in the packet." The error is the status of what it does not recognize.
    fn management_key(&mut self, now: Now, update: &CorrespondentUpdate) -> Result<Key, u8> {
        let (home_index, care_of_index) = update.nonces;
        let address = &update.ends.home_address;
        let purpose = TokenKind::Home;
        let home = self.nonces.token_again(now, home_index, address, purpose);
        // "Care-of Nonce Index values are not inspected for requests to delete a binding."
        if update.deletes() {
            let home = home.ok_or(status::EXPIRED_HOME_NONCE)?;
            return Ok(management_key(&home, None));
        }
        let address = &update.care_of;
        let purpose = TokenKind::CareOf;
        let care_of = self
            .nonces
            .token_again(now, care_of_index, address, purpose);
        match (home, care_of) {
            (Some(home), Some(care_of)) => Ok(management_key(&home, Some(&care_of))),
            (None, Some(_)) => Err(status::EXPIRED_HOME_NONCE),
            (Some(_), None) => Err(status::EXPIRED_CARE_OF_NONCE),
            (None, None) => Err(status::EXPIRED_NONCES),
        }
    }

    /// Carries out an authentic update; the status and the lifetime of its answer. Of 135 the lifetime is none, and the
    /// sequence number of the answer that of the entry.
    fn decide_correspondent(&mut self, now: Now, update: &CorrespondentUpdate) -> (u8, Lifetime) {
        let home_address = &update.ends.home_address;
        let refuse = |status| (status, Lifetime::ZERO);
        let known = self.correspondents.entries.get(&update.ends);
        if known.is_some_and(|entry| !is_greater(update.sequence, entry.sequence)) {
            return refuse(status::SEQUENCE_OUT_OF_WINDOW);
        }
        // "The home registration flag stored in the Binding Cache entry MUST NOT be changed."
        if self.cache.bindings.contains_key(home_address) {
            return refuse(status::REGISTRATION_TYPE_CHANGE);
        }
        if update.deletes() {
            self.end_correspondent(now, update);
            return refuse(status::ACCEPTED);
        }
        // What is sent to a home address of this box meets its home agent here, and goes to the care-of address from there.
        if self.pools.find(home_address).is_some() {
            return refuse(status::PROHIBITED);
        }
        // RFC 6275 §15.1: packets to a care-of address that is a home address here, or ours, would come back.
        if self.check_care_of(&update.care_of).is_err() {
            return refuse(status::INVALID_CARE_OF);
        }
        let is_full = self.correspondents.entries.len() >= self.config.limits.max_correspondents
            || self.correspondents.has(*home_address, MOST_OF_ONE_HOME);
        if known.is_none() && is_full {
            return refuse(status::INSUFFICIENT_RESOURCES);
        }
        (status::ACCEPTED, self.bind_correspondent(now, update))
    }
}

fn read_options<'a>(
    update: &BindingUpdate<'a>,
) -> Result<CorrespondentOptions<'a>, SignallingDrop> {
    let mut read = CorrespondentOptions::default();
    for option in &update.options {
        match option.map_err(|_| SignallingDrop::Malformed)? {
            MobilityOption::AlternateCareOf(address) => {
                read.alternate_care_of.get_or_insert(address);
            }
            MobilityOption::NonceIndices { home, care_of } => {
                read.nonces.get_or_insert((home, care_of));
            }
            MobilityOption::BindingAuthorizationData {
                authenticator,
                mac_input_len,
                ends_header,
            } => {
                read.authenticator
                    .get_or_insert((authenticator, mac_input_len));
                read.is_last = ends_header;
            }
            _ => {}
        }
    }
    Ok(read)
}
