//! Mobile Prefix Advertisements: what they say, and the answers to who asks (RFC 6275 §10.6).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::binding_error_status;
use dhp_wire::icmpv6::{Body, Builder, NdOption, PrefixInformation, prefix_flag};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};

use super::super::Anchor;
use super::super::config::{PoolKind, PrefixDelivery};
use super::super::counters::MessageKind;
use super::super::drop_reason::SignallingDrop;
use super::super::error_messages::Offence;
use super::super::pool::Pool;
use super::super::reply::Proof;
use super::super::timers::Timer;
use super::link_prefixes::LinkPrefix;
use crate::time::Now;

/// Prefixes in an advertisement, of 32 octets each: with its headers it stays below the minimum MTU of IPv6.
const MAX_PREFIXES: usize = 32;

impl Anchor {
    /// "If a mobile node sends a solicitation, answer right away." The solicitation comes from the care-of address with the
    /// home address in a Home Address option (§6.7), which has to be bound (§9.3.1).
    pub(super) fn answer_prefix_solicitation(
        &mut self,
        now: Now,
        packet: &IcmpPacket<'_>,
        identifier: u16,
        len: usize,
    ) -> Result<(), SignallingDrop> {
        if self.config.prefix_advertisements.delivery == PrefixDelivery::Off {
            return Err(SignallingDrop::PrefixAdvertisementsOff);
        }
        if packet.destination != self.config.address {
            return Err(SignallingDrop::NotForUs);
        }
        let home_address = packet.home_address.ok_or(SignallingDrop::NoBinding)?;
        let binding = self.cache.bindings.get(&home_address);
        if binding.is_none_or(|binding| binding.care_of != packet.source) {
            let status = binding_error_status::UNKNOWN_BINDING;
            let proof = Proof::None { request_len: len };
            let offence = Offence {
                source: packet.source,
                destination: packet.destination,
            };
            self.binding_error(now, offence, home_address, status, proof);
            return Err(SignallingDrop::NoBinding);
        }
        self.delivery_acknowledged(now, home_address);
        let delivery = self.deliveries.by_home.entry(home_address).or_default();
        // It need not be asked for in vain: who acknowledges an unsolicited one does so within the second.
        if let Some(at) = delivery.spaced_ns(now) {
            let timer = match delivery.owed {
                Some((_, timer)) => timer,
                None => self
                    .timers
                    .schedule(at, Timer::PrefixAnswerDue(home_address)),
            };
            delivery.owed = Some((identifier, timer));
            return Ok(());
        }
        self.advertise_prefixes(now, &home_address, identifier);
        Ok(())
    }

    /// The second is over.
    pub(crate) fn answer_owed(&mut self, now: Now, home_address: &Ipv6Addr) {
        let delivery = self.deliveries.by_home.get_mut(home_address);
        let owed = delivery.and_then(|delivery| delivery.owed.take());
        if let Some((identifier, _)) = owed {
            self.advertise_prefixes(now, home_address, identifier);
        }
    }

    /// "A type 2 routing header MUST be included with the mobile node's home address." (§10.6.3) M and O "MUST be cleared if
    /// the Home Agent DHCPv6 support is not provided" (§6.8).
    pub(super) fn advertise_prefixes(
        &mut self,
        now: Now,
        home_address: &Ipv6Addr,
        identifier: u16,
    ) {
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return;
        };
        let care_of = binding.care_of;
        let own = self.config.address;
        let body = Body::MobilePrefixAdvertisement {
            identifier,
            flags: 0,
        };
        let prefixes = self.prefixes_at_home(now, home_address).into_iter();
        let builder = prefixes.fold(Builder::new(&body), |builder, information| {
            builder.option(&NdOption::<&[u8]>::Prefix(information))
        });
        let message = builder.finish(&own, home_address);
        let packet = compose_icmpv6(&own, &care_of, None, Some(home_address), &message);
        if let Some(delivery) = self.deliveries.by_home.get_mut(home_address) {
            delivery.last_ns = Some(now.mono_ns);
        }
        // To a care-of address that has registered.
        self.transmit(
            MessageKind::MobilePrefixAdvertisement,
            0,
            packet,
            Proof::Mac,
        );
    }

    /// "The list of prefixes is sent in its entirety in all cases." (§10.6.2) First that of the home address, then the others
    /// that are on the same link, at last those that other home agents advertise there.
    fn prefixes_at_home(&self, now: Now, home_address: &Ipv6Addr) -> Vec<PrefixInformation> {
        let own = self.pools.find(home_address).map(|(_, pool)| pool);
        let link = own.and_then(|pool| pool.link);
        let others = self.pools.iter().filter(move |pool| {
            let on_link = link.is_some() && pool.link == link;
            on_link && pool.kind == PoolKind::Home && pool.ends.is_valid(now)
        });
        let others = others.filter(move |pool| own.is_none_or(|own| own.prefix != pool.prefix));
        let configured = own.into_iter().chain(others);
        let mut prefixes: Vec<PrefixInformation> = configured
            .map(|pool| self.prefix_information(now, pool))
            .collect();
        let home_agents = link.into_iter();
        let home_agents = home_agents.flat_map(|link| self.home_agents.on(link, now));
        let mut learned: Vec<LinkPrefix> = home_agents
            .flat_map(|home_agent| home_agent.prefixes.valid(now).copied())
            .collect();
        // Of two that advertise the same, the first; in an order that does not depend on who was heard when.
        learned.sort_by_key(|learned| learned.prefix);
        learned.dedup_by_key(|learned| learned.prefix);
        prefixes.extend(learned.iter().map(|learned| learned.information(now)));
        prefixes.truncate(MAX_PREFIXES);
        prefixes
    }

    fn prefix_information(&self, now: Now, pool: &Pool) -> PrefixInformation {
        let own = self.config.address;
        let (valid_lifetime_s, preferred_lifetime_s) = pool.ends.seconds_left(now);
        // RFC 6275 §7.2: with the R bit the option has the router's address in the prefix.
        let is_ours = pool.prefix.contains(&own);
        let router = if is_ours {
            prefix_flag::ROUTER_ADDRESS
        } else {
            0
        };
        PrefixInformation {
            prefix_len: pool.prefix.prefix_len(),
            flags: prefix_flag::ON_LINK | prefix_flag::AUTONOMOUS | router,
            valid_lifetime_s,
            preferred_lifetime_s,
            prefix: if is_ours { own } else { pool.prefix.network() },
        }
    }
}
