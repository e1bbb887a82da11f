//! What an anchor tells of home links and learns from them by ICMPv6: home agents (RFC 6275 §10.5), prefixes (§10.6),
//! neighbors (§10.4.1).

mod home_agents;
mod link_prefixes;
mod prefix_schedule;
mod prefixes;
mod reply;

use dhp_wire::icmpv6::Body;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::packet::IcmpPacket;
pub(crate) use home_agents::HomeAgents;
pub(crate) use prefix_schedule::PrefixDeliveries;

use super::Anchor;
use super::drop_reason::SignallingDrop;
use super::home_link::{LinkId, NeighborMessage};
use super::reply::Proof;
use crate::time::Now;

impl Anchor {
    /// Takes an IPv6 packet with an ICMPv6 message that is an anchor's affair: Home Agent Address Discovery Request to the
    /// home-agents anycast address of a home prefix, Mobile Prefix Solicitation to the anchor; and from a home link, which
    /// `link` names, Router and Neighbor Advertisements and Neighbor Solicitations.
    pub fn handle_icmpv6(&mut self, now: Now, link: Option<LinkId>, packet: &[u8]) {
        self.catch_up(now);
        if let Err(reason) = self.receive_icmpv6(now, link, packet) {
            self.counters.count_dropped(reason);
        }
    }

    fn receive_icmpv6(
        &mut self,
        now: Now,
        link: Option<LinkId>,
        buffer: &[u8],
    ) -> Result<(), SignallingDrop> {
        let packet = IcmpPacket::parse(buffer).map_err(|_| SignallingDrop::NotMobility)?;
        if packet.type2_home.is_some() {
            return Err(SignallingDrop::RoutingHeader);
        }
        if !packet.checksum_is_valid() {
            return Err(SignallingDrop::Checksum);
        }
        let message = packet.read().map_err(|_| SignallingDrop::Malformed)?;
        let on_link = link.ok_or(SignallingDrop::NotForUs);
        match message.body {
            Body::RouterAdvertisement(advertisement) => {
                let source = packet.source;
                let options = &message.options;
                self.learn_home_agent(now, on_link?, source, &advertisement, options);
                Ok(())
            }
            Body::NeighborSolicitation { target } => {
                let source = packet.source;
                let heard = NeighborMessage::Solicitation { source, target };
                self.hear_neighbor(on_link?, heard);
                Ok(())
            }
            Body::NeighborAdvertisement { target, .. } => {
                self.hear_neighbor(on_link?, NeighborMessage::Advertisement { target });
                Ok(())
            }
            Body::HomeAgentDiscoveryRequest { identifier } => {
                if !is_unicast_routable(&packet.source) || packet.source == self.config.address {
                    return Err(SignallingDrop::BadSource);
                }
                let proof = Proof::None {
                    request_len: buffer.len(),
                };
                self.name_home_agents(now, &packet, identifier, proof)
            }
            Body::MobilePrefixSolicitation { identifier } => {
                self.answer_prefix_solicitation(now, &packet, identifier, buffer.len())
            }
            _ => Err(SignallingDrop::NotForAnchors),
        }
    }
}
