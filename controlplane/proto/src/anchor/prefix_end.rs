//! What the anchor does when a prefix comes to its end.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::Anchor;
use super::events::ReleaseReason;
use super::pool::Pool;
use super::prefix_lifetime::{PrefixEnds, PrefixLifetimes};
use super::timers::Timer;
use crate::time::Now;

impl Anchor {
    /// Takes the lifetimes of a prefix as they are advertised from now on.
    pub(crate) fn set_prefix_lifetimes(
        &mut self,
        now: Now,
        prefix: Ipv6Net,
        lifetimes: PrefixLifetimes,
    ) {
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.prefix == prefix) {
            pool.ends = PrefixEnds::of(lifetimes, now);
        }
        self.schedule_prefix_ends();
        self.plan_prefix_deliveries(now, prefix);
    }

    /// Has each prefix end in its time.
    pub(crate) fn schedule_prefix_ends(&mut self) {
        for pool in self.pools.iter_mut() {
            if let Some(timer) = pool.timer.take() {
                self.timers.cancel(timer);
            }
            let timers = &mut self.timers;
            pool.timer = pool
                .ends
                .valid_ns
                .map(|at| timers.schedule(at, Timer::PrefixEnds(pool.prefix)));
        }
    }

    /// RFC 6275 §10.3.1: "The home agent MUST remove a binding when the valid lifetime of the prefix associated with it
    /// expires."
    pub(crate) fn end_prefix(&mut self, now: Now, prefix: Ipv6Net) {
        // The pool may have been prolonged, or taken away, since this was planned.
        let has_ended = |pool: &Pool| pool.prefix == prefix && !pool.ends.is_valid(now);
        if !self.pools.iter().any(has_ended) {
            return;
        }
        let bound = self.cache.bindings.keys();
        let mut ended: Vec<Ipv6Addr> = bound
            .filter(|home_address| prefix.contains(*home_address))
            .copied()
            .collect();
        ended.sort_unstable();
        for home_address in ended {
            self.release(now, &home_address, ReleaseReason::PrefixInvalid);
        }
    }
}
