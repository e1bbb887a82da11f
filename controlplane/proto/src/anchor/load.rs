//! How full this DHP is (DMIPv6 profile 1, section 4.2, "Load (0 idle … 255 full: takes no new DHoAs)").
//!
//! It is made of what is true of addresses alone: how many of those that this anchor may hold are held, and how many of those that
//! its pools have are taken. How much signalling comes is no part of it: anybody can send that, and would decide over where mobile
//! nodes go.

use dhp_wire::mobility::Lifetime;

use super::Anchor;
use super::config::{DirectoryEntry, PoolKind};
use crate::time::Now;

/// Load of a DHP that "takes no new DHoAs".
pub(crate) const FULL: u8 = 255;

impl Anchor {
    /// An entry of the own coverage as it is now.
    pub(crate) fn own_entry(&self, now: Now, entry: &DirectoryEntry) -> DirectoryEntry {
        DirectoryEntry {
            load: self.load(now),
            path_rtt_us: self.paths.round_trip_us(&entry.prefix),
            ..*entry
        }
    }

    /// Load of this DHP: [`FULL`] exactly where a mobile node that has no DHoA here would be refused one, else the greater share of
    /// what is taken, in 255ths. (In a pool of many thousands that is full but for a few, the search for one of these may end
    /// earlier.)
    pub(crate) fn load(&self, now: Now) -> u8 {
        if self.draining || !self.has_room() {
            return FULL;
        }
        let (taken, addresses) = self.taken_addresses(now);
        if taken >= addresses {
            return FULL;
        }
        let share = |part: u128, whole: u128| {
            let share = part.saturating_mul(u128::from(FULL)) / whole.max(1);
            u8::try_from(share).unwrap_or(FULL).min(FULL - 1)
        };
        let most = self.config.limits.max_home_addresses;
        let held = share(self.held_addresses() as u128, most as u128);
        held.max(share(taken, addresses))
    }

    /// Of the addresses that the pools of DHoAs can give: how many nobody can get any more, and how many there are.
    fn taken_addresses(&self, now: Now) -> (u128, u128) {
        let given = self.pools.iter().filter(|pool| {
            let is_over = pool.ends.limit(Lifetime::INFINITE, now).is_zero();
            pool.kind == PoolKind::Dhoa && !is_over
        });
        given.fold((0, 0), |(taken, addresses), pool| {
            let own = &self.config.address;
            let is_own = usize::from(pool.is_assignable(own));
            let here = [pool.used, pool.quarantined, pool.reserved, is_own];
            let here = here.iter().map(|count| *count as u128).sum::<u128>();
            let size = u128::from(pool.assignable());
            (
                here.min(size).saturating_add(taken),
                size.saturating_add(addresses),
            )
        })
    }

    /// Counts the addresses that are kept for their owners, of each pool.
    pub(crate) fn count_reserved(&mut self) {
        for pool in self.pools.iter_mut() {
            pool.reserved = 0;
        }
        for home_address in self.nodes.owned() {
            if self.cache.bindings.contains_key(home_address) {
                continue;
            }
            let place = self.pools.find(home_address).map(|(place, _)| place);
            if let Some(pool) = place.and_then(|place| self.pools.get_mut(place)) {
                pool.reserved = pool.reserved.saturating_add(1);
            }
        }
    }
}
