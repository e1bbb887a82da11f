//! The kernel's links, routes and neighbours as far as forwarding needs them

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address; zero where it has none.
    pub mac: [u8; 6],
    /// The largest IP packet it carries, in octets.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
}

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// An address of the box, anycast ones too.
    Local,
    /// Refuses it with an ICMPv6 error.
    Unreachable,
    /// Drops it without a word.
    Blackhole,
}

/// A route of the main or the local table. Of a multipath route the first next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Which packets.
    pub destination: Ipv6Net,
    /// The kernel prefers lower ones.
    pub metric: u32,
    /// What happens to them.
    pub kind: RouteKind,
    /// The interface they leave by.
    pub interface: Option<u32>,
    /// The router they go to; `None`: the destination is on the link.
    pub gateway: Option<Ipv6Addr>,
    /// Path MTU that an administrator has set, in octets.
    pub mtu: Option<u32>,
    /// The kernel does more with the packet than send it on (a tunnel, segment routing), so that only the kernel can.
    pub encapsulated: bool,
}

/// How far the kernel trusts what it knows of a neighbour (RFC 4861 §7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// Confirmed, or being confirmed while in use, or set by an administrator.
    Confirmed,
    /// RFC 4861: "the neighbor is no longer known to be reachable but until traffic is sent […] no attempt should be
    /// made to verify its reachability". The workers' traffic is not seen by the kernel, so that somebody must ask it to.
    Stale,
    /// No usable address: asked in vain, or not answered yet.
    Unresolved,
}

/// A neighbour cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The link it is on.
    pub interface: u32,
    /// Its IPv6 address.
    pub address: Ipv6Addr,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// How far to trust it.
    pub reachability: Reachability,
}

impl Neighbour {
    /// The MAC address, where packets may be sent to it.
    pub fn usable_mac(&self) -> Option<[u8; 6]> {
        match self.reachability {
            Reachability::Confirmed | Reachability::Stale => self.mac,
            Reachability::Unresolved => None,
        }
    }
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface is there, or is different now.
    Link(Link),
    /// An interface is gone, and with it what hung on it.
    LinkGone(u32),
    /// A route was added.
    Route(KernelRoute),
    /// A route was taken away.
    RouteGone(KernelRoute),
    /// Something that cannot be followed step by step (multipath, replacement): read all routes again.
    RoutesUnclear,
    /// A neighbour is there, or is different now.
    Neighbour(Neighbour),
    /// A neighbour cache entry is gone.
    NeighbourGone(u32, Ipv6Addr),
}

/// Whether a change could be followed. The greater, the more is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Followed {
    /// Nothing is different.
    Same,
    /// The state is as the kernel's again.
    Changed,
    /// All routes must be read again.
    Unclear,
}

/// Everything mirrored. Ordered maps, so that equal states give equal plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    links: BTreeMap<u32, Link>,
    routes: BTreeMap<Ipv6Net, Vec<KernelRoute>>,
    neighbours: BTreeMap<(u32, Ipv6Addr), Neighbour>,
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

    /// The route the kernel would use for each destination prefix: the one of the lowest metric.
    pub fn best_routes(&self) -> impl Iterator<Item = &KernelRoute> {
        self.routes.values().filter_map(|same| {
            same.iter()
                .min_by_key(|route| (route.kind != RouteKind::Local, route.metric))
        })
    }

    /// The neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.values()
    }

    /// A neighbour cache entry.
    pub fn neighbour(&self, interface: u32, address: Ipv6Addr) -> Option<&Neighbour> {
        self.neighbours.get(&(interface, address))
    }

    /// Take over all routes, read anew.
    pub fn replace_routes(&mut self, routes: Vec<KernelRoute>) {
        self.routes.clear();
        for route in routes {
            self.routes
                .entry(route.destination)
                .or_default()
                .push(route);
        }
    }

    /// Follow one notification.
    pub fn apply(&mut self, change: Change) -> Followed {
        match change {
            Change::Link(link) => {
                let went_down =
                    !link.up && self.links.get(&link.index).is_some_and(|before| before.up);
                let same = self.links.insert(link.index, link.clone()).as_ref() == Some(&link);
                match (went_down, same) {
                    // The kernel may be set not to tell of the routes that went with it (skip_notify_on_dev_down).
                    (true, _) => Followed::Unclear,
                    (false, true) => Followed::Same,
                    (false, false) => Followed::Changed,
                }
            }
            Change::LinkGone(index) => {
                self.neighbours
                    .retain(|(interface, _), _| *interface != index);
                match self.links.remove(&index) {
                    Some(_) => Followed::Unclear,
                    None => Followed::Same,
                }
            }
            Change::Route(route) => {
                let same = self.routes.entry(route.destination).or_default();
                if same.contains(&route) {
                    return Followed::Same;
                }
                // IPv6 routes that differ only in their next hop are one multipath route to the kernel.
                let siblings = same
                    .iter()
                    .any(|other| other.metric == route.metric && other.kind == route.kind);
                same.push(route);
                if siblings {
                    Followed::Unclear
                } else {
                    Followed::Changed
                }
            }
            Change::RouteGone(route) => {
                let Some(same) = self.routes.get_mut(&route.destination) else {
                    return Followed::Unclear;
                };
                let before = same.len();
                same.retain(|other| *other != route);
                let after = same.len();
                if after == 0 {
                    self.routes.remove(&route.destination);
                }
                if before == after + 1 {
                    Followed::Changed
                } else {
                    Followed::Unclear
                }
            }
            Change::RoutesUnclear => Followed::Unclear,
            Change::Neighbour(neighbour) => {
                let key = (neighbour.interface, neighbour.address);
                match self.neighbours.insert(key, neighbour) {
                    Some(before) if before == neighbour => Followed::Same,
                    _ => Followed::Changed,
                }
            }
            Change::NeighbourGone(interface, address) => {
                match self.neighbours.remove(&(interface, address)) {
                    Some(_) => Followed::Changed,
                    None => Followed::Same,
                }
            }
        }
    }
}
