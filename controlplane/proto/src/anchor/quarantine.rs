//! The quarantine of DHoAs (DMIPv6 profile 1, section 3).

use core::net::Ipv6Addr;
use core::time::Duration;

use super::Anchor;
use super::mobile_nodes::MnIndex;
use super::pool::Quarantine;
use super::timers::Timer;
use super::used_number::UsedNumber;
use crate::time::{Now, nanos};

impl Anchor {
    /// When a DHoA whose binding ended `ago_ns` before now has rested for its time, in nanoseconds of [`Now::mono_ns`].
    pub(crate) fn end_of_quarantine(&self, now: Now, quarantine: Duration, ago_ns: u64) -> u64 {
        let ended_ns = now.mono_ns.saturating_add(nanos(quarantine));
        let refreshed_ns = self.refreshed_until_ns.saturating_add(nanos(quarantine));
        let is_distrusted = self.refreshed_until_ns > now.mono_ns;
        let ends_ns = ended_ns.saturating_sub(ago_ns);
        if is_distrusted {
            ends_ns.max(refreshed_ns)
        } else {
            ends_ns
        }
    }

    /// Keeps a DHoA from everybody but its last owner until `ends_ns`.
    pub(crate) fn enter_quarantine(
        &mut self,
        home_address: Ipv6Addr,
        owner: MnIndex,
        pool: usize,
        ends_ns: u64,
    ) {
        let timer = Timer::QuarantineEnds(home_address);
        let entry = Quarantine {
            owner,
            pool,
            ends_ns,
            timer: self.timers.schedule(ends_ns, timer),
        };
        self.pools.quarantine.insert(home_address, entry);
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.quarantined = pool.quarantined.saturating_add(1);
        }
        if let Some(node) = self.nodes.node_mut(owner) {
            node.quarantined.push_back(home_address);
        }
    }

    /// Ends a quarantine, after which the address is nobody's.
    pub(crate) fn forget_quarantine(&mut self, home_address: &Ipv6Addr) {
        self.leave_quarantine(home_address);
        // Whoever gets the address next begins with numbers of its own.
        self.cache.home_sequences.swap_remove(home_address);
        let home_address = *home_address;
        self.keep_number(UsedNumber::Forgotten { home_address });
    }

    pub(crate) fn leave_quarantine(&mut self, home_address: &Ipv6Addr) {
        let Some(entry) = self.pools.quarantine.swap_remove(home_address) else {
            return;
        };
        self.timers.cancel(entry.timer);
        if let Some(pool) = self.pools.get_mut(entry.pool) {
            pool.quarantined = pool.quarantined.saturating_sub(1);
        }
        if let Some(node) = self.nodes.node_mut(entry.owner) {
            node.quarantined.retain(|address| address != home_address);
        }
    }
}
