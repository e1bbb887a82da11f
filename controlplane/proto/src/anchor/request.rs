//! What DHoA Requests and DHP Binding Updates have in common: authentication, replay, stored answers.

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::codepoints::{DmipType, Status, status};
use dhp_wire::ipv6::HEADER_LEN;
use dhp_wire::mobility::{Dmip, DmipHeader, Lifetime, MobilityOption};
use dhp_wire::packet::compose;

use super::Anchor;
use super::answers::RequestMac;
use super::binding_cache::Order;
use super::drop_reason::SignallingDrop;
use super::mobile_nodes::MnIndex;
use super::receive::Received;
use super::reply::{Proof, Seal, answer_to, is_refusal};
use super::request_options::RequestOptions;
use super::timers::Timer;
use super::timestamp::{Freshness, NotFresh};
use super::used_number::UsedNumber;
use crate::security_association::{MnId, SecurityAssociation};
use crate::time::Now;

/// Where the Status of a DMIP message stands in its Mobility Header.
const STATUS_OFFSET: usize = 14;

/// A request that its sender has proved to be its own and new.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) security: Arc<SecurityAssociation>,
    pub(crate) owner: MnIndex,
    /// The care-of address that it names: the Alternate CoA, or else the source.
    pub(crate) care_of: Ipv6Addr,
    pub(crate) order: Order,
    pub(crate) header: DmipHeader,
}

/// What a request has come to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    pub(crate) lifetime: Lifetime,
    pub(crate) flags: u16,
    pub(crate) options: Vec<MobilityOption<'static>>,
    /// Whether the sender wants to hear of it.
    pub(crate) answer: bool,
}

impl Outcome {
    /// An answer with nothing but a status.
    pub(crate) fn refused(status: u8) -> Self {
        Self {
            status,
            answer: true,
            ..Self::default()
        }
    }
}

impl Anchor {
    pub(crate) fn request(
        &mut self,
        now: Now,
        received: &Received<'_>,
        dmip: &Dmip<'_>,
    ) -> Result<(), SignallingDrop> {
        // The MAC comes before everything else: "195 malformed or missing option, after the MAC verified; before
        // that, silence".
        let auth = dmip
            .options
            .auth()
            .ok_or(SignallingDrop::NoAuthentication)?;
        if !auth.ends_header {
            return Err(SignallingDrop::BehindAuthentication);
        }
        // Section 6.1: "No SA for that SPI: silent discard and count. Wrong MAC: 146."
        let association = self
            .nodes
            .association(auth.spi)
            .ok_or(SignallingDrop::UnknownSpi)?;
        let (security, owner) = (association.security.clone(), association.owner);
        let options =
            RequestOptions::read(dmip.header.kind, &dmip.options, &self.config.code_points);
        let care_of = options.alternate_care_of.unwrap_or(received.source);
        let answer = |outcome: Outcome, mesg_id: Option<u64>| Answer {
            destination: received.source,
            request: dmip.header,
            outcome,
            mesg_id,
            security: &security,
            care_of,
        };
        let mh = received.header.bytes();
        let mh_through_spi = mh.get(..auth.mac_input_len).unwrap_or(mh);
        if !security.verify(&care_of, &self.config.address, mh_through_spi, auth.data) {
            self.nodes.count_refused(auth.spi);
            let refused = Outcome::refused(status::AUTHENTICATION_FAILED);
            return self.send(answer(refused, options.mesg_id), received.unproved());
        }
        let request = RequestMac::new(received.source, auth.data);
        if let Some(stored) = association.answers.find(&request, now.mono_ns) {
            let again = stored.map(|mh| self.again(&received.source, mh));
            self.counters.count_retransmission();
            return self.send_again(dmip.header.kind, again);
        }
        if options
            .mn_id
            .is_some_and(|mn_id| !names(mn_id, security.mn_id()))
        {
            let refused = Outcome::refused(status::AUTHENTICATION_FAILED);
            return self.send(answer(refused, options.mesg_id), Proof::Mac);
        }
        let number = match self.fresh_number(now, &security, dmip.header.sequence, options.mesg_id)
        {
            Ok(number) => number,
            Err((refused, mesg_id)) => return self.send(answer(refused, mesg_id), Proof::Mac),
        };
        let proven = Proven {
            security: security.clone(),
            owner,
            care_of,
            order: number,
            header: dmip.header,
        };
        let outcome = if options.malformed {
            Outcome::refused(status::MALFORMED)
        } else if dmip.header.kind == DmipType::DhoaRequest {
            self.dhoa_request(now, &proven, &options)
        } else {
            self.dhp_binding_update(now, &proven, &options)
        };
        let stored = if outcome.answer {
            Some(self.compose(&answer(outcome, options.mesg_id))?)
        } else {
            None
        };
        let mh = stored
            .as_ref()
            .and_then(|(packet, _)| packet.get(HEADER_LEN..));
        self.keep_answer(now, security.spi(), request, mh);
        if let Some((packet, status)) = stored {
            self.transmit(answer_to(dmip.header.kind).1, status, packet, Proof::Mac);
        }
        Ok(())
    }

    /// Checks MESG-ID and sequence number and uses the number up; else the refusal, and the MESG-ID that it carries.
    fn fresh_number(
        &mut self,
        now: Now,
        security: &SecurityAssociation,
        sequence: u16,
        mesg_id: Option<u64>,
    ) -> Result<Order, (Outcome, Option<u64>)> {
        let spi = security.spi();
        let state_lost = self.config.sequence_state_lost;
        let Some(association) = self.nodes.association_mut(spi) else {
            return Err((Outcome::refused(status::UNSPECIFIED), mesg_id));
        };
        let number = match association.window.place(sequence) {
            Ok(number) => number,
            // Section 4.1: "anything else 135, whose Lifetime field gives the highest accepted number".
            Err(out) => {
                let mut refused = Outcome::refused(status::SEQUENCE_OUT_OF_WINDOW);
                refused.lifetime = Lifetime(out.highest);
                return Err((refused, mesg_id));
            }
        };
        // "The state lives as long as the SA …; where it is lost, MESG-ID is required": until a fresh message has
        // begun it anew, and for numbers that do not continue it, since those may have been used before.
        let known = !state_lost || association.window.continues(number);
        let state_lost_at = (!known).then_some(self.started.ntp);
        // RFC 4285 §6 has timestamps rise. Where requests overtake each other they rise with the sequence numbers;
        // for a number behind the highest the window sees to it that it acts once.
        let is_ahead = association
            .window
            .highest()
            .is_none_or(|highest| number > highest);
        let newer_than = association.newest_timestamp.filter(|_| is_ahead);
        match (Freshness {
            newer_than,
            state_lost_at,
        })
        .check(mesg_id, now)
        {
            Ok(()) => {}
            Err(NotFresh::Required) => {
                return Err((Outcome::refused(status::MESG_ID_REQUIRED), mesg_id));
            }
            Err(NotFresh::Mismatch { answer }) => {
                return Err((Outcome::refused(status::ID_MISMATCH), Some(answer)));
            }
        }
        association.window.use_up(number);
        association.heard(now.mono_ns);
        if is_ahead {
            association.newest_timestamp = mesg_id.or(association.newest_timestamp);
        }
        let newest_timestamp = association.newest_timestamp;
        if let Some(highest) = association.window.highest().filter(|_| is_ahead) {
            let highest = highest.on_wire();
            self.keep_number(UsedNumber::Association {
                spi,
                highest,
                newest_timestamp,
            });
        }
        Ok(Order { spi, number })
    }

    fn keep_answer(&mut self, now: Now, spi: u32, request: RequestMac, answer: Option<&[u8]>) {
        let Some(association) = self.nodes.association_mut(spi) else {
            return;
        };
        association.answers.keep(request, answer, now.mono_ns);
        if !core::mem::replace(&mut association.answers_timer, true) {
            let at = now.deadline_ns(super::answers::KEPT_NS);
            self.timers.schedule(at, Timer::AnswersGetOld(spi));
        }
    }

    /// The packet of a stored answer, and its status.
    fn again(&self, destination: &Ipv6Addr, mh: &[u8]) -> (Vec<u8>, u8) {
        let status = mh.get(STATUS_OFFSET).copied().unwrap_or_default();
        (
            compose(&self.config.address, destination, None, None, mh),
            status,
        )
    }

    fn send_again(
        &mut self,
        request: DmipType,
        again: Option<(Vec<u8>, u8)>,
    ) -> Result<(), SignallingDrop> {
        let (packet, status) = again.ok_or(SignallingDrop::Retransmission)?;
        self.transmit(answer_to(request).1, status, packet, Proof::Mac);
        Ok(())
    }

    fn send(&mut self, answer: Answer<'_>, proof: Proof) -> Result<(), SignallingDrop> {
        let (packet, status) = self.compose(&answer)?;
        self.transmit(answer_to(answer.request.kind).1, status, packet, proof);
        Ok(())
    }

    fn compose(&self, answer: &Answer<'_>) -> Result<(Vec<u8>, u8), SignallingDrop> {
        let Answer {
            destination,
            request,
            outcome,
            mesg_id,
            security,
            care_of,
        } = answer;
        let header = DmipHeader {
            kind: answer_to(request.kind).0,
            sequence: request.sequence,
            lifetime: outcome.lifetime,
            flags: outcome.flags,
            status: Status(outcome.status),
        };
        // Section 4.1: "MESG-ID is in an answer exactly when it was in the request (RFC 4285 §6)".
        let mut options = outcome.options.clone();
        options.extend(mesg_id.map(MobilityOption::MesgId));
        let seal = Seal {
            security,
            care_of: *care_of,
        };
        let packet = self.dmip_answer(destination, header, &options, Some(seal))?;
        Ok((packet, outcome.status))
    }
}

/// An answer that knows where it goes and with what key.
struct Answer<'a> {
    destination: Ipv6Addr,
    request: DmipHeader,
    outcome: Outcome,
    mesg_id: Option<u64>,
    security: &'a SecurityAssociation,
    care_of: Ipv6Addr,
}

/// Whether an MN-ID option names this mobile node. Section 4.1: "present, it must be the association's owner, else
/// 146".
pub(crate) fn names((subtype, identifier): (u8, &[u8]), mn_id: &MnId) -> bool {
    subtype == mn_id.subtype && identifier == mn_id.identifier
}

/// Whether a DHP Binding Update with these statuses is answered. Section 4.1: "`A` 0x8000: confirmation wanted;
/// without it only status 16 and statuses ≥ 128 are answered."
pub(crate) fn wants_answer(acknowledge: bool, mut statuses: impl Iterator<Item = u8>) -> bool {
    acknowledge
        || statuses.any(|status| status == status::CARE_OF_TEST_PENDING || is_refusal(status))
}
