//! ICMPv6 errors of nodes that know nothing of mobility (RFC 6275 §11.3.5).
//!
//! "If the mobile node receives such an ICMP error message in response to a return routability procedure or Binding Update, it SHOULD
//! record in its Binding Update List that future Binding Updates SHOULD NOT be sent to this destination."
//!
//! Nobody signs them. What one is believed to answer it has to quote, to the last octet: whoever is not on the way does not know the MAC.
//! And a router that is about to start its home agent, or has just lost it, answers so as well. So an anchor that has answered before is
//! given up only when it does not come back at once.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{icmpv6, ipv6_option, next_header};
use dhp_wire::ipv6::{HEADER_LEN, MIN_MTU};

use super::MobileNode;
use super::action::MnEvent;
use super::exchange::{Exchange, Purpose};
use super::receive::count;
use crate::time::{NANOS_PER_SECOND, Now};

/// Octets of an ICMPv6 error before the packet that it quotes (RFC 4443 §3).
const ERROR_LEN: usize = 8;
/// Where the Hop Limit field, the Next Header field and the destination stand in a packet.
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const DESTINATION: usize = 24;
/// Transmissions in a row that an anchor answers with such an error before it is left alone.
const REFUSALS: u32 = 3;
/// For so long it gets no updates then: "entries SHOULD be removed after a period of time in order to allow for retrying".
const LEFT_ALONE_NS: u64 = 64 * NANOS_PER_SECOND;

/// A packet with a Mobility Header, or a Home Address option, that its destination does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusedPacket<'a> {
    /// Who does not understand it.
    pub(super) destination: Ipv6Addr,
    /// The packet, as far as it is quoted.
    octets: &'a [u8],
}

impl<'a> RefusedPacket<'a> {
    /// The packet that a Parameter Problem is about. `message` begins with its type, and its checksum is right. `None`: it is about
    /// something else.
    pub(super) fn of(message: &'a [u8]) -> Option<Self> {
        let [kind, code, _, _, pointer @ ..] = *message.first_chunk::<ERROR_LEN>()?;
        let pointer = usize::try_from(u32::from_be_bytes(pointer)).ok()?;
        let octets = message.get(ERROR_LEN..)?;
        // Nobody quotes the header of a tunnel here: these are packets of this node to the destination itself.
        let is_about_mobility = match code {
            icmpv6::UNRECOGNIZED_NEXT_HEADER => {
                pointer == NEXT_HEADER && *octets.get(NEXT_HEADER)? == next_header::MOBILITY
                    || pointer == HEADER_LEN
                        && *octets.get(NEXT_HEADER)? == next_header::DESTINATION
                        && *octets.get(HEADER_LEN)? == next_header::MOBILITY
            }
            icmpv6::UNRECOGNIZED_OPTION => *octets.get(pointer)? == ipv6_option::HOME_ADDRESS,
            _ => false,
        };
        let destination = octets.get(DESTINATION..)?.first_chunk::<16>()?;
        (kind == icmpv6::PARAMETER_PROBLEM && is_about_mobility).then(|| Self {
            destination: Ipv6Addr::from(*destination),
            octets,
        })
    }

    /// Whether it is this packet, but for what routers may change: traffic class, flow label and hop limit. An error quotes "as much
    /// of invoking packet as possible without the ICMPv6 packet exceeding the minimum IPv6 MTU" (RFC 4443 §3).
    fn is(&self, sent: &[u8]) -> bool {
        let quoted = sent.len().min(MIN_MTU - HEADER_LEN - ERROR_LEN);
        let same = |from: usize, to: usize| {
            let part = sent.get(from..to);
            part.is_some() && part == self.octets.get(from..to)
        };
        same(4, HOP_LIMIT) && same(HOP_LIMIT + 1, quoted)
    }
}

impl MobileNode {
    /// Somebody does not understand what was sent to him: correspondents are reached by the anchor, and anchors get no more of it for a
    /// while.
    pub(super) fn mobility_refused(&mut self, now: Now, refused: &RefusedPacket<'_>) {
        count(&mut self.counters.mobility_refused);
        self.route_not_supported(now, refused.destination);
        let is_answered = |exchange: &Exchange| refused.is(&exchange.packet);
        let Some(index) = self.exchanges.iter().position(is_answered) else {
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(index) else {
            return;
        };
        exchange.not_supported = true;
        exchange.refused = exchange.refused.saturating_add(1);
        let (peer, is_over) = (exchange.peer, exchange.refused >= REFUSALS);
        let is_update = match &exchange.purpose {
            Purpose::HomeRegister
            | Purpose::HomeReturn { was_bound: true }
            | Purpose::OtherRegister { .. }
            | Purpose::Update { .. } => true,
            Purpose::Query { .. }
            | Purpose::Check { .. }
            | Purpose::Measure { .. }
            | Purpose::Request { .. }
            | Purpose::Release { .. }
            | Purpose::Detach { .. }
            | Purpose::HomeDeregister
            | Purpose::HomeReturn { was_bound: false }
            | Purpose::OtherDeregister { .. } => false,
        };
        let has_answered = match exchange.purpose.is_home() {
            true => self.bound_home().is_some_and(|(agent, _)| agent == peer),
            false => self
                .anchors
                .get(&peer)
                .is_some_and(|anchor| anchor.verified || !anchor.dhoas.is_empty()),
        };
        if has_answered && !is_over {
            return;
        }
        let exchange = self.exchanges.remove(index);
        if !is_update {
            return self.given_up(now, exchange);
        }
        self.event(MnEvent::MobilityRefused { anchor: peer });
        if exchange.registers_home() && self.next_home_agent(now) {
            return;
        }
        self.exchanges
            .push(exchange.pause(now.deadline_ns(LEFT_ALONE_NS)));
        self.fell_silent(now, peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_wire::packet::compose;

    const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
    const COA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x100);

    fn problem(code: u8, pointer: u8, quoted: &[u8]) -> Vec<u8> {
        let mut message = vec![4, code, 0, 0, 0, 0, 0, pointer];
        message.extend(quoted);
        message
    }

    #[test]
    fn a_mobility_header_or_a_home_address_option_is_refused() {
        let test = compose(&COA, &CN, None, None, &[59, 1, 2, 0]);
        let update = compose(&COA, &CN, Some(&CN), None, &[59, 1, 5, 0]);
        for (message, expected) in [
            (problem(1, 6, &test), Some(CN)),
            (problem(2, 46, &update), Some(CN)),
            (problem(1, 40, &update), Some(CN)),
            (problem(1, 40, &test), None),
            (problem(2, 47, &update), None),
            (problem(0, 6, &test), None),
            (problem(2, 200, &update), None),
        ] {
            assert_eq!(
                RefusedPacket::of(&message).map(|refused| refused.destination),
                expected,
                "{message:?}"
            );
        }
        let mut other = problem(1, 6, &test);
        other[0] = 1;
        assert_eq!(RefusedPacket::of(&other), None);
        let good = problem(1, 6, &test);
        for length in 0..good.len() {
            let read = RefusedPacket::of(&good[..length]);
            assert_eq!(read.is_some(), length >= 48, "{length}");
        }
    }
}
