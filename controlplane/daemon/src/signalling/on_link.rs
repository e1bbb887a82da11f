//! The anchor on real home links

use std::collections::VecDeque;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{LinkAction, LinkId};
use dhp_wire::codepoints::{icmpv6, next_header};
use dhp_wire::ethernet::MacAddr;
use dhp_wire::extension;
use dhp_wire::ipv6::Ipv6View;

use super::{Signalling, is_icmp};
use crate::forwarding::ForwardingError;
use crate::home_links::HomeLinks;

/// How long a worker may take for its copy of a packet that was heard on a link: it looks every millisecond, unless it has
/// much to do.
const COPY_PATIENCE_NS: u64 = 1_000_000_000;
/// Packets of which copies are waited for at once.
const COPIES: usize = 256;

/// Signalling that was heard on a home link. The worker of the link has a copy, and takes it for a lie as long as the home
/// address is away; but the packet may have ended that meanwhile, and would then be answered twice.
#[derive(Debug, Default)]
pub(super) struct HeardOnLink(VecDeque<(u64, Vec<u8>)>);

impl HeardOnLink {
    fn note(&mut self, packet: &[u8], now_ns: u64) {
        self.0.truncate(COPIES - 1);
        self.0.push_front((now_ns, packet.to_vec()));
    }

    /// Whether a packet that a worker hands over was heard already. Of each there is one copy.
    pub(super) fn has_heard(&mut self, packet: &[u8], now_ns: u64) -> bool {
        self.0
            .retain(|(heard_ns, _)| now_ns.saturating_sub(*heard_ns) < COPY_PATIENCE_NS);
        let copy = self.0.iter().position(|(_, heard)| heard == packet);
        copy.is_some_and(|place| self.0.remove(place).is_some())
    }
}

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
        if self.stands_in_for(link, view.destination()) && !is_discovery(packet) {
            self.anchor.handle_link_local(now, link, packet);
        } else if is_icmp(packet) {
            self.anchor.handle_icmpv6(now, Some(link), packet);
        } else {
            self.heard_on_link.note(view.packet(), now.mono_ns);
            self.anchor.handle_packet(now, packet);
        }
        self.collect(0, None);
        self.carry_out(now.mono_ns);
    }

    /// Whether a packet to this address is for a mobile node that is away, and came here because of that.
    fn stands_in_for(&self, link: LinkId, address: Ipv6Addr) -> bool {
        address.is_unicast_link_local() && self.anchor.answers_for(link, address)
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

/// Whether a packet is about the link itself (RFC 4861): that an address is asked for by unicast does not make it data.
fn is_discovery(packet: &[u8]) -> bool {
    let chain = extension::walk(packet).ok();
    let upper = chain.filter(|chain| chain.upper_protocol == next_header::ICMPV6);
    let kind = upper.and_then(|chain| packet.get(chain.upper_offset));
    kind.is_some_and(|kind| icmpv6::is_neighbor_discovery(*kind))
}

/// RFC 6275 §10.4.2: packets to the mobile node's link-local address are not tunnelled.
fn is_routed(address: &Ipv6Addr) -> bool {
    !address.is_unicast_link_local()
}
