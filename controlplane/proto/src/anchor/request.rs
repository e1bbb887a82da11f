//! What DHoA Requests and DHP Binding Updates have in common: authentication, replay, stored answers.

use core::net::Ipv6Addr;
use std::sync::Arc;

use dhp_wire::codepoints::{DmipType, Status, status};
use dhp_wire::ipv6::HEADER_LEN;
use dhp_wire::mobility::{Dmip, DmipHeader, Lifetime, MobilityOption};

use super::Anchor;
use super::answers::{KeptAnswer, RequestMac};
use super::binding_cache::Order;
use super::care_of_test::Challenge;
use super::drop_reason::SignallingDrop;
use super::mobile_nodes::MnIndex;
use super::receive::Received;
use super::reply::{Proof, Seal, answer_to, is_refusal};
use super::request_options::RequestOptions;
use super::timestamp::{Freshness, NotFresh};
use super::used_number::UsedNumber;
use crate::security_association::{MnId, SecurityAssociation};
use crate::time::Now;

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
    /// The care-of addresses under test of the addresses that were accepted.
    pub(crate) challenges: Vec<Challenge>,
    /// Whether the request has echoed the cookie of one.
    pub(crate) is_echo: bool,
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
        // Section 4.1: "MESG-ID is in an answer exactly when it was in the request (RFC 4285 §6)".
        let answer = |mut outcome: Outcome, mesg_id: Option<u64>| {
            let mesg_id = mesg_id.map(MobilityOption::MesgId);
            outcome.options.extend(mesg_id);
            Answer {
                destination: received.source,
                request: dmip.header,
                outcome,
                security: &security,
                care_of,
            }
        };
        let mh = received.header.bytes();
        let mh_through_spi = mh.get(..auth.mac_input_len).unwrap_or(mh);
        if !security.verify(&care_of, &self.config.address, mh_through_spi, auth.data) {
            self.nodes.count_refused(auth.spi);
            let refused = Outcome::refused(status::AUTHENTICATION_FAILED);
            return self.send(answer(refused, options.mesg_id), received.unproved());
        }
        let request = RequestMac::new(received.source, auth.data);
        if let Some(stored) = self.nodes.stored_answer(association, &request, now.mono_ns) {
            let again = self.again(&received.source, stored);
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
        if !outcome.challenges.is_empty() {
            return self.send_challenges(now, request, &answer(outcome, options.mesg_id));
        }
        if !outcome.answer {
            self.keep_answer(now, security.spi(), request, KeptAnswer::None);
            return Ok(());
        }
        let answer = answer(outcome, options.mesg_id);
        let packet = self.compose(&answer, &answer.destination, None)?;
        let mh = packet.get(HEADER_LEN..).unwrap_or_default();
        let kept = KeptAnswer::to_source(mh);
        self.keep_answer(now, security.spi(), request, kept);
        let (kind, status) = (answer_to(dmip.header.kind).1, answer.outcome.status);
        self.transmit(kind, status, packet, Proof::Mac);
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
        let known = !association.has_lost_numbers || association.window.continues(number);
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
        let is_restarted = association.has_lost_numbers;
        if let Some(highest) = association.window.highest().filter(|_| is_ahead) {
            let highest = highest.on_wire();
            self.keep_number(UsedNumber::Association {
                spi,
                highest,
                newest_timestamp,
                is_restarted,
            });
        }
        Ok(Order { spi, number })
    }

    fn send(&mut self, answer: Answer<'_>, proof: Proof) -> Result<(), SignallingDrop> {
        let packet = self.compose(&answer, &answer.destination, None)?;
        let (kind, status) = (answer_to(answer.request.kind).1, answer.outcome.status);
        self.transmit(kind, status, packet, proof);
        Ok(())
    }

    /// The packet of an answer to this destination, with the cookie of a test.
    pub(crate) fn compose(
        &self,
        answer: &Answer<'_>,
        destination: &Ipv6Addr,
        cookie: Option<&[u8]>,
    ) -> Result<Vec<u8>, SignallingDrop> {
        let Answer {
            destination: _,
            request,
            outcome,
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
        let with_cookie = cookie.map(|cookie| {
            let mut options = outcome.options.clone();
            options.push(MobilityOption::Cookie(cookie));
            options
        });
        let options = with_cookie.as_ref().unwrap_or(&outcome.options);
        let seal = Seal {
            security,
            care_of: *care_of,
        };
        self.dmip_answer(destination, header, options, Some(seal))
    }
}

/// An answer that knows where it goes and with what key.
pub(crate) struct Answer<'a> {
    /// The source of the request.
    pub(crate) destination: Ipv6Addr,
    pub(crate) request: DmipHeader,
    pub(crate) outcome: Outcome,
    pub(crate) security: &'a SecurityAssociation,
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
