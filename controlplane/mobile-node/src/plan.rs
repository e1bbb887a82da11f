//! What the kernel is to know: addresses of the tunnel interface, routes and rules. Computed whole from the state, so
//! that a change is the difference between two plans.
//!
//! Rules, in this order:
//! 1. from an address of an access interface: that interface's table, so that packets leave where their source belongs;
//! 2. from a home address: by the flows' routes if there is one, else into the tunnel interface, whatever the destination.
//!    A path MTU belongs to the route that it was found on, and whoever has not bound its socket finds the flows' ones;
//! 3. to an anchor or locator: the main table, so that signalling and tunnel packets never enter the tunnel;
//! 4. the flows: each prefix into the tunnel interface with its preferred source, or out of it (throw) where the policy
//!    says or nothing is ready.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::access::{Access, CareOf};

/// Marks routes and rules as ours, to be found again after a crash. Not assigned in `rt_protos`.
pub const PROTOCOL: u8 = 77;
/// Routing tables: home addresses, flows, and one per access interface from there on.
const TABLE_HOME: u32 = 7701;
const TABLE_FLOWS: u32 = 7702;
const TABLE_ACCESS: u32 = 7710;
/// Rule priorities.
const PRIORITY_ACCESS: u32 = 7710;
const PRIORITY_HOME_FLOWS: u32 = 7719;
const PRIORITY_HOME: u32 = 7720;
const PRIORITY_ANCHORS: u32 = 7730;
const PRIORITY_FLOWS: u32 = 7740;
/// Better than the 1024 of routes from Router Advertisements.
const METRIC: u32 = 512;
/// The main table.
pub const TABLE_MAIN: u32 = 254;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Lower goes first.
    pub priority: u32,
    /// Source address.
    pub from: Option<Ipv6Addr>,
    /// Destination address.
    pub to: Option<Ipv6Addr>,
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
    /// Interface, by index; `None`: go on with the next rule.
    pub interface: Option<u32>,
    /// Router.
    pub gateway: Option<Ipv6Addr>,
    /// Preferred source address.
    pub source: Option<Ipv6Addr>,
}

impl Route {
    /// The metric, which the kernel needs to tell routes apart.
    pub const METRIC: u32 = METRIC;
}

/// What the kernel is to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Addresses of the tunnel interface.
    pub addresses: BTreeSet<Ipv6Addr>,
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
    /// Anchors and locators.
    pub anchors: BTreeSet<Ipv6Addr>,
    /// Prefixes with the source that their flows get now; `None`: the care-of address.
    pub flows: &'a [(Ipv6Net, Option<Ipv6Addr>)],
}

impl Plan {
    /// The plan for the state.
    pub fn new(access: &Access, needs: &Needs<'_>) -> Self {
        let mut plan = Self {
            addresses: needs.home_addresses.clone(),
            ..Self::default()
        };
        for (number, interface) in (TABLE_ACCESS..).zip(access.interfaces()) {
            let Some(router) = interface.router().filter(|_| interface.up) else {
                continue;
            };
            for (address, prefix_len) in interface.confirmed() {
                plan.rule(PRIORITY_ACCESS, Some(address), None, number);
                let on_link = Ipv6Net::new(address, prefix_len).map(|prefix| prefix.trunc());
                plan.routes.extend(on_link.into_iter().map(|prefix| Route {
                    table: number,
                    prefix,
                    interface: Some(interface.index),
                    gateway: None,
                    source: None,
                }));
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
        for home in &needs.home_addresses {
            if !needs.flows.is_empty() {
                plan.rule(PRIORITY_HOME_FLOWS, Some(*home), None, TABLE_FLOWS);
            }
            plan.rule(PRIORITY_HOME, Some(*home), None, TABLE_HOME);
        }
        if !needs.home_addresses.is_empty() {
            plan.routes.insert(Route {
                table: TABLE_HOME,
                prefix: Ipv6Net::default(),
                interface: Some(needs.tunnel),
                gateway: None,
                source: None,
            });
        }
        for anchor in &needs.anchors {
            plan.rule(PRIORITY_ANCHORS, None, Some(*anchor), TABLE_MAIN);
        }
        if !needs.flows.is_empty() {
            plan.rule(PRIORITY_FLOWS, None, None, TABLE_FLOWS);
        }
        plan.routes
            .extend(needs.flows.iter().map(|(prefix, source)| Route {
                table: TABLE_FLOWS,
                prefix: *prefix,
                interface: source.map(|_| needs.tunnel),
                gateway: None,
                source: *source,
            }));
        plan
    }

    fn rule(&mut self, priority: u32, from: Option<Ipv6Addr>, to: Option<Ipv6Addr>, table: u32) {
        self.rules.insert(Rule {
            priority,
            from,
            to,
            table,
        });
    }
}

fn default_route(table: u32, index: u32, router: Ipv6Addr, source: Option<Ipv6Addr>) -> Route {
    Route {
        table,
        prefix: Ipv6Net::default(),
        interface: Some(index),
        gateway: Some(router),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AddressState, Observation};
    use crate::neighbor_discovery::Advertisement;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    fn access() -> Access {
        let mut access = Access::new([(2, "wlan0".to_owned())]);
        access.observe(Observation::Link {
            index: 2,
            up: true,
            mtu: Some(1500),
        });
        let advertisement = Advertisement {
            router: ip("fe80::a"),
            is_default: true,
            prefixes: Vec::new(),
        };
        access.observe(Observation::Advertised {
            index: 2,
            advertisement,
        });
        let state = AddressState {
            prefix_len: 64,
            usable: true,
            deprecated: false,
            autoconfigured: true,
        };
        access.observe(Observation::Address {
            index: 2,
            address: ip("2001:db8:a::100"),
            state,
        });
        access
    }

    #[test]
    fn packets_leave_where_their_source_belongs_and_flows_get_theirs() {
        let (hoa, dhp) = (ip("2001:db8:1:1::100"), ip("2001:db8:d::1"));
        let flows = [
            ("2001:db8:c:1::/64".parse().expect("a prefix"), Some(hoa)),
            ("2001:db8:c:3::/64".parse().expect("a prefix"), None),
        ];
        let needs = Needs {
            tunnel: 9,
            home_addresses: [hoa].into(),
            anchors: [dhp].into(),
            flows: &flows,
        };
        let plan = Plan::new(&access(), &needs);
        let rules: Vec<_> = plan
            .rules
            .iter()
            .map(|rule| (rule.from, rule.to, rule.table))
            .collect();
        assert_eq!(
            rules,
            [
                (Some(ip("2001:db8:a::100")), None, TABLE_ACCESS),
                (Some(hoa), None, TABLE_FLOWS),
                (Some(hoa), None, TABLE_HOME),
                (None, Some(dhp), TABLE_MAIN),
                (None, None, TABLE_FLOWS),
            ]
        );
        let flow = |number: usize| {
            let prefix = flows[number].0;
            let route = plan.routes.iter().find(|route| route.prefix == prefix);
            route.map(|route| (route.interface, route.source))
        };
        assert_eq!(flow(0), Some((Some(9), Some(hoa))));
        assert_eq!(flow(1), Some((None, None)), "out of the tunnel again");
        let main = plan.routes.iter().find(|route| route.table == TABLE_MAIN);
        assert_eq!(
            main.and_then(|route| route.source),
            Some(ip("2001:db8:a::100"))
        );
    }

    #[test]
    fn without_a_network_nothing_points_to_one() {
        let access = Access::new([(2, "wlan0".to_owned())]);
        assert_eq!(Plan::new(&access, &Needs::default()), Plan::default());
    }
}
