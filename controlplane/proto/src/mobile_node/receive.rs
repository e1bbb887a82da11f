//! What anchors answer: checked, matched with what was sent, acted on.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, binding_error_status, status};
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::{
    AuthOption, BindingAcknowledgement, Dmip, DmipHeader, Message, MobilityHeader, MobilityOption,
    Options,
};
use dhp_wire::packet::MobilityPacket;
use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::MnEvent;
use super::anchors::AddressAnswer;
use super::candidate::Candidate;
use super::exchange::{Asked, Exchange, Purpose};
use super::mesg_id;
use crate::auth::{self, Key};
use crate::time::Now;

/// What an answer's options say.
#[derive(Debug, Default)]
struct Contents {
    dhoas: Vec<AddressAnswer>,
    candidates: Vec<Candidate>,
    mesg_id: Option<u64>,
    cookie: Option<Vec<u8>>,
    refresh_advice: Option<u16>,
}

impl Contents {
    /// `None` if an option is malformed, or stands twice where it may stand once (profile 1, section 4.1).
    fn read(options: &Options<'_>) -> Option<Self> {
        let mut contents = Self::default();
        let mut auths = 0;
        for option in options {
            match option.ok()? {
                MobilityOption::Dhoa {
                    status,
                    address,
                    lifetime,
                    ..
                } => contents.dhoas.push(AddressAnswer {
                    address,
                    status: status.0,
                    lifetime: lifetime.0,
                }),
                MobilityOption::DhpInformation {
                    preference,
                    load,
                    prefix_len,
                    address,
                    prefix,
                    path_rtt_us,
                } => contents.candidates.push(Candidate {
                    dhp: address,
                    coverage: Ipv6Net::new(prefix, prefix_len).ok()?.trunc(),
                    preference,
                    load,
                    path_round_trip_ns: (path_rtt_us > 0).then(|| u64::from(path_rtt_us) * 1000),
                    round_trip_ns: None,
                }),
                MobilityOption::MesgId(timestamp) => {
                    once(&mut contents.mesg_id, timestamp)?;
                }
                MobilityOption::Cookie(cookie) => once(&mut contents.cookie, cookie.to_vec())?,
                MobilityOption::BindingRefreshAdvice(interval) => {
                    once(&mut contents.refresh_advice, interval.0)?;
                }
                MobilityOption::Auth(_) => auths += 1,
                _ => {}
            }
        }
        (auths <= 1).then_some(contents)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

impl MobileNode {
    /// Takes a packet.
    pub(super) fn receive(&mut self, now: Now, octets: &[u8]) {
        count(&mut self.counters.packets_received);
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.counters.bytes_received = self.counters.bytes_received.saturating_add(length);
        let Ok(packet) = MobilityPacket::parse(octets) else {
            return count(&mut self.counters.malformed);
        };
        // RFC 6275 §9.2: "The checksum must be verified".
        if !packet.checksum_is_valid() {
            return count(&mut self.counters.malformed);
        }
        let Ok(header) = MobilityHeader::parse(packet.mh) else {
            return count(&mut self.counters.malformed);
        };
        match header.message(&self.config.code_points) {
            Ok(Message::Dmip(dmip)) if packet.type2_home.is_none() => {
                self.receive_dmip(now, &packet, &header, &dmip);
            }
            Ok(Message::BindingAcknowledgement(ack)) => {
                self.receive_acknowledgement(now, &packet, &header, &ack);
            }
            Ok(Message::BindingError { status, .. }) => {
                self.receive_binding_error(&packet.source, status);
            }
            Ok(_) => count(&mut self.counters.unexpected),
            Err(_) => count(&mut self.counters.malformed),
        }
    }

    /// "A receiver that does not know the MH type answers Binding Error status 2 … The MN takes that as a hint"
    /// (profile 1, section 4): it is noted, and counts when the retransmissions have failed as well.
    fn receive_binding_error(&mut self, source: &Ipv6Addr, error: u8) {
        count(&mut self.counters.binding_errors);
        if error == binding_error_status::UNRECOGNIZED_MH_TYPE {
            for exchange in &mut self.exchanges {
                exchange.not_supported |= exchange.peer == *source && !exchange.purpose.is_home();
            }
        }
    }

    fn receive_dmip(
        &mut self,
        now: Now,
        packet: &MobilityPacket<'_>,
        header: &MobilityHeader<'_>,
        dmip: &Dmip<'_>,
    ) {
        if dmip.header.kind.is_request() {
            return count(&mut self.counters.unexpected);
        }
        let Some(contents) = Contents::read(&dmip.options) else {
            return count(&mut self.counters.malformed);
        };
        let Some(index) = self.exchanges.iter().position(|exchange| {
            exchange.awaits(&dmip.header, &packet.source, &packet.destination)
        }) else {
            return count(&mut self.counters.unmatched);
        };
        // Profile 1, section 4.1: AUTH "never with 193", which comes before any look at the security association.
        if dmip.header.status.0 == status::COOKIE_REQUIRED {
            return self.repeat_with_cookie(now, index, contents);
        }
        if dmip.header.kind == DmipType::DhpQueryReply {
            return self.receive_reply(now, index, packet.source, &dmip.header, contents);
        }
        let Some(exchange) = self.exchanges.get(index) else {
            return;
        };
        let (care_of, peer) = (exchange.care_of, exchange.peer);
        let authentic = self.anchors.get(&peer).is_some_and(|anchor| {
            dmip.options.auth().is_some_and(|auth| {
                auth.ends_header && self.verifies(header, &auth, &anchor.key, &care_of, &peer)
            })
        });
        if !authentic {
            return count(&mut self.counters.authentication_failures);
        }
        let id_mismatch = dmip.header.status.0 == status::ID_MISMATCH;
        if !mesg_id::matches(exchange.mesg_id, contents.mesg_id, id_mismatch) {
            return count(&mut self.counters.mesg_id_mismatches);
        }
        self.receive_verified(now, index, &dmip.header, contents);
    }

    /// An answer that is the anchor's: first what makes the same message be sent again, then the result.
    fn receive_verified(
        &mut self,
        now: Now,
        index: usize,
        answer: &DmipHeader,
        contents: Contents,
    ) {
        let (Some(exchange), code) = (self.exchanges.get_mut(index), answer.status.0) else {
            return;
        };
        let Some(anchor) = self.anchors.get_mut(&exchange.peer) else {
            return;
        };
        anchor.verified = true;
        match code {
            // Section 4.1: "anything else 135, whose Lifetime field gives the highest accepted number".
            status::SEQUENCE_OUT_OF_WINDOW => {
                count(&mut self.counters.resynchronisations);
                anchor.resynchronise(answer.lifetime.0);
                exchange.restart(now.mono_ns);
                return;
            }
            status::MESG_ID_REQUIRED => {
                anchor.mesg_id = true;
                exchange.restart(now.mono_ns);
                return;
            }
            status::ID_MISMATCH => {
                if let Some(answered) = contents.mesg_id {
                    anchor.mesg_id = true;
                    anchor.clock.adjust(now.ntp, answered);
                }
                exchange.restart(now.mono_ns);
                return;
            }
            _ => anchor.mesg_id = false,
        }
        let round_trip = exchange.round_trip_ns(answer.sequence, now.mono_ns);
        let sent_ns = exchange
            .first_sent_ns(answer.sequence)
            .unwrap_or(now.mono_ns);
        if let Some(round_trip) = round_trip {
            anchor.round_trip_ns = Some(round_trip);
            self.candidates.measured(&exchange.peer, round_trip);
        }
        let exchange = self.exchanges.remove(index);
        count(&mut self.counters.answers_accepted);
        if !answer.status.is_accepted() {
            count(&mut self.counters.refusals);
        }
        match exchange.purpose {
            Purpose::Request { correspondent } => {
                self.receive_response(now, correspondent, &exchange, answer, contents, sent_ns);
            }
            Purpose::Update { .. } => {
                self.receive_confirmation(now, &exchange, answer, contents, sent_ns);
            }
            Purpose::Release { .. } => self.release_over(exchange.peer),
            Purpose::Query { .. } | Purpose::HomeRegister | Purpose::HomeDeregister => {}
        }
    }

    fn receive_response(
        &mut self,
        now: Now,
        correspondent: Ipv6Net,
        exchange: &Exchange,
        answer: &DmipHeader,
        contents: Contents,
        sent_ns: u64,
    ) {
        let peer = exchange.peer;
        // Section 4.3, 196: "use another DHP (a DHP Information option may name one)".
        self.learn_candidates(now, correspondent, answer.lifetime.0, &contents.candidates);
        let assigned = contents
            .dhoas
            .iter()
            .find(|dhoa| dhoa.status < 128 && is_unicast_routable(&dhoa.address));
        let (true, Some(assigned)) = (answer.status.is_accepted(), assigned) else {
            return self.request_refused(now, correspondent, peer, answer.status.0);
        };
        let lifetime = match assigned.lifetime {
            0 => answer.lifetime.0,
            granted => granted,
        };
        let pending = answer.status.0 == status::CARE_OF_TEST_PENDING;
        let mut grant = self.grant(exchange.care_of, lifetime, sent_ns);
        if pending {
            grant.confirmed = None;
        }
        let address = assigned.address;
        if !self.request_accepted(now, correspondent, peer, address, grant) {
            return;
        }
        match contents.cookie {
            Some(cookie) if pending => self.echo_care_of_test(now, peer, vec![address], cookie),
            _ if pending => {}
            _ => self.event(MnEvent::Bound {
                anchor: peer,
                home_addresses: vec![address],
                care_of: exchange.care_of,
                round_trip_ns: exchange.round_trip_ns(answer.sequence, now.mono_ns),
            }),
        }
    }

    fn receive_confirmation(
        &mut self,
        now: Now,
        exchange: &Exchange,
        answer: &DmipHeader,
        contents: Contents,
        sent_ns: u64,
    ) {
        let pending = answer.status.0 == status::CARE_OF_TEST_PENDING;
        if !contents.dhoas.is_empty() {
            self.update_answered(now, exchange, &contents.dhoas, sent_ns, pending);
        } else if answer.status.0 == status::INSUFFICIENT_RESOURCES && self.is_refresh(exchange) {
            self.refresh_postponed(now, &exchange.peer);
        } else if !answer.status.is_accepted() {
            self.update_refused(now, exchange, answer.status.0);
        }
        if let (true, Some(cookie)) = (pending, contents.cookie) {
            let accepted: Vec<Ipv6Addr> = contents
                .dhoas
                .iter()
                .filter(|dhoa| dhoa.status < 128)
                .map(|dhoa| dhoa.address)
                .collect();
            self.echo_care_of_test(now, exchange.peer, accepted, cookie);
        }
    }

    /// Whether an update only asked for a longer lifetime.
    fn is_refresh(&self, exchange: &Exchange) -> bool {
        self.anchors.get(&exchange.peer).is_some_and(|anchor| {
            anchor
                .dhoas
                .iter()
                .all(|dhoa| dhoa.grant.confirmed == Some(exchange.care_of))
        })
    }

    fn repeat_with_cookie(&mut self, now: Now, index: usize, contents: Contents) {
        let Some(cookie) = contents.cookie else {
            return count(&mut self.counters.malformed);
        };
        if let Some(exchange) = self.exchanges.get_mut(index) {
            exchange.cookie = Some(cookie);
            exchange.restart(now.mono_ns);
            count(&mut self.counters.cookies_echoed);
        }
    }

    /// A Query Reply is a hint that needs no proof: "what makes a DHP trusted is that its DHoA Response verifies".
    fn receive_reply(
        &mut self,
        now: Now,
        index: usize,
        source: Ipv6Addr,
        answer: &DmipHeader,
        contents: Contents,
    ) {
        let exchange = self.exchanges.remove(index);
        let Purpose::Query { correspondent, .. } = exchange.purpose else {
            return;
        };
        count(&mut self.counters.answers_accepted);
        let lifetime = answer.lifetime.0;
        self.learn_candidates(now, correspondent, lifetime, &contents.candidates);
        if let Some(round_trip) = exchange.round_trip_ns(answer.sequence, now.mono_ns) {
            self.candidates.measured(&source, round_trip);
        }
        self.query_over(now, correspondent);
    }

    fn receive_acknowledgement(
        &mut self,
        now: Now,
        packet: &MobilityPacket<'_>,
        header: &MobilityHeader<'_>,
        ack: &BindingAcknowledgement<'_>,
    ) {
        let Some(contents) = Contents::read(&ack.options) else {
            return count(&mut self.counters.malformed);
        };
        let matching = self.home.as_ref().and_then(|home| {
            let from_home = packet.source == home.agent
                && packet
                    .type2_home
                    .is_none_or(|address| address == home.address);
            let index = self.exchanges.iter().position(|exchange| {
                exchange.purpose.is_home() && exchange.care_of == packet.destination
            })?;
            from_home.then_some((home, index))
        });
        let Some((home, index)) = matching else {
            return count(&mut self.counters.unmatched);
        };
        let Some(exchange) = self.exchanges.get(index) else {
            return;
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
        let (Some(exchange), Some(home)) = (self.exchanges.get_mut(index), &mut self.home) else {
            return;
        };
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
        if exchange.purpose == Purpose::HomeDeregister {
            return;
        }
        if ack.status.is_accepted() {
            let (sequence, lifetime) = (ack.sequence, ack.lifetime.0);
            self.home_accepted(now, &exchange, sequence, lifetime, contents.refresh_advice);
        } else {
            count(&mut self.counters.refusals);
            self.home_refused(ack.status.0);
        }
    }

    fn verifies(
        &self,
        header: &MobilityHeader<'_>,
        auth: &AuthOption<'_>,
        key: &Key,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
    ) -> bool {
        let covered = header.bytes().get(..auth.mac_input_len);
        auth.spi == self.config.spi
            && covered.is_some_and(|covered| {
                auth::verify(
                    self.config.algorithm,
                    key,
                    care_of,
                    home,
                    covered,
                    auth.data,
                )
            })
    }
}

impl Exchange {
    /// Whether a message of profile 1 can be the answer to what was sent last.
    fn awaits(&self, answer: &DmipHeader, source: &Ipv6Addr, destination: &Ipv6Addr) -> bool {
        let from_anyone = matches!(
            self.purpose,
            Purpose::Query {
                asked: Asked::Anycast,
                ..
            }
        );
        self.purpose.answer() == Some(answer.kind)
            && !self.packet.is_empty()
            && self.sequence == answer.sequence
            && self.care_of == *destination
            && (from_anyone || self.peer == *source)
    }
}
