//! Binding Acknowledgements of the home agent (RFC 6275 §11.7.3).

use dhp_wire::codepoints::status;
use dhp_wire::mobility::{BindingAcknowledgement, MobilityHeader};
use dhp_wire::packet::MobilityPacket;

use super::MobileNode;
use super::contents::Contents;
use super::exchange::Purpose;
use super::mesg_id;
use super::other_homes::registration_of;
use super::receive::count;
use crate::time::Now;

impl MobileNode {
    /// RFC 6275 §11.7.3.
    pub(super) fn receive_acknowledgement(
        &mut self,
        now: Now,
        packet: &MobilityPacket<'_>,
        header: &MobilityHeader<'_>,
        ack: &BindingAcknowledgement<'_>,
    ) {
        let Some(contents) = Contents::read(&ack.options) else {
            return count(&mut self.counters.malformed);
        };
        let mut exchanges = self.exchanges.iter().enumerate();
        let matching = exchanges.find_map(|(index, exchange)| {
            let home = self.registration(&exchange.purpose)?;
            let from_home = packet.source == home.agent
                && packet
                    .type2_home
                    .is_none_or(|address| address == home.address);
            let is_here = exchange.care_of == packet.destination;
            (from_home && is_here).then_some((home, index, exchange))
        });
        let Some((home, index, exchange)) = matching else {
            return count(&mut self.counters.unmatched);
        };
        // RFC 6275 §11.7.3: "The packet meets the authentication requirements for Binding Acknowledgements".
        let authentic = ack.options.auth().is_some_and(|auth| {
            auth.is_last
                && self.verifies(header, &auth, &home.key, &exchange.care_of, &home.address)
        });
        if !authentic {
            return count(&mut self.counters.authentication_failures);
        }
        let code = ack.status.0;
        // §11.7.3: "The Sequence Number field matches the Sequence Number sent by the mobile node to this destination
        // address in an outstanding Binding Update, and the Status field is not 135."
        if code != status::SEQUENCE_OUT_OF_WINDOW && !exchange.sent_with(ack.sequence) {
            return count(&mut self.counters.unmatched);
        }
        if code == status::ID_MISMATCH
            && !mesg_id::matches(exchange.mesg_id, contents.mesg_id, true)
        {
            return count(&mut self.counters.mesg_id_mismatches);
        }
        self.act_on_acknowledgement(now, index, ack, &contents);
    }

    fn act_on_acknowledgement(
        &mut self,
        now: Now,
        index: usize,
        ack: &BindingAcknowledgement<'_>,
        contents: &Contents,
    ) {
        let Some(exchange) = self.exchanges.get_mut(index) else {
            return;
        };
        let registration =
            registration_of(&mut self.home, &mut self.other_homes, &exchange.purpose);
        let Some(home) = registration else { return };
        match ack.status.0 {
            status::SEQUENCE_OUT_OF_WINDOW => {
                count(&mut self.counters.resynchronisations);
                home.resynchronise(ack.sequence);
                exchange.restart(now.mono_ns);
                return;
            }
            status::MESG_ID_REQUIRED => {
                home.mesg_id = true;
                exchange.restart(now.mono_ns);
                return;
            }
            status::ID_MISMATCH => {
                if let Some(answered) = contents.mesg_id {
                    home.clock.adjust(now.ntp, answered);
                }
                exchange.restart(now.mono_ns);
                return;
            }
            _ => {}
        }
        let exchange = self.exchanges.remove(index);
        count(&mut self.counters.answers_accepted);
        match exchange.purpose {
            Purpose::HomeDeregister => return,
            Purpose::OtherDeregister { home } => return self.forget_other(&home),
            Purpose::OtherRegister { home } => {
                return self.other_answered(now, home, &exchange, ack);
            }
            _ => {}
        }
        if let Some(was_bound) = exchange.purpose.returns_bound() {
            return match ack.status.0 {
                // RFC 6275 §10.3.2: it "has no entry marked as a home registration": so nobody stands in for the node.
                status::NOT_HOME_AGENT => self.returned(now, &exchange, ack.sequence, false),
                _ if ack.status.is_accepted() => {
                    self.returned(now, &exchange, ack.sequence, true);
                }
                refusal => {
                    count(&mut self.counters.refusals);
                    self.return_refused(refusal);
                    // Where it was bound, nobody else can let go.
                    if !was_bound {
                        self.next_home_agent(now);
                    }
                }
            };
        }
        let is_single = exchange.steering.is_single();
        if let (false, Some(refusal)) = (is_single, contents.refuses_bids(ack.status)) {
            return self.home_steering_refused(now, refusal);
        }
        if ack.status.is_accepted() {
            self.home_steered(&exchange, contents.identifiers);
            let (sequence, lifetime) = (ack.sequence, ack.lifetime.0);
            self.home_accepted(now, &exchange, sequence, lifetime, contents.refresh_advice);
            // §11.7.3: "If the Status field value is 1 (accepted but prefix discovery necessary), the mobile node SHOULD send a
            // Mobile Prefix Solicitation message".
            if ack.status.0 == status::ACCEPTED_PREFIX_DISCOVERY {
                self.solicit_prefixes(now);
            }
        } else {
            count(&mut self.counters.refusals);
            self.home_refused(ack.status.0);
            self.next_home_agent(now);
        }
    }
}
