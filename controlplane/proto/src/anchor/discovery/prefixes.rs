//! Mobile Prefix Advertisements (RFC 6275 §10.6).

use core::net::Ipv6Addr;
use core::time::Duration;

use dhp_wire::codepoints::binding_error_status;
use dhp_wire::codepoints::constants::{PREFIX_ADV_RETRIES, PREFIX_ADV_TIMEOUT};
use dhp_wire::icmpv6::{Body, Builder, NdOption, PrefixInformation, prefix_flag};
use dhp_wire::packet::{IcmpPacket, compose_icmpv6};
use hashbrown::HashMap;
use ipnet::Ipv6Net;

use super::super::Anchor;
use super::super::config::PoolKind;
use super::super::counters::MessageKind;
use super::super::drop_reason::SignallingDrop;
use super::super::error_messages::Offence;
use super::super::reply::Proof;
use super::super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now};
use crate::timer_wheel::TimerKey;

/// MaxMobPfxAdvInterval of RFC 6275 §13.
const MAX_INTERVAL: Duration = Duration::from_secs(86_400);
/// MinMobPfxAdvInterval of RFC 6275 §13.
const MIN_INTERVAL: Duration = Duration::from_secs(600);
/// "The home agent MUST NOT send more than one Mobile Prefix Advertisement message per second to any mobile node." (§6.8)
const SPACING_NS: u64 = NANOS_PER_SECOND;

/// What a mobile node has been told of prefixes, or will be.
#[derive(Debug, Default)]
struct Delivery {
    /// When the last advertisement was sent.
    last_ns: Option<u64>,
    /// Unsolicited advertisements that were sent and not acknowledged.
    unacknowledged: u32,
    timer: Option<TimerKey>,
}

/// The same of all, by home address.
#[derive(Debug, Default)]
pub(crate) struct PrefixDeliveries {
    by_home: HashMap<Ipv6Addr, Delivery>,
}

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
        let delivery = self.deliveries.by_home.entry(home_address).or_default();
        let is_too_soon = delivery
            .last_ns
            .is_some_and(|last| now.mono_ns.saturating_sub(last) < SPACING_NS);
        if is_too_soon {
            return Err(SignallingDrop::RateLimited);
        }
        // An unsolicited one is repeated "until it is acknowledged by the receipt of a Mobile Prefix Solicitation".
        delivery.unacknowledged = 0;
        if let Some(timer) = delivery.timer.take() {
            self.timers.cancel(timer);
        }
        self.advertise_prefixes(now, &home_address, identifier);
        Ok(())
    }

    /// The prefix of these mobile nodes has changed: §10.6.2 has each be told, at a time of its own.
    pub(crate) fn plan_prefix_deliveries(&mut self, now: Now, prefix: Ipv6Net) {
        if !self.config.advertise_prefixes {
            return;
        }
        let bound = self.cache.bindings.values();
        let concerned = bound.filter(|binding| {
            binding.kind == PoolKind::Home && prefix.contains(&binding.home_address)
        });
        let mut concerned: Vec<Ipv6Addr> = concerned.map(|binding| binding.home_address).collect();
        concerned.sort_unstable();
        let preferred_s = self.pools.iter().find(|pool| pool.prefix == prefix);
        let preferred_s = preferred_s.map_or(u32::MAX, |pool| pool.ends.seconds_left(now).1);
        for home_address in concerned {
            let delay_ns = self.prefix_delay_ns(preferred_s);
            let delivery = self.deliveries.by_home.entry(home_address).or_default();
            // "If the home agent has already scheduled the transmission …, then the home agent will replace the advertisement
            // with a new one to be sent at the scheduled time."
            if delivery.timer.is_none() || delivery.unacknowledged > 0 {
                delivery.unacknowledged = 0;
                if let Some(timer) = delivery.timer.take() {
                    self.timers.cancel(timer);
                }
                let at = now.deadline_ns(delay_ns);
                let timer = Timer::PrefixDeliveryDue(home_address);
                delivery.timer = Some(self.timers.schedule(at, timer));
            }
        }
    }

    /// "RAND_ADV_DELAY = MinMobPfxAdvInterval + (rand() % abs(MaxScheduleDelay - MinMobPfxAdvInterval))"
    fn prefix_delay_ns(&mut self, preferred_s: u32) -> u64 {
        let longest = MAX_INTERVAL.as_secs().min(u64::from(preferred_s));
        let spread = longest.abs_diff(MIN_INTERVAL.as_secs());
        let seconds = MIN_INTERVAL
            .as_secs()
            .saturating_add(self.random.below(spread));
        seconds.saturating_mul(NANOS_PER_SECOND)
    }

    /// Tells a mobile node unasked. "The home agent MUST wait PREFIX_ADV_TIMEOUT before the first retransmission and double
    /// the retransmission wait time for every succeeding retransmission until a maximum number of PREFIX_ADV_RETRIES".
    pub(crate) fn deliver_prefixes(&mut self, now: Now, home_address: &Ipv6Addr) {
        let Some(delivery) = self.deliveries.by_home.get_mut(home_address) else {
            return;
        };
        let sent = delivery.unacknowledged;
        delivery.unacknowledged = sent.saturating_add(1);
        delivery.timer = (sent < PREFIX_ADV_RETRIES).then(|| {
            let wait = PREFIX_ADV_TIMEOUT
                .as_secs()
                .saturating_mul(1 << sent.min(8));
            let at = now.deadline_ns(wait.saturating_mul(NANOS_PER_SECOND));
            self.timers
                .schedule(at, Timer::PrefixDeliveryDue(*home_address))
        });
        self.advertise_prefixes(now, home_address, 0);
    }

    /// "If a home registration expires, cancel any scheduled advertisements to the mobile node."
    pub(crate) fn forget_delivery(&mut self, home_address: &Ipv6Addr) {
        let delivery = self.deliveries.by_home.remove(home_address);
        if let Some(timer) = delivery.and_then(|delivery| delivery.timer) {
            self.timers.cancel(timer);
        }
    }

    /// "A type 2 routing header MUST be included with the mobile node's home address." (§10.6.3) The list has the prefix of
    /// the home address; M and O "MUST be cleared if the Home Agent DHCPv6 support is not provided" (§6.8).
    fn advertise_prefixes(&mut self, now: Now, home_address: &Ipv6Addr, identifier: u16) {
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return;
        };
        let Some((_, pool)) = self.pools.find(home_address) else {
            return;
        };
        let care_of = binding.care_of;
        let own = self.config.address;
        let (valid_lifetime_s, preferred_lifetime_s) = pool.ends.seconds_left(now);
        // RFC 6275 §7.2: with the R bit the option has the router's address in the prefix.
        let is_ours = pool.prefix.contains(&own);
        let router = if is_ours {
            prefix_flag::ROUTER_ADDRESS
        } else {
            0
        };
        let information = PrefixInformation {
            prefix_len: pool.prefix.prefix_len(),
            flags: prefix_flag::ON_LINK | prefix_flag::AUTONOMOUS | router,
            valid_lifetime_s,
            preferred_lifetime_s,
            prefix: if is_ours { own } else { pool.prefix.network() },
        };
        let body = Body::MobilePrefixAdvertisement {
            identifier,
            flags: 0,
        };
        let builder = Builder::new(&body).option(&NdOption::<&[u8]>::Prefix(information));
        let message = builder.finish(&own, home_address);
        let packet = compose_icmpv6(&own, &care_of, None, Some(home_address), &message);
        if let Some(delivery) = self.deliveries.by_home.get_mut(home_address) {
            delivery.last_ns = Some(now.mono_ns);
        }
        // Longer than its cause by no more than an option, and to a care-of address that has registered.
        self.transmit(
            MessageKind::MobilePrefixAdvertisement,
            0,
            packet,
            Proof::Mac,
        );
    }
}
