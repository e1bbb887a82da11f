//! Forwarding by route, and the last hop of everything that leaves through a next hop

use dhp_segment::{Counter, DropReason, NextHop, NextHopState};
use dhp_wire::icmpv6::IcmpError;

use crate::header::{hop_limit, set_hop_limit};
use crate::origin::Origin;
use crate::path::Path;
use crate::{PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Forward to a next hop.
    #[inline(always)]
    pub(crate) fn forward(&mut self, mut packet: P::Buf, next_hop: u32, origin: Origin) {
        if self.is_refused_transit(origin) {
            return self.discard(packet, DropReason::TransitDisabled);
        }
        let Some(hop) = self.next_hop(next_hop) else {
            return self.discard(packet, DropReason::NeighbourUnresolved);
        };
        if !self.has_hops(&packet, origin) {
            return self.discard(packet, DropReason::HopLimitExceeded);
        }
        if !self.fits(&packet, hop.mtu, origin) {
            return self.discard(packet, DropReason::PacketTooBig);
        }
        pay_hop(&mut packet, origin);
        self.send_to(packet, hop, origin);
        self.count_forwarded(origin);
    }

    /// Forward to a link where the destination is not known as a neighbour yet: the kernel will find it.
    #[cold]
    pub(crate) fn forward_on_link(&mut self, mut packet: P::Buf, port: u16, origin: Origin) {
        if self.is_refused_transit(origin) {
            return self.discard(packet, DropReason::TransitDisabled);
        }
        let Some(mtu) = self
            .ports
            .get(usize::from(port))
            .map(|port| port.info().mtu)
        else {
            return self.discard(packet, DropReason::NoRoute);
        };
        if !self.has_hops(&packet, origin) {
            return self.discard(packet, DropReason::HopLimitExceeded);
        }
        if !self.fits(&packet, mtu, origin) {
            return self.discard(packet, DropReason::PacketTooBig);
        }
        pay_hop(&mut packet, origin);
        self.send_through_kernel(packet, origin);
        self.count_forwarded(origin);
    }

    /// Send a packet whose hop limit and size are settled.
    #[inline(always)]
    pub(crate) fn send_to(&mut self, packet: P::Buf, hop: NextHop, origin: Origin) {
        match hop.state {
            NextHopState::Resolved => self.frame(
                packet,
                usize::from(hop.port),
                hop.destination_mac,
                hop.source_mac,
            ),
            NextHopState::Unresolved => self.send_through_kernel(packet, origin),
        }
    }

    /// Drop a packet that has no way to its destination, and answer with this code of Destination Unreachable.
    #[cold]
    pub(crate) fn refuse(&mut self, packet: P::Buf, code: u8, reason: DropReason, origin: Origin) {
        if self.is_refused_transit(origin) {
            return self.discard(packet, DropReason::TransitDisabled);
        }
        let error = IcmpError::DestinationUnreachable { code };
        self.answer(packet.bytes(), error, origin);
        self.discard(packet, reason);
    }

    /// Whether a packet has the hop that forwarding costs, if it costs one. `false`: it had none, and the source has been told.
    ///
    /// RFC 8200 §3: "When forwarding, the packet is discarded if Hop Limit was zero when received or is decremented to zero."
    /// A packet that is too long as well has gone in circles all the same: this is asked before its length, and what the
    /// source is told quotes the packet as it came, so that the hop is paid when nothing is wrong any more.
    #[inline(always)]
    pub(crate) fn has_hops(&mut self, packet: &P::Buf, origin: Origin) -> bool {
        if !origin.pays_hop() || hop_limit(packet.bytes()) > 1 {
            return true;
        }
        self.answer(packet.bytes(), IcmpError::TimeExceeded, origin);
        false
    }

    /// Hand a finished packet to the host kernel, which does the neighbour discovery that is still to be done and forwards it.
    #[cold]
    fn send_through_kernel(&mut self, mut packet: P::Buf, origin: Origin) {
        let (Some(host_port), false) = (self.host_port, origin == Origin::Host) else {
            return self.discard(packet, DropReason::NeighbourUnresolved);
        };
        // The kernel forwards and so decrements once more: give that hop back, it is one box.
        let hops = hop_limit(packet.bytes()).saturating_add(1);
        set_hop_limit(packet.bytes_mut(), hops);
        self.reader.count(Counter::NeighbourPending, 1);
        self.frame_for_host(packet, host_port);
    }

    #[inline(always)]
    fn fits(&mut self, packet: &P::Buf, mtu: u16, origin: Origin) -> bool {
        if packet.bytes().len() <= usize::from(mtu) {
            return true;
        }
        let error = IcmpError::PacketTooBig {
            mtu: u32::from(mtu),
        };
        self.answer(packet.bytes(), error, origin);
        false
    }

    /// Transit is what neither comes out of a tunnel nor is the box's own.
    pub(crate) fn is_refused_transit(&self, origin: Origin) -> bool {
        !self.transit && matches!(origin, Origin::Port(_))
    }

    fn count_forwarded(&self, origin: Origin) {
        if origin.pays_hop() {
            self.reader.count(Counter::Forwarded, 1);
        }
    }
}

/// Decrement the hop limit where forwarding costs a hop.
#[inline]
pub(crate) fn pay_hop(packet: &mut impl PacketBuf, origin: Origin) {
    if origin.pays_hop() {
        let hops = hop_limit(packet.bytes()).saturating_sub(1);
        set_hop_limit(packet.bytes_mut(), hops);
    }
}
