//! The bound home addresses, by address and by where their tunnels go

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use dhp_proto::anchor::PoolKind;
use dhp_proto::security_association::MnId;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use ipnet::Ipv6Net;

use super::TunnelPath;

/// A bound home address, as the anchor's last event about it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// What kind of address it is.
    pub kind: PoolKind,
    /// Whose it is.
    pub mn: Arc<MnId>,
    /// When the binding ends by itself, in monotonic nanoseconds; `None` for never.
    pub expires_ns: Option<u64>,
    /// Where its packets go.
    pub path: TunnelPath,
    /// The number of the next hop in the segment.
    pub(super) next_hop: u32,
}

/// The upper half of an address: its /64.
type Link = u64;

/// All of them. There may be millions, and each handoff comes here, so that what it touches is small and lies dense.
#[derive(Debug, Default)]
pub(super) struct BoundAddresses {
    by_address: IndexMap<Ipv6Addr, BoundAddress, RandomState>,
    /// For those who look at them page by page: handoffs and refreshes have nothing to do with it.
    in_order: BTreeSet<Ipv6Addr>,
    /// The link of each care-of address, and the place in `by_address`: those whose care-of addresses are in one prefix stand
    /// together.
    by_link: BTreeSet<(Link, usize)>,
}

impl BoundAddresses {
    pub(super) fn get(&self, home_address: Ipv6Addr) -> Option<&BoundAddress> {
        self.by_address.get(&home_address)
    }

    /// Those behind `after`, in their order.
    pub(super) fn after(
        &self,
        after: Option<Ipv6Addr>,
    ) -> impl Iterator<Item = (&Ipv6Addr, &BoundAddress)> {
        self.in_order
            .range((after.map_or(Unbounded, Excluded), Unbounded))
            .filter_map(|home_address| self.by_address.get_key_value(home_address))
    }

    /// Those whose care-of addresses are in a prefix.
    pub(super) fn going_to(&self, prefix: Ipv6Net) -> impl Iterator<Item = Ipv6Addr> {
        let first = (link_of(prefix.network()), 0);
        let last = (link_of(prefix.broadcast()), usize::MAX);
        let on_links = self.by_link.range(first..=last);
        let tunnels = on_links.filter_map(|(_, place)| self.by_address.get_index(*place));
        tunnels
            .filter(move |(_, bound)| prefix.contains(&bound.path.care_of))
            .map(|(home_address, _)| *home_address)
    }

    /// Adds an address, or has what is new of it.
    pub(super) fn set(&mut self, home_address: Ipv6Addr, bound: BoundAddress) {
        let link = link_of(bound.path.care_of);
        let (place, before) = self.by_address.insert_full(home_address, bound);
        let before = before.map(|before| link_of(before.path.care_of));
        if before == Some(link) {
            return;
        }
        match before {
            Some(before) => self.by_link.remove(&(before, place)),
            None => self.in_order.insert(home_address),
        };
        self.by_link.insert((link, place));
    }

    /// Takes an address out. The last one comes into its place.
    pub(super) fn remove(&mut self, home_address: Ipv6Addr) {
        let Some((place, _, before)) = self.by_address.swap_remove_full(&home_address) else {
            return;
        };
        self.in_order.remove(&home_address);
        self.by_link.remove(&(link_of(before.path.care_of), place));
        if let Some((_, moved)) = self.by_address.get_index(place) {
            let link = link_of(moved.path.care_of);
            self.by_link.remove(&(link, self.by_address.len()));
            self.by_link.insert((link, place));
        }
    }
}

fn link_of(address: Ipv6Addr) -> Link {
    Link::try_from(address.to_bits() >> 64).unwrap_or(Link::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, number)
    }

    fn at(link: u16, number: u16) -> BoundAddress {
        BoundAddress {
            kind: PoolKind::Dhoa,
            mn: Arc::new(MnId::nai("mn1@example.net")),
            expires_ns: None,
            path: TunnelPath {
                care_of: Ipv6Addr::new(0x2001, 0xdb8, 0xa, link, 0, 0, 0, number),
                next_hop: None,
                mtu: 1460,
            },
            next_hop: 0,
        }
    }

    fn going_to(all: &BoundAddresses, prefix: &str) -> Vec<Ipv6Addr> {
        let mut found: Vec<_> = all.going_to(prefix.parse().expect("a prefix")).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn tunnels_are_found_by_any_prefix_of_their_care_of_addresses() {
        let mut all = BoundAddresses::default();
        for number in 1..=3 {
            all.set(home(number), at(number, number));
        }
        all.set(home(4), at(1, 4));
        assert_eq!(going_to(&all, "2001:db8:a:1::/64"), [home(1), home(4)]);
        assert_eq!(going_to(&all, "2001:db8:a:1::4/128"), [home(4)]);
        assert_eq!(going_to(&all, "2001:db8:a:2::/63"), [home(2), home(3)]);
        assert_eq!(going_to(&all, "::/0").len(), 4);
        assert!(going_to(&all, "2001:db8:b::/48").is_empty());
    }

    #[test]
    fn a_tunnel_that_moves_or_ends_is_found_where_it_is_and_so_are_the_others() {
        let mut all = BoundAddresses::default();
        for number in 1..=5 {
            all.set(home(number), at(number, number));
        }
        all.set(home(2), at(9, 2));
        assert!(going_to(&all, "2001:db8:a:2::/64").is_empty());
        assert_eq!(going_to(&all, "2001:db8:a:9::/64"), [home(2)]);
        // The fifth comes into the place of the first, and then goes; the fourth into that of the second.
        for number in [1, 5, 2] {
            all.remove(home(number));
            assert_eq!(all.get(home(number)), None);
        }
        all.remove(home(1));
        assert_eq!(going_to(&all, "::/0"), [home(3), home(4)]);
        assert_eq!(going_to(&all, "2001:db8:a:4::/64"), [home(4)]);
        let listed: Vec<_> = all
            .after(Some(home(3)))
            .map(|(address, _)| *address)
            .collect();
        assert_eq!(listed, [home(4)]);
        assert_eq!(all.by_link.len(), 2);
    }
}
