//! The kernel's links, addresses and routes by rtnetlink: what happens there, and what we change.

mod home_address;
mod leftovers;
mod notification;

use std::io;
use std::net::Ipv6Addr;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{Stream, StreamExt, TryStreamExt};
use ipnet::Ipv6Net;
use netlink_packet_route::IpProtocol;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteMessage, RouteProtocol, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RulePortRange};
use rtnetlink::packet_core::NetlinkMessage;
use rtnetlink::sys::SocketAddr;
use rtnetlink::{AddressMessageBuilder, Handle, MulticastGroup, RouteMessageBuilder};

use crate::access::Observation;
use crate::plan::{PROTOCOL, Plan, Route, Rule, Selectors};

pub use notification::Notification;
use notification::{address_state, default_route, link_state, read};

/// Notifications of the kernel, until its socket is closed.
pub type Notifications = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// The kernel.
#[derive(Debug, Clone)]
pub struct Netlink {
    handle: Handle,
}

impl Netlink {
    /// Connects, in the network namespace of this thread.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub fn connect() -> io::Result<(Self, Notifications)> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv6Route,
        ];
        let (connection, handle, notifications) = rtnetlink::new_multicast_connection(&groups)?;
        tokio::spawn(connection);
        Ok((Self { handle }, notifications))
    }

    /// Everything as it is now: links before addresses before routes.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub async fn observe_all(&self) -> Result<Vec<Observation>, rtnetlink::Error> {
        let mut observations = Vec::new();
        let links = self.handle.link().get().execute();
        observations.extend(
            links
                .try_filter_map(async |link| Ok(link_state(&link, true)))
                .try_collect::<Vec<_>>()
                .await?,
        );
        let addresses = self.handle.address().get().execute();
        observations.extend(
            addresses
                .try_filter_map(async |address| Ok(address_state(&address, true)))
                .try_collect::<Vec<_>>()
                .await?,
        );
        let routes = self
            .handle
            .route()
            .get(RouteMessageBuilder::<Ipv6Addr>::new().build())
            .execute();
        observations.extend(
            routes
                .try_filter_map(async |route| Ok(default_route(&route, true)))
                .try_collect::<Vec<_>>()
                .await?,
        );
        Ok(observations)
    }

    /// Makes the kernel's state follow from `old` to `new`; what was done is taken over into `old`, so that what fails is
    /// tried again with the next plan. What is new comes before what is old goes: a home address that moves between the tunnel
    /// interface and its link is somewhere all the while, and its packets never find a way that is not meant for them.
    pub async fn apply(&self, tunnel: u32, old: &mut Plan, new: &Plan) {
        self.add_addresses(tunnel, old, new).await;
        let gone: Vec<Route> = old.routes.difference(&new.routes).copied().collect();
        for route in gone {
            // A route to the same prefix is replaced below, so that there is no moment without any.
            let replaced = new
                .routes
                .iter()
                .any(|one| (one.table, one.prefix) == (route.table, route.prefix));
            if !replaced {
                let message = route_message(&route);
                log(
                    ignore_missing(self.handle.route().del(message).execute().await),
                    "remove a route",
                );
            }
            old.routes.remove(&route);
        }
        for route in new.routes.difference(&old.routes.clone()) {
            let add = self.handle.route().add(route_message(route)).replace();
            if log(add.execute().await, "add a route") {
                old.routes.insert(*route);
            }
        }
        for rule in new.rules.difference(&old.rules.clone()) {
            if log(
                ignore_existing(self.rule(rule).execute().await),
                "add a rule",
            ) {
                old.rules.insert(*rule);
            }
        }
        let gone: Vec<Rule> = old.rules.difference(&new.rules).copied().collect();
        for rule in gone {
            let message = self.rule(&rule).message_mut().clone();
            log(
                ignore_missing(self.handle.rule().del(message).execute().await),
                "remove a rule",
            );
            old.rules.remove(&rule);
        }
        self.remove_addresses(tunnel, old, new).await;
    }

    /// Removes an address of an access interface.
    pub async fn remove_address(&self, index: u32, address: Ipv6Addr, prefix_len: u8) {
        let message = AddressMessageBuilder::<Ipv6Addr>::new()
            .index(index)
            .address(address, prefix_len)
            .build();
        log(
            ignore_missing(self.handle.address().del(message).execute().await),
            "remove an address of the old link",
        );
    }

    /// Removes a default route that the kernel has made of a Router Advertisement.
    pub async fn remove_router(&self, index: u32, router: Ipv6Addr) {
        let mut message = RouteMessageBuilder::<Ipv6Addr>::new()
            .output_interface(index)
            .gateway(router)
            .protocol(RouteProtocol::Ra)
            .build();
        message.header.kind = RouteType::Unspec;
        log(
            ignore_missing(self.handle.route().del(message).execute().await),
            "remove the old router",
        );
    }

    fn rule(&self, rule: &Rule) -> rtnetlink::RuleAddRequest<Ipv6Addr> {
        let mut add = self
            .handle
            .rule()
            .add()
            .v6()
            .priority(rule.priority)
            .action(RuleAction::ToTable)
            .table_id(rule.table);
        if let Some(from) = rule.from {
            add = add.source_prefix(from, 128);
        }
        if let Some(to) = rule.to {
            add = add.destination_prefix(to.network(), to.prefix_len());
        }
        let Selectors {
            protocol,
            ports,
            dscp,
            mark,
        } = rule.selectors;
        let message = add.message_mut();
        message
            .attributes
            .extend(protocol.map(|number| RuleAttribute::IpProtocol(IpProtocol::from(number))));
        message.attributes.extend(
            ports.map(|(start, end)| {
                RuleAttribute::DestinationPortRange(RulePortRange { start, end })
            }),
        );
        message.attributes.extend(mark.map(RuleAttribute::FwMark));
        if let Some(dscp) = dscp {
            // RFC 2474: the upper six bits of the traffic class.
            message.header.tos = dscp << 2;
        }
        let protocol = RuleAttribute::Protocol(RouteProtocol::from(PROTOCOL));
        add.message_mut().attributes.push(protocol);
        add
    }
}

fn route_message(route: &Route) -> RouteMessage {
    let Route {
        table,
        prefix,
        interface,
        gateway,
        source,
    } = route;
    let mut builder = RouteMessageBuilder::<Ipv6Addr>::new()
        .table_id(*table)
        .protocol(RouteProtocol::from(PROTOCOL))
        .priority(Route::METRIC);
    if *prefix != Ipv6Net::default() {
        builder = builder.destination_prefix(prefix.network(), prefix.prefix_len());
    }
    builder = builder.output_interface(*interface);
    if let Some(gateway) = gateway {
        builder = builder.gateway(*gateway);
    }
    if let Some(source) = source {
        builder = builder.pref_source(*source);
    }
    builder.build()
}

async fn collect<T>(
    stream: impl Stream<Item = Result<T, rtnetlink::Error>>,
) -> Result<Vec<T>, rtnetlink::Error> {
    std::pin::pin!(stream).try_collect().await
}

/// The next notification; `None` when the kernel has closed the socket.
pub async fn next(notifications: &mut Notifications) -> Option<Notification> {
    notifications.next().await.map(|(message, _)| read(message))
}

fn errno(error: &rtnetlink::Error) -> i32 {
    match error {
        rtnetlink::Error::NetlinkError(message) => -message.raw_code(),
        _ => 0,
    }
}

/// What is to be removed may have gone with its interface.
fn ignore_missing(result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    use nix::errno::Errno;
    let missing = [
        Errno::ENOENT,
        Errno::ESRCH,
        Errno::ENODEV,
        Errno::EADDRNOTAVAIL,
    ];
    match result {
        Err(error) if missing.contains(&Errno::from_raw(errno(&error))) => Ok(()),
        other => other,
    }
}

fn ignore_existing(result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match result {
        Err(error) if errno(&error) == nix::errno::Errno::EEXIST as i32 => Ok(()),
        other => other,
    }
}

/// Logs a failure; true if there is none.
fn log(result: Result<(), rtnetlink::Error>, step: &str) -> bool {
    if let Err(error) = &result {
        tracing::warn!(%error, "cannot {step}");
    }
    result.is_ok()
}
