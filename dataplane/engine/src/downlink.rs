//! From a correspondent to a mobile node: the entry of the tunnel

use dhp_segment::{Counter, DropReason, HomeEntry, NextHop, OUTER_HEADER_LEN, Template};
use dhp_wire::codepoints::icmpv6::{ADDRESS_UNREACHABLE, ERRONEOUS_FIELD};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::icmpv6::IcmpError;
use dhp_wire::ipv6::{Ipv6View, MIN_MTU, encap_traffic_class, flow_label_hash};

use crate::binding_limits::Limited;
use crate::forward::pay_hop;
use crate::mss_clamp::clamp_mss;
use crate::origin::Origin;
use crate::outer_header::{OuterHeader, TUNNEL_LIMIT_LEN};
use crate::path::Path;
use crate::{PacketBuf, Port};

/// No IPv6 link carries less than a packet of [`MIN_MTU`], so that no tunnel has less room than this (RFC 2473 §7.1).
pub(crate) const MIN_TUNNEL_MTU: usize = MIN_MTU - OUTER_HEADER_LEN;

impl<P: Port> Path<P> {
    /// Tunnel a packet for a pool address to the care-of address that it is bound to (RFC 6275 §10.4.2).
    #[inline(always)]
    pub(crate) fn downlink(&mut self, packet: P::Buf, home: Option<HomeEntry>, origin: Origin) {
        if let Some(home) = &home {
            self.reader.carry(home, packet.bytes().len() as u64);
        }
        if origin == Origin::Host {
            self.reader.count(Counter::FromHost, 1);
            if let Some(template) = self.direct_template(packet.bytes(), home) {
                return self.send_direct(packet, &template);
            }
        }
        if let Some(flows) = home.and_then(|home| home.flows()) {
            return self.downlink_by_flow(packet, home, flows, origin);
        }
        self.downlink_default(packet, home, origin);
    }

    /// Tunnel a packet to the default care-of address.
    #[inline(never)]
    pub(crate) fn downlink_default(
        &mut self,
        packet: P::Buf,
        home: Option<HomeEntry>,
        origin: Origin,
    ) {
        let Some(template) = self.template(home) else {
            let error = IcmpError::DestinationUnreachable {
                code: ADDRESS_UNREACHABLE,
            };
            self.answer(packet.bytes(), error, origin);
            return self.discard(packet, DropReason::NoBinding);
        };
        self.enter_tunnel(packet, &template, origin);
    }

    /// Tunnel a packet by a template that is not that of the default care-of address.
    #[inline(never)]
    pub(crate) fn enter_one_of(&mut self, packet: P::Buf, template: &Template, origin: Origin) {
        self.enter_tunnel(packet, template, origin);
    }

    /// Tunnel a packet by this template, of which copies are made where it must have an address in memory: for most packets it
    /// need not.
    #[inline(always)]
    fn enter_tunnel(&mut self, mut packet: P::Buf, template: &Template, origin: Origin) {
        let Ok(inner) = Ipv6View::new(packet.bytes()) else {
            return self.discard(packet, DropReason::MalformedIpv6);
        };
        if is_loop(template, &inner) {
            return self.discard(packet, DropReason::TunnelLoop);
        }
        let inside = Inside::of(&inner);
        if !self.has_hops(&packet, origin) {
            return self.discard(packet, DropReason::HopLimitExceeded);
        }
        let outer = OuterHeader {
            template,
            traffic_class: encap_traffic_class(inner.traffic_class()),
            flow_label: inside.flow_label,
            encapsulation_limit: match inside.encapsulation_limit {
                None => None,
                Some((0, pointer)) => {
                    // RFC 2473 §4.1.1 (b): if the "limit value is zero, the packet is discarded and an ICMP Parameter Problem
                    // message is sent to the source of the packet", its Code zero, its Pointer at the limit.
                    let error = IcmpError::ParameterProblem {
                        code: ERRONEOUS_FIELD,
                        pointer,
                    };
                    self.answer(packet.bytes(), error, origin);
                    return self.discard(packet, DropReason::EncapsulationLimit);
                }
                Some((limit, _)) => Some(limit.saturating_sub(1)),
            },
        };
        let Some(hop) = self.next_hop(template.next_hop) else {
            return self.discard(packet, DropReason::NeighbourUnresolved);
        };
        let room = tunnel_mtu(template, &hop, outer.encapsulation_limit);
        let len = packet.bytes().len();
        // RFC 2473 §7.1: what is larger than the IPv6 minimum MTU and does not fit is answered, with "max (tunnel MTU,
        // IPv6 minimum link MTU)"; what is not larger is encapsulated, and the tunnel packet fragmented.
        if len > room && len > MIN_MTU {
            let mtu = u32::try_from(room.max(MIN_MTU)).unwrap_or(u32::MAX);
            self.answer(packet.bytes(), IcmpError::PacketTooBig { mtu }, origin);
            return self.discard(packet, DropReason::PacketTooBig);
        }
        if template.meter.is_some() {
            let limited = *template;
            match self.limit(&limited, len.saturating_add(OUTER_HEADER_LEN)) {
                Limited::Go => {}
                // Not to be limited again: the cap has been asked, and nothing is tested there.
                Limited::Elsewhere(tested) => {
                    let tested = Template {
                        meter: None,
                        ..tested
                    };
                    return self.enter_one_of(packet, &tested, origin);
                }
                Limited::Refused(reason) => return self.discard(packet, reason),
            }
        }
        pay_hop(&mut packet, origin);
        if self.tcp_mss_clamp {
            clamp_mss(packet.bytes_mut(), mss_room(room));
        }
        if len > room {
            let template = *template;
            let outer = OuterHeader {
                template: &template,
                ..outer
            };
            return self.send_in_two(packet, &outer, hop);
        }
        if !outer.prepend(&mut packet) {
            return self.discard(packet, DropReason::NoHeadroom);
        }
        self.reader.count(Counter::Encapsulated, 1);
        self.send_to(packet, hop, Origin::Own);
    }
}

/// RFC 2473 §4.1.2: entry and exit must differ, and so must the tunnel and the packet; either would tunnel the tunnel.
#[inline]
pub(crate) fn is_loop(template: &Template, inner: &Ipv6View<'_>) -> bool {
    template.source == template.destination || template.destination == *inner.destination_octets()
}

/// The largest inner packet that leaves in one piece, in octets.
#[inline]
fn tunnel_mtu(template: &Template, hop: &NextHop, encapsulation_limit: Option<u8>) -> usize {
    let options = match encapsulation_limit {
        Some(_) => TUNNEL_LIMIT_LEN,
        None => 0,
    };
    let link = usize::from(hop.mtu).saturating_sub(OUTER_HEADER_LEN);
    usize::from(template.mtu)
        .min(link)
        .max(MIN_TUNNEL_MTU)
        .saturating_sub(options)
}

/// The inner packet that TCP is to make at most. Sources need not make any smaller than 1280 octets.
#[inline]
pub(crate) fn mss_room(tunnel_mtu: usize) -> u16 {
    u16::try_from(tunnel_mtu.max(MIN_MTU)).unwrap_or(u16::MAX)
}

/// What the outer header takes from inside the packet.
struct Inside {
    flow_label: u32,
    encapsulation_limit: Option<(u8, u32)>,
}

impl Inside {
    #[inline(always)]
    fn of(inner: &Ipv6View<'_>) -> Self {
        let protocol = inner.next_header();
        if extension::is_extension_header(protocol) {
            return Self::behind_extensions(*inner);
        }
        let ports = extension::leading_ports(protocol, inner.payload());
        Self {
            flow_label: flow_label_hash(inner, protocol, ports),
            encapsulation_limit: None,
        }
    }

    #[cold]
    fn behind_extensions(inner: Ipv6View<'_>) -> Self {
        let inner = &inner;
        let Ok(chain) = extension::walk(inner.packet()) else {
            // In transit a broken chain is not our business: it is forwarded as a flow of its addresses.
            return Self {
                flow_label: flow_label_hash(inner, inner.next_header(), 0),
                encapsulation_limit: None,
            };
        };
        let upper_protocol = match chain.fragment {
            // All fragments of a packet take the same way.
            Some(_) => next_header::FRAGMENT,
            None => chain.upper_protocol,
        };
        let ports = extension::ports(inner.packet(), &chain);
        Self {
            flow_label: flow_label_hash(inner, upper_protocol, ports),
            encapsulation_limit: chain
                .encapsulation_limit
                .map(|(limit, offset)| (limit, u32::try_from(offset).unwrap_or(u32::MAX))),
        }
    }
}
