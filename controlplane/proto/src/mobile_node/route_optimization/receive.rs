//! What correspondents say.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{binding_error_status, next_header, status};
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::{BindingAcknowledgement, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{IcmpPacket, MobilityPacket};

use super::super::MobileNode;
use super::super::action::MnEvent;
use super::super::parameter_problem::RefusedPacket;
use super::super::receive::count;
use super::ProxyReason;
use super::route::{Route, RouteBinding};
use super::update::Update;
use crate::anchor::RouteEnds;
use crate::return_routability::{TokenKind, verify_authenticator};
use crate::time::{NANOS_PER_SECOND, Now};

impl MobileNode {
    /// Takes a tunnel packet: a message to a home address. RFC 6275 §11.3.3: "the mobile node MUST check that the IPv6 source
    /// address of the tunneled packet is the IP address of its home agent".
    pub(in super::super) fn receive_tunnelled(&mut self, now: Now, outer: &Ipv6View<'_>) {
        let inner = outer.payload();
        let home = Ipv6View::new(inner).map(|inner| inner.destination());
        let Ok(home) = home else {
            return count(&mut self.counters.malformed);
        };
        if !self.is_at(&outer.destination())
            || self.route_situation(&home).anchor != Some(outer.source())
        {
            return count(&mut self.counters.unmatched);
        }
        let Ok(packet) = MobilityPacket::parse(inner) else {
            return match IcmpPacket::parse(inner) {
                Ok(packet) if packet.checksum_is_valid() => {
                    match RefusedPacket::of(packet.message) {
                        Some(refused) => self.mobility_refused(now, &refused),
                        None => count(&mut self.counters.unexpected),
                    }
                }
                _ => count(&mut self.counters.malformed),
            };
        };
        let header = MobilityHeader::parse(packet.mh);
        let Some(header) = header.ok().filter(|_| packet.checksum_is_valid()) else {
            return count(&mut self.counters.malformed);
        };
        let ends = RouteEnds {
            home_address: home,
            correspondent: packet.source,
        };
        match header.message(&self.config.code_points) {
            Ok(Message::HomeTest {
                nonce_index,
                cookie,
                token,
                ..
            }) => self.receive_test(ends, TokenKind::Home, (cookie, nonce_index, token)),
            // "This message is always sent to the home address of the mobile node" (§9.5.5): the anchor's own come this way too.
            Ok(Message::BindingRefreshRequest { .. }) if packet.source == outer.source() => {
                self.receive_refresh_request(now, &packet.source);
            }
            Ok(Message::BindingRefreshRequest { .. }) => self.refresh_route(now, &ends),
            Ok(Message::BindingError { status, .. }) => {
                count(&mut self.counters.binding_errors);
                let is_route = self.receive_route_error(now, &ends, status);
                if !is_route && packet.source == outer.source() {
                    self.receive_binding_error(now, &packet.source, status);
                }
            }
            Ok(_) => count(&mut self.counters.unexpected),
            Err(_) => count(&mut self.counters.malformed),
        }
    }

    /// Takes a Care-of Test: "The Destination Address of the packet is the current care-of address of the mobile node" (§11.6.2).
    /// It is for whichever home address has sent its cookie.
    pub(in super::super) fn receive_care_of_test(
        &mut self,
        packet: &MobilityPacket<'_>,
        test: ([u8; 8], u16, [u8; 8]),
    ) {
        if self.care_of != Some(packet.destination) || packet.type2_home.is_some() {
            return count(&mut self.counters.unmatched);
        }
        let (cookie, _, _) = test;
        let correspondent = packet.source;
        match self.routes.asking_with(&correspondent, cookie) {
            Some(ends) => self.receive_test(ends, TokenKind::CareOf, test),
            None => count(&mut self.counters.unmatched),
        }
    }

    fn receive_test(
        &mut self,
        ends: RouteEnds,
        kind: TokenKind,
        (cookie, nonce_index, token): ([u8; 8], u16, [u8; 8]),
    ) {
        let taken = self.routes.get_mut(&ends).is_some_and(|route| {
            let test = match kind {
                TokenKind::Home => &mut route.home_test,
                TokenKind::CareOf => &mut route.care_of_test,
            };
            let taken = test.answered(cookie, nonce_index, token);
            route.is_capable |= taken;
            taken
        });
        match taken {
            true => count(&mut self.counters.answers_accepted),
            false => count(&mut self.counters.unmatched),
        }
    }

    /// §11.7.4: a correspondent would keep its binding. Its request has no proof, but costs no more than a refresh, which the
    /// limit on messages bounds.
    fn refresh_route(&mut self, now: Now, ends: &RouteEnds) {
        let route = self.routes.get_mut(ends);
        let Some(binding) = route.and_then(|route| route.binding.as_mut()) else {
            return count(&mut self.counters.unmatched);
        };
        binding.refresh_ns = binding.refresh_ns.min(now.mono_ns);
    }

    /// A Binding Error from a correspondent (§11.3.6); false if it has no route. "If the mobile node is not expecting an
    /// acknowledgement or response from the correspondent node, the mobile node SHOULD ignore" status 2; else "the mobile node
    /// should cease the attempt to use route optimization".
    pub(in super::super) fn receive_route_error(
        &mut self,
        now: Now,
        ends: &RouteEnds,
        error: u8,
    ) -> bool {
        if error == binding_error_status::UNRECOGNIZED_MH_TYPE {
            self.route_not_supported(now, ends.correspondent);
            return false;
        }
        let Some(mut route) = self.routes.take(ends) else {
            return false;
        };
        if route.binding.is_some() {
            route.told_until_ns = None;
            self.route_proxied(*ends, &mut route, ProxyReason::Forgotten);
            if !route.restart() {
                route.fail(now.mono_ns);
            }
        }
        self.routes.put_back(*ends, route);
        true
    }

    /// The Binding Acknowledgement of a correspondent (§11.7.3). False if it is no correspondent's.
    pub(in super::super) fn receive_route_acknowledgement(
        &mut self,
        now: Now,
        packet: &MobilityPacket<'_>,
        header: &MobilityHeader<'_>,
        ack: &BindingAcknowledgement<'_>,
    ) -> bool {
        let Some(home_address) = packet.type2_home else {
            return false;
        };
        let ends = RouteEnds {
            home_address,
            correspondent: packet.source,
        };
        let Some(mut route) = self.routes.take(&ends) else {
            return false;
        };
        let is_here = route.care_of == Some(packet.destination);
        match route.update.take().filter(|_| is_here) {
            Some(update) => self.act_on_route_answer(now, ends, &mut route, update, header, ack),
            None => count(&mut self.counters.unmatched),
        }
        self.routes.put_back(ends, route);
        true
    }

    fn act_on_route_answer(
        &mut self,
        now: Now,
        ends: RouteEnds,
        route: &mut Route,
        update: Update,
        header: &MobilityHeader<'_>,
        ack: &BindingAcknowledgement<'_>,
    ) {
        let code = ack.status.0;
        let nonces_expired = matches!(code, status::EXPIRED_HOME_NONCE..=status::EXPIRED_NONCES);
        // §6.2.7, §9.5.4: with these the correspondent has no key to authenticate its answer with.
        if !nonces_expired && !is_authentic(&update, ends.correspondent, header, ack) {
            route.update = Some(update);
            return count(&mut self.counters.authentication_failures);
        }
        let sent_ns = update.sent_ns(ack.sequence);
        if code != status::SEQUENCE_OUT_OF_WINDOW && sent_ns.is_none() {
            route.update = Some(update);
            return count(&mut self.counters.unmatched);
        }
        count(&mut self.counters.answers_accepted);
        let goes_on = match code {
            status::SEQUENCE_OUT_OF_WINDOW => {
                count(&mut self.counters.resynchronisations);
                route.sequence = ack.sequence;
                route.restart()
            }
            _ if nonces_expired => {
                if code != status::EXPIRED_CARE_OF_NONCE {
                    route.home_test.forget();
                }
                if code != status::EXPIRED_HOME_NONCE {
                    route.care_of_test.forget();
                }
                route.restart()
            }
            _ if update.deletes() => {
                route.told_until_ns = None;
                route.home_test.stop();
                true
            }
            _ if ack.status.is_accepted() && !ack.lifetime.is_zero() => {
                let sent_ns = sent_ns.unwrap_or(now.mono_ns);
                self.route_bound(now, ends, route, &update, ack.lifetime.0, sent_ns);
                true
            }
            _ => false,
        };
        if !goes_on {
            count(&mut self.counters.refusals);
            route.fail(now.mono_ns);
            if route.binding.is_none() {
                self.route_proxied(ends, route, ProxyReason::Refused(code));
            }
        }
    }

    /// The correspondent has bound the care-of address for `lifetime` units of 4 seconds, which count from the update.
    fn route_bound(
        &mut self,
        now: Now,
        ends: RouteEnds,
        route: &mut Route,
        update: &Update,
        lifetime: u16,
        sent_ns: u64,
    ) {
        let granted = u64::from(lifetime.min(update.lifetime.0)) * 4 * NANOS_PER_SECOND;
        let expires_ns = sent_ns.saturating_add(granted);
        // Many routes begin with the same movement; they need not be refreshed in the same moment.
        let early_ns = granted / 4 + self.random.below(granted / 16);
        let care_of = update.mac_address;
        if route.binding.is_some() {
            route.is_steady();
        }
        let before = route.binding.replace(RouteBinding {
            care_of,
            expires_ns,
            refresh_ns: expires_ns.saturating_sub(early_ns),
        });
        route.told_until_ns = Some(expires_ns);
        route.is_optimized = true;
        route.proxied = None;
        if before.is_none() {
            self.event(MnEvent::RouteOptimized {
                ends,
                care_of,
                round_trip_ns: now.mono_ns.saturating_sub(sent_ns),
            });
        }
    }
}

/// "the Binding Authorization Data mobility option MUST be present and have a valid value", and "MUST be the last option and MUST
/// NOT have trailing padding" (§11.7.3).
fn is_authentic(
    update: &Update,
    correspondent: Ipv6Addr,
    header: &MobilityHeader<'_>,
    ack: &BindingAcknowledgement<'_>,
) -> bool {
    ack.options.iter().any(|option| match option {
        Ok(MobilityOption::BindingAuthorizationData {
            authenticator,
            mac_input_len,
            ends_header: true,
        }) => header.bytes().get(..mac_input_len).is_some_and(|covered| {
            let address = &update.mac_address;
            verify_authenticator(&update.key, address, &correspondent, covered, authenticator)
        }),
        _ => false,
    })
}

/// Whether a tunnel packet is for the engine, with its tunnel header: a Mobility Header to a home address, or an ICMPv6 error that
/// refuses one.
#[must_use]
pub fn is_tunnelled_signalling(outer: &Ipv6View<'_>) -> bool {
    let Ok(inner) = Ipv6View::new(outer.payload()) else {
        return false;
    };
    match inner.next_header() {
        next_header::MOBILITY => true,
        next_header::ICMPV6 => RefusedPacket::of(inner.payload()).is_some(),
        _ => false,
    }
}
