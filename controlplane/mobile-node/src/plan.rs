//! What the kernel is to know: addresses of the tunnel interface, routes and rules. Computed whole from the state, so
//! that a change is the difference between two plans.
//!
//! Rules, in this order:
//! 1. from an address of an access interface: that interface's table, so that packets leave where their source belongs; at home
//!    the home address is one;
//! 2. from a home address: by the flows' routes if there is one, else into the tunnel interface, whatever the destination.
//!    A path MTU belongs to the route that it was found on, and whoever has not bound its socket finds the flows' ones;
//! 3. to an anchor, a locator or a neighbour on the link: the main table, so that signalling and tunnel packets never enter the
//!    tunnel;
//! 4. the policy, a rule of the kernel's or several for each of its rules, in its order. Each has a table of its own, with the
//!    routes into the tunnel interface and their preferred sources; what gets the care-of address is sent to the main table.
//!    The kernel looks at protocol, port and traffic class when a socket is connected, and so chooses its source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::mobile_node::policy::Selector;
use ipnet::Ipv6Net;

use crate::access::{Access, CareOf};

/// Marks routes and rules as ours, to be found again after a crash. Not assigned in `rt_protos`.
pub const PROTOCOL: u8 = 77;
/// Routing tables: home addresses, one per access interface, and one per rule of the policy.
const TABLE_HOME: u32 = 7701;
const TABLE_ACCESS: u32 = 7710;
const TABLE_FLOWS: u32 = 7800;
/// Rule priorities; flows have one for each rule of the policy from there on.
const PRIORITY_ACCESS: u32 = 7710;
const PRIORITY_HOME_FLOWS: u32 = 7800;
const PRIORITY_HOME: u32 = 7900;
const PRIORITY_MAIN: u32 = 7901;
const PRIORITY_FLOWS: u32 = 8000;
/// Flows: as many as there are numbers between these.
const MAX_FLOWS: usize = 100;
/// Rules of the policy: the others are for sockets that are marked by their session types, or by what they prefer.
pub const MAX_POLICY_RULES: usize = MAX_FLOWS - 6;
/// Better than the 1024 of routes from Router Advertisements.
const METRIC: u32 = 512;
/// The main table.
pub const TABLE_MAIN: u32 = 254;

/// What a rule of the kernel's can look at beside addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Selectors {
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// Destination ports, the first and the last.
    pub ports: Option<(u16, u16)>,
    /// 6 bits.
    pub dscp: Option<u8>,
    /// The mark of the socket.
    pub mark: Option<u32>,
}

impl Selectors {
    /// One for each range of ports, or one.
    fn all(flow: &FlowWays<'_>) -> Vec<Self> {
        let selector = flow.selector;
        let with = |ports| Self {
            mark: flow.mark,
            protocol: selector.protocol,
            ports,
            dscp: selector.dscp,
        };
        if selector.ports.is_empty() {
            return vec![with(None)];
        }
        let ranges = selector.ports.iter();
        ranges
            .map(|range| with(Some((*range.start(), *range.end()))))
            .collect()
    }
}

/// The way that flows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into the tunnel interface, with this source.
    Tunnel(Ipv6Addr),
    /// Without a tunnel, from the home address on its own link.
    Home(Ipv6Addr),
    /// From the care-of address, as if there were no mobility.
    Direct,
}

/// A rule of the policy with the ways that its flows go now.
#[derive(Debug, Clone)]
pub struct FlowWays<'a> {
    /// What it is about, beside destinations.
    pub selector: &'a Selector,
    /// The mark of the sockets that it is about, instead of all.
    pub mark: Option<u32>,
    /// The way to each prefix; the longest that contains a destination holds.
    pub ways: Vec<(Ipv6Net, Way)>,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Lower goes first.
    pub priority: u32,
    /// Source address.
    pub from: Option<Ipv6Addr>,
    /// Destinations.
    pub to: Option<Ipv6Net>,
    /// What else of the packet, or of the socket that is being connected.
    pub selectors: Selectors,
    /// The table that it leads to.
    pub table: u32,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The table that it stands in.
    pub table: u32,
    /// Destination.
    pub prefix: Ipv6Net,
    /// Interface, by index.
    pub interface: u32,
    /// Router.
    pub gateway: Option<Ipv6Addr>,
    /// Preferred source address.
    pub source: Option<Ipv6Addr>,
}

impl Route {
    /// The metric, which the kernel needs to tell routes apart.
    pub const METRIC: u32 = METRIC;
}

/// How the home address is used on its own link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtHome {
    /// The access interface and its router, with the home address.
    pub way: CareOf,
    /// Whether the home agent may still stand in for the node: then packets still go through the tunnel.
    pub is_returning: bool,
    /// Whether somebody else may have the address.
    pub detect_duplicates: bool,
}

/// What the kernel is to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Addresses of the tunnel interface.
    pub addresses: BTreeSet<Ipv6Addr>,
    /// Home addresses of access interfaces, by interface; whether they are tested for duplicates where they are new.
    pub at_home: BTreeMap<(u32, Ipv6Addr), bool>,
    /// Routes.
    pub routes: BTreeSet<Route>,
    /// Rules.
    pub rules: BTreeSet<Rule>,
}

/// What a plan is made of, besides the access interfaces.
#[derive(Debug, Default)]
pub struct Needs<'a> {
    /// The tunnel interface.
    pub tunnel: u32,
    /// Home addresses in use.
    pub home_addresses: BTreeSet<Ipv6Addr>,
    /// The home address, where it is used on its own link.
    pub at_home: Option<AtHome>,
    /// Anchors and locators.
    pub anchors: BTreeSet<Ipv6Addr>,
    /// Marked sockets and then the policy, in order.
    pub flows: &'a [FlowWays<'a>],
}

impl Needs<'_> {
    /// The way that packets of the home address leave without a tunnel.
    fn home_way(&self) -> Option<CareOf> {
        let at_home = self.at_home.filter(|at_home| !at_home.is_returning);
        at_home.map(|at_home| at_home.way)
    }
}

impl Plan {
    /// The plan for the state.
    pub fn new(access: &Access, needs: &Needs<'_>) -> Self {
        let mut plan = Self {
            addresses: needs.home_addresses.clone(),
            ..Self::default()
        };
        if let Some(AtHome {
            way,
            is_returning,
            detect_duplicates,
        }) = needs.at_home
        {
            let place = (way.index, way.address);
            plan.at_home.insert(place, detect_duplicates);
            if !is_returning {
                plan.addresses.remove(&way.address);
            }
        }
        for (number, interface) in (TABLE_ACCESS..).zip(access.interfaces()) {
            let Some(router) = interface.router().filter(|_| interface.up) else {
                continue;
            };
            if let Some(way) = needs.home_way().filter(|way| way.index == interface.index) {
                plan.rule(PRIORITY_ACCESS, Some(way.address), None, number);
            }
            for (address, prefix_len) in interface.confirmed() {
                plan.rule(PRIORITY_ACCESS, Some(address), None, number);
                let on_link = Ipv6Net::new(address, prefix_len).map(|prefix| prefix.trunc());
                if let Ok(prefix) = on_link {
                    plan.rule(PRIORITY_MAIN, None, Some(prefix), TABLE_MAIN);
                    plan.routes.insert(Route {
                        table: number,
                        prefix,
                        interface: interface.index,
                        gateway: None,
                        source: None,
                    });
                }
                plan.routes
                    .insert(default_route(number, interface.index, router, None));
            }
        }
        if let Some(CareOf {
            index,
            address,
            router,
        }) = access.current()
        {
            plan.routes
                .insert(default_route(TABLE_MAIN, index, router, Some(address)));
        }
        for home in plan.addresses.clone() {
            plan.rule(PRIORITY_HOME, Some(home), None, TABLE_HOME);
        }
        if !plan.addresses.is_empty() {
            plan.routes.insert(Route {
                table: TABLE_HOME,
                prefix: Ipv6Net::default(),
                interface: needs.tunnel,
                gateway: None,
                source: None,
            });
        }
        for anchor in &needs.anchors {
            plan.rule(PRIORITY_MAIN, None, Some((*anchor).into()), TABLE_MAIN);
        }
        for (number, flow) in (0..).zip(needs.flows.iter().take(MAX_FLOWS)) {
            plan.flow(number, flow, needs);
        }
        plan
    }

    /// A rule of the policy.
    fn flow(&mut self, number: u32, flow: &FlowWays<'_>, needs: &Needs<'_>) {
        let table = TABLE_FLOWS + number;
        let mut has_routes = false;
        for (prefix, way) in &flow.ways {
            match way {
                Way::Tunnel(source) => {
                    has_routes = true;
                    self.routes.insert(Route {
                        table,
                        prefix: *prefix,
                        interface: needs.tunnel,
                        gateway: None,
                        source: Some(*source),
                    });
                }
                Way::Home(source) => {
                    let Some(way) = needs.home_way() else {
                        continue;
                    };
                    has_routes = true;
                    self.routes.insert(Route {
                        table,
                        prefix: *prefix,
                        interface: way.index,
                        gateway: Some(way.router),
                        source: Some(*source),
                    });
                }
                Way::Direct => {
                    for selectors in Selectors::all(flow) {
                        self.rules.insert(Rule {
                            priority: PRIORITY_FLOWS + number,
                            from: None,
                            to: Some(*prefix),
                            selectors,
                            table: TABLE_MAIN,
                        });
                    }
                }
            }
        }
        if !has_routes {
            return;
        }
        for selectors in Selectors::all(flow) {
            let rule = Rule {
                priority: PRIORITY_FLOWS + number,
                from: None,
                to: None,
                selectors,
                table,
            };
            self.rules.insert(rule);
            self.rules.extend(self.addresses.iter().map(|home| Rule {
                priority: PRIORITY_HOME_FLOWS + number,
                from: Some(*home),
                ..rule
            }));
        }
    }

    fn rule(&mut self, priority: u32, from: Option<Ipv6Addr>, to: Option<Ipv6Net>, table: u32) {
        self.rules.insert(Rule {
            priority,
            from,
            to,
            selectors: Selectors::default(),
            table,
        });
    }
}

fn default_route(table: u32, index: u32, router: Ipv6Addr, source: Option<Ipv6Addr>) -> Route {
    Route {
        table,
        prefix: Ipv6Net::default(),
        interface: index,
        gateway: Some(router),
        source,
    }
}

#[cfg(test)]
mod tests;
