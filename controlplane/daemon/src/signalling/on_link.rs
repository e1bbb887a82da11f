//! The anchor on real home links

use std::net::Ipv6Addr;

use dhp_proto::anchor::{LinkAction, LinkId};
use dhp_wire::ethernet::MacAddr;
use dhp_wire::ipv6::Ipv6View;

use super::{Signalling, is_icmp};
use crate::forwarding::ForwardingError;
use crate::home_links::HomeLinks;

impl Signalling {
    /// Serve real home links. Before the first turn.
    pub fn serve_links(&mut self, links: HomeLinks) {
        self.home_links = Some(links);
    }

    /// Take a packet that was heard on a home link, from the station with this MAC address.
    pub fn hear_on_link(&mut self, link: LinkId, from: MacAddr, packet: &[u8]) {
        let Ok(view) = Ipv6View::new(packet) else {
            return;
        };
        if let Some(links) = &mut self.home_links {
            links.note_sender(link, view.source(), from);
        }
        let now = self.now();
        if is_icmp(packet) {
            self.anchor.handle_icmpv6(now, Some(link), packet);
        } else {
            self.anchor.handle_packet(now, packet);
        }
        self.collect(0, None);
        self.carry_out();
    }

    /// `false`: whose packet it is was not heard on the link, so that the kernel has to find it.
    pub(super) fn send_on_link(&mut self, link: LinkId, packet: &[u8]) -> bool {
        let links = self.home_links.as_mut();
        links.is_some_and(|links| links.send(link, packet))
    }

    /// `false`: not yet.
    pub(super) fn act_on_link(&mut self, link: LinkId, action: &LinkAction) -> bool {
        // Packets are not asked for before there is a way for them; and when they are left to their owner, then at once.
        let routed = match action {
            LinkAction::StartProxy { address } if is_routed(address) => {
                self.forwarding.intercept(*address)
            }
            LinkAction::StopProxy { address } if is_routed(address) => {
                self.forwarding.leave(*address)
            }
            _ => Ok(()),
        };
        match routed {
            Err(ForwardingError::Busy) => return false,
            Err(ForwardingError::Segment(error)) => {
                tracing::error!(%error, ?action, "a home address is not in the forwarding tables");
            }
            Ok(()) => {}
        }
        if let Some(links) = &mut self.home_links {
            links.act(link, action);
        }
        true
    }
}

/// RFC 6275 §10.4.2: packets to the mobile node's link-local address are not tunnelled.
fn is_routed(address: &Ipv6Addr) -> bool {
    !address.is_unicast_link_local()
}
