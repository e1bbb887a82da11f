//! What anchors answer: checked, matched with what was sent, acted on.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, dmip_flag, next_header, status};
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::{AuthOption, Dmip, DmipHeader, Message, MobilityHeader};
use dhp_wire::packet::{IcmpPacket, MobilityPacket};

use super::MobileNode;
use super::contents::Contents;
use super::exchange::{Asked, Exchange, Purpose};
use super::mesg_id;
use crate::anchor::RouteEnds;
use crate::auth::{self, Key};
use crate::time::Now;

/// Counts one more.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

impl MobileNode {
    /// Takes a packet.
    pub(super) fn receive(&mut self, now: Now, octets: &[u8]) {
        count(&mut self.counters.packets_received);
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.counters.bytes_received = self.counters.bytes_received.saturating_add(length);
        if let Ok(outer) = Ipv6View::new(octets)
            && outer.next_header() == next_header::IPV6
        {
            return self.receive_tunnelled(now, &outer);
        }
        let Ok(packet) = MobilityPacket::parse(octets) else {
            return match IcmpPacket::parse(octets) {
                Ok(packet) => self.receive_icmpv6(now, &packet),
                Err(_) => count(&mut self.counters.malformed),
            };
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
                if !self.receive_route_acknowledgement(now, &packet, &header, &ack) {
                    self.receive_acknowledgement(now, &packet, &header, &ack);
                }
            }
            Ok(Message::BindingError {
                status,
                home_address,
                ..
            }) => {
                count(&mut self.counters.binding_errors);
                let ends = RouteEnds {
                    home_address,
                    correspondent: packet.source,
                };
                if !self.receive_route_error(now, &ends, status) {
                    self.receive_binding_error(now, &packet.source, status);
                }
            }
            Ok(Message::BindingRefreshRequest { .. }) => {
                self.receive_refresh_request(now, &packet.source);
            }
            Ok(Message::CareOfTest {
                nonce_index,
                cookie,
                token,
                ..
            }) => self.receive_care_of_test(&packet, (cookie, nonce_index, token)),
            Ok(_) => count(&mut self.counters.unexpected),
            Err(_) => count(&mut self.counters.malformed),
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
        anchor.waited_ns = 0;
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
        if answer.status.is_accepted() {
            anchor.permits_optimization = answer.flags & dmip_flag::ROUTE_OPTIMIZATION != 0;
        }
        let round_trip = exchange.round_trip_ns(answer.sequence, now.mono_ns);
        let sent_ns = exchange
            .first_sent_ns(answer.sequence)
            .unwrap_or(now.mono_ns);
        let exchange = self.exchanges.remove(index);
        if let Some(round_trip) = round_trip {
            self.measured(now, &exchange.peer, round_trip);
        }
        self.heard_from(now, &exchange.peer);
        count(&mut self.counters.answers_accepted);
        if !answer.status.is_accepted() {
            count(&mut self.counters.refusals);
        }
        match exchange.purpose {
            Purpose::Request { flow, .. } => {
                self.receive_response(now, flow, &exchange, answer, contents, sent_ns);
            }
            Purpose::Update { .. } => {
                self.receive_confirmation(now, exchange, answer, contents, sent_ns);
            }
            Purpose::Release { .. } => self.release_over(exchange.peer),
            Purpose::Detach { bids, .. } => self.detach_over(exchange.peer, &bids),
            Purpose::Query { .. }
            | Purpose::Check { .. }
            | Purpose::Measure { .. }
            | Purpose::HomeRegister
            | Purpose::HomeDeregister
            | Purpose::HomeReturn { .. }
            | Purpose::OtherRegister { .. }
            | Purpose::OtherDeregister { .. } => {}
        }
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
        let correspondent = match exchange.purpose {
            Purpose::Query { flow, .. } => flow.correspondent,
            Purpose::Check { correspondent } => correspondent,
            Purpose::Measure { bid, .. } => {
                count(&mut self.counters.answers_accepted);
                self.heard_from(now, &source);
                let round_trip_ns = exchange.round_trip_ns(answer.sequence, now.mono_ns);
                return self.probed(now, source, bid, round_trip_ns);
            }
            _ => return,
        };
        count(&mut self.counters.answers_accepted);
        let lifetime = answer.lifetime.0;
        self.learn_candidates(now, correspondent, &source, lifetime, &contents.candidates);
        if let Some(round_trip) = exchange.round_trip_ns(answer.sequence, now.mono_ns) {
            self.measured(now, &source, round_trip);
        }
        self.heard_from(now, &source);
        if let Purpose::Query { flow, asked } = exchange.purpose {
            if asked == Asked::Neighbour {
                self.neighbour_answered(&source, &contents.candidates);
            }
            self.query_over(now, flow);
            self.look_for_rivals(now, flow);
        }
    }

    /// Whether an authentication option is the anchor's.
    pub(super) fn verifies(
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
            && (self.care_of == *destination || self.steering.contains(destination))
            && (from_anyone || self.peer == *source)
    }
}
