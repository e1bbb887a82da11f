//! Packets to the link-local address of a mobile node that is away (RFC 6275 §10.4.2).

use dhp_wire::codepoints::icmpv6;
use dhp_wire::icmpv6::IcmpError;
use dhp_wire::ipv6::Ipv6View;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::events::AnchorAction;
use super::home_link::{LinkAction, LinkId};
use crate::time::Now;

impl Anchor {
    /// Takes a packet from a home link whose destination is a link-local address that this anchor answers for: "packets
    /// addressed to the mobile node's link-local address MUST NOT be tunneled to the mobile node. Instead, these packets MUST
    /// be discarded and the home agent SHOULD return an ICMP Destination Unreachable, Code 3, message to the packet's Source
    /// Address (unless this Source Address is a multicast address)." The answer stays on the link.
    pub fn handle_link_local(&mut self, now: Now, link: LinkId, packet: &[u8]) {
        self.catch_up(now);
        let Ok(view) = Ipv6View::new(packet) else {
            self.counters.count_dropped(SignallingDrop::NotMobility);
            return;
        };
        let destination = view.destination();
        if !destination.is_unicast_link_local() || !self.answers_for(link, destination) {
            self.counters.count_dropped(SignallingDrop::NotForUs);
            return;
        }
        self.counters.count_dropped(SignallingDrop::LinkLocal);
        let code = icmpv6::ADDRESS_UNREACHABLE;
        let error = IcmpError::DestinationUnreachable { code };
        if let Some(answer) = self.icmp_error(now, view.packet(), error) {
            let kind = MessageKind::DestinationUnreachable;
            self.counters.count_sent(kind, code);
            let action = LinkAction::Send(answer);
            self.actions
                .push_back(AnchorAction::OnLink { link, action });
        }
    }
}
