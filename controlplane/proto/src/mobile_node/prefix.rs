//! Mobile Prefix Advertisements (RFC 6275 §11.4.2, §11.4.3).
//!
//! The home address is configured, so what an advertisement says of prefixes changes nothing here. But the home agent repeats one
//! that it has sent unasked until it is asked in turn.

use core::net::Ipv6Addr;

use dhp_wire::icmpv6::{Body, Builder};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use super::MobileNode;
use super::action::MnAction;
use super::receive::count;
use crate::time::{NANOS_PER_SECOND, Now};

/// A home agent sends no more than one advertisement a second (§6.8): what comes faster is not its.
const SPACING_NS: u64 = NANOS_PER_SECOND;

/// A Mobile Prefix Solicitation that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solicitation {
    /// `None`: it is answered.
    identifier: Option<u16>,
    sent_ns: u64,
}

impl MobileNode {
    /// Takes an ICMPv6 message.
    pub(super) fn receive_icmpv6(&mut self, now: Now, packet: &IcmpPacket<'_>) {
        if !packet.checksum_is_valid() {
            return count(&mut self.counters.malformed);
        }
        match packet.read().map(|message| message.body) {
            Ok(Body::MobilePrefixAdvertisement { identifier, .. }) => {
                self.receive_prefixes(now, packet, identifier);
            }
            Ok(_) => count(&mut self.counters.unexpected),
            Err(_) => count(&mut self.counters.malformed),
        }
    }

    /// "The Source Address … is the same as the home agent address to which the mobile node last sent an accepted home
    /// registration Binding Update". "The packet MUST have a type 2 routing header". "If the ICMP Identifier value matches the
    /// ICMP Identifier value of the most recently sent Mobile Prefix Solicitation and no other advertisement has yet been
    /// received for this value, then the advertisement is considered to be solicited". "Otherwise, the advertisement is
    /// unsolicited, and MUST be discarded. In this case the mobile node SHOULD send a Mobile Prefix Solicitation."
    fn receive_prefixes(&mut self, now: Now, packet: &IcmpPacket<'_>, identifier: u16) {
        let (Some((agent, address)), Some(care_of)) = (self.bound_home(), self.care_of) else {
            return count(&mut self.counters.unexpected);
        };
        let is_for_us = packet.source == agent
            && packet.destination == care_of
            && packet.type2_home == Some(address);
        if !is_for_us {
            return count(&mut self.counters.unexpected);
        }
        count(&mut self.counters.prefix_advertisements);
        let Some(home) = &mut self.home else { return };
        match &mut home.solicitation {
            Some(sent) if sent.identifier == Some(identifier) => sent.identifier = None,
            Some(sent) if now.mono_ns.saturating_sub(sent.sent_ns) < SPACING_NS => {}
            _ => self.solicit_prefixes(now, agent, address, care_of),
        }
    }

    /// §11.4.2: from the care-of address, with the home address in a Home Address option.
    fn solicit_prefixes(
        &mut self,
        now: Now,
        agent: Ipv6Addr,
        address: Ipv6Addr,
        care_of: Ipv6Addr,
    ) {
        // Unsolicited advertisements have 0.
        let identifier = u16::try_from(self.random.below(0xffff)).unwrap_or_default();
        let identifier = identifier.saturating_add(1);
        let body = Body::MobilePrefixSolicitation { identifier };
        let message = Builder::new(&body).finish(&address, &agent);
        let packet = compose_icmpv6(&care_of, &agent, Some(&address), None, &message);
        if let Some(home) = &mut self.home {
            home.solicitation = Some(Solicitation {
                identifier: Some(identifier),
                sent_ns: now.mono_ns,
            });
        }
        count(&mut self.counters.packets_sent);
        let octets = u64::try_from(packet.len()).unwrap_or(u64::MAX);
        self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(octets);
        count(&mut self.counters.prefix_solicitations_sent);
        self.actions.push_back(MnAction::Transmit(packet));
    }
}
