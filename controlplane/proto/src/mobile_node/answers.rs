//! What verified answers of DHPs change.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::DmipHeader;

use super::MobileNode;
use super::anchors::UpdateKind;
use super::contents::Contents;
use super::exchange::Exchange;
use super::need::FlowKey;
use crate::time::Now;

impl MobileNode {
    /// DHoA Response.
    pub(super) fn receive_response(
        &mut self,
        now: Now,
        flow: FlowKey,
        exchange: &Exchange,
        answer: &DmipHeader,
        contents: Contents,
        sent_ns: u64,
    ) {
        let peer = exchange.peer;
        // Section 4.3, 196: "use another DHP (a DHP Information option may name one)".
        self.learn_candidates(
            now,
            flow.correspondent,
            &peer,
            answer.lifetime.0,
            &contents.candidates,
        );
        let assigned = contents
            .dhoas
            .iter()
            .find(|dhoa| dhoa.status < 128 && is_unicast_routable(&dhoa.address));
        let (true, Some(assigned)) = (answer.status.is_accepted(), assigned) else {
            return self.request_refused(now, flow, peer, answer.status.0);
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
        if !self.request_accepted(now, flow, peer, address, grant) {
            return;
        }
        let round_trip_ns = exchange.round_trip_ns(answer.sequence, now.mono_ns);
        self.tell_of_binding(exchange, vec![address], round_trip_ns, pending);
        match contents.cookie.filter(|_| pending) {
            // Accesses are steered once this is answered: the echo binds one care-of address, and would take away those of an
            // update that went before it, whose test would be in vain.
            Some(cookie) => self.echo_care_of_test(now, exchange, vec![address], cookie),
            None => self.bind_anchor(now, peer, UpdateKind::Steer),
        }
    }

    /// DHP Binding Confirmation.
    pub(super) fn receive_confirmation(
        &mut self,
        now: Now,
        exchange: Exchange,
        answer: &DmipHeader,
        contents: Contents,
        sent_ns: u64,
    ) {
        let pending = answer.status.0 == status::CARE_OF_TEST_PENDING;
        let is_single = exchange.steering.is_single();
        if let (false, Some(refusal)) = (is_single, contents.refuses_steering(answer.status)) {
            return self.steering_refused(now, &exchange, refusal);
        }
        if answer.status.is_accepted() {
            self.steered(now, &exchange, pending);
        }
        if exchange.replaces && answer.status.is_accepted() && !pending {
            self.release_over(exchange.peer);
        }
        // Other care-of addresses may be under test, and their cookies still to come.
        let is_echo = exchange.cookie.is_some();
        if !contents.dhoas.is_empty() {
            self.update_answered(now, &exchange, &contents.dhoas, sent_ns, pending);
        } else if answer.status.0 == status::INSUFFICIENT_RESOURCES && self.is_refresh(&exchange) {
            self.refresh_postponed(now, &exchange.peer);
        } else if !answer.status.is_accepted() {
            self.update_refused(now, &exchange, answer.status.0);
        }
        if let (true, Some(cookie)) = (pending, contents.cookie) {
            let accepted: Vec<Ipv6Addr> = contents
                .dhoas
                .iter()
                .filter(|dhoa| dhoa.status < 128)
                .map(|dhoa| dhoa.address)
                .collect();
            self.echo_care_of_test(now, &exchange, accepted, cookie);
        }
        if pending && !is_single && !is_echo {
            let mut exchange = exchange;
            exchange.is_answered();
            self.exchanges.push(exchange);
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
}
