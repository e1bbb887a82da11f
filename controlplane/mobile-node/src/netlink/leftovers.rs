//! What an agent that ended without ceremony has left in the kernel: taken over, or removed.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use futures::TryStreamExt;
use ipnet::Ipv6Net;
use netlink_packet_route::address::{AddressAttribute, AddressScope};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use rtnetlink::RouteMessageBuilder;

use super::home_address::HOME_PREFIX_LEN;
use super::{Netlink, collect, errno, ignore_missing};
use crate::plan::{PROTOCOL, Plan, Route, Rule, Selectors};

impl Netlink {
    /// Removes rules and routes that an agent which was killed has left behind, and a home address at one of these `places`, by
    /// interface: it was killed at home.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub async fn remove_leftovers(
        &self,
        places: &[(u32, Ipv6Addr)],
    ) -> Result<(), rtnetlink::Error> {
        for (index, address) in self.at_home(places).await? {
            self.remove_home_address(index, address).await?;
        }
        for rule in self.own_rules().await? {
            ignore_missing(self.handle.rule().del(rule).execute().await)?;
        }
        for route in self.own_routes().await? {
            ignore_missing(self.handle.route().del(route).execute().await)?;
        }
        Ok(())
    }

    /// The rules, the routes and the addresses of the tunnel interface, and of one of these `places`, that an agent which has ended
    /// meant to stay. What cannot be of this version's making is removed.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub async fn take_over(
        &self,
        tunnel: u32,
        places: &[(u32, Ipv6Addr)],
    ) -> Result<Plan, rtnetlink::Error> {
        let at_home = self.at_home(places).await?;
        let mut plan = Plan {
            addresses: self.addresses_of(tunnel).await?,
            at_home: at_home.into_iter().map(|place| (place, false)).collect(),
            ..Plan::default()
        };
        for message in self.own_rules().await? {
            match read_rule(&message) {
                Some(rule) => {
                    plan.rules.insert(rule);
                }
                None => ignore_missing(self.handle.rule().del(message).execute().await)?,
            }
        }
        for message in self.own_routes().await? {
            match read_route(&message) {
                Some(route) => {
                    plan.routes.insert(route);
                }
                None => ignore_missing(self.handle.route().del(message).execute().await)?,
            }
        }
        Ok(plan)
    }

    /// The index of the tunnel interface that an agent which has ended has left: it has the name, is a TUN interface, and no process
    /// has it open.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub async fn left_tunnel(&self, name: &str) -> Result<Option<u32>, rtnetlink::Error> {
        let links = self.handle.link().get().match_name(name).execute();
        let link = match std::pin::pin!(links).try_next().await {
            Ok(link) => link,
            Err(error) if errno(&error) == nix::errno::Errno::ENODEV as i32 => None,
            Err(error) => return Err(error),
        };
        Ok(link
            .filter(|link| is_tun(link) && !link.header.flags.contains(LinkFlags::LowerUp))
            .map(|link| link.header.index))
    }

    /// Removes an interface.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn remove_link(&self, index: u32) -> Result<(), rtnetlink::Error> {
        ignore_missing(self.handle.link().del(index).execute().await)
    }

    async fn own_rules(&self) -> Result<Vec<RuleMessage>, rtnetlink::Error> {
        let ours = RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL));
        let all = self.handle.rule().get(rtnetlink::IpVersion::V6).execute();
        let mut rules: Vec<RuleMessage> = collect(all).await?;
        rules.retain(|rule| rule.attributes.contains(&ours));
        Ok(rules)
    }

    async fn own_routes(&self) -> Result<Vec<RouteMessage>, rtnetlink::Error> {
        let ours = RouteProtocol::from(PROTOCOL);
        let all = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let mut routes: Vec<RouteMessage> = collect(self.handle.route().get(all).execute()).await?;
        routes.retain(|route| route.header.protocol == ours);
        Ok(routes)
    }

    /// Those of the places where an agent has put a home address.
    async fn at_home(
        &self,
        places: &[(u32, Ipv6Addr)],
    ) -> Result<Vec<(u32, Ipv6Addr)>, rtnetlink::Error> {
        let mut found = Vec::new();
        for (index, address) in places {
            if self.addresses_of(*index).await?.contains(address) {
                found.push((*index, *address));
            }
        }
        Ok(found)
    }

    async fn addresses_of(&self, index: u32) -> Result<BTreeSet<Ipv6Addr>, rtnetlink::Error> {
        let all = self.handle.address().get().execute();
        let addresses: Vec<_> = collect(all).await?;
        let of_interface = addresses.iter().filter(|one| {
            one.header.index == index
                && one.header.prefix_len == HOME_PREFIX_LEN
                && one.header.scope == AddressScope::Universe
        });
        Ok(of_interface
            .flat_map(|one| &one.attributes)
            .filter_map(|attribute| match attribute {
                AddressAttribute::Address(IpAddr::V6(address)) => Some(*address),
                _ => None,
            })
            .collect())
    }
}

fn is_tun(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| {
        matches!(attribute, LinkAttribute::LinkInfo(infos)
            if infos.contains(&LinkInfo::Kind(InfoKind::Tun)))
    })
}

/// A rule of the kernel's as this agent makes them; `None`: it is another kind.
fn read_rule(message: &RuleMessage) -> Option<Rule> {
    let header = &message.header;
    let mut rule = Rule {
        priority: 0,
        from: None,
        to: None,
        selectors: Selectors {
            dscp: (header.tos != 0).then_some(header.tos >> 2),
            ..Selectors::default()
        },
        table: u32::from(header.table),
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Source(IpAddr::V6(source)) if header.src_len == 128 => {
                rule.from = Some(*source);
            }
            RuleAttribute::Destination(IpAddr::V6(network)) => {
                rule.to = Some(Ipv6Net::new(*network, header.dst_len).ok()?);
            }
            RuleAttribute::IpProtocol(number) => {
                rule.selectors.protocol = Some(u8::from(*number));
            }
            RuleAttribute::DestinationPortRange(range) => {
                rule.selectors.ports = Some((range.start, range.end));
            }
            RuleAttribute::FwMark(mark) => rule.selectors.mark = Some(*mark),
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::FwMask(u32::MAX)
            | RuleAttribute::Protocol(_)
            | RuleAttribute::SuppressPrefixLen(u32::MAX)
            | RuleAttribute::Other(_) => {}
            _ => return None,
        }
    }
    Some(rule)
}

/// A route as this agent makes them; `None`: it is another kind.
fn read_route(message: &RouteMessage) -> Option<Route> {
    let mut route = Route {
        table: u32::from(message.header.table),
        prefix: Ipv6Net::default(),
        interface: 0,
        gateway: None,
        source: None,
    };
    let mut metric = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Destination(RouteAddress::Inet6(network)) => {
                let prefix_len = message.header.destination_prefix_length;
                route.prefix = Ipv6Net::new(*network, prefix_len).ok()?;
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => route.gateway = Some(*gateway),
            RouteAttribute::PrefSource(RouteAddress::Inet6(source)) => route.source = Some(*source),
            RouteAttribute::Oif(interface) => route.interface = *interface,
            RouteAttribute::Priority(priority) => metric = Some(*priority),
            RouteAttribute::MultiPath(_) => return None,
            _ => {}
        }
    }
    (metric == Some(Route::METRIC)).then_some(route)
}
