//! Between a correspondent and a mobile node whose home is elsewhere, without its home agent (RFC 6275 §9.3)
//!
//! The correspondent is the box itself, or a host behind it that knows nothing of mobility: this box is on its way to everybody.
//! What it sends to the home address goes to the care-of address with a type 2 routing header; what comes from there with a Home
//! Address option gets to it as from the home address. Its part of return routability is the control plane's, in its name.
//!
//! Which of that there is, is a table of its own, by both ends: nothing here opens a tunnel, and no tunnel opens anything here.

use dhp_segment::{Counter, DropReason, OptimizedEntry, PuntKind};
use dhp_wire::codepoints::{icmpv6, mh_type, next_header};
use dhp_wire::extension::{self, HeaderChain};
use dhp_wire::icmpv6::IcmpError;
use dhp_wire::ipv6::{Ipv6View, MIN_MTU};
use dhp_wire::mobility::BuFlags;
use dhp_wire::quoted::{Quote, QuotedType2};

use crate::downlink::mss_room;
use crate::forward::pay_hop;
use crate::local::{is_partial, take_off_home_address};
use crate::mss_clamp::clamp_mss;
use crate::origin::Origin;
use crate::path::Path;
use crate::tunnel_error::has_right_checksum;
use crate::type_2_routing::{TYPE_2_LEN, put_type_2_header};
use crate::{PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Whether the box speaks for any correspondent in this round, so that packets in transit may concern it.
    pub(crate) fn look_for_correspondents(&mut self) {
        self.optimizes = self.reader.optimizes();
        self.is_correspondent = self.optimizes || !self.hosts.is_empty();
    }

    /// A packet in transit, which may be between a correspondent and a mobile node. `Some`: it goes by its route, though not
    /// always as it came.
    #[inline(always)]
    pub(crate) fn pass_correspondents(&mut self, packet: P::Buf, origin: Origin) -> Option<P::Buf> {
        match self.is_correspondent {
            false => Some(packet),
            true => self.pass_as_correspondent(packet, origin),
        }
    }

    #[inline(never)]
    fn pass_as_correspondent(&mut self, packet: P::Buf, origin: Origin) -> Option<P::Buf> {
        let Ok(view) = Ipv6View::new(packet.bytes()) else {
            return Some(packet);
        };
        let (source, destination) = (view.source_octets(), view.destination_octets());
        // The errors that are made here take the way that their cause has come, as those to mobile nodes of this box do; what
        // the control plane sends has its routing header already, if any.
        let may_be_direct = match origin {
            Origin::Host => true,
            Origin::Port(_) => self.hosts.contains(source),
            Origin::Opened(_) | Origin::Copy | Origin::Own => false,
        };
        if self.optimizes
            && may_be_direct
            && let Some(entry) = self.reader.find_optimized(source, destination)
        {
            return self.send_directly(packet, &entry, origin);
        }
        let is_for_host = matches!(origin, Origin::Port(_)) && self.hosts.contains(destination);
        let next = view.next_header();
        let may_concern_us = extension::is_extension_header(next)
            || matches!(next, next_header::MOBILITY | next_header::ICMPV6);
        match is_for_host && may_concern_us {
            true => self.receive_for_host(packet, origin),
            false => Some(packet),
        }
    }

    /// From a correspondent to a mobile node. What cannot go there directly goes by the home agent, as before.
    fn send_directly(
        &mut self,
        mut packet: P::Buf,
        entry: &OptimizedEntry,
        origin: Origin,
    ) -> Option<P::Buf> {
        let route = &entry.route;
        let Ok(chain) = extension::walk(packet.bytes()) else {
            return Some(packet);
        };
        // RFC 6275 §6.1: of the Mobility Headers only the Binding Acknowledgement has the routing header, which the control plane
        // writes. And what was authenticated without the header is not authentic with it (RFC 4302 §3.3.3.1).
        let stays = chain.upper_protocol == next_header::MOBILITY
            || chain.routing.is_some()
            || chain.authentication
            || route.care_of == route.correspondent
            || self.is_refused_transit(origin);
        let hop = self.next_hop(route.next_hop).filter(|_| !stays);
        let Some(hop) = hop else {
            return Some(packet);
        };
        if !self.has_hops(&packet, origin) {
            self.discard(packet, DropReason::HopLimitExceeded);
            return None;
        }
        let room = usize::from(route.path_mtu.min(hop.mtu)).saturating_sub(TYPE_2_LEN);
        let len = packet.bytes().len();
        if len > room {
            // Nobody need make packets shorter than the minimum MTU, and no router may fragment them.
            if len <= MIN_MTU {
                return Some(packet);
            }
            let mtu = u32::try_from(room.max(MIN_MTU)).unwrap_or(u32::MAX);
            self.answer(packet.bytes(), IcmpError::PacketTooBig { mtu }, origin);
            self.discard(packet, DropReason::PacketTooBig);
            return None;
        }
        pay_hop(&mut packet, origin);
        if self.tcp_mss_clamp {
            clamp_mss(packet.bytes_mut(), mss_room(room));
        }
        if put_type_2_header(&mut packet, &route.care_of.octets()).is_none() {
            self.discard(packet, DropReason::NoHeadroom);
            return None;
        }
        self.reader.carry_optimized(entry, len as u64);
        self.reader.count(Counter::OptimizedOut, 1);
        self.send_to(packet, hop, Origin::Own);
        None
    }

    /// To a host that the box acts for: what is said to it as a correspondent goes to the control plane, what a mobile node sends
    /// it from its care-of address is opened, and the rest is the host's.
    fn receive_for_host(&mut self, mut packet: P::Buf, origin: Origin) -> Option<P::Buf> {
        // In transit a broken chain is not our business.
        let Ok(chain) = extension::walk(packet.bytes()) else {
            return Some(packet);
        };
        if is_said_to_correspondent(packet.bytes(), &chain) {
            self.punt(packet, &chain, PuntKind::Mobility, origin);
            return None;
        }
        if self.is_narrow_path(packet.bytes(), &chain) {
            self.punt(packet, &chain, PuntKind::IcmpError, origin);
            return None;
        }
        let Some((home_address, option)) = chain.home_address else {
            return Some(packet);
        };
        // RFC 6275 §6.3: "For each IPv6 packet header, the Home Address option MUST NOT appear more than once."
        if chain.home_addresses > 1 {
            self.discard(packet, DropReason::BadExtensionChain);
            return None;
        }
        if !self.is_from_optimized(packet.bytes(), &home_address.octets()) {
            self.ask_for_binding_error(packet.bytes(), &chain, origin);
            self.discard(packet, DropReason::HomeAddressOptionUnbound);
            return None;
        }
        take_off_home_address(packet.bytes_mut(), home_address.octets(), option);
        Some(packet)
    }

    /// Whether a packet with a Home Address option comes from where the mobile node has told its destination to be (RFC 6275
    /// §9.3.1), or was until a moment ago. If so, it is counted.
    pub(crate) fn is_from_optimized(&self, packet: &[u8], home_address: &[u8; 16]) -> bool {
        let Ok(view) = Ipv6View::new(packet) else {
            return false;
        };
        let found = self
            .reader
            .find_optimized(view.destination_octets(), home_address)
            .filter(|entry| {
                entry
                    .route
                    .accepts_source(view.source_octets(), self.now_ns)
            });
        if let Some(entry) = &found {
            self.reader.carry_optimized(entry, packet.len() as u64);
            self.reader.count(Counter::OptimizedIn, 1);
        }
        found.is_some()
    }

    /// Whether this is a believable Packet Too Big about what went to a care-of address directly, and the path is narrower than
    /// was thought. The correspondent would not know its packet again: this box tells it, with the next one that is too long.
    pub(crate) fn is_narrow_path(&self, packet: &[u8], chain: &HeaderChain) -> bool {
        let message = packet.get(chain.upper_offset..).unwrap_or_default();
        let is_too_big = chain.upper_protocol == next_header::ICMPV6
            && message.first() == Some(&icmpv6::PACKET_TOO_BIG)
            && !is_partial(chain);
        if !is_too_big {
            return false;
        }
        let Quote::Type2(QuotedType2 {
            word: mtu,
            source,
            care_of,
            home_address,
        }) = Quote::read(message)
        else {
            return false;
        };
        let found = self.reader.find_optimized(&source, &home_address);
        found.is_some_and(|entry| {
            // RFC 8201 §4: less than the IPv6 minimum link MTU is not believed.
            (MIN_MTU as u32..u32::from(entry.route.path_mtu)).contains(&mtu)
                && entry.route.accepts_source(&care_of, self.now_ns)
        }) && has_right_checksum(packet, message)
    }
}

/// The Mobility Headers that a correspondent gets (RFC 6275 §9.4, §9.5). A Binding Update to a home agent is none of them.
fn is_said_to_correspondent(packet: &[u8], chain: &HeaderChain) -> bool {
    if chain.upper_protocol != next_header::MOBILITY || is_partial(chain) {
        return false;
    }
    let header = packet.get(chain.upper_offset..).unwrap_or_default();
    match header {
        [
            _,
            _,
            mh_type::HOME_TEST_INIT | mh_type::CARE_OF_TEST_INIT,
            ..,
        ] => true,
        // RFC 6275 §6.1.7: the flags stand behind the sequence number.
        [_, _, mh_type::BINDING_UPDATE, _, _, _, _, _, flags, ..] => {
            !BuFlags(u16::from_be_bytes([*flags, 0])).contains(BuFlags::HOME)
        }
        _ => false,
    }
}
