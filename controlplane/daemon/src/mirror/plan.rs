//! From the kernel's state to what the workers shall do: a pure function

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::kernel::{KernelRoute, Link, RouteKind, Touched};
use super::state::KernelState;
use crate::config::{Config, PoolKind};

/// What of the configuration decides over addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Territory {
    /// Names of the ports, in the order of the workers' port numbers.
    pub ports: Vec<String>,
    /// The box's own anchor addresses.
    pub anchors: Vec<Ipv6Addr>,
    /// Address pools, but for those on real home links: there the kernel's routes hold, except for addresses that are bound.
    pub pools: Vec<Ipv6Net>,
    /// Prefixes whose home-agents anycast addresses are answered for: those of correspondents that this DHP covers, and home
    /// prefixes of a home agent.
    pub coverage: Vec<Ipv6Net>,
}

impl Territory {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let ports = config.ports.iter();
        let roles = config.anchor.roles;
        let covered = config.coverage.iter().filter(|_| roles.dhp);
        let covered = covered.map(|coverage| coverage.prefix);
        let homes = config.pools.iter().filter(|pool| {
            // RFC 6275 §10.5: mobile nodes look for home agents there.
            roles.home_agent && pool.kind == PoolKind::Home
        });
        let homes = homes.map(|pool| pool.prefix);
        Self {
            ports: ports.map(|port| port.interface.clone()).collect(),
            anchors: vec![config.anchor.address],
            pools: config.pool_prefixes().into_iter().collect(),
            coverage: covered.chain(homes).collect(),
        }
    }
}

impl Territory {
    /// The prefixes that are this box's own.
    fn own_prefixes(&self) -> impl Iterator<Item = Ipv6Net> {
        let anchors = self.anchors.iter().map(|anchor| Ipv6Net::from(*anchor));
        self.pools.iter().copied().chain(anchors)
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
    /// They are refused since an administrator has forbidden them.
    Prohibited,
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
}

/// What of a plan is different from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanChanges {
    /// What the plan has for these prefixes now; `None`: nothing.
    pub routes: Vec<(Ipv6Net, Option<PlannedRoute>)>,
    /// All next hops that one of these routes names, and those that may be different.
    pub next_hops: BTreeMap<NextHopKey, NextHopFacts>,
    /// The coverage, where it may be different.
    pub coverage: Option<Vec<Ipv6Net>>,
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

/// Make the plan of everything.
pub fn plan(state: &KernelState, territory: &Territory) -> Plan {
    let mut planner = Planner::new(state, territory);
    let prefixes = planner.prefixes();
    Plan {
        routes: prefixes
            .into_iter()
            .filter_map(|prefix| planner.route(prefix))
            .collect(),
        coverage: territory.coverage.clone(),
        next_hops: planner.next_hops,
    }
}

/// Make the plan of what was touched, in a territory that is still the same. That costs what was touched, unless a link of
/// which many things depend has changed.
pub fn changes(state: &KernelState, territory: &Territory, touched: Touched) -> PlanChanges {
    let mut planner = Planner::new(state, territory);
    let mut prefixes = touched.prefixes;
    for prefix in prefixes.clone() {
        // Which link a neighbour belongs to is up to the routes.
        let neighbours = state.neighbours_in(prefix);
        prefixes.extend(neighbours.map(|neighbour| Ipv6Net::from(neighbour.address)));
    }
    for (interface, address) in touched.neighbours {
        prefixes.insert(address.into());
        planner.refresh(interface, address);
    }
    let mut links = touched.links.iter();
    if links.any(|(before, now)| planner.depends_on(before.as_ref(), now.as_ref())) {
        prefixes.extend(planner.prefixes());
    }
    planner.changes(prefixes)
}

/// Make the plan of a territory that was another one, `before`.
pub fn changes_of_territory(
    state: &KernelState,
    territory: &Territory,
    before: &Territory,
) -> PlanChanges {
    let planner = Planner::new(state, territory);
    let mut prefixes = planner.prefixes();
    prefixes.extend(before.own_prefixes());
    PlanChanges {
        coverage: Some(territory.coverage.clone()),
        ..planner.changes(prefixes)
    }
}

/// Which interface numbers are ports, and which.
fn ports(state: &KernelState, territory: &Territory) -> BTreeMap<u32, u16> {
    let named = territory.ports.iter().zip(0_u16..);
    named
        .filter_map(|(name, port)| {
            let link = state.links().find(|link| link.name == *name)?;
            Some((link.index, port))
        })
        .collect()
}

struct Planner<'a> {
    state: &'a KernelState,
    territory: &'a Territory,
    ports: BTreeMap<u32, u16>,
    /// Those that the routes planned so far lead to.
    next_hops: BTreeMap<NextHopKey, NextHopFacts>,
}

impl<'a> Planner<'a> {
    fn new(state: &'a KernelState, territory: &'a Territory) -> Self {
        Self {
            state,
            territory,
            ports: ports(state, territory),
            next_hops: BTreeMap::new(),
        }
    }

    /// All prefixes that may have a route.
    fn prefixes(&self) -> BTreeSet<Ipv6Net> {
        let neighbours = self.state.neighbours();
        let hosts = neighbours.map(|neighbour| Ipv6Net::from(neighbour.address));
        let destinations = self.state.destinations();
        destinations
            .chain(hosts)
            .chain(self.territory.own_prefixes())
            .collect()
    }

    fn changes(mut self, prefixes: BTreeSet<Ipv6Net>) -> PlanChanges {
        let routes = prefixes.into_iter();
        let routes = routes.map(|prefix| (prefix, self.route(prefix))).collect();
        PlanChanges {
            routes,
            next_hops: self.next_hops,
            coverage: None,
        }
    }

    /// Whether routes or next hops may be others because a link was `before` and is `now`.
    fn depends_on(&self, before: Option<&Link>, now: Option<&Link>) -> bool {
        let is_port = |link: &Link| self.territory.ports.contains(&link.name);
        let facts = |link: &Link| (link.index, link.name.clone(), link.mac, link.mtu);
        let concerns_port = before.is_some_and(is_port) || now.is_some_and(is_port);
        if concerns_port {
            return before.map(facts) != now.map(facts);
        }
        let mtu = |link: &Link| link.mtu;
        let index = before.or(now).map(|link| link.index);
        before.map(mtu) != now.map(mtu)
            && index.is_some_and(|index| self.state.has_routes_by(index))
    }

    /// What happens to packets of a prefix that none of its longer prefixes have; `None`: what happens to those around it.
    fn route(&mut self, prefix: Ipv6Net) -> Option<PlannedRoute> {
        let is_host = prefix.prefix_len() == 128;
        let (action, mtu) = if is_host && self.territory.anchors.contains(&prefix.addr()) {
            (PlannedAction::Anchor, LEAST_MTU)
        } else if self.territory.pools.contains(&prefix) {
            (PlannedAction::Pool, LEAST_MTU)
        } else {
            let kernel = self.kernel_route(prefix);
            let neighbour = is_host.then(|| self.neighbour(prefix)).flatten();
            match neighbour {
                Some((interface, port)) => {
                    let mtu = match kernel {
                        // A host route of the administrator's, whose MTU counts.
                        Some(route) => self.action(route).1,
                        None => self.path_mtu(interface, None),
                    };
                    let key = self.next_hop(interface, port, prefix.addr());
                    (PlannedAction::Via(key), mtu)
                }
                None => self.action(kernel?),
            }
        };
        Some(PlannedRoute {
            prefix,
            action,
            mtu,
        })
    }

    fn in_pool(&self, prefix: &Ipv6Net) -> bool {
        let mut pools = self.territory.pools.iter();
        pools.any(|pool| pool.contains(prefix))
    }

    /// The kernel's route of a prefix, where it is for the kernel to say.
    fn kernel_route(&self, prefix: Ipv6Net) -> Option<&'a KernelRoute> {
        let route = self.state.best_route(prefix)?;
        // A pool is this box's, whatever else is routed there: it is how the kernel is told to hand its packets over.
        let is_ours = route.kind != RouteKind::Local && self.in_pool(&prefix);
        (!is_ours && !stays_with_kernel(&prefix)).then_some(route)
    }

    /// The link and port of a neighbour that becomes a host route. Only one whose address belongs on its link by the routes:
    /// the kernel also learns from whoever claims an address in a Neighbor Solicitation, and such a claim must not attract
    /// traffic.
    fn neighbour(&self, host: Ipv6Net) -> Option<(u32, u16)> {
        if stays_with_kernel(&host) || self.in_pool(&host) {
            return None;
        }
        let route = self.state.route_to(host.addr())?;
        let interface = route
            .interface
            .filter(|_| route.kind == RouteKind::Unicast && route.gateway.is_none())?;
        let port = *self.ports.get(&interface)?;
        let neighbour = self.state.neighbour(interface, host.addr())?;
        neighbour.usable_mac().map(|_| (interface, port))
    }

    fn action(&mut self, route: &KernelRoute) -> (PlannedAction, u16) {
        match route.kind {
            RouteKind::Local => (PlannedAction::Local, LEAST_MTU),
            RouteKind::Unreachable => (PlannedAction::Unreachable, LEAST_MTU),
            RouteKind::Prohibited => (PlannedAction::Prohibited, LEAST_MTU),
            RouteKind::Blackhole => (PlannedAction::Blackhole, LEAST_MTU),
            RouteKind::Unicast => {
                let Some(index) = route.interface else {
                    return (PlannedAction::Unreachable, LEAST_MTU);
                };
                let mtu = self.path_mtu(index, route.mtu);
                let port = self.ports.get(&index).copied();
                let action = match (port.filter(|_| !route.encapsulated), route.gateway) {
                    (None, _) => PlannedAction::ByKernel,
                    (Some(port), None) => PlannedAction::Connected { port },
                    (Some(port), Some(gateway)) => {
                        PlannedAction::Via(self.next_hop(index, port, gateway))
                    }
                };
                (action, mtu)
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
        if !self.next_hops.contains_key(&key) {
            let neighbour = self.state.neighbour(interface, address);
            let facts = NextHopFacts {
                mac: neighbour.and_then(super::kernel::Neighbour::usable_mac),
                source_mac: self.state.link(interface).map_or([0; 6], |link| link.mac),
                mtu: self.path_mtu(interface, None),
            };
            self.next_hops.insert(key, facts);
        }
        key
    }

    /// Says anew what is known of a neighbour, whatever routes lead there.
    fn refresh(&mut self, interface: u32, address: Ipv6Addr) {
        if let Some(port) = self.ports.get(&interface).copied() {
            self.next_hop(interface, port, address);
        }
    }
}
