//! The kernel's links, routes and neighbours as far as forwarding needs them, and what it tells of them

use std::collections::BTreeSet;
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
    /// Refuses it with another one, since an administrator has forbidden it.
    Prohibited,
    /// Drops it without a word.
    Blackhole,
}

/// A route of the main or the local table, with one next hop or none. A multipath route is several.
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

impl KernelRoute {
    /// The router that it leads to, and the number of its link.
    pub(super) fn to_router(&self) -> Option<(u32, Ipv6Addr)> {
        let leads_on = self.kind == RouteKind::Unicast && !self.encapsulated;
        self.interface.zip(self.gateway).filter(|_| leads_on)
    }

    /// Whether the kernel may have it share packets with others of its metric: rt6_qualify_for_ecmp.
    pub(super) fn shares(&self) -> bool {
        self.gateway.is_some()
    }

    /// Whether the kernel may see the two as one multipath route, or put one in the other's place. Local addresses are in a
    /// table of their own.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let is_local = |route: &Self| route.kind == RouteKind::Local;
        self.metric == other.metric && is_local(self) == is_local(other)
    }
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
    /// A route has these next hops now, all of one prefix and metric.
    Multipath(Vec<KernelRoute>),
    /// A route took the place of another one of its prefix and metric (NLM_F_REPLACE); with all its next hops.
    Replaced(Vec<KernelRoute>),
    /// Routes, or next hops of one, were taken away.
    RouteGone(Vec<KernelRoute>),
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

/// What has become different in a state, so that only the plan of that has to be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Links, as they were and as they are; `None`: not there.
    pub links: Vec<(Option<Link>, Option<Link>)>,
    /// Destinations of routes.
    pub prefixes: BTreeSet<Ipv6Net>,
    /// Neighbours, by the number of their link.
    pub neighbours: BTreeSet<(u32, Ipv6Addr)>,
}

impl Touched {
    /// Nothing is different.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.prefixes.is_empty() && self.neighbours.is_empty()
    }
}
