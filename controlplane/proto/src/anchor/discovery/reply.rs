//! Home Agent Address Discovery Replies (RFC 6275 §10.5.1).

use core::cmp::Reverse;
use core::net::Ipv6Addr;

use dhp_wire::icmpv6::{Body, Builder, MAX_MESSAGE_LEN};
use dhp_wire::ipv6::{HEADER_LEN, home_agents_anycast};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use super::super::Anchor;
use super::super::config::PoolKind;
use super::super::counters::MessageKind;
use super::super::drop_reason::SignallingDrop;
use super::super::reply::Proof;
use crate::time::Now;

/// Octets of a reply before its addresses.
const FIXED_LEN: usize = 8;

impl Anchor {
    /// "A home agent receiving a Home Agent Address Discovery Request message that serves this subnet SHOULD return an ICMP
    /// Home Agent Address Discovery Reply message to the mobile node with the Source Address of the Reply packet set to one
    /// of the global unicast addresses of the home agent."
    pub(super) fn name_home_agents(
        &mut self,
        now: Now,
        request: &IcmpPacket<'_>,
        identifier: u16,
        proof: Proof,
    ) -> Result<(), SignallingDrop> {
        let destination = &request.destination;
        let pool = self.pools.find(destination).map(|(_, pool)| pool);
        let pool = pool.filter(|pool| {
            *destination == home_agents_anycast(destination)
                && pool.kind == PoolKind::Home
                && pool.ends.is_valid(now)
        });
        let pool = pool.ok_or(SignallingDrop::NotForUs)?;
        let own = self.config.address;
        // Who is about to leave is not found any more.
        let me = (!self.draining).then_some((self.config.home_agent_preference, own));
        let others = pool
            .link
            .into_iter()
            .flat_map(|link| self.home_agents.on(link, now));
        let others = others.flat_map(|home_agent| {
            let preference = home_agent.preference;
            home_agent
                .addresses(now)
                .map(move |address| (preference, address))
        });
        let mut named: Vec<(u16, Ipv6Addr)> = me.into_iter().chain(others).collect();
        // "in order of decreasing preference values", and of equal ones "in an order randomized … every time".
        named.sort_unstable_by_key(|(preference, address)| (*address, Reverse(*preference)));
        named.dedup_by_key(|(_, address)| *address);
        let random = &mut self.random;
        named.sort_by_cached_key(|(preference, _)| (Reverse(*preference), random.next_u64()));
        // "The home agent SHOULD reduce the number of home agent IP addresses so that the packet fits within the minimum IPv6
        // MTU", and here so that it is not more than the request may cause. "The home agent addresses selected … SHOULD be
        // those … with the highest preference."
        let longest = MAX_MESSAGE_LEN.min(proof.longest_answer().saturating_sub(HEADER_LEN));
        named.truncate(longest.saturating_sub(FIXED_LEN) / 16);
        let builder = Builder::new(&Body::HomeAgentDiscoveryReply { identifier });
        let builder = named
            .iter()
            .fold(builder, |builder, (_, address)| builder.address(address));
        let message = builder.finish(&own, &request.source);
        let packet = compose_icmpv6(&own, &request.source, None, None, &message);
        self.transmit(MessageKind::HomeAgentDiscoveryReply, 0, packet, proof);
        Ok(())
    }
}
