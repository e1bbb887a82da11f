//! Bound home addresses by where their care-of addresses are

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::BoundAddress;

/// The upper half of an address: its /64.
type Link = u64;

/// Where those are found whose care-of addresses are in one prefix. A home address goes by its place among all.
#[derive(Debug, Default)]
pub(super) struct ByCareOf {
    /// The link of each care-of address, and the place: those of one prefix stand together.
    places: BTreeSet<(Link, usize)>,
    /// How many home addresses have several care-of addresses.
    split: usize,
}

impl ByCareOf {
    /// How many home addresses have several care-of addresses.
    pub(super) fn split(&self) -> usize {
        self.split
    }

    /// The places of those with care-of addresses on links that a prefix has to do with.
    pub(super) fn near(&self, prefix: Ipv6Net) -> impl Iterator<Item = usize> {
        let first = (link_of(prefix.network()), 0);
        let last = (link_of(prefix.broadcast()), usize::MAX);
        self.places.range(first..=last).map(|(_, place)| *place)
    }

    pub(super) fn add(&mut self, place: usize, bound: &BoundAddress) {
        for care_of in bound.care_ofs() {
            self.places.insert((link_of(care_of), place));
        }
        self.split = self.split.saturating_add(bound.is_split().into());
    }

    pub(super) fn remove(&mut self, place: usize, bound: &BoundAddress) {
        for care_of in bound.care_ofs() {
            self.places.remove(&(link_of(care_of), place));
        }
        self.split = self.split.saturating_sub(bound.is_split().into());
    }

    /// Follows a change of an address. What has one care-of address and stays on its link, as nearly all do, costs nothing.
    pub(super) fn change(
        &mut self,
        place: usize,
        bound: &mut BoundAddress,
        change: impl FnOnce(&mut BoundAddress),
    ) {
        let before = only_link(bound);
        if before.is_none() {
            self.remove(place, bound);
        }
        change(bound);
        if let Some(link) = before {
            if only_link(bound) == before {
                return;
            }
            self.places.remove(&(link, place));
        }
        self.add(place, bound);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

/// The link of the care-of address, if there is but one that packets may go to.
fn only_link(bound: &BoundAddress) -> Option<Link> {
    (!bound.is_split() && bound.test.is_none()).then(|| link_of(bound.path.care_of))
}

fn link_of(address: Ipv6Addr) -> Link {
    Link::try_from(address.to_bits() >> 64).unwrap_or(Link::MAX)
}
