//! What the kernel's messages mean.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};

use crate::access::{AddressState, Observation};
use crate::plan::{PROTOCOL, TABLE_MAIN};

/// What a notification means.
#[derive(Debug)]
pub enum Notification {
    /// Something that matters here.
    Observed(Observation),
    /// There were more than the socket's buffer holds; look at everything again.
    Overrun,
    /// Nothing.
    Other,
}

/// What a notification of the kernel means.
pub fn read(message: NetlinkMessage<RouteNetlinkMessage>) -> Notification {
    let observed = match message.payload {
        NetlinkPayload::Overrun(_) => return Notification::Overrun,
        NetlinkPayload::InnerMessage(message) => match message {
            RouteNetlinkMessage::NewLink(link) => link_state(&link, true),
            RouteNetlinkMessage::DelLink(link) => link_state(&link, false),
            RouteNetlinkMessage::NewAddress(address) => address_state(&address, true),
            RouteNetlinkMessage::DelAddress(address) => address_state(&address, false),
            RouteNetlinkMessage::NewRoute(route) => default_route(&route, true),
            RouteNetlinkMessage::DelRoute(route) => default_route(&route, false),
            _ => None,
        },
        _ => None,
    };
    observed.map_or(Notification::Other, Notification::Observed)
}

/// Whether a link can carry packets.
pub(super) fn link_state(link: &LinkMessage, there: bool) -> Option<Observation> {
    // A bridge reports its ports a second time, with its own address family.
    if link.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let flags = link.header.flags;
    let (mut mtu, mut carrier_losses) = (None, None);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Mtu(octets) => mtu = Some(*octets),
            LinkAttribute::CarrierDownCount(count) => carrier_losses = Some(*count),
            _ => {}
        }
    }
    Some(Observation::Link {
        index: link.header.index,
        up: there && flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        mtu,
        carrier_losses,
    })
}

/// An address of any interface.
pub(super) fn address_state(message: &AddressMessage, there: bool) -> Option<Observation> {
    let header = &message.header;
    let mut flags = AddressFlags::from_bits_retain(u32::from(header.flags.bits()));
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(IpAddr::V6(found)) => address = Some(*found),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let (index, address) = (header.index, address?);
    if !there {
        return Some(Observation::AddressGone { index, address });
    }
    let tentative =
        flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic);
    // On IPv6 addresses "secondary" means temporary (RFC 8981): one that goes soon is the last choice.
    let short_lived = flags.intersects(AddressFlags::Deprecated | AddressFlags::Secondary);
    Some(Observation::Address {
        index,
        address,
        state: AddressState {
            prefix_len: header.prefix_len,
            usable: !tentative && !flags.contains(AddressFlags::Dadfailed),
            deprecated: short_lived,
            autoconfigured: !flags.contains(AddressFlags::Permanent),
        },
    })
}

/// A default route of the main table, unless it is ours.
pub(super) fn default_route(route: &RouteMessage, there: bool) -> Option<Observation> {
    let header = &route.header;
    let is_default = header.address_family == AddressFamily::Inet6
        && header.destination_prefix_length == 0
        && header.table == u8::try_from(TABLE_MAIN).unwrap_or_default()
        && header.protocol != RouteProtocol::from(PROTOCOL);
    if !is_default {
        return None;
    }
    let (mut router, mut index) = (None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => router = Some(*gateway),
            RouteAttribute::Oif(interface) => index = Some(*interface),
            _ => {}
        }
    }
    let (index, router) = (index?, router?);
    Some(match there {
        true => Observation::DefaultRoute { index, router },
        false => Observation::DefaultRouteGone { index, router },
    })
}
