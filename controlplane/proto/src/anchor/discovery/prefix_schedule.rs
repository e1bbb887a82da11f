//! When a mobile node is told of its prefixes unasked (RFC 6275 §10.6.2).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::constants::{PREFIX_ADV_RETRIES, PREFIX_ADV_TIMEOUT};
use ipnet::Ipv6Net;

use super::super::Anchor;
use super::super::binding_cache::AddressMap;
use super::super::config::{PoolKind, PrefixDelivery};
use super::super::home_link::LinkId;
use super::super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now, nanos};
use crate::timer_wheel::TimerKey;

/// "The home agent MUST NOT send more than one Mobile Prefix Advertisement message per second to any mobile node." (§6.8)
pub(super) const SPACING_NS: u64 = NANOS_PER_SECOND;

/// How far the unsolicited advertisement to a mobile node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// None is due; one will be when the mobile node has heard nothing for MaxMobPfxAdvInterval.
    #[default]
    Idle,
    /// It will be sent at this time.
    Scheduled { at_ns: u64 },
    /// It was sent, and repeated so often, and is not acknowledged.
    Sent { repeats: u32 },
    /// It was repeated as often as it may be.
    Unanswered,
}

/// What a mobile node has been told of prefixes, or will be.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// When the last advertisement was sent.
    pub(super) last_ns: Option<u64>,
    phase: Phase,
    timer: Option<TimerKey>,
    /// An answer that has to wait for the second since the last advertisement to end: its identifier.
    pub(super) owed: Option<(u16, TimerKey)>,
}

impl Delivery {
    /// When the next advertisement may be sent, if not now.
    pub(super) fn spaced_ns(&self, now: Now) -> Option<u64> {
        let spaced = self.last_ns?.saturating_add(SPACING_NS);
        (spaced > now.mono_ns).then_some(spaced)
    }
}

/// The same of all, by home address.
#[derive(Debug, Default)]
pub(crate) struct PrefixDeliveries {
    pub(super) by_home: AddressMap<Delivery>,
}

impl PrefixDeliveries {
    /// Takes space for so many mobile nodes.
    pub(crate) fn reserve(&mut self, mobile_nodes: usize) {
        self.by_home.reserve(mobile_nodes);
    }

    /// Reads what a Binding Update for a home address will need, and gives a number that tells nothing.
    pub(crate) fn look_at(&self, home_address: &Ipv6Addr) -> u64 {
        let delivery = self.by_home.get(home_address);
        delivery
            .and_then(|delivery| delivery.last_ns)
            .unwrap_or_default()
    }
}

impl Anchor {
    /// A home address was bound, or its binding refreshed. "If no Mobile Prefix Advertisement has been sent to the mobile node
    /// in the last MaxMobPfxAdvInterval seconds …, then ensure that a transmission is scheduled." And of one that was repeated
    /// in vain: "if the mobile node sends another Binding Update without returning home, then the home agent SHOULD begin
    /// transmitting the unsolicited Advertisement again."
    pub(crate) fn watch_prefixes(&mut self, now: Now, home_address: Ipv6Addr) {
        if self.config.prefix_advertisements.delivery != PrefixDelivery::On {
            return;
        }
        let delivery = self.deliveries.by_home.entry(home_address).or_default();
        match delivery.phase {
            Phase::Idle if delivery.timer.is_none() => self.schedule_delivery(now, home_address),
            Phase::Unanswered => {
                let at_ns = delivery.spaced_ns(now).unwrap_or(now.mono_ns);
                self.deliver_at(home_address, at_ns);
            }
            _ => {}
        }
    }

    /// A prefix has changed: each mobile node that is at home where it is will be told, at a time of its own.
    pub(crate) fn plan_prefix_deliveries(&mut self, now: Now, prefix: Ipv6Net) {
        let changed = self.pools.iter().find(|pool| pool.prefix == prefix);
        let link = changed.and_then(|pool| pool.link);
        self.plan_deliveries(now, Some(prefix), link);
    }

    /// The same of a prefix that others advertise on a link.
    pub(super) fn plan_link_deliveries(&mut self, now: Now, link: LinkId) {
        self.plan_deliveries(now, None, Some(link));
    }

    fn plan_deliveries(&mut self, now: Now, prefix: Option<Ipv6Net>, link: Option<LinkId>) {
        if self.config.prefix_advertisements.delivery != PrefixDelivery::On {
            return;
        }
        let shares_link =
            |home: &Ipv6Addr| link.is_some_and(|link| self.home_link(home) == Some(link));
        let bound = self.cache.bindings.values();
        let bound = bound.filter(|binding| binding.kind == PoolKind::Home);
        let bound = bound.map(|binding| binding.home_address);
        let is_of = |home: &Ipv6Addr| prefix.is_some_and(|prefix| prefix.contains(home));
        let concerned = bound.filter(|home| is_of(home) || shares_link(home));
        let mut concerned: Vec<Ipv6Addr> = concerned.collect();
        concerned.sort_unstable();
        for home_address in concerned {
            let latest = now.deadline_ns(self.longest_delay_ns(now, &home_address));
            let delivery = self.deliveries.by_home.entry(home_address).or_default();
            // "If the home agent has already scheduled the transmission …, then the home agent will replace the advertisement
            // with a new one to be sent at the scheduled time." What it says is found out when it is sent. But a time from
            // before the change may lie beyond the end of what is preferred now.
            match delivery.phase {
                Phase::Scheduled { at_ns } if at_ns <= latest => {}
                _ => self.schedule_delivery(now, home_address),
            }
        }
    }

    /// Another configuration has other prefixes, or another rule of who is told.
    pub(crate) fn follow_prefix_configuration(&mut self, now: Now, changed: &[Ipv6Net]) {
        let mode = self.config.prefix_advertisements.delivery;
        if mode != PrefixDelivery::On {
            for delivery in self.deliveries.by_home.values_mut() {
                delivery.phase = Phase::Idle;
                let owed = delivery.owed.take_if(|_| mode == PrefixDelivery::Off);
                let owed = owed.map(|(_, timer)| timer);
                for timer in delivery.timer.take().into_iter().chain(owed) {
                    self.timers.cancel(timer);
                }
            }
            return;
        }
        for prefix in changed {
            self.plan_prefix_deliveries(now, *prefix);
        }
        let bound = self.cache.bindings.values();
        let home = bound.filter(|binding| binding.kind == PoolKind::Home);
        let unheard = home.map(|binding| binding.home_address).filter(|home| {
            let delivery = self.deliveries.by_home.get(home);
            delivery.is_none_or(|delivery| delivery.timer.is_none())
        });
        let mut unheard: Vec<Ipv6Addr> = unheard.collect();
        unheard.sort_unstable();
        for home_address in unheard {
            self.schedule_delivery(now, home_address);
        }
    }

    /// The mobile node's time has come. "The home agent MUST wait PREFIX_ADV_TIMEOUT before the first retransmission and
    /// double the retransmission wait time for every succeeding retransmission until a maximum number of PREFIX_ADV_RETRIES".
    pub(crate) fn deliver_prefixes(&mut self, now: Now, home_address: &Ipv6Addr) {
        let Some(delivery) = self.deliveries.by_home.get_mut(home_address) else {
            return;
        };
        let repeats = match delivery.phase {
            // MaxMobPfxAdvInterval has passed since the last one.
            Phase::Idle | Phase::Unanswered => {
                delivery.timer = None;
                self.schedule_delivery(now, *home_address);
                return;
            }
            Phase::Scheduled { .. } => 0,
            Phase::Sent { repeats } => repeats.saturating_add(1),
        };
        // One that was asked for may have been sent just now.
        if let Some(at) = delivery.spaced_ns(now) {
            let timer = Timer::PrefixDeliveryDue(*home_address);
            delivery.timer = Some(self.timers.schedule(at, timer));
            return;
        }
        let (phase, wait_ns) = if repeats < PREFIX_ADV_RETRIES {
            let wait = nanos(PREFIX_ADV_TIMEOUT).saturating_mul(1 << repeats.min(8));
            (Phase::Sent { repeats }, wait)
        } else {
            let longest = nanos(self.config.prefix_advertisements.max_interval);
            (Phase::Unanswered, longest)
        };
        delivery.phase = phase;
        let at = now.deadline_ns(wait_ns);
        let timer = Timer::PrefixDeliveryDue(*home_address);
        delivery.timer = Some(self.timers.schedule(at, timer));
        self.advertise_prefixes(now, home_address, 0);
    }

    /// "… until it is acknowledged by the receipt of a Mobile Prefix Solicitation from the mobile node", which its answer
    /// makes as good as told.
    pub(super) fn delivery_acknowledged(&mut self, now: Now, home_address: Ipv6Addr) {
        let config = self.config.prefix_advertisements;
        let delivery = self.deliveries.by_home.entry(home_address).or_default();
        if let Some(timer) = delivery.timer.take() {
            self.timers.cancel(timer);
        }
        delivery.phase = Phase::Idle;
        if config.delivery == PrefixDelivery::On {
            let at = now.deadline_ns(nanos(config.max_interval));
            let timer = Timer::PrefixDeliveryDue(home_address);
            delivery.timer = Some(self.timers.schedule(at, timer));
        }
    }

    /// "If a home registration expires, cancel any scheduled advertisements to the mobile node."
    pub(crate) fn forget_delivery(&mut self, home_address: &Ipv6Addr) {
        let Some(delivery) = self.deliveries.by_home.swap_remove(home_address) else {
            return;
        };
        let owed = delivery.owed.map(|(_, timer)| timer);
        for timer in delivery.timer.into_iter().chain(owed) {
            self.timers.cancel(timer);
        }
    }

    /// "RAND_ADV_DELAY = MinMobPfxAdvInterval + (rand() % abs(MaxScheduleDelay - MinMobPfxAdvInterval))"
    fn schedule_delivery(&mut self, now: Now, home_address: Ipv6Addr) {
        let least = nanos(self.config.prefix_advertisements.min_interval);
        let spread = self
            .longest_delay_ns(now, &home_address)
            .saturating_sub(least);
        let delay = least.saturating_add(self.random.below(spread));
        self.deliver_at(home_address, now.deadline_ns(delay));
    }

    /// What RAND_ADV_DELAY stays below: "MaxScheduleDelay = min (MaxMobPfxAdvInterval, Preferred Lifetime)".
    fn longest_delay_ns(&self, now: Now, home_address: &Ipv6Addr) -> u64 {
        let config = self.config.prefix_advertisements;
        let least = nanos(config.min_interval);
        let pool = self.pools.find(home_address).map(|(_, pool)| pool);
        let preferred_s = pool.map_or(u32::MAX, |pool| pool.ends.seconds_left(now).1);
        let preferred = u64::from(preferred_s).saturating_mul(NANOS_PER_SECOND);
        let longest = nanos(config.max_interval).min(preferred);
        least.saturating_add(longest.abs_diff(least))
    }

    fn deliver_at(&mut self, home_address: Ipv6Addr, at_ns: u64) {
        let delivery = self.deliveries.by_home.entry(home_address).or_default();
        if let Some(timer) = delivery.timer.take() {
            self.timers.cancel(timer);
        }
        delivery.phase = Phase::Scheduled { at_ns };
        let timer = Timer::PrefixDeliveryDue(home_address);
        delivery.timer = Some(self.timers.schedule(at_ns, timer));
    }
}
