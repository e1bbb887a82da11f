//! Everything that is mirrored of the kernel, kept up to date

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::kernel::{Change, Followed, KernelRoute, Link, Neighbour, RouteKind, Touched};
use super::prefixes::LongestPrefix;

/// Everything mirrored. Ordered maps, so that equal states give equal plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    links: BTreeMap<u32, Link>,
    /// Those of a prefix in the order in which the kernel tries those of one metric.
    routes: LongestPrefix<Vec<KernelRoute>>,
    /// By address first, so that those in a prefix stand together.
    neighbours: BTreeMap<(Ipv6Addr, u32), Neighbour>,
    /// How many routes lead to each router, by the number of its link.
    gateways: BTreeMap<(u32, Ipv6Addr), usize>,
    /// How many routes lead by each link.
    by_link: BTreeMap<u32, usize>,
    touched: Touched,
}

impl KernelState {
    /// The interfaces.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// An interface by its number.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    /// The destinations of all routes, each once.
    pub fn destinations(&self) -> impl Iterator<Item = Ipv6Net> {
        self.routes.iter().map(|(destination, _)| destination)
    }

    /// The route the kernel would use of those to exactly this prefix: the one of the lowest metric.
    pub fn best_route(&self, destination: Ipv6Net) -> Option<&KernelRoute> {
        best(self.routes.get(destination)?)
    }

    /// The route the kernel would use for an address.
    pub fn route_to(&self, address: Ipv6Addr) -> Option<&KernelRoute> {
        best(self.routes.lookup(address)?)
    }

    /// The neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.values()
    }

    /// The neighbours whose addresses are in a prefix.
    pub fn neighbours_in(&self, prefix: Ipv6Net) -> impl Iterator<Item = &Neighbour> {
        let (first, last) = ((prefix.network(), 0), (prefix.broadcast(), u32::MAX));
        self.neighbours.range(first..=last).map(|(_, found)| found)
    }

    /// A neighbour cache entry.
    pub fn neighbour(&self, interface: u32, address: Ipv6Addr) -> Option<&Neighbour> {
        self.neighbours.get(&(address, interface))
    }

    /// The routers that routes lead to, by the number of their link.
    pub fn gateways(&self) -> impl Iterator<Item = (u32, Ipv6Addr)> {
        self.gateways.keys().copied()
    }

    /// Whether any route leads by a link.
    pub fn has_routes_by(&self, index: u32) -> bool {
        self.by_link.contains_key(&index)
    }

    /// What has become different since the last call.
    pub fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Take over all routes, read anew.
    pub fn replace_routes(&mut self, routes: Vec<KernelRoute>) {
        let mut now: LongestPrefix<Vec<KernelRoute>> = LongestPrefix::default();
        for route in routes {
            let destination = route.destination;
            let mut same = now.remove(destination).unwrap_or_default();
            same.push(route);
            now.insert(destination, same);
        }
        let before = self.routes.iter().map(|(prefix, _)| prefix);
        let gone: Vec<Ipv6Net> = before.filter(|prefix| now.get(*prefix).is_none()).collect();
        for prefix in gone {
            self.set_routes(prefix, Vec::new());
        }
        for (prefix, routes) in now.iter() {
            if self.routes.get(prefix) != Some(routes) {
                self.set_routes(prefix, routes.clone());
            }
        }
    }

    /// Become as `now`, which was read anew.
    pub fn resync(&mut self, now: Self) {
        if *self == Self::default() {
            *self = now;
            return;
        }
        let gone: Vec<u32> = self.links.keys().copied().collect();
        for index in gone.into_iter().filter(|index| now.link(*index).is_none()) {
            self.apply(Change::LinkGone(index));
        }
        for link in now.links.into_values() {
            self.apply(Change::Link(link));
        }
        let gone: Vec<(Ipv6Addr, u32)> = self.neighbours.keys().copied().collect();
        for (address, interface) in gone {
            if !now.neighbours.contains_key(&(address, interface)) {
                self.apply(Change::NeighbourGone(interface, address));
            }
        }
        for neighbour in now.neighbours.into_values() {
            self.apply(Change::Neighbour(neighbour));
        }
        let routes = now.routes.iter().flat_map(|(_, same)| same.iter().cloned());
        self.replace_routes(routes.collect());
    }

    /// Follow one notification. What it costs does not grow with the number of routes.
    pub fn apply(&mut self, change: Change) -> Followed {
        match change {
            Change::Link(link) => {
                let before = self.links.insert(link.index, link.clone());
                if before.as_ref() == Some(&link) {
                    return Followed::Same;
                }
                let went_down = !link.up && before.as_ref().is_some_and(|before| before.up);
                self.touched.links.push((before, Some(link)));
                match went_down {
                    // The kernel may be set not to tell of the routes that went with it (skip_notify_on_dev_down).
                    true => Followed::Unclear,
                    false => Followed::Changed,
                }
            }
            Change::LinkGone(index) => {
                let Some(before) = self.links.remove(&index) else {
                    return Followed::Same;
                };
                self.touched.links.push((Some(before), None));
                let keys = self.neighbours.keys().copied();
                let on_it: Vec<_> = keys.filter(|(_, interface)| *interface == index).collect();
                for (address, interface) in on_it {
                    self.apply(Change::NeighbourGone(interface, address));
                }
                Followed::Unclear
            }
            Change::Route(route) => {
                let destination = route.destination;
                let mut same = self.routes_of(destination);
                if !same.contains(&route) {
                    same.push(route);
                }
                self.set_routes(destination, same)
            }
            Change::Multipath(hops) => {
                let Some(first) = hops.first().cloned() else {
                    return Followed::Same;
                };
                let mut same = self.routes_of(first.destination);
                same.retain(|other| !(other.is_alike(&first) && other.shares()));
                same.extend(hops);
                self.set_routes(first.destination, same)
            }
            Change::Replaced(hops) => {
                let Some(first) = hops.first().cloned() else {
                    return Followed::Same;
                };
                let mut same = self.routes_of(first.destination);
                replace(&mut same, &first, hops);
                self.set_routes(first.destination, same)
            }
            Change::RouteGone(gone) => {
                let mut followed = Followed::Same;
                for route in gone {
                    let mut same = self.routes_of(route.destination);
                    let before = same.len();
                    same.retain(|other| *other != route);
                    followed = followed.max(match before == same.len() + 1 {
                        true => self.set_routes(route.destination, same),
                        false => Followed::Unclear,
                    });
                }
                followed
            }
            Change::Neighbour(neighbour) => {
                let key = (neighbour.address, neighbour.interface);
                if self.neighbours.insert(key, neighbour) == Some(neighbour) {
                    return Followed::Same;
                }
                self.touch_neighbour(neighbour.interface, neighbour.address)
            }
            Change::NeighbourGone(interface, address) => {
                match self.neighbours.remove(&(address, interface)) {
                    Some(_) => self.touch_neighbour(interface, address),
                    None => Followed::Same,
                }
            }
        }
    }

    fn touch_neighbour(&mut self, interface: u32, address: Ipv6Addr) -> Followed {
        self.touched.neighbours.insert((interface, address));
        Followed::Changed
    }

    fn routes_of(&self, destination: Ipv6Net) -> Vec<KernelRoute> {
        self.routes.get(destination).cloned().unwrap_or_default()
    }

    fn set_routes(&mut self, destination: Ipv6Net, routes: Vec<KernelRoute>) -> Followed {
        if self.routes_of(destination) == routes {
            return Followed::Same;
        }
        for route in &routes {
            if let Some(gateway) = route.to_router() {
                *self.gateways.entry(gateway).or_default() += 1;
            }
            if let Some(interface) = route.interface {
                *self.by_link.entry(interface).or_default() += 1;
            }
        }
        let before = match routes.is_empty() {
            true => self.routes.remove(destination),
            false => self.routes.insert(destination, routes),
        };
        for route in before.iter().flatten() {
            if let Some(gateway) = route.to_router() {
                one_less(&mut self.gateways, gateway);
            }
            if let Some(interface) = route.interface {
                one_less(&mut self.by_link, interface);
            }
        }
        self.touched.prefixes.insert(destination);
        Followed::Changed
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// The route of a prefix that the kernel would use.
fn best(same: &[KernelRoute]) -> Option<&KernelRoute> {
    same.iter()
        .min_by_key(|route| (route.kind != RouteKind::Local, route.metric))
}

/// Puts `hops` where the kernel does (fib6_add_rt2node): in the place of the first route alike that shares packets as they
/// do, with all that share its packets; else of the first one alike.
fn replace(same: &mut Vec<KernelRoute>, new: &KernelRoute, hops: Vec<KernelRoute>) {
    let is_alike = |other: &KernelRoute| other.is_alike(new);
    let is_like_it = |other: &KernelRoute| is_alike(other) && other.shares() == new.shares();
    let at = same.iter().position(is_like_it);
    let Some(at) = at.or_else(|| same.iter().position(is_alike)) else {
        same.extend(hops);
        return;
    };
    let replaced = same.remove(at);
    if replaced.shares() {
        same.retain(|other| !(is_alike(other) && other.shares()));
    }
    let at = at.min(same.len());
    same.splice(at..at, hops);
}
