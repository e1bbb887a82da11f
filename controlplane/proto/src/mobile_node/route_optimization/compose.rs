//! The messages to correspondents.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::next_header;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6Header};
use dhp_wire::mobility::{BuFlags, Builder, MobilityOption};
use dhp_wire::packet;

use super::super::MobileNode;
use super::super::action::MnAction;
use super::super::pace::MessageKind;
use super::route::Route;
use crate::anchor::RouteEnds;
use crate::return_routability::{TokenKind, authenticator};
use crate::time::{NANOS_PER_SECOND, Now};

/// Hop limit of tunnel packets (profile 1, section 5).
const HOP_LIMIT: u8 = 64;

impl MobileNode {
    /// Sends a Home Test Init through the tunnel of the anchor `by`, or a Care-of Test Init directly (RFC 6275 §6.1.3, §6.1.4).
    pub(super) fn send_test_init(
        &mut self,
        now: Now,
        ends: RouteEnds,
        route: &mut Route,
        kind: TokenKind,
        by: Ipv6Addr,
    ) {
        let Some(care_of) = route.care_of else { return };
        let correspondent = ends.correspondent;
        let (test, message) = match kind {
            TokenKind::Home => (&mut route.home_test, MessageKind::HomeTestInit),
            TokenKind::CareOf => (&mut route.care_of_test, MessageKind::CareOfTestInit),
        };
        let Some(asking) = test.asking() else { return };
        if let Err(allowed_ns) = self.pace.admit(correspondent, message, now.mono_ns) {
            return asking.sending.postpone(allowed_ns);
        }
        let packet = match kind {
            TokenKind::Home => {
                let home = ends.home_address;
                let mh = Builder::home_test_init(asking.cookie).finish(&home, &correspondent);
                let inner = packet::compose(&home, &correspondent, None, None, &mh);
                tunnelled(&care_of, &by, &inner)
            }
            TokenKind::CareOf => {
                let mh = Builder::care_of_test_init(asking.cookie).finish(&care_of, &correspondent);
                packet::compose(&care_of, &correspondent, None, None, &mh)
            }
        };
        asking.sending.transmitted(now.mono_ns);
        let transmissions = asking.sending.transmissions();
        self.count_sent(packet.len(), transmissions, message);
        self.actions.push_back(MnAction::Transmit(packet));
    }

    /// Sends the Binding Update of a route (§11.7.2): the care-of address is the source, the home address stands in a Home
    /// Address option, and the acknowledgement is wanted.
    pub(super) fn send_route_update(&mut self, now: Now, ends: RouteEnds, route: &mut Route) {
        let (Some(care_of), Some(mut update)) = (route.care_of, route.update.take()) else {
            return;
        };
        let RouteEnds {
            home_address,
            correspondent,
        } = ends;
        let kind = MessageKind::RouteUpdate;
        if let Err(allowed_ns) = self.pace.admit(correspondent, kind, now.mono_ns) {
            update.sending.postpone(allowed_ns);
            route.update = Some(update);
            return;
        }
        let sequence = route.next_sequence();
        let (home, away) = update.nonces;
        let mh = Builder::binding_update(sequence, BuFlags::ACKNOWLEDGE, update.lifetime)
            .option(&MobilityOption::NonceIndices {
                home,
                care_of: away,
            })
            .binding_authorization(|mh| {
                authenticator(&update.key, &update.mac_address, &correspondent, mh)
            })
            .finish(&home_address, &correspondent);
        let packet = packet::compose(&care_of, &correspondent, Some(&home_address), None, &mh);
        update.transmitted(sequence, now.mono_ns);
        if !update.deletes() {
            let seconds = u64::from(update.lifetime.0) * 4;
            let until_ns = now.deadline_ns(seconds.saturating_mul(NANOS_PER_SECOND));
            route.told_until_ns = route.told_until_ns.max(Some(until_ns));
        }
        self.count_sent(packet.len(), update.sending.transmissions(), kind);
        route.update = Some(update);
        self.actions.push_back(MnAction::Transmit(packet));
    }
}

/// IPv6 in IPv6 (RFC 2473), for what is short.
fn tunnelled(care_of: &Ipv6Addr, anchor: &Ipv6Addr, inner: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER_LEN];
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(inner.len()).unwrap_or(u16::MAX),
        next_header: next_header::IPV6,
        hop_limit: HOP_LIMIT,
        source: *care_of,
        destination: *anchor,
    };
    if let Some(front) = packet.first_chunk_mut::<HEADER_LEN>() {
        header.emit(front);
    }
    packet.extend(inner);
    packet
}
