//! From rtnetlink messages to [`Change`]s

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteNextHop,
    RouteProtocol, RouteType,
};

use super::kernel::{Change, KernelRoute, Link, Neighbour, Reachability, RouteKind};
use crate::pool_routes;

/// The table in which the kernel keeps the box's own addresses (RT_TABLE_LOCAL).
const LOCAL_TABLE: u32 = 255;

/// What a message of a dump or a notification says; `None`: nothing that matters here. `replaces`: it has NLM_F_REPLACE.
pub(super) fn change(message: &RouteNetlinkMessage, replaces: bool) -> Option<Change> {
    match message {
        RouteNetlinkMessage::NewLink(link) => Some(Change::Link(self::link(link))),
        RouteNetlinkMessage::DelLink(link) => Some(Change::LinkGone(link.header.index)),
        RouteNetlinkMessage::NewRoute(message) => {
            let mut routes = routes(message);
            match (replaces, routes.len()) {
                (_, 0) => None,
                (true, _) => Some(Change::Replaced(routes)),
                (false, 1) => routes.pop().map(Change::Route),
                (false, _) => Some(Change::Multipath(routes)),
            }
        }
        RouteNetlinkMessage::DelRoute(message) => Some(routes(message))
            .filter(|routes| !routes.is_empty())
            .map(Change::RouteGone),
        RouteNetlinkMessage::NewNeighbour(message) => neighbour(message).map(Change::Neighbour),
        RouteNetlinkMessage::DelNeighbour(message) => {
            neighbour(message).map(|gone| Change::NeighbourGone(gone.interface, gone.address))
        }
        _ => None,
    }
}

fn link(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: [0; 6],
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(octets) => {
                link.mac = octets.as_slice().try_into().unwrap_or_default()
            }
            _ => {}
        }
    }
    link
}

/// A route of the main or the local table that concerns forwarding by destination: one for each of its next hops, none if
/// it is another.
pub(super) fn routes(message: &RouteMessage) -> Vec<KernelRoute> {
    let Some((route, hops)) = route(message) else {
        return Vec::new();
    };
    match hops {
        Some(hops) => hops.iter().map(|hop| by(hop, &route)).collect(),
        None => vec![route],
    }
}

fn route(message: &RouteMessage) -> Option<(KernelRoute, Option<&[RouteNextHop]>)> {
    // What this daemon has the kernel hand over is no news to it, nor is it a way for the workers' packets.
    if message.header.protocol == RouteProtocol::Other(pool_routes::PROTOCOL) {
        return None;
    }
    // Cache entries of the kernel's own forwarding, such as a learnt path MTU, are no routes.
    if message.header.flags.contains(RouteFlags::Cloned) || message.header.source_prefix_length != 0
    {
        return None;
    }
    let kind = match message.header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local | RouteType::Anycast => RouteKind::Local,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibited,
        RouteType::BlackHole => RouteKind::Blackhole,
        _ => return None,
    };
    let mut table = u32::from(message.header.table);
    let mut address = Ipv6Addr::UNSPECIFIED;
    let mut decoded = KernelRoute {
        destination: Ipv6Net::default(),
        metric: 0,
        kind,
        interface: None,
        gateway: None,
        mtu: None,
        encapsulated: false,
    };
    let mut multipath = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet6(destination)) => address = *destination,
            RouteAttribute::Priority(metric) => decoded.metric = *metric,
            RouteAttribute::Oif(interface) => decoded.interface = Some(*interface),
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => {
                decoded.gateway = Some(*gateway)
            }
            RouteAttribute::Metrics(metrics) => decoded.mtu = metrics.iter().find_map(path_mtu),
            RouteAttribute::EncapType(_) | RouteAttribute::Encap(_) => decoded.encapsulated = true,
            RouteAttribute::MultiPath(hops) => multipath = Some(hops.as_slice()),
            _ => {}
        }
    }
    if table != u32::from(RouteHeader::RT_TABLE_MAIN) && table != LOCAL_TABLE {
        return None;
    }
    decoded.destination = Ipv6Net::new(address, message.header.destination_prefix_length)
        .ok()?
        .trunc();
    Some((decoded, multipath))
}

fn path_mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

/// The route by one of its next hops.
fn by(hop: &RouteNextHop, route: &KernelRoute) -> KernelRoute {
    let mut route = KernelRoute {
        interface: Some(hop.interface_index),
        ..route.clone()
    };
    for attribute in &hop.attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => route.gateway = Some(*gateway),
            RouteAttribute::EncapType(_) | RouteAttribute::Encap(_) => route.encapsulated = true,
            _ => {}
        }
    }
    route
}

/// An IPv6 neighbour; those that the box answers for (proxies) are none.
fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(destination)) => {
                address = Some(*destination)
            }
            NeighbourAttribute::LinkLayerAddress(octets) => mac = octets.as_slice().try_into().ok(),
            _ => {}
        }
    }
    let reachability = match message.header.state {
        NeighbourState::Reachable
        | NeighbourState::Delay
        | NeighbourState::Probe
        | NeighbourState::Permanent
        | NeighbourState::Noarp => Reachability::Confirmed,
        NeighbourState::Stale => Reachability::Stale,
        _ => Reachability::Unresolved,
    };
    Some(Neighbour {
        interface: message.header.ifindex,
        address: address?,
        mac,
        reachability,
    })
}
