//! First stage: from a frame to a plan, looking at nothing but its octets and the route table

use std::net::Ipv6Addr;

use dhp_segment::{DropReason, Reader, RouteAction};
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN as ETHERNET_HEADER_LEN};
use dhp_wire::extension::{self, HeaderChain};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View, decap_traffic_class};

use crate::lookup::{Key, Lookup};
use crate::plan::{Plan, Tunnelled};
use crate::{Link, PacketBuf, local};

/// In the first octet of a MAC address: it is that of a group.
const GROUP_BIT: u8 = 1;

/// What of a port matters for the packets that arrive there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingress {
    pub(crate) link: Link,
    pub(crate) host_has_copy: bool,
    /// The host kernel gets what is its own through an exception port, whatever it is.
    pub(crate) has_exception: bool,
    /// What arrives was sent by the host kernel.
    pub(crate) is_host: bool,
}

/// Take the link header and the link padding off a received frame and decide what is to be done with the packet.
#[inline(always)]
pub(crate) fn classify(
    frame: &mut impl PacketBuf,
    ingress: Ingress,
    reader: &Reader,
    lookup: &mut Lookup,
) -> Plan {
    let mut to_group = false;
    if ingress.link == Link::Ethernet {
        match frame.bytes().first_chunk::<ETHERNET_HEADER_LEN>().copied() {
            Some([to, .., high, low]) if u16::from_be_bytes([high, low]) == ETHERTYPE_IPV6 => {
                to_group = to & GROUP_BIT != 0;
            }
            _ if ingress.host_has_copy => return Plan::Host,
            // Without its header, as everything that goes on from here.
            Some(_) if ingress.has_exception && frame.trim_front(ETHERNET_HEADER_LEN) => {
                return Plan::Host;
            }
            _ => return Plan::Drop(DropReason::NotIpv6),
        }
        if !frame.trim_front(ETHERNET_HEADER_LEN) {
            return Plan::Drop(DropReason::MalformedIpv6);
        }
    }
    let (plan, total_len) = match Ipv6View::new(frame.bytes()) {
        Ok(view) => (
            plan(&view, to_group, ingress, reader, lookup),
            view.total_len(),
        ),
        Err(_) => return Plan::Drop(DropReason::MalformedIpv6),
    };
    // Most frames have no padding.
    if total_len != frame.bytes().len() && !frame.set_len(total_len) {
        return Plan::Drop(DropReason::MalformedIpv6);
    }
    plan
}

#[inline(always)]
fn plan(
    packet: &Ipv6View<'_>,
    to_group: bool,
    ingress: Ingress,
    reader: &Reader,
    lookup: &mut Lookup,
) -> Plan {
    let (source, destination) = (packet.source_octets(), packet.destination_octets());
    let mut from_link = false;
    if is_special(source) || is_special(destination) {
        let (source, destination) = (packet.source(), packet.destination());
        if source.is_multicast() || source.is_loopback() {
            return Plan::Drop(DropReason::InvalidSource);
        }
        if let Some(reason) = never_forwarded(&destination) {
            // What the kernel itself sends to a link on the exception interface (router solicitations, MLD) concerns nobody.
            return if ingress.is_host {
                Plan::Drop(reason)
            } else {
                Plan::Host
            };
        }
        if source.is_unspecified() {
            return Plan::Drop(DropReason::InvalidSource);
        }
        from_link = source.is_unicast_link_local();
    }
    let action = reader.route(destination);
    let is_ours = matches!(action, RouteAction::Local | RouteAction::Anchor);
    if from_link && !is_ours {
        return Plan::Drop(DropReason::LinkScope);
    }
    if to_group && !is_ours {
        // Whoever forwarded what came as a link-layer multicast would multiply it.
        return Plan::Drop(DropReason::Multicast);
    }
    // Mobile nodes send from their home addresses through the tunnel; the box itself has none of them.
    if !ingress.is_host && matches!(reader.route(source), RouteAction::Pool) {
        return Plan::Drop(DropReason::SpoofedPoolSource);
    }
    match action {
        RouteAction::Anchor => to_anchor(packet, reader, lookup),
        _ => Plan::Deliver {
            action,
            home: home_key(action, packet, reader, lookup),
        },
    }
}

/// Whether an address can be one that is not for every router: multicast, link-local, loopback and unspecified addresses begin
/// with one of three octets, and hardly any other does.
#[inline]
const fn is_special(address: &[u8; 16]) -> bool {
    is_special_octet(address[0])
}

/// [`is_special`] by the first octet.
#[inline(always)]
pub(crate) const fn is_special_octet(first: u8) -> bool {
    matches!(first, 0 | 0xfe | 0xff)
}

/// RFC 4291 §2.5.6: "Routers must not forward any packets with Link-Local source or destination addresses to other links";
/// §2.5.3 says so of loopback, §2.5.2 of the unspecified address. Multicast is not routed here.
#[inline]
fn never_forwarded(destination: &Ipv6Addr) -> Option<DropReason> {
    if destination.is_multicast() {
        Some(DropReason::Multicast)
    } else if destination.is_unicast_link_local()
        || destination.is_loopback()
        || destination.is_unspecified()
    {
        Some(DropReason::LinkScope)
    } else {
        None
    }
}

#[inline]
fn home_key(
    action: RouteAction,
    packet: &Ipv6View<'_>,
    reader: &Reader,
    lookup: &mut Lookup,
) -> Option<Key> {
    match action {
        RouteAction::Pool => lookup.ask(packet.destination_octets(), reader),
        _ => None,
    }
}

/// A packet to the anchor's own address: the end of a tunnel, or something for [`crate::local`].
#[inline(always)]
fn to_anchor(packet: &Ipv6View<'_>, reader: &Reader, lookup: &mut Lookup) -> Plan {
    let inner_offset = match packet.next_header() {
        next_header::IPV6 => HEADER_LEN,
        next_header::HOP_BY_HOP
        | next_header::ROUTING
        | next_header::FRAGMENT
        | next_header::AUTHENTICATION
        | next_header::DESTINATION => match behind_extensions(*packet, reader) {
            Ok(Behind::Tunnel(offset)) => offset,
            Ok(Behind::Piece) => return Plan::Reassemble,
            Ok(Behind::Other) => return LOCAL,
            Err(reason) => return Plan::Drop(reason),
        },
        _ => return LOCAL,
    };
    let inner = packet.packet().get(inner_offset..).unwrap_or_default();
    let Ok(inner) = Ipv6View::new(inner) else {
        return Plan::Drop(DropReason::TunnelInnerMalformed);
    };
    let (Ok(inner_offset), Ok(inner_len)) = (
        u32::try_from(inner_offset),
        u32::try_from(inner.total_len()),
    ) else {
        return Plan::Drop(DropReason::TunnelInnerMalformed);
    };
    if is_special(inner.destination_octets())
        && let Some(reason) = never_forwarded(&inner.destination())
    {
        return Plan::Drop(reason);
    }
    let action = reader.route(inner.destination_octets());
    Plan::Decapsulate(Tunnelled {
        inner_offset,
        inner_len,
        traffic_class: decap_traffic_class(inner.traffic_class(), packet.traffic_class()),
        source: lookup.ask(inner.source_octets(), reader),
        action,
        home: home_key(action, &inner, reader, lookup),
    })
}

const LOCAL: Plan = Plan::Deliver {
    action: RouteAction::Anchor,
    home: None,
};

/// A packet to the anchor that was put together from pieces.
#[cold]
pub(crate) fn classify_reassembled(packet: &[u8], reader: &Reader, lookup: &mut Lookup) -> Plan {
    match Ipv6View::new(packet).map(|view| to_anchor(&view, reader, lookup)) {
        // A fragment header in what was in fragments: nobody has a reason for that.
        Ok(Plan::Reassemble) => Plan::Drop(DropReason::BadExtensionChain),
        Ok(plan) => plan,
        Err(_) => Plan::Drop(DropReason::MalformedIpv6),
    }
}

/// What the extension headers of a packet to the anchor lead to.
enum Behind {
    /// A tunnelled packet, which begins here.
    Tunnel(usize),
    /// A piece of something that is ours, once it is whole.
    Piece,
    /// Anything else.
    Other,
}

#[cold]
fn behind_extensions(packet: Ipv6View<'_>, reader: &Reader) -> Result<Behind, DropReason> {
    let Ok(chain) = extension::walk(packet.packet()) else {
        return Err(DropReason::BadExtensionChain);
    };
    if local::is_partial(&chain) && is_ours_when_whole(&packet, &chain) {
        return match local::refused_routing(&chain, reader) {
            Some(refusal) => Err(refusal.reason),
            None => Ok(Behind::Piece),
        };
    }
    if chain.upper_protocol != next_header::IPV6 {
        return Ok(Behind::Other);
    }
    if local::is_partial(&chain) {
        return Err(DropReason::Fragment);
    }
    if let Some(refusal) = local::refused_routing(&chain, reader) {
        return Err(refusal.reason);
    }
    if chain.home_address.is_some() {
        // RFC 6275 §11.3.1 puts the option where a mobile node sends without a tunnel.
        return Err(DropReason::HomeAddressOptionUnbound);
    }
    Ok(Behind::Tunnel(chain.upper_offset))
}

/// Whether the fragmentable part begins with a tunnelled packet, signalling, or options that either may stand behind. The
/// host reassembles its own.
fn is_ours_when_whole(packet: &Ipv6View<'_>, chain: &HeaderChain) -> bool {
    let header = chain
        .fragment
        .and_then(|fragment| packet.packet().get(fragment.header_offset));
    matches!(
        header,
        Some(&(next_header::IPV6 | next_header::DESTINATION | next_header::MOBILITY))
    )
}
