//! Whether a classic Binding Update is new (RFC 6275 §9.5.1, RFC 4285 §6).

use dhp_wire::codepoints::status;

use super::Anchor;
use super::binding_cache::HomeSequence;
use super::home_update::{Acknowledgement, Update};
use super::sequence::{continues, is_greater};
use super::timestamp::{Freshness, NotFresh};
use super::used_number::UsedNumber;
use crate::time::Now;

impl Anchor {
    /// RFC 6275 §9.5.1 and RFC 4285 §6; the refusal, if the update is not new.
    pub(crate) fn check_home_sequence(&self, now: Now, update: &Update) -> Option<Acknowledgement> {
        let known = self.cache.home_sequences.get(&update.home_address);
        if let Some(known) = known {
            let has_entry = self.cache.bindings.contains_key(&update.home_address)
                || known
                    .invalid_until_ns
                    .is_some_and(|until| until > now.mono_ns);
            // "If the receiving node has no Binding Cache entry for the indicated home address, it MUST accept any
            // Sequence Number value": here from who proves by a timestamp that the update is new. Without that, the
            // last number stands for the entry, or a recorded update would bring an old care-of address back.
            let any_number = !has_entry && update.options.mesg_id.is_some();
            // "then the receiving node MUST send back a Binding Acknowledgement with status code 135, and the last
            // accepted sequence number in the Sequence Number field"
            if !any_number && !is_greater(update.sequence, known.last) {
                let refused = update.acknowledge(status::SEQUENCE_OUT_OF_WINDOW);
                return Some(Acknowledgement {
                    sequence: known.last,
                    ..refused
                });
            }
        }
        // Section 6.3: "MESG-ID where no state exists", which a fresh update begins anew.
        let is_known = !self.config.home_sequence_state_lost
            || known.is_some_and(|known| continues(update.sequence, known.last));
        let freshness = Freshness {
            newer_than: known.and_then(|known| known.newest_timestamp),
            state_lost_at: (!is_known).then_some(self.started.ntp),
        };
        match freshness.check(update.options.mesg_id, now) {
            Ok(()) => None,
            Err(NotFresh::Required) => Some(update.acknowledge(status::MESG_ID_REQUIRED)),
            Err(NotFresh::Mismatch { answer }) => Some(Acknowledgement {
                mesg_id: Some(answer),
                ..update.acknowledge(status::ID_MISMATCH)
            }),
        }
    }

    pub(crate) fn remember_home_sequence(
        &mut self,
        update: &Update,
        invalid_until_ns: Option<u64>,
    ) {
        let known = self.cache.home_sequences.get(&update.home_address);
        let newest_timestamp = update
            .options
            .mesg_id
            .or(known.and_then(|known| known.newest_timestamp));
        let sequence = HomeSequence {
            last: update.sequence,
            newest_timestamp,
            invalid_until_ns,
        };
        self.cache
            .home_sequences
            .insert(update.home_address, sequence);
        self.keep_number(UsedNumber::Home {
            home_address: update.home_address,
            last: update.sequence,
            newest_timestamp,
        });
    }
}
