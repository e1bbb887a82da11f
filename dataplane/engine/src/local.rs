//! Packets to the anchor's own addresses and to the home-agents anycast addresses of what it covers

use dhp_segment::{
    Counter, DropReason, PuntClass, PuntKind, PuntMeta, Reader, RingError, RouteAction,
};
use dhp_wire::codepoints::icmpv6::{
    ERRONEOUS_FIELD, HOME_AGENT_DISCOVERY_REQUEST, MOBILE_PREFIX_SOLICITATION,
};
use dhp_wire::codepoints::{ipv6_option, next_header, routing_type};
use dhp_wire::extension::{self, HeaderChain};
use dhp_wire::icmpv6::IcmpError;
use dhp_wire::ipv6::Ipv6View;

use crate::header::set_source;
use crate::origin::Origin;
use crate::path::Path;
use crate::{PacketBuf, Port};

/// A routing header that ends the packet.
pub(crate) struct Refusal {
    pub(crate) reason: DropReason,
    /// What the source is told, if anything.
    pub(crate) error: Option<IcmpError>,
}

/// What is wrong with the routing header of a packet to one of our addresses.
pub(crate) fn refused_routing(chain: &HeaderChain, reader: &Reader) -> Option<Refusal> {
    let routing = chain.routing?;
    match routing.kind {
        // RFC 6275 §6.4: Segments Left is always 1, and what it names must be an address of the receiver. Nobody is told.
        routing_type::TYPE_2 => {
            let names_us = routing.home.is_some_and(|home| {
                matches!(
                    reader.route(&home.octets()),
                    RouteAction::Anchor | RouteAction::Local
                )
            });
            (!names_us || routing.segments_left != 1).then_some(Refusal {
                reason: DropReason::RoutingHeader2,
                error: None,
            })
        }
        // RFC 8200 §4.4: "If Segments Left is zero, the node must ignore the Routing header"; RFC 5095 §3 has type 0 treated as
        // an unrecognized one.
        _ if routing.segments_left == 0 => None,
        kind => Some(Refusal {
            reason: match kind {
                routing_type::SOURCE_ROUTE => DropReason::RoutingHeader0,
                _ => DropReason::RoutingHeaderUnknown,
            },
            // "... send an ICMP Parameter Problem, Code 0, message to the packet's Source Address, pointing to the
            // unrecognized Routing Type."
            error: u32::try_from(routing.offset.saturating_add(2))
                .ok()
                .map(|pointer| IcmpError::ParameterProblem {
                    code: ERRONEOUS_FIELD,
                    pointer,
                }),
        }),
    }
}

/// Whether the packet is a piece of a larger one. A fragment header on a whole packet (RFC 6946) is none.
pub(crate) fn is_partial(chain: &HeaderChain) -> bool {
    chain
        .fragment
        .is_some_and(|fragment| fragment.more || fragment.offset != 0)
}

impl<P: Port> Path<P> {
    /// To an address of the anchor, and no tunnel: signalling to the control plane, the rest to the host.
    pub(crate) fn receive_at_anchor(&mut self, mut packet: P::Buf, origin: Origin) {
        let Ok(chain) = extension::walk(packet.bytes()) else {
            return self.discard(packet, DropReason::BadExtensionChain);
        };
        if let Some(refusal) = refused_routing(&chain, &self.reader) {
            if let Some(error) = refusal.error {
                self.answer(packet.bytes(), error, origin);
            }
            return self.discard(packet, refusal.reason);
        }
        // RFC 6275 §6.3: "For each IPv6 packet header, the Home Address option MUST NOT appear more than once."
        if chain.home_addresses > 1 {
            return self.discard(packet, DropReason::BadExtensionChain);
        }
        if chain.upper_protocol == next_header::MOBILITY {
            if is_partial(&chain) {
                return self.discard(packet, DropReason::Fragment);
            }
            return self.punt(packet, &chain, PuntKind::Mobility, origin);
        }
        if is_prefix_solicitation(packet.bytes(), &chain) {
            return self.punt(packet, &chain, PuntKind::Mobility, origin);
        }
        let Some((home_address, option)) = chain.home_address else {
            if chain.upper_protocol == next_header::ICMPV6 && !is_partial(&chain) {
                return self.receive_icmp(packet, &chain, origin);
            }
            return self.hand_to_host(packet, origin);
        };
        if !self.is_bound_source(packet.bytes(), &home_address.octets())
            && !self.is_from_optimized(packet.bytes(), &home_address.octets())
        {
            self.ask_for_binding_error(packet.bytes(), &chain, origin);
            return self.discard(packet, DropReason::HomeAddressOptionUnbound);
        }
        take_off_home_address(packet.bytes_mut(), home_address.octets(), option);
        self.hand_to_host(packet, origin.opened());
    }

    /// To the home-agents anycast address of a covered /64: queries are answered here; anything else is transit.
    pub(crate) fn receive_at_anycast(&mut self, packet: P::Buf, origin: Origin) {
        let Ok(view) = Ipv6View::new(packet.bytes()) else {
            return self.discard(packet, DropReason::MalformedIpv6);
        };
        if let Some(chain) = query(&view) {
            return self.punt(packet, &chain, PuntKind::QueryAnycast, origin);
        }
        // The anycast route hides that of the /64 it lies in; the subnet-router anycast address (RFC 4291 §2.6.1) has it.
        let [p0, p1, p2, p3, p4, p5, p6, p7, ..] = *view.destination_octets();
        let router = [p0, p1, p2, p3, p4, p5, p6, p7, 0, 0, 0, 0, 0, 0, 0, 0];
        match self.reader.route(&router) {
            RouteAction::QueryAnycast | RouteAction::Pool => {
                self.discard(packet, DropReason::NoRoute);
            }
            action => self.deliver(packet, action, None, origin),
        }
    }

    /// Give a packet, which has these headers, to the control plane.
    pub(crate) fn punt(
        &mut self,
        packet: P::Buf,
        chain: &HeaderChain,
        kind: PuntKind,
        origin: Origin,
    ) {
        let counter = match kind {
            PuntKind::QueryAnycast => Counter::PuntedQuery,
            PuntKind::IcmpError => Counter::PuntedErrors,
            _ => Counter::PuntedMobility,
        };
        match self.give_to_control(packet.bytes(), chain, kind, origin) {
            Ok(()) => self.reader.count(counter, 1),
            Err(reason) => self.discard(packet, reason),
        }
    }

    /// Have the control plane tell the source of a packet with a Home Address option that there is no such binding
    /// (RFC 6275 §9.3.1). The packet itself is still to be ended.
    #[cold]
    pub(crate) fn ask_for_binding_error(
        &mut self,
        packet: &[u8],
        chain: &HeaderChain,
        origin: Origin,
    ) {
        let kind = PuntKind::HomeAddressOption;
        let refused = self.give_to_control(packet, chain, kind, origin).is_err();
        self.reader.count(
            if refused {
                Counter::BindingErrorsNotAsked
            } else {
                Counter::BindingErrorsAsked
            },
            1,
        );
    }

    /// Copy a packet into the punt ring, if the limits let one from its source go there.
    fn give_to_control(
        &mut self,
        packet: &[u8],
        chain: &HeaderChain,
        kind: PuntKind,
        origin: Origin,
    ) -> Result<(), DropReason> {
        let view = Ipv6View::new(packet).map_err(|_| DropReason::MalformedIpv6)?;
        let sender = self.sender_of(&view, chain, origin);
        let class = self.punt_limits.permit(&sender, self.now_ns)?;
        let meta = PuntMeta {
            port: origin.port_number(),
            kind,
            class,
            timestamp_ns: self.now_ns,
        };
        self.reader
            .punt(&meta, packet)
            .map_err(RingError::drop_reason)?;
        self.punted = true;
        match class {
            PuntClass::Bound => self.reader.count(Counter::PuntedBound, 1),
            PuntClass::Handoff => self.reader.count(Counter::PuntedHandoffs, 1),
            PuntClass::Known => self.reader.count(Counter::PuntedKnown, 1),
            PuntClass::Stranger => {}
        }
        Ok(())
    }

    /// RFC 6275 §9.3.1: the binding "MUST have the same home address as appears in the Home Address destination option, and
    /// the currently registered care-of address MUST be equal to the source address of the packet". Here the previous one is
    /// good for its time too, as it is for the tunnel.
    fn is_bound_source(&self, packet: &[u8], home_address: &[u8; 16]) -> bool {
        let Ok(view) = Ipv6View::new(packet) else {
            return false;
        };
        self.reader
            .lookup_home(home_address)
            .is_some_and(|home| self.template_from(home, view.source_octets()).is_some())
    }
}

/// Whether a packet to the anchor is a Mobile Prefix Solicitation (RFC 6275 §6.7), which the control plane answers.
fn is_prefix_solicitation(packet: &[u8], chain: &HeaderChain) -> bool {
    chain.upper_protocol == next_header::ICMPV6
        && !is_partial(chain)
        && packet.get(chain.upper_offset) == Some(&MOBILE_PREFIX_SOLICITATION)
}

/// The headers of what the control plane answers at an anycast address: Mobility Headers, and Home Agent Address Discovery (RFC 6275
/// §10.5).
fn query(packet: &Ipv6View<'_>) -> Option<HeaderChain> {
    let chain = extension::walk(packet.packet()).ok()?;
    let is_answered = match chain.upper_protocol {
        next_header::MOBILITY => true,
        next_header::ICMPV6 => {
            packet.packet().get(chain.upper_offset) == Some(&HOME_AGENT_DISCOVERY_REQUEST)
        }
        _ => false,
    };
    (is_answered && !is_partial(&chain)).then_some(chain)
}

/// RFC 6275 §9.3.1: the option is processed by "exchanging the Home Address field from the Home Address option into the IPv6
/// header and replacing the original value of the Source Address field there", so that the upper layers need not know. The
/// kernel does not know the option either, nor does a host behind the box: it becomes one that is skipped. Not padding, of which Linux takes 7 octets at most (RFC
/// 8200 §4.2 needs no more) and drops packets that have more.
pub(crate) fn take_off_home_address(packet: &mut [u8], home_address: [u8; 16], option: usize) {
    set_source(packet, home_address);
    let end = option.saturating_add(18);
    if let Some([kind, _length, data @ ..]) = packet.get_mut(option..end) {
        *kind = ipv6_option::EXPERIMENT;
        data.fill(0);
    }
}
