//! The pools that home addresses are from.

use core::net::Ipv6Addr;
use core::time::Duration;

use ipnet::Ipv6Net;

use super::binding_cache::AddressMap;
use super::config::{PoolConfig, PoolKind};
use super::home_link::LinkId;
use super::mobile_nodes::MnIndex;
use super::prefix_lifetime::{PrefixEnds, PrefixLifetimes};
use crate::random::Random;
use crate::time::Now;
use crate::timer_wheel::TimerKey;

/// Random addresses that are tried before a pool is searched from a random place on.
const RANDOM_TRIES: usize = 64;

/// Addresses that are searched one by one; a pool that has no free one among them is nearly full.
const SEARCHED: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) prefix: Ipv6Net,
    pub(crate) kind: PoolKind,
    pub(crate) quarantine: Duration,
    pub(crate) link: Option<LinkId>,
    /// As configured, and when they end.
    pub(crate) lifetimes: PrefixLifetimes,
    pub(crate) ends: PrefixEnds,
    /// Fires when the prefix gets invalid.
    pub(crate) timer: Option<TimerKey>,
    pub(crate) used: usize,
    pub(crate) quarantined: usize,
}

impl Pool {
    /// Number of addresses, at most 2^64 − 1.
    pub(crate) fn size(&self) -> u64 {
        let host_bits = 128_u32.saturating_sub(u32::from(self.prefix.prefix_len()));
        1_u64.checked_shl(host_bits).unwrap_or(u64::MAX)
    }

    /// Whether the addresses of both are the same, and used for the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.kind == other.kind && self.link == other.link
    }

    fn at(&self, host: u128) -> Ipv6Addr {
        Ipv6Addr::from(
            u128::from(self.prefix.network()) | (host & u128::from(self.prefix.hostmask())),
        )
    }

    /// Whether an address can be a mobile node's at all.
    pub(crate) fn is_assignable(&self, address: &Ipv6Addr) -> bool {
        let iid = u64::try_from(u128::from(*address) & u128::from(u64::MAX)).unwrap_or_default();
        // RFC 4291 §2.6.1: the interface identifier zero is the subnet-router anycast address.
        let subnet_router = *address == self.prefix.network() && self.prefix.prefix_len() < 127;
        // RFC 5453 §3: 0200:5eff:fe00:0000 to 0200:5eff:feff:ffff and the subnet anycast addresses of RFC 2526.
        let reserved = matches!(iid, 0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff | 0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff);
        self.prefix.contains(address) && !subnet_router && !reserved
    }

    /// A free address that nobody can guess. RFC 7721 §4: guessable interface identifiers make hosts easy to find
    /// and to follow.
    fn draw(&self, random: &mut Random, is_free: impl Fn(&Ipv6Addr) -> bool) -> Option<Ipv6Addr> {
        let good = |address: &Ipv6Addr| self.is_assignable(address) && is_free(address);
        let mut start = 0;
        for _ in 0..RANDOM_TRIES {
            start = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
            let address = self.at(start);
            if good(&address) {
                return Some(address);
            }
        }
        (0..SEARCHED.min(self.size()))
            .map(|step| self.at(start.wrapping_add(u128::from(step))))
            .find(good)
    }
}

/// A released DHoA that nobody else may have yet.
#[derive(Debug)]
pub(crate) struct Quarantine {
    pub(crate) owner: MnIndex,
    pub(crate) pool: usize,
    pub(crate) timer: TimerKey,
}

#[derive(Debug)]
pub(crate) struct Pools {
    pools: Vec<Pool>,
    pub(crate) quarantine: AddressMap<Quarantine>,
}

impl Pools {
    pub(crate) fn new(pools: &[PoolConfig], now: Now) -> Self {
        let pools = pools.iter().map(|pool| Pool {
            prefix: pool.prefix.trunc(),
            kind: pool.kind,
            quarantine: pool.quarantine,
            link: pool.link,
            lifetimes: pool.lifetimes,
            ends: PrefixEnds::of(pool.lifetimes, now),
            timer: None,
            used: 0,
            quarantined: 0,
        });
        Self {
            pools: pools.collect(),
            quarantine: AddressMap::default(),
        }
    }

    /// Takes these pools for those there were. Gives the new place of each old one, `None` where it is gone; the
    /// quarantine still names the old places. What is counted of a pool stays with it, and so do lifetimes that are
    /// configured as they were: they go on.
    pub(crate) fn replace(&mut self, pools: &[PoolConfig], now: Now) -> Vec<Option<usize>> {
        let old = core::mem::replace(&mut self.pools, Self::new(pools, now).pools);
        let mut place = |pool: &Pool| {
            let place = self.pools.iter().position(|new| new.is_same(pool))?;
            let new = self.pools.get_mut(place)?;
            (new.used, new.quarantined) = (pool.used, pool.quarantined);
            new.timer = pool.timer;
            if new.lifetimes == pool.lifetimes {
                new.ends = pool.ends;
            }
            Some(place)
        };
        old.iter().map(&mut place).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pool> {
        self.pools.iter_mut()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Pool> {
        self.pools.get_mut(index)
    }

    /// The pool that an address lies in.
    pub(crate) fn find(&self, address: &Ipv6Addr) -> Option<(usize, &Pool)> {
        self.pools
            .iter()
            .enumerate()
            .find(|(_, pool)| pool.prefix.contains(address))
    }

    /// Draws a free address of a DHoA pool.
    pub(crate) fn draw(
        &self,
        now: Now,
        random: &mut Random,
        is_free: impl Fn(&Ipv6Addr) -> bool,
    ) -> Option<Ipv6Addr> {
        self.pools
            .iter()
            .filter(|pool| pool.kind == PoolKind::Dhoa && pool.ends.is_valid(now))
            .find_map(|pool| pool.draw(random, &is_free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(prefix: &str) -> Pools {
        Pools::new(
            &[PoolConfig::new(prefix.parse().unwrap(), PoolKind::Dhoa)],
            Now::default(),
        )
    }

    #[test]
    fn a_small_pool_is_used_up_to_the_last_address() {
        let pools = pools("2001:db8:d:1::/124");
        let (mut random, mut taken) = (Random::new([1; 32]), hashbrown::HashSet::new());
        while let Some(address) = pools.draw(Now::default(), &mut random, |address| {
            !taken.contains(address)
        }) {
            assert!(taken.insert(address));
        }
        // 16 addresses less that of the subnet-router anycast.
        assert_eq!(taken.len(), 15);
    }

    #[test]
    fn the_interface_identifier_cannot_be_told_from_the_one_before() {
        let pools = pools("2001:db8:d:1::/64");
        let mut random = Random::new([2; 32]);
        let mut draw =
            || u128::from(pools.draw(Now::default(), &mut random, |_| true).unwrap()) as u64;
        let (first, second) = (draw(), draw());
        assert!((first ^ second).count_ones() > 8);
        assert!(first > u64::from(u16::MAX) && second > u64::from(u16::MAX));
    }

    #[test]
    fn reserved_identifiers_are_nobodys() {
        let pools = pools("2001:db8:d:1::/64");
        let pool = &pools.pools[0];
        for reserved in ["::", "::fdff:ffff:ffff:fffe", "::200:5eff:fe00:5213"] {
            let bits = u128::from(reserved.parse::<Ipv6Addr>().unwrap());
            assert!(!pool.is_assignable(&pool.at(bits)), "{reserved}");
        }
        assert!(pool.is_assignable(&pool.at(7)));
        assert!(!pool.is_assignable(&"2001:db8:d:2::7".parse().unwrap()));
        assert_eq!(pool.size(), u64::MAX);
    }
}
