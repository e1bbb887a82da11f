//! Packets of home addresses: IPv6 in IPv6 (RFC 2473) between a care-of address and an anchor, or directly to and from a
//! correspondent, see [`crate::direct_route`].

use std::cell::Cell;
use std::collections::HashMap;
use std::net::Ipv6Addr;

use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::ipv6::{
    HEADER_LEN, Ipv6Header, Ipv6View, MIN_MTU, decap_traffic_class, encap_traffic_class,
    flow_label_hash,
};
use dhp_wire::mobility::TrafficSelector;

use crate::access::CareOf;
use crate::direct_route::{DirectRoute, put_home_address};

/// Octets of a type 2 routing header (RFC 6275 §6.4.1).
const TYPE_2_LEN: usize = 24;
/// Hop limit of tunnel packets (profile 1, section 5).
const HOP_LIMIT: u8 = 64;

/// The near end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// The care-of address.
    pub care_of: CareOf,
    /// The longest inner packet, in octets.
    pub mtu: u16,
}

/// Flows that have a near end of their own (RFC 6089).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteeredPath {
    /// Which packets, as they come from the correspondent.
    pub selector: TrafficSelector,
    /// Where what goes to it leaves; `None`: as if there was no such rule.
    pub path: Option<Path>,
}

/// The tunnel of a home address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// The far end.
    pub anchor: Ipv6Addr,
    /// The near end that the anchor has bound, while its interface can be used. The home address itself: the node is at home, and
    /// packets go as they are.
    pub care_of: Option<CareOf>,
    /// The longest inner packet, in octets.
    pub mtu: u16,
    /// The first that matches decides; the rest goes from the care-of address.
    pub steered: Vec<SteeredPath>,
}

impl Tunnel {
    /// Where a packet to a correspondent leaves.
    fn path(&self, view: &Ipv6View<'_>) -> Option<Path> {
        let default = self.care_of.map(|care_of| Path {
            care_of,
            mtu: self.mtu,
        });
        if self.steered.is_empty() {
            return default;
        }
        // Ports are looked for once, and only where a rule asks for them.
        let mut ports = None;
        let mut takes = |flow: &&SteeredPath| {
            let selector = &flow.selector;
            let mut port_matches = || {
                selector.source_port.is_none_or(|range| {
                    let port = *ports.get_or_insert_with(|| destination_port(view));
                    port.is_some_and(|port| range.contains(port))
                })
            };
            takes_headers(selector, view) && port_matches()
        };
        let steered = self.steered.iter().find(|flow| takes(flow));
        steered.and_then(|flow| flow.path).or(default)
    }
}

/// Whether a packet that goes to a correspondent belongs to a flow, as far as its headers tell.
fn takes_headers(selector: &TrafficSelector, view: &Ipv6View<'_>) -> bool {
    let correspondent = view.destination();
    let protocol = view.next_header();
    let dscp = view.traffic_class() >> 2;
    selector
        .source
        .is_none_or(|range| range.contains(correspondent))
        && selector
            .next_header
            .is_none_or(|range| range.contains(protocol))
        && selector.dscp.is_none_or(|range| range.contains(dscp))
}

/// Why a packet goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no IPv6 packet.
    Malformed,
    /// Its source is no home address, or its destination none that an anchor would route to.
    NotForTunnel,
    /// The outer source is not the anchor of the inner destination.
    WrongAnchor,
    /// A router on the way has set "congestion experienced" in a packet that cannot carry it (RFC 6040).
    Congestion,
}

/// What is to become of a packet of this host.
#[derive(Debug, PartialEq, Eq)]
pub enum Uplink<'a> {
    /// Send from this interface.
    Send(CareOf, &'a [u8]),
    /// Send as it is, without a tunnel.
    Plain(CareOf, &'a [u8]),
    /// The anchor does not know where we are now: keep it for a moment.
    Hold(Ipv6Addr),
    /// Send directly, with a Home Address option.
    Direct(CareOf, &'a [u8]),
    /// Longer than the way takes; tell the sender.
    TooBig {
        /// The longest that it takes, in octets.
        mtu: u16,
    },
    /// Nothing.
    Drop(Refusal),
}

#[derive(Debug)]
struct Known {
    tunnel: Tunnel,
    /// Whether packets have come or gone.
    is_active: Cell<bool>,
}

/// Home addresses and their tunnels.
#[derive(Debug, Default)]
pub struct Tunnels {
    by_home: HashMap<Ipv6Addr, Known>,
    /// By home address and correspondent.
    routes: HashMap<(Ipv6Addr, Ipv6Addr), DirectRoute>,
    /// The care-of address: source of flows that wait for an anchor where there is no home agent.
    care_of: Option<CareOf>,
}

impl Tunnels {
    /// The tunnel of a home address.
    pub fn get(&self, home: &Ipv6Addr) -> Option<&Tunnel> {
        self.by_home.get(home).map(|known| &known.tunnel)
    }

    fn used(&self, home: &Ipv6Addr) -> Option<&Tunnel> {
        let known = self.by_home.get(home)?;
        known.is_active.set(true);
        Some(&known.tunnel)
    }

    /// The home addresses that packets have come or gone for since this was asked last.
    pub fn take_active(&self) -> Vec<Ipv6Addr> {
        let known = self.by_home.iter();
        let active = known.filter(|(_, known)| known.is_active.take());
        active.map(|(home, _)| *home).collect()
    }

    /// Notes that packets have come or gone.
    pub fn set_active(&self, homes: &[Ipv6Addr]) {
        for known in homes.iter().filter_map(|home| self.by_home.get(home)) {
            known.is_active.set(true);
        }
    }

    /// Sets the care-of address.
    pub fn set_care_of(&mut self, care_of: Option<CareOf>) {
        self.care_of = care_of;
    }

    /// Sets the tunnel of a home address.
    pub fn insert(&mut self, home: Ipv6Addr, tunnel: Tunnel) {
        let is_active = Cell::new(false);
        self.by_home.insert(home, Known { tunnel, is_active });
    }

    /// Sets the route between a home address and a correspondent.
    pub fn insert_route(&mut self, home: Ipv6Addr, correspondent: Ipv6Addr, route: DirectRoute) {
        self.routes.insert((home, correspondent), route);
    }

    /// Puts the tunnel header before the packet that stands behind the first 40 octets of `buffer`. The tunnel is that
    /// of the inner source address, whatever route led here.
    pub fn encapsulate<'a>(&self, buffer: &'a mut [u8]) -> Uplink<'a> {
        let Some((outer, inner)) = buffer.split_first_chunk_mut::<HEADER_LEN>() else {
            return Uplink::Drop(Refusal::Malformed);
        };
        let Ok(view) = Ipv6View::new(inner) else {
            return Uplink::Drop(Refusal::Malformed);
        };
        let (source, destination) = (view.source(), view.destination());
        let routable = !destination.is_multicast() && !destination.is_unicast_link_local();
        let plain = self
            .care_of
            .filter(|care_of| care_of.address == view.source());
        if let (Some(care_of), true) = (plain, routable) {
            let total = view.total_len();
            return without_tunnel(buffer, total, care_of);
        }
        let Some(tunnel) = self.used(&view.source()).filter(|_| routable) else {
            return Uplink::Drop(Refusal::NotForTunnel);
        };
        let total = view.total_len();
        if let Some(way) = tunnel.care_of.filter(|way| way.address == source) {
            return without_tunnel(buffer, total, way);
        }
        let route = self.routes.get(&(view.source(), destination));
        if let Some((route, care_of)) = route.and_then(|route| Some((route, route.way(&view)?))) {
            if route.is_too_long(&view) {
                return Uplink::TooBig { mtu: route.mtu };
            }
            return match put_home_address(buffer, total, &care_of.address) {
                Some(packet) => Uplink::Direct(care_of, packet),
                None => Uplink::Drop(Refusal::Malformed),
            };
        }
        let path = tunnel.path(&view);
        let mtu = path.map_or(tunnel.mtu, |path| path.mtu);
        if total > usize::from(mtu).max(MIN_MTU) {
            return Uplink::TooBig { mtu };
        }
        let Some(Path { care_of, .. }) = path else {
            return Uplink::Hold(tunnel.anchor);
        };
        let Ok(payload_len) = u16::try_from(total) else {
            return Uplink::Drop(Refusal::Malformed);
        };
        let header = Ipv6Header {
            traffic_class: encap_traffic_class(view.traffic_class()),
            flow_label: flow_label_hash(&view, view.next_header(), ports(&view)),
            payload_len,
            next_header: next_header::IPV6,
            hop_limit: HOP_LIMIT,
            source: care_of.address,
            destination: tunnel.anchor,
        };
        header.emit(outer);
        match buffer.get(..HEADER_LEN.saturating_add(total)) {
            Some(packet) => Uplink::Send(care_of, packet),
            None => Uplink::Drop(Refusal::Malformed),
        }
    }

    /// Takes the tunnel header off; `packet` has Next Header 41.
    ///
    /// # Errors
    /// Why the inner packet is not for this host to take.
    pub fn decapsulate<'a>(&self, packet: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        let outer = Ipv6View::new(packet).map_err(|_| Refusal::Malformed)?;
        let (source, outer_class) = (outer.source(), outer.traffic_class());
        let total = outer.total_len();
        let inner = packet
            .get_mut(HEADER_LEN..total)
            .ok_or(Refusal::Malformed)?;
        let view = Ipv6View::new(inner).map_err(|_| Refusal::Malformed)?;
        let (length, class) = (view.total_len(), view.traffic_class());
        let tunnel = self
            .used(&view.destination())
            .ok_or(Refusal::NotForTunnel)?;
        if tunnel.anchor != source {
            return Err(Refusal::WrongAnchor);
        }
        let decided = decap_traffic_class(class, outer_class).ok_or(Refusal::Congestion)?;
        if decided != class {
            set_traffic_class(inner, decided);
        }
        inner.get(..length).ok_or(Refusal::Malformed)
    }

    /// Takes off the type 2 routing header that `packet` has for its first extension header, and puts its home address where the
    /// care-of address was (RFC 6275 §11.3.3). The anchor of a home address sends so what it has itself to say, and a correspondent
    /// what it sends directly.
    ///
    /// # Errors
    /// Why the packet is not for this host to take.
    pub fn take_off_routing<'a>(&self, packet: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        let view = Ipv6View::new(packet).map_err(|_| Refusal::Malformed)?;
        let (source, total) = (view.source(), view.total_len());
        let chain = extension::walk(view.packet()).map_err(|_| Refusal::Malformed)?;
        let home = chain
            .routing
            .filter(|routing| routing.segments_left == 1)
            .and_then(|routing| routing.home)
            .ok_or(Refusal::Malformed)?;
        let tunnel = self.used(&home).ok_or(Refusal::NotForTunnel)?;
        if tunnel.anchor != source && !self.routes.contains_key(&(home, source)) {
            return Err(Refusal::WrongAnchor);
        }
        let behind = *packet.get(HEADER_LEN).ok_or(Refusal::Malformed)?;
        let payload_len = total.saturating_sub(HEADER_LEN + TYPE_2_LEN);
        let payload_len = u16::try_from(payload_len).map_err(|_| Refusal::Malformed)?;
        // The header in front of what stood behind the routing header.
        packet.copy_within(..HEADER_LEN, TYPE_2_LEN);
        let opened = packet
            .get_mut(TYPE_2_LEN..total)
            .ok_or(Refusal::Malformed)?;
        let header = opened
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(Refusal::Malformed)?;
        header[4..6].copy_from_slice(&payload_len.to_be_bytes());
        header[6] = behind;
        header[24..].copy_from_slice(&home.octets());
        Ok(opened)
    }
}

/// A packet of `total` octets that stands behind the first 40 of `buffer`, as it is.
fn without_tunnel(buffer: &[u8], total: usize, way: CareOf) -> Uplink<'_> {
    match buffer.get(HEADER_LEN..HEADER_LEN.saturating_add(total)) {
        Some(packet) => Uplink::Plain(way, packet),
        None => Uplink::Drop(Refusal::Malformed),
    }
}

/// The port that a packet goes to, if it has one where it can be seen.
fn destination_port(view: &Ipv6View<'_>) -> Option<u16> {
    let word = ports(view);
    u16::try_from(word & 0xffff).ok().filter(|port| *port > 0)
}

/// Both ports as one word, 0 where there are none.
fn ports(view: &Ipv6View<'_>) -> u32 {
    let has_ports = matches!(
        view.next_header(),
        next_header::TCP | next_header::UDP | next_header::UDP_LITE | next_header::SCTP
    );
    let word = view.payload().first_chunk::<4>().filter(|_| has_ports);
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

fn set_traffic_class(packet: &mut [u8], class: u8) {
    if let [first, second, ..] = packet {
        *first = *first & 0xf0 | class >> 4;
        *second = *second & 0x0f | class << 4;
    }
}

#[cfg(test)]
mod tests;
