//! The bound home addresses, by address and by where their tunnels go

use std::collections::BTreeSet;
use std::mem;
use std::net::Ipv6Addr;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use dhp_proto::anchor::PoolKind;
use dhp_proto::security_association::MnId;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;
use ipnet::Ipv6Net;

use super::by_care_of::ByCareOf;
use super::{FurtherCareOf, TunnelPath};

/// A bound home address, as the anchor's last event about it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// What kind of address it is.
    pub kind: PoolKind,
    /// Whose it is.
    pub mn: Arc<MnId>,
    /// When the binding ends by itself, in monotonic nanoseconds; `None` for never.
    pub expires_ns: Option<u64>,
    /// Where its packets go, but for those that flow rules send elsewhere.
    pub path: TunnelPath,
    /// The number of the next hop in the segment.
    pub(super) next_hop: u32,
    /// The care-of addresses that flow rules can name; none where there is but one.
    pub further: Box<[FurtherCareOf]>,
}

impl BoundAddress {
    /// Whether it has several care-of addresses.
    pub(super) fn is_split(&self) -> bool {
        !self.further.is_empty()
    }

    /// Every care-of address, some of them twice.
    pub(super) fn care_ofs(&self) -> impl Iterator<Item = Ipv6Addr> {
        let further = self.further.iter().map(|further| further.path.care_of);
        further.chain([self.path.care_of])
    }
}

/// All of them. There may be millions, and each handoff comes here, so that what it touches is small and lies dense.
#[derive(Debug, Default)]
pub(super) struct BoundAddresses {
    by_address: IndexMap<Ipv6Addr, BoundAddress, RandomState>,
    /// For those who look at them page by page: handoffs and refreshes have nothing to do with it.
    in_order: BTreeSet<Ipv6Addr>,
    /// By the place in `by_address`.
    by_care_of: ByCareOf,
}

impl BoundAddresses {
    /// None, with space for so many. What grows while millions are there stops signalling for as long as that takes; space that
    /// nothing has been put into is no memory yet.
    pub(super) fn with_space_for(count: usize) -> Self {
        Self {
            by_address: IndexMap::with_capacity_and_hasher(count, RandomState::default()),
            in_order: BTreeSet::new(),
            by_care_of: ByCareOf::with_space_for(count),
        }
    }

    /// Reads what an event about an address will need, and gives a number that tells nothing.
    pub(super) fn look_at(&self, home_address: Ipv6Addr) -> u32 {
        let Some((place, _, bound)) = self.by_address.get_full(&home_address) else {
            return 0;
        };
        bound.next_hop ^ self.by_care_of.look_at(place, bound)
    }

    pub(super) fn get(&self, home_address: Ipv6Addr) -> Option<&BoundAddress> {
        self.by_address.get(&home_address)
    }

    /// How many have several care-of addresses.
    pub(super) fn split(&self) -> usize {
        self.by_care_of.split()
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

    /// Those with care-of addresses in a prefix; with several there, perhaps more than once.
    pub(super) fn going_to(&self, prefix: Ipv6Net) -> impl Iterator<Item = Ipv6Addr> {
        let near = self.by_care_of.near(prefix);
        let tunnels = near.filter_map(|place| self.by_address.get_index(place));
        tunnels
            .filter(move |(_, bound)| bound.care_ofs().any(|care_of| prefix.contains(&care_of)))
            .map(|(home_address, _)| *home_address)
    }

    /// Adds an address, or has what is new of it. The further care-of addresses of one that is known stay.
    pub(super) fn set(&mut self, home_address: Ipv6Addr, bound: BoundAddress) {
        match self.by_address.entry(home_address) {
            Entry::Occupied(mut known) => {
                let place = known.index();
                self.by_care_of.change(place, known.get_mut(), |known| {
                    let further = mem::take(&mut known.further);
                    *known = BoundAddress { further, ..bound };
                });
            }
            Entry::Vacant(new) => {
                self.in_order.insert(home_address);
                self.by_care_of.add(new.index(), &bound);
                new.insert(bound);
            }
        }
    }

    /// Changes what is known of an address, if it is bound.
    pub(super) fn change(
        &mut self,
        home_address: Ipv6Addr,
        change: impl FnOnce(&mut BoundAddress),
    ) {
        if let Some((place, _, bound)) = self.by_address.get_full_mut(&home_address) {
            self.by_care_of.change(place, bound, change);
        }
    }

    /// Takes an address out. The last one comes into its place.
    pub(super) fn remove(&mut self, home_address: Ipv6Addr) {
        let Some((place, _, before)) = self.by_address.swap_remove_full(&home_address) else {
            return;
        };
        self.in_order.remove(&home_address);
        self.by_care_of.remove(place, &before);
        if let Some((_, moved)) = self.by_address.get_index(place) {
            self.by_care_of.remove(self.by_address.len(), moved);
            self.by_care_of.add(place, moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            further: Box::default(),
        }
    }

    fn further(links: &[u16]) -> Box<[FurtherCareOf]> {
        let further = links.iter().map(|link| FurtherCareOf {
            bid: *link,
            path: at(*link, 1).path,
            next_hop: 0,
            previous: None,
        });
        further.collect()
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
        assert_eq!(all.by_care_of.len(), 2);
    }

    /// Against a search through all of them, after each of some thousand handoffs within and between networks, and ends.
    #[test]
    fn a_prefix_finds_what_a_search_of_all_finds() {
        let mut all = BoundAddresses::with_space_for(10);
        let mut model: BTreeMap<Ipv6Addr, Ipv6Addr> = BTreeMap::new();
        // Numbers of no pattern, the same in each run.
        let mut state = 1_u32;
        let mut draw = |below: u16| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16 % below
        };
        for _ in 0..3_000 {
            let address = home(draw(50));
            let mut bound = at(draw(4), 1);
            let mut segments = bound.path.care_of.segments();
            segments[2] = draw(3);
            bound.path.care_of = segments.into();
            if draw(4) == 0 {
                all.remove(address);
                model.remove(&address);
            } else {
                model.insert(address, bound.path.care_of);
                all.set(address, bound);
            }
            let prefix = Ipv6Net::new(
                segments.into(),
                [0, 44, 47, 48, 62, 63, 64][draw(7) as usize],
            );
            let prefix = prefix.expect("a prefix").trunc();
            let there = model
                .iter()
                .filter(|(_, care_of)| prefix.contains(*care_of));
            let there: Vec<_> = there.map(|(address, _)| *address).collect();
            assert_eq!(going_to(&all, &prefix.to_string()), there, "{prefix}");
            assert_eq!(all.by_care_of.len(), model.len());
        }
    }

    /// What a handoff of the first choice brings, an event of one address, leaves the others where they are.
    #[test]
    fn a_home_address_with_several_care_of_addresses_is_found_by_each() {
        let mut all = BoundAddresses::default();
        for number in 1..=3 {
            all.set(home(number), at(number, number));
        }
        all.change(home(1), |bound| bound.further = further(&[1, 7, 8]));
        all.set(home(1), at(6, 1));
        assert_eq!(all.split(), 1);
        let links = |all: &BoundAddresses| {
            let on = |link: u16| going_to(all, &format!("2001:db8:a:{link}::/64"));
            let links = (1..=9).filter(|link| on(*link) == [home(1)]);
            links.collect::<Vec<u16>>()
        };
        assert_eq!(links(&all), [1, 6, 7, 8]);
        // It comes into the place of the second.
        all.remove(home(3));
        all.set(home(3), at(3, 3));
        all.remove(home(2));
        assert_eq!(links(&all), [1, 6, 7, 8]);
        all.change(home(1), |bound| bound.further = further(&[6, 9]));
        assert_eq!((links(&all), all.split()), (vec![6, 9], 1));
        all.change(home(1), |bound| bound.further = Box::default());
        assert_eq!((links(&all), all.split()), (vec![6], 0));
        all.change(home(1), |bound| bound.further = further(&[6, 9]));
        all.remove(home(1));
        assert_eq!((links(&all), all.split()), (vec![], 0));
        assert_eq!(all.by_care_of.len(), 1);
    }
}
