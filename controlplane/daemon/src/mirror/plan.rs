//! From the kernel's state to what the workers shall do: a pure function

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::kernel::{KernelRoute, KernelState, Link, RouteKind};
use super::prefixes::LongestPrefix;
use crate::config::Config;

/// What of the configuration decides over addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Territory {
    /// Names of the ports, in the order of the workers' port numbers.
    pub ports: Vec<String>,
    /// The box's own anchor addresses.
    pub anchors: Vec<Ipv6Addr>,
    /// Address pools.
    pub pools: Vec<Ipv6Net>,
    /// Prefixes of correspondents that this DHP covers.
    pub coverage: Vec<Ipv6Net>,
}

impl Territory {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let ports = config.ports.iter();
        Self {
            ports: ports.map(|port| port.interface.clone()).collect(),
            anchors: vec![config.anchor.address],
            pools: config.pools.iter().map(|pool| pool.prefix).collect(),
            coverage: match config.anchor.roles.dhp {
                true => config.coverage.clone(),
                false => Vec::new(),
            },
        }
    }
}

/// A neighbour that packets are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHopKey {
    /// The workers' number of the port.
    pub port: u16,
    /// The neighbour: a router, or the destination itself.
    pub address: Ipv6Addr,
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHopFacts {
    /// Its MAC address; `None`: the kernel has not resolved it.
    pub mac: Option<[u8; 6]>,
    /// The port's MAC address.
    pub source_mac: [u8; 6],
    /// The link's MTU, in octets.
    pub mtu: u16,
}

/// What happens to packets of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedAction {
    /// They go to this neighbour.
    Via(NextHopKey),
    /// Their destination is on the link of a port, and not known to the kernel yet.
    Connected {
        /// The workers' number of the port.
        port: u16,
    },
    /// The kernel routes them, by an interface that is no port or in a way that only it can.
    ByKernel,
    /// They are for the box itself.
    Local,
    /// They are for the anchor: tunnels and signalling.
    Anchor,
    /// They are for a mobile node.
    Pool,
    /// They are refused.
    Unreachable,
    /// They are dropped.
    Blackhole,
}

/// A prefix and what happens to its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRoute {
    /// Which packets.
    pub prefix: Ipv6Net,
    /// What happens.
    pub action: PlannedAction,
    /// The path MTU as far as this box knows it, in octets.
    pub mtu: u16,
}

/// Everything the workers need to know of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ordered by prefix, each once.
    pub routes: Vec<PlannedRoute>,
    /// The prefixes of which this box answers DHP Queries, at the home-agents anycast addresses of their links.
    pub coverage: Vec<Ipv6Net>,
    /// All next hops that a route names.
    pub next_hops: BTreeMap<NextHopKey, NextHopFacts>,
    /// Routers that routes lead to, as interface number and address; the kernel is to keep them resolved.
    pub gateways: Vec<(u32, Ipv6Addr)>,
}

/// The route MTU where nothing says otherwise: RFC 8200 §5, the least that every link carries.
const LEAST_MTU: u16 = 1280;

/// The destinations that never leave the host kernel: link-local, multicast, loopback and unspecified addresses.
fn stays_with_kernel(destination: &Ipv6Net) -> bool {
    let address = destination.network();
    destination.prefix_len() > 0
        && (address.is_multicast()
            || address.is_unicast_link_local()
            || address.is_loopback()
            || (address.is_unspecified() && destination.prefix_len() == 128))
}

/// Make the plan.
pub fn plan(state: &KernelState, territory: &Territory) -> Plan {
    let mut planner = Planner {
        state,
        territory,
        ports: ports(state, territory),
        routes: BTreeMap::new(),
        next_hops: BTreeMap::new(),
        gateways: Vec::new(),
    };
    let on_link = planner.kernel_routes();
    planner.neighbours(&on_link);
    planner.own_addresses();
    planner.gateways.sort_unstable();
    planner.gateways.dedup();
    Plan {
        routes: planner.routes.into_values().collect(),
        coverage: territory.coverage.clone(),
        next_hops: planner.next_hops,
        gateways: planner.gateways,
    }
}

/// Which interface numbers are ports, and which.
fn ports<'a>(state: &'a KernelState, territory: &Territory) -> BTreeMap<u32, (u16, &'a Link)> {
    let named = territory.ports.iter().zip(0_u16..);
    named
        .filter_map(|(name, port)| {
            let link = state.links().find(|link| link.name == *name)?;
            Some((link.index, (port, link)))
        })
        .collect()
}

struct Planner<'a> {
    state: &'a KernelState,
    territory: &'a Territory,
    ports: BTreeMap<u32, (u16, &'a Link)>,
    routes: BTreeMap<Ipv6Net, PlannedRoute>,
    next_hops: BTreeMap<NextHopKey, NextHopFacts>,
    gateways: Vec<(u32, Ipv6Addr)>,
}

impl Planner<'_> {
    fn put(&mut self, prefix: Ipv6Net, action: PlannedAction, mtu: u16) {
        self.routes.insert(
            prefix,
            PlannedRoute {
                prefix,
                action,
                mtu,
            },
        );
    }

    fn in_pool(&self, prefix: &Ipv6Net) -> bool {
        self.territory
            .pools
            .iter()
            .any(|pool| pool.contains(prefix))
    }

    /// Plans the kernel's routes; returns which link each on-link prefix belongs to, among the routes that hide it.
    fn kernel_routes(&mut self) -> LongestPrefix<Option<u32>> {
        let mut on_link = LongestPrefix::default();
        for route in self.state.best_routes() {
            if stays_with_kernel(&route.destination) {
                continue;
            }
            // A pool is this box's, whatever else is routed there: it is how the kernel is told to hand its packets over.
            if route.kind != RouteKind::Local && self.in_pool(&route.destination) {
                continue;
            }
            let owner = match (route.kind, route.gateway) {
                (RouteKind::Unicast, None) => route.interface,
                _ => None,
            };
            on_link.insert(route.destination, owner);
            let (action, mtu) = self.action(route);
            self.put(route.destination, action, mtu);
        }
        on_link
    }

    fn action(&mut self, route: &KernelRoute) -> (PlannedAction, u16) {
        match route.kind {
            RouteKind::Local => (PlannedAction::Local, LEAST_MTU),
            RouteKind::Unreachable => (PlannedAction::Unreachable, LEAST_MTU),
            RouteKind::Blackhole => (PlannedAction::Blackhole, LEAST_MTU),
            RouteKind::Unicast => {
                let Some(index) = route.interface else {
                    return (PlannedAction::Unreachable, LEAST_MTU);
                };
                let mtu = self.path_mtu(index, route.mtu);
                let Some((port, _)) = self
                    .ports
                    .get(&index)
                    .copied()
                    .filter(|_| !route.encapsulated)
                else {
                    return (PlannedAction::ByKernel, mtu);
                };
                match route.gateway {
                    None => (PlannedAction::Connected { port }, mtu),
                    Some(gateway) => {
                        self.gateways.push((index, gateway));
                        (PlannedAction::Via(self.next_hop(index, port, gateway)), mtu)
                    }
                }
            }
        }
    }

    fn path_mtu(&self, interface: u32, set: Option<u32>) -> u16 {
        let link = self
            .state
            .link(interface)
            .map_or(u32::from(LEAST_MTU), |link| link.mtu);
        let mtu = set.map_or(link, |set| set.min(link));
        u16::try_from(mtu).unwrap_or(u16::MAX).max(LEAST_MTU)
    }

    fn next_hop(&mut self, interface: u32, port: u16, address: Ipv6Addr) -> NextHopKey {
        let key = NextHopKey { port, address };
        let neighbour = self.state.neighbour(interface, address);
        let facts = NextHopFacts {
            mac: neighbour.and_then(super::kernel::Neighbour::usable_mac),
            source_mac: self.state.link(interface).map_or([0; 6], |link| link.mac),
            mtu: self.path_mtu(interface, None),
        };
        self.next_hops.insert(key, facts);
        key
    }

    /// On-link neighbours become host routes. Only those whose address belongs on their link by the routes: the kernel
    /// also learns from whoever claims an address in a Neighbor Solicitation, and such a claim must not attract traffic.
    fn neighbours(&mut self, on_link: &LongestPrefix<Option<u32>>) {
        for neighbour in self.state.neighbours() {
            let host = Ipv6Net::from(neighbour.address);
            let Some((port, _)) = self.ports.get(&neighbour.interface).copied() else {
                continue;
            };
            let belongs =
                on_link.lookup(neighbour.address).copied().flatten() == Some(neighbour.interface);
            if neighbour.usable_mac().is_none()
                || !belongs
                || stays_with_kernel(&host)
                || self.in_pool(&host)
            {
                continue;
            }
            let mtu = match self.routes.get(&host) {
                // A host route of the administrator's, whose MTU counts.
                Some(route) => route.mtu,
                None => self.path_mtu(neighbour.interface, None),
            };
            let key = self.next_hop(neighbour.interface, port, neighbour.address);
            self.put(host, PlannedAction::Via(key), mtu);
        }
    }

    /// What this box is itself: pools and anchors.
    fn own_addresses(&mut self) {
        for prefix in &self.territory.pools.clone() {
            self.put(*prefix, PlannedAction::Pool, LEAST_MTU);
        }
        for anchor in &self.territory.anchors.clone() {
            self.put((*anchor).into(), PlannedAction::Anchor, LEAST_MTU);
        }
    }
}
