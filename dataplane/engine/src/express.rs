//! The short way of most packets: UDP and TCP into the tunnel of a plain binding, and whatever comes out of one
//!
//! The long way ([`crate::classify`], [`crate::downlink`], [`crate::uplink`]) has an answer to everything that can be wrong with a
//! packet. Nothing is wrong with nearly all of them. This one asks the same questions as that one, all of them, and gives back
//! unchanged every packet to which an answer is not the usual one: that then goes the long way. So it can be short: fields are
//! read where they stand in the frame, the link header stays on, one write makes the new headers, and what is counted is counted for
//! the batch.

use dhp_segment::{
    AddressWords, HomeCandidate, HomePlace, Landmarks, NextHopState, OUTER_HEADER_LEN, Reader,
    RouteAction,
};
use dhp_wire::codepoints::next_header;
use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN as ETHERNET_LEN};
use dhp_wire::ipv6::{HEADER_LEN as IPV6_LEN, decap_traffic_class, flow_label_of};

use crate::classify::is_special_octet;
use crate::downlink::MIN_TUNNEL_MTU;
use crate::path::Path;
use crate::{Link, PacketBuf, Port};

/// Link header and outer IPv6 header.
const HEADERS: usize = ETHERNET_LEN + IPV6_LEN;
/// The ports of UDP and TCP behind them.
const HEADERS_AND_PORTS: usize = HEADERS + 4;
/// With the IPv6 header inside the tunnel.
const BOTH_HEADERS: usize = HEADERS + IPV6_LEN;

/// Version 6, and the Next Header and Hop Limit of a tunnel packet.
const VERSION: u32 = 6 << 28;
const TUNNEL: [u8; 2] = [next_header::IPV6, 64];

/// The way of a packet, with what is known so far of where its binding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane<B = HomePlace> {
    /// By a [`Plan`](crate::plan::Plan).
    Long,
    /// Into the tunnel of the binding that is looked for there. The frame is as it was received.
    Enter(B),
    /// Out of the tunnel of the binding that is looked for there, likewise.
    Leave(B),
}

impl Lane {
    /// One step further: the binding itself is on its way then.
    #[inline(always)]
    pub(crate) fn expect_binding(self, reader: &Reader) -> Lane<HomeCandidate> {
        match self {
            Self::Long => Lane::Long,
            Self::Enter(place) => Lane::Enter(reader.expect_binding(place)),
            Self::Leave(place) => Lane::Leave(reader.expect_binding(place)),
        }
    }
}

/// What a worker's express packets add to its counters, once per batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) entered: u64,
    pub(crate) left: u64,
}

/// The IPv6 header that stands at `AT` in the first `N` octets of a frame. Every place is known when this is compiled.
struct Header<'a, const N: usize, const AT: usize>(&'a [u8; N]);

impl<const N: usize, const AT: usize> Header<'_, N, AT> {
    #[inline(always)]
    fn octets<const LEN: usize>(&self, offset: usize) -> [u8; LEN] {
        self.0
            .get(AT + offset..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0; LEN])
    }

    #[inline(always)]
    fn octet(&self, offset: usize) -> u8 {
        let [octet] = self.octets(offset);
        octet
    }

    #[inline(always)]
    fn address(&self, offset: usize) -> AddressWords {
        AddressWords([
            u64::from_ne_bytes(self.octets(offset)),
            u64::from_ne_bytes(self.octets(offset + 8)),
        ])
    }

    /// Version, traffic class and flow label.
    #[inline(always)]
    fn first_word(&self) -> u32 {
        u32::from_be_bytes(self.octets(0))
    }

    #[inline(always)]
    fn is_ipv6(&self) -> bool {
        self.octet(0) >> 4 == 6
    }

    #[inline(always)]
    fn traffic_class(&self) -> u8 {
        (self.first_word() >> 20) as u8
    }

    #[inline(always)]
    fn payload_len(&self) -> usize {
        u16::from_be_bytes(self.octets(4)).into()
    }

    #[inline(always)]
    fn next_header(&self) -> u8 {
        self.octet(6)
    }

    #[inline(always)]
    fn has_hops(&self) -> bool {
        self.octet(7) > 1
    }

    #[inline(always)]
    fn source(&self) -> AddressWords {
        self.address(8)
    }

    #[inline(always)]
    fn destination(&self) -> AddressWords {
        self.address(24)
    }
}

/// Which way a frame goes, as it was received on an Ethernet link.
#[inline(always)]
pub(crate) fn sort(frame: &impl PacketBuf, landmarks: &Landmarks, reader: &Reader) -> Lane {
    let lane = sort_express(frame.bytes(), landmarks, reader).unwrap_or(Lane::Long);
    if matches!(lane, Lane::Enter(_)) {
        frame.expect_prepend();
    }
    lane
}

#[inline(always)]
fn sort_express(frame: &[u8], landmarks: &Landmarks, reader: &Reader) -> Option<Lane> {
    let headers = frame.first_chunk::<HEADERS>()?;
    let link = Header::<HEADERS, 0>(headers);
    let outer = Header::<HEADERS, ETHERNET_LEN>(headers);
    let to_group = link.octet(0) & 1 == 1;
    let ether_type = u16::from_be_bytes(link.octets(12));
    if to_group || ether_type != ETHERTYPE_IPV6 || !outer.is_ipv6() {
        return None;
    }
    // Neither link padding nor a truncated packet.
    if outer.payload_len().checked_add(HEADERS) != Some(frame.len()) {
        return None;
    }
    let (source, destination) = (outer.source(), outer.destination());
    if is_special(source) || is_special(destination) || !landmarks.is_outside(source) {
        return None;
    }
    if outer.next_header() == next_header::IPV6 && landmarks.is_anchor(destination) {
        let inner = Header::<BOTH_HEADERS, HEADERS>(frame.first_chunk()?);
        let fits = inner.payload_len().checked_add(BOTH_HEADERS) == Some(frame.len());
        if !inner.is_ipv6() || !fits || !inner.has_hops() || is_special(inner.destination()) {
            return None;
        }
        return Some(Lane::Leave(reader.expect_home(inner.source())));
    }
    let has_ports = matches!(outer.next_header(), next_header::UDP | next_header::TCP)
        && frame.len() >= HEADERS_AND_PORTS;
    if has_ports && outer.has_hops() && landmarks.is_in_pool(destination) {
        return Some(Lane::Enter(reader.expect_home(destination)));
    }
    None
}

impl<P: Port> Path<P> {
    /// Put a packet that [`sort`] has sorted into the tunnel of its binding.
    ///
    /// # Errors
    /// The packet, which has to go the long way.
    #[inline(always)]
    pub(crate) fn enter_express(
        &mut self,
        mut packet: P::Buf,
        candidate: HomeCandidate,
    ) -> Result<(), P::Buf> {
        let Some(headers) = packet.bytes().first_chunk::<HEADERS_AND_PORTS>() else {
            return Err(packet);
        };
        let inner = Header::<HEADERS_AND_PORTS, ETHERNET_LEN>(headers);
        let destination = inner.destination();
        let Some(binding) = self.reader.find_plain(destination, candidate) else {
            return Err(packet);
        };
        let tunnel = binding.tunnel;
        let len = packet.bytes().len().saturating_sub(ETHERNET_LEN);
        let hops = &mut self.express_hop;
        let Some(hop) = express_hop(hops, tunnel.next_hop, &self.reader, &self.ports) else {
            return Err(packet);
        };
        let is_clamped = self.tcp_mss_clamp && inner.next_header() == next_header::TCP;
        if is_clamped || len > usize::from(tunnel.mtu.min(hop.tunnel_mtu)).max(MIN_TUNNEL_MTU) {
            return Err(packet);
        }
        let first = inner.first_word();
        let flow_label = flow_label_of(
            &inner.source().octets(),
            &destination.octets(),
            first & 0x000f_ffff,
            inner.next_header(),
            u32::from_be_bytes(inner.octets(IPV6_LEN)),
        );
        let first = VERSION | first & 0x0ff0_0000 | flow_label;
        // The frame had a whole header of 16 bits of length, and is no longer than the link allows.
        let payload_len = len as u16;
        let hops = inner.octet(7).saturating_sub(1);
        if !packet.prepend(IPV6_LEN) {
            return Err(packet);
        }
        if let Some(front) = packet.bytes_mut().first_chunk_mut::<BOTH_HEADERS>() {
            put_link(front, &hop);
            put(front, ETHERNET_LEN, first.to_be_bytes());
            put(front, ETHERNET_LEN + 4, payload_len.to_be_bytes());
            put(front, ETHERNET_LEN + 6, TUNNEL);
            put_address(front, ETHERNET_LEN + 8, tunnel.anchor);
            put_address(front, ETHERNET_LEN + 24, tunnel.care_of);
            put(front, HEADERS + 7, [hops]);
        }
        binding.carry(len as u64);
        self.tally.entered += 1;
        self.send_frame(packet, hop.port.into());
        Ok(())
    }

    /// Take a packet that [`sort`] has sorted out of its tunnel, if its mobile node has sent it.
    ///
    /// # Errors
    /// The packet, which has to go the long way.
    #[inline(always)]
    pub(crate) fn leave_express(
        &mut self,
        mut packet: P::Buf,
        candidate: HomeCandidate,
    ) -> Result<(), P::Buf> {
        let Some(headers) = packet.bytes().first_chunk::<BOTH_HEADERS>() else {
            return Err(packet);
        };
        let outer = Header::<BOTH_HEADERS, ETHERNET_LEN>(headers);
        let inner = Header::<BOTH_HEADERS, HEADERS>(headers);
        let Some(binding) = self.reader.find_plain(inner.source(), candidate) else {
            return Err(packet);
        };
        // The long way's reasons stand there: RFC 6275 §8.4 and §10.4.5.
        let is_sender = binding.tunnel.care_of == outer.source();
        let class = inner.traffic_class();
        let keeps_class = decap_traffic_class(class, outer.traffic_class()) == Some(class);
        let is_clamped = self.tcp_mss_clamp && inner.next_header() != next_header::UDP;
        if !is_sender || !keeps_class || is_clamped {
            return Err(packet);
        }
        let RouteAction::Forward { next_hop } = self.reader.route(&inner.destination().octets())
        else {
            return Err(packet);
        };
        let hops = &mut self.express_hop;
        let Some(hop) = express_hop(hops, next_hop, &self.reader, &self.ports) else {
            return Err(packet);
        };
        let len = packet.bytes().len().saturating_sub(HEADERS);
        if len > usize::from(hop.mtu) {
            return Err(packet);
        }
        let hops = inner.octet(7).saturating_sub(1);
        if !packet.trim_front(IPV6_LEN) {
            return Err(packet);
        }
        if let Some(front) = packet.bytes_mut().first_chunk_mut::<HEADERS>() {
            put_link(front, &hop);
            put(front, ETHERNET_LEN + 7, [hops]);
        }
        binding.carry(len as u64);
        self.tally.left += 1;
        self.send_frame(packet, hop.port.into());
        Ok(())
    }
}

/// A next hop that needs no asking: a neighbour that is known, on an Ethernet link. `last` is the one asked for last.
#[inline(always)]
fn express_hop<P: Port>(
    last: &mut Option<(u32, ExpressHop)>,
    id: u32,
    reader: &Reader,
    ports: &[P],
) -> Option<ExpressHop> {
    match last {
        Some((last, hop)) if *last == id => Some(*hop),
        _ => {
            let hop = ExpressHop::find(id, reader, ports)?;
            *last = Some((id, hop));
            Some(hop)
        }
    }
}

impl ExpressHop {
    #[inline(never)]
    fn find<P: Port>(id: u32, reader: &Reader, ports: &[P]) -> Option<Self> {
        let hop = reader.next_hop(id)?;
        let link = ports.get(usize::from(hop.port))?.info().link;
        if hop.state != NextHopState::Resolved || link != Link::Ethernet {
            return None;
        }
        let [d0, d1, d2, d3, d4, d5] = hop.destination_mac;
        let [s0, s1, s2, s3, s4, s5] = hop.source_mac;
        let [t0, t1] = ETHERTYPE_IPV6.to_be_bytes();
        Some(Self {
            link_front: u64::from_ne_bytes([d0, d1, d2, d3, d4, d5, s0, s1]),
            link_back: u64::from_ne_bytes([s0, s1, s2, s3, s4, s5, t0, t1]),
            port: hop.port,
            mtu: hop.mtu,
            tunnel_mtu: hop.mtu.saturating_sub(OUTER_HEADER_LEN as u16),
        })
    }
}

/// What an express packet needs of its next hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpressHop {
    /// The link header's first eight octets and its last eight, of which two are the same: two stores write it.
    link_front: u64,
    link_back: u64,
    port: u16,
    /// The link's MTU.
    mtu: u16,
    /// What of it a tunnel leaves.
    tunnel_mtu: u16,
}

#[inline(always)]
fn put_link<const N: usize>(front: &mut [u8; N], hop: &ExpressHop) {
    put(front, 0, hop.link_front.to_ne_bytes());
    put(front, ETHERNET_LEN - 8, hop.link_back.to_ne_bytes());
}

#[inline(always)]
fn put_address<const N: usize>(front: &mut [u8; N], at: usize, address: AddressWords) {
    let [first, second] = address.0;
    put(front, at, first.to_ne_bytes());
    put(front, at + 8, second.to_ne_bytes());
}

#[inline(always)]
fn is_special(address: AddressWords) -> bool {
    is_special_octet(address.first_octet())
}

/// Writes at a place that is known when this is compiled.
#[inline(always)]
fn put<const N: usize, const LEN: usize>(front: &mut [u8; N], at: usize, octets: [u8; LEN]) {
    if let Some(place) = front.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = octets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dhp_segment::{Geometry, Route, Segment};
    use std::net::Ipv6Addr;

    const ANCHOR: &str = "2001:db8:d::1";
    const HOME: &str = "2001:db8:d:1::7";
    const REMOTE: &str = "2001:db8:c::80";
    const CARE_OF: &str = "2001:db8:a::5";

    fn ipv6(next_header: u8, source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next_header, 64]);
        packet.extend(address(source));
        packet.extend(address(destination));
        packet.extend(payload);
        packet
    }

    fn frame(packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        frame.extend(packet);
        frame
    }

    /// Whether a frame goes the short way, and what changes of one octet have it go the long way.
    #[test]
    fn plain_packets_go_the_short_way_and_no_other() {
        let segment = Segment::anonymous(&Geometry::default()).expect("memory");
        let mut writer = segment.writer().expect("the writer");
        let route = |prefix: &str, len, action| Route {
            prefix: prefix.parse().expect("a prefix"),
            len,
            action,
        };
        writer
            .publish_routes(&[
                route(ANCHOR, 128, RouteAction::Anchor),
                route("2001:db8:d:1::", 64, RouteAction::Pool),
            ])
            .expect("room");
        let reader = segment.reader(0).expect("the reader");
        let mut landmarks = Landmarks::none();
        let down = frame(&ipv6(17, REMOTE, HOME, &[0; 20]));
        assert_eq!(
            sort_express(&down, &landmarks, &reader),
            None,
            "nothing is known"
        );
        reader.renew(&mut landmarks);
        assert!(matches!(
            sort_express(&down, &landmarks, &reader),
            Some(Lane::Enter(_))
        ));
        let inner = ipv6(58, HOME, REMOTE, &[0; 8]);
        let up = frame(&ipv6(41, CARE_OF, ANCHOR, &inner));
        assert!(matches!(
            sort_express(&up, &landmarks, &reader),
            Some(Lane::Leave(_))
        ));

        let is_long = |frame: &[u8]| sort_express(frame, &landmarks, &reader).is_none();
        // To a group, another EtherType, another version, another length, an extension header, no hop left; special addresses,
        // a source in the pool, a destination outside.
        for (at, octet) in [
            (0, 3),
            (12, 8),
            (14, 0x40),
            (19, 19),
            (20, 60),
            (21, 1),
            (22, 0xff),
            (38, 0xfe),
            (38, 0x30),
        ] {
            let mut changed = down.clone();
            changed[at] = octet;
            assert!(is_long(&changed), "octet {at}");
        }
        for (at, octet) in [(54, 0x40), (59, 9), (61, 1), (78, 0xff), (20, 60), (53, 2)] {
            let mut changed = up.clone();
            changed[at] = octet;
            assert!(is_long(&changed), "octet {at}");
        }
        assert!(is_long(&frame(&ipv6(17, HOME, HOME, &[0; 20]))));
        assert!(is_long(&frame(&ipv6(17, REMOTE, HOME, &[0; 3]))));
        for length in 0..down.len() {
            assert!(is_long(&down[..length]));
        }
    }
}
