//! Bound home addresses by where their care-of addresses are

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::BoundAddress;

/// The upper half of an address: its /64.
type Link = u64;
/// What the links of a /48 have in common.
type Network = u64;

/// Bits of a link that its network does not have.
const LINK_BITS: u32 = 16;

/// A home address with one care-of address.
#[derive(Debug, Clone, Copy)]
struct Tunnel {
    place: u32,
    /// Which link of the network.
    link: u16,
}

/// Where those are found whose care-of addresses are in one prefix. A home address goes by its place among all.
///
/// Each handoff comes here, a change of routes hardly ever, so that a handoff finds its two ends without a search, and a route
/// goes through all that there is in its /48.
#[derive(Debug, Default)]
pub(super) struct ByCareOf {
    /// The home addresses with one care-of address, in no order within a network.
    networks: BTreeMap<Network, Vec<Tunnel>>,
    /// By place: which of its network it is.
    standing: Vec<u32>,
    /// Those with several, which are few: the link of each care-of address, and the place.
    of_split: BTreeSet<(Link, usize)>,
    /// How many home addresses have several care-of addresses.
    split: usize,
}

impl ByCareOf {
    /// None, with space for so many home addresses.
    pub(super) fn with_space_for(count: usize) -> Self {
        Self {
            standing: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// How many home addresses have several care-of addresses.
    pub(super) fn split(&self) -> usize {
        self.split
    }

    /// The places of those with care-of addresses on links that a prefix has to do with.
    pub(super) fn near(&self, prefix: Ipv6Net) -> impl Iterator<Item = usize> {
        let (first, last) = (link_of(prefix.network()), link_of(prefix.broadcast()));
        let networks = self
            .networks
            .range(network_of(first)..=network_of(last))
            .flat_map(move |(network, tunnels)| {
                let links = (first.saturating_sub(network << LINK_BITS))
                    ..=last.saturating_sub(network << LINK_BITS);
                let is_there = move |tunnel: &&Tunnel| links.contains(&tunnel.link.into());
                tunnels.iter().filter(is_there)
            });
        let split = self.of_split.range((first, 0)..=(last, usize::MAX));
        networks
            .map(|tunnel| tunnel.place as usize)
            .chain(split.map(|(_, place)| *place))
    }

    /// Reads what a handoff from this link will need, and gives a number that tells nothing.
    pub(super) fn look_at(&self, place: usize, bound: &BoundAddress) -> u32 {
        let Some(at) = self.standing.get(place) else {
            return 0;
        };
        let network = network_of(link_of(bound.path.care_of));
        let tunnels = self.networks.get(&network);
        let tunnel = tunnels.and_then(|tunnels| tunnels.get(*at as usize));
        tunnel.map_or(*at, |tunnel| tunnel.place)
    }

    pub(super) fn add(&mut self, place: usize, bound: &BoundAddress) {
        let Some(link) = only_link(bound) else {
            let links = bound.care_ofs().map(link_of);
            self.of_split.extend(links.map(|link| (link, place)));
            self.split = self.split.saturating_add(1);
            return;
        };
        let tunnels = self.networks.entry(network_of(link)).or_default();
        if self.standing.len() <= place {
            self.standing.resize(place.saturating_add(1), u32::MAX);
        }
        // There are no more places than the segment has home addresses, which it counts in 32 bits.
        if let (Some(standing), Ok(at), Ok(place)) = (
            self.standing.get_mut(place),
            u32::try_from(tunnels.len()),
            u32::try_from(place),
        ) {
            *standing = at;
            let link = in_network(link);
            tunnels.push(Tunnel { place, link });
        }
    }

    pub(super) fn remove(&mut self, place: usize, bound: &BoundAddress) {
        let Some(link) = only_link(bound) else {
            for care_of in bound.care_ofs() {
                self.of_split.remove(&(link_of(care_of), place));
            }
            self.split = self.split.saturating_sub(1);
            return;
        };
        self.leave(place, network_of(link));
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
        let after = only_link(bound);
        match (before, after) {
            (Some(before), Some(after)) if before == after => {}
            (Some(before), Some(after)) if network_of(before) == network_of(after) => {
                if let Some(tunnel) = self.tunnel_mut(place, network_of(after)) {
                    tunnel.link = in_network(after);
                }
            }
            (before, _) => {
                if let Some(before) = before {
                    self.leave(place, network_of(before));
                }
                self.add(place, bound);
            }
        }
    }

    fn tunnel_mut(&mut self, place: usize, network: Network) -> Option<&mut Tunnel> {
        let at = *self.standing.get(place)?;
        self.networks.get_mut(&network)?.get_mut(at as usize)
    }

    /// Takes one with a single care-of address out of its network. The last one comes into its place there.
    fn leave(&mut self, place: usize, network: Network) {
        let Some(at) = self.standing.get(place).map(|at| *at as usize) else {
            return;
        };
        let Some(tunnels) = self.networks.get_mut(&network) else {
            return;
        };
        if at >= tunnels.len() {
            return;
        }
        tunnels.swap_remove(at);
        let moved = tunnels.get(at).map(|moved| moved.place as usize);
        if let Some(standing) = moved.and_then(|moved| self.standing.get_mut(moved)) {
            *standing = u32::try_from(at).unwrap_or(u32::MAX);
        }
        if tunnels.is_empty() {
            self.networks.remove(&network);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let tunnels = self.networks.values().map(Vec::len);
        tunnels.sum::<usize>() + self.of_split.len()
    }
}

/// The link of the care-of address, if there is but one that packets may go to.
fn only_link(bound: &BoundAddress) -> Option<Link> {
    (!bound.is_split() && bound.test.is_none()).then(|| link_of(bound.path.care_of))
}

fn link_of(address: Ipv6Addr) -> Link {
    Link::try_from(address.to_bits() >> 64).unwrap_or(Link::MAX)
}

fn network_of(link: Link) -> Network {
    link >> LINK_BITS
}

fn in_network(link: Link) -> u16 {
    u16::try_from(link & ((1 << LINK_BITS) - 1)).unwrap_or(u16::MAX)
}
