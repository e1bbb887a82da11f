//! The pools that home addresses are from.

use core::net::Ipv6Addr;
use core::ops::RangeInclusive;
use core::time::Duration;

use ipnet::Ipv6Net;

use super::binding_cache::AddressMap;
use super::config::{PoolConfig, PoolKind};
use super::home_link::LinkId;
use super::interface_identifier::{Applicant, IdentifierSecret};
use super::mobile_nodes::MnIndex;
use super::prefix_lifetime::{PrefixEnds, PrefixLifetimes};
use crate::time::Now;
use crate::timer_wheel::TimerKey;

/// Addresses that a mobile node's identifiers are tried for before a pool is searched from the last of them on. RFC 7217 §5
/// has its DAD_Counter go to 3 (IDGEN_RETRIES) where an address is taken by chance; in a narrow pool most are.
const IDENTIFIERS: u8 = 64;

/// Addresses that are searched one by one; a pool that has no free one among them is nearly full.
const SEARCHED: u64 = 4096;

/// RFC 5453 §3: 0200:5eff:fe00:0000 to 0200:5eff:feff:ffff and the subnet anycast addresses of RFC 2526.
const RESERVED: [RangeInclusive<u64>; 2] = [
    0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff,
    0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff,
];

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) prefix: Ipv6Net,
    /// The addresses of the prefix have these bits of `mask`.
    bits: u128,
    mask: u128,
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
    /// Addresses that are not bound, and nobody's but their owners'.
    pub(crate) reserved: usize,
}

impl Pool {
    /// Whether an address is of the prefix, which each update asks several times.
    fn contains(&self, address: &Ipv6Addr) -> bool {
        address.to_bits() & self.mask == self.bits
    }

    /// Number of addresses, at most 2^64 − 1.
    pub(crate) fn size(&self) -> u64 {
        let host_bits = 128_u32.saturating_sub(u32::from(self.prefix.prefix_len()));
        1_u64.checked_shl(host_bits).unwrap_or(u64::MAX)
    }

    /// Number of addresses that can be a mobile node's, at most 2^64 − 1.
    pub(crate) fn assignable(&self) -> u64 {
        if self.prefix.prefix_len() <= 64 {
            // Beside so many, the reserved ones do not count.
            return self.size();
        }
        let low = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        let first = low(u128::from(self.prefix.network()));
        let last = low(u128::from(self.prefix.broadcast()));
        let first = first.saturating_add(u64::from(self.prefix.prefix_len() < 127));
        let reserved = RESERVED.iter().map(|reserved| {
            let (from, to) = (*reserved.start().max(&first), *reserved.end().min(&last));
            to.saturating_add(1).saturating_sub(from)
        });
        let all = last.saturating_sub(first).saturating_add(1);
        all.saturating_sub(reserved.sum())
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
        let reserved = RESERVED.iter().any(|reserved| reserved.contains(&iid));
        self.contains(address) && !subnet_router && !reserved
    }

    /// The first free address of those that are the applicant's. RFC 7217 §5: a reserved identifier is passed over by
    /// the next DAD_Counter, and so is an address that another has.
    fn draw(
        &self,
        secret: IdentifierSecret,
        applicant: Applicant<'_>,
        is_free: impl Fn(&Ipv6Addr) -> bool,
    ) -> Option<Ipv6Addr> {
        let good = |address: &Ipv6Addr| self.is_assignable(address) && is_free(address);
        let mut start = 0;
        for dad_counter in 0..IDENTIFIERS {
            start = secret.host(&self.prefix, applicant, dad_counter);
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
    /// In nanoseconds of [`Now::mono_ns`].
    pub(crate) ends_ns: u64,
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
            bits: pool.prefix.network().to_bits(),
            mask: pool.prefix.netmask().to_bits(),
            kind: pool.kind,
            quarantine: pool.quarantine,
            link: pool.link,
            lifetimes: pool.lifetimes,
            ends: PrefixEnds::of(pool.lifetimes, now),
            timer: None,
            used: 0,
            quarantined: 0,
            reserved: 0,
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
            .find(|(_, pool)| pool.contains(address))
    }

    /// A free address of a DHoA pool, the same for the same applicant as long as nobody else has it.
    pub(crate) fn draw(
        &self,
        now: Now,
        secret: IdentifierSecret,
        applicant: Applicant<'_>,
        is_free: impl Fn(&Ipv6Addr) -> bool,
    ) -> Option<Ipv6Addr> {
        self.pools
            .iter()
            .filter(|pool| pool.kind == PoolKind::Dhoa && pool.ends.is_valid(now))
            .find_map(|pool| pool.draw(secret, applicant, &is_free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security_association::MnId;

    fn pools(prefix: &str) -> Pools {
        Pools::new(
            &[PoolConfig::new(prefix.parse().unwrap(), PoolKind::Dhoa)],
            Now::default(),
        )
    }

    #[test]
    fn reserved_identifiers_are_not_counted() {
        let assignable = |prefix: &str| pools(prefix).pools[0].assignable();
        assert_eq!(assignable("2001:db8:d:1::/127"), 2);
        assert_eq!(assignable("2001:db8:d:1::7/128"), 1);
        assert_eq!(assignable("2001:db8:d:1:fdff:ffff:ffff:ff00/120"), 127);
        assert_eq!(assignable("2001:db8:d:1:fdff:ffff:ffff:fff0/124"), 0);
        assert_eq!(assignable("2001:db8:d:1:200:5eff:fe00:0/103"), 1 << 24);
        assert_eq!(assignable("2001:db8:d:1::/64"), u64::MAX);
    }

    const SECRET: IdentifierSecret = IdentifierSecret::new([2; 32]);

    fn draw(pools: &Pools, mn: u32, is_free: impl Fn(&Ipv6Addr) -> bool) -> Option<Ipv6Addr> {
        let mn = MnId::nai(&format!("mn{mn}@example.net"));
        let applicant = Applicant {
            mn: &mn,
            flow: None,
        };
        pools.draw(Now::default(), SECRET, applicant, is_free)
    }

    #[test]
    fn a_small_pool_is_used_up_to_the_last_address() {
        let pools = pools("2001:db8:d:1::/120");
        let mut taken = hashbrown::HashSet::new();
        for mn in 0.. {
            let Some(address) = draw(&pools, mn, |address| !taken.contains(address)) else {
                break;
            };
            assert!(taken.insert(address));
        }
        // 256 addresses less that of the subnet-router anycast; none of the reserved ones lies there.
        assert_eq!(taken.len(), 255);
    }

    #[test]
    fn a_mobile_node_gets_its_address_again_and_another_where_that_is_taken() {
        let pools = pools("2001:db8:d:1::/64");
        let first = draw(&pools, 1, |_| true).unwrap();
        assert_eq!(draw(&pools, 1, |_| true), Some(first));
        let second = draw(&pools, 1, |address| *address != first).unwrap();
        let others = draw(&pools, 2, |_| true).unwrap();
        for other in [second, others] {
            let differing = u128::from(first) ^ u128::from(other);
            assert!(differing.count_ones() > 8, "{first} and {other}");
        }
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
