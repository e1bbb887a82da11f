//! The quarantine of DHoAs (DMIPv6 profile 1, section 3).

use core::net::Ipv6Addr;

use super::Anchor;
use super::binding_cache::Binding;
use super::pool::Quarantine;
use super::timers::Timer;
use super::used_number::UsedNumber;
use crate::time::Now;

impl Anchor {
    pub(crate) fn enter_quarantine(
        &mut self,
        now: Now,
        binding: &Binding,
        quarantine: core::time::Duration,
    ) {
        let home_address = binding.home_address;
        let nanos = u64::try_from(quarantine.as_nanos()).unwrap_or(u64::MAX);
        let timer = self
            .timers
            .schedule(now.deadline_ns(nanos), Timer::QuarantineEnds(home_address));
        let entry = Quarantine {
            owner: binding.owner,
            pool: binding.pool,
            timer,
        };
        self.pools.quarantine.insert(home_address, entry);
        if let Some(pool) = self.pools.get_mut(binding.pool) {
            pool.quarantined = pool.quarantined.saturating_add(1);
        }
        if let Some(node) = self.nodes.node_mut(binding.owner) {
            node.quarantined.push_back(home_address);
        }
    }

    /// Ends a quarantine, after which the address is nobody's.
    pub(crate) fn forget_quarantine(&mut self, home_address: &Ipv6Addr) {
        self.leave_quarantine(home_address);
        // Whoever gets the address next begins with numbers of its own.
        if self
            .cache
            .home_sequences
            .swap_remove(home_address)
            .is_some()
        {
            let home_address = *home_address;
            self.keep_number(UsedNumber::Forgotten { home_address });
        }
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
