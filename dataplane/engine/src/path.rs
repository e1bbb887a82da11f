//! What carries out the plans: the ports, the tables, and the last steps that every packet takes one of

use dhp_segment::{
    Counter, DropReason, HomeEntry, NextHop, Reader, RouteAction, Template, TraceRequest,
};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::codepoints::icmpv6::{ADMINISTRATIVELY_PROHIBITED, NO_ROUTE};
use dhp_wire::ethernet::{
    ETHERTYPE_IPV6, EthernetHeader, HEADER_LEN as ETHERNET_HEADER_LEN, MacAddr,
};

use crate::correspondent_hosts::CorrespondentHosts;
use crate::exception::Exceptions;
use crate::express::Tally;
use crate::flow_memory::FlowMemory;
use crate::icmp::ErrorLimits;
use crate::lookup::Lookup;
use crate::origin::Origin;
use crate::outer_fragment::Identifications;
use crate::plan::Plan;
use crate::punt_limits::PuntLimits;
use crate::reassembly::Reassembly;
use crate::trace::Beginning;
use crate::{Link, PacketBuf, Port};

/// The state of a worker that its stages work with.
///
/// **Every packet ends in exactly one place**: sent on a port, punted, left to the host kernel that has it already, or
/// dropped by a name. The methods that end a packet take it by value. Over the counters of a worker, after a flush:
///
/// `rx_packets + injected + icmp_sent + outer_fragments + flow_copies
///    = tx_packets + punted_mobility + punted_query + punted_errors + relayed_errors + host_has_copy + drops
///    + fragments_joined + fragments held`
///
/// where the drops do without `icmp_rate_limited`, which counts packets that were never made, and fragments are held until
/// their packet is whole or given up.
pub(crate) struct Path<P: Port> {
    pub(crate) ports: Vec<P>,
    pub(crate) host_port: Option<usize>,
    pub(crate) exceptions: Exceptions,
    pub(crate) reader: Reader,
    /// Source of ICMPv6 errors.
    pub(crate) error_source: Option<std::net::Ipv6Addr>,
    pub(crate) error_limits: ErrorLimits,
    /// The hosts that the box is a correspondent node on behalf of.
    pub(crate) hosts: CorrespondentHosts,
    /// There are optimized routes in the current round.
    pub(crate) optimizes: bool,
    /// Packets in transit may be between a correspondent and a mobile node.
    pub(crate) is_correspondent: bool,
    pub(crate) transit: bool,
    pub(crate) tcp_mss_clamp: bool,
    pub(crate) identifications: Identifications,
    pub(crate) flow_memory: FlowMemory,
    pub(crate) punt_limits: PuntLimits,
    /// The numbers of DMIPv6 messages.
    pub(crate) code_points: CodePoints,
    pub(crate) reassembly: Reassembly<P::Buf>,
    /// The buffer for the next injected packet, kept from a round that had none.
    pub(crate) spare: Option<P::Buf>,
    /// The next hop asked for last in this round: packets that come together often go on together.
    pub(crate) last_hop: Option<(u32, NextHop)>,
    /// Which packets of the current round are traced.
    pub(crate) trace: Option<TraceRequest>,
    /// Of the packet that is traced.
    pub(crate) beginning: Beginning,
    /// Monotonic time of the current round.
    pub(crate) now_ns: u64,
    /// Something was punted in the current round.
    pub(crate) punted: bool,
}

impl<P: Port> Path<P> {
    /// Do with a received packet what was planned. Pieces of packets are not for here.
    #[inline(always)]
    pub(crate) fn carry_out(
        &mut self,
        packet: P::Buf,
        plan: &Plan,
        lookup: &Lookup,
        origin: Origin,
    ) {
        match plan {
            Plan::Deliver { action, home } => {
                self.deliver(packet, *action, lookup.entry(*home), origin);
            }
            Plan::Decapsulate(tunnelled) => self.uplink(packet, tunnelled, lookup, origin),
            Plan::Host => self.hand_to_host(packet, origin),
            Plan::Drop(reason) => self.discard(packet, *reason),
            Plan::Reassemble => self.discard(packet, DropReason::Fragment),
        }
    }

    /// Send a packet on its way by what the route of its destination says.
    #[inline(always)]
    pub(crate) fn deliver(
        &mut self,
        packet: P::Buf,
        action: RouteAction,
        home: Option<HomeEntry>,
        origin: Origin,
    ) {
        match action {
            RouteAction::Pool => self.downlink(packet, home, origin),
            RouteAction::Forward { next_hop } => {
                if let Some(packet) = self.pass_correspondents(packet, origin) {
                    self.forward(packet, next_hop, origin);
                }
            }
            RouteAction::Connected { port } => {
                if let Some(packet) = self.pass_correspondents(packet, origin) {
                    self.forward_on_link(packet, port, origin);
                }
            }
            RouteAction::Anchor => self.receive_at_anchor(packet, origin),
            RouteAction::QueryAnycast => self.receive_at_anycast(packet, origin),
            RouteAction::Local => self.hand_to_host(packet, origin),
            RouteAction::Unreachable => {
                self.refuse(packet, NO_ROUTE, DropReason::NoRoute, origin);
            }
            RouteAction::Prohibited => {
                let code = ADMINISTRATIVELY_PROHIBITED;
                self.refuse(packet, code, DropReason::Prohibited, origin);
            }
            RouteAction::Blackhole => self.discard(packet, DropReason::Blackhole),
        }
    }

    /// Route a packet that no batch has looked up: one made here.
    #[cold]
    pub(crate) fn originate(&mut self, packet: P::Buf, destination: &[u8; 16]) {
        let action = self.reader.route(destination);
        let home = match action {
            RouteAction::Pool => self.reader.lookup_home(destination),
            _ => None,
        };
        self.deliver(packet, action, home, Origin::Own);
    }

    /// The tunnel of a binding that has been looked up in this round.
    #[inline(always)]
    pub(crate) fn template(&self, home: Option<HomeEntry>) -> Option<Template> {
        self.reader.tunnel(&home?)
    }

    /// The next hop `id`; `None` if it has been released.
    #[inline(always)]
    pub(crate) fn next_hop(&mut self, id: u32) -> Option<NextHop> {
        match self.last_hop {
            Some((last, hop)) if last == id => Some(hop),
            _ => self.read_next_hop(id),
        }
    }

    #[inline(never)]
    fn read_next_hop(&mut self, id: u32) -> Option<NextHop> {
        let hop = self.reader.next_hop(id)?;
        self.last_hop = Some((id, hop));
        Some(hop)
    }

    /// End a packet for the reason given.
    #[inline(never)]
    pub(crate) fn discard(&mut self, packet: P::Buf, reason: DropReason) {
        self.reader.count_drop(reason);
        drop(packet);
    }

    /// Give a packet to the host kernel.
    #[cold]
    pub(crate) fn hand_to_host(&mut self, packet: P::Buf, origin: Origin) {
        match origin {
            // The kernel sent it here, so that sending it back would have it go in circles.
            Origin::Host => return self.discard(packet, DropReason::NoRoute),
            Origin::Port(port)
                if self
                    .ports
                    .get(port)
                    .is_some_and(|port| port.info().host_has_copy) =>
            {
                self.reader.count(Counter::HostHasCopy, 1);
                return;
            }
            Origin::Port(port) => {
                if let Some(exception) = self.exceptions.of(port) {
                    return self.hand_to_exception(packet, exception);
                }
            }
            Origin::Opened(_) | Origin::Copy | Origin::Own => {}
        }
        let Some(host_port) = self.host_port else {
            return self.discard(packet, DropReason::HostUnavailable);
        };
        self.reader.count(Counter::PuntedHost, 1);
        self.frame_for_host(packet, host_port);
    }

    /// Send a packet to the host port, whatever it is sent there for.
    #[cold]
    pub(crate) fn frame_for_host(&mut self, packet: P::Buf, host_port: usize) {
        let mac = match self.ports.get(host_port) {
            Some(port) => port.info().mac,
            None => return self.discard(packet, DropReason::HostUnavailable),
        };
        // On a TUN interface there is no link header; a TAP's kernel side takes what carries its own address.
        self.frame(packet, host_port, mac, mac);
    }

    /// Put the link header of a port in front of a packet and queue it there.
    #[inline(always)]
    pub(crate) fn frame(
        &mut self,
        mut packet: P::Buf,
        port: usize,
        destination: [u8; 6],
        source: [u8; 6],
    ) {
        let Some(egress) = self.ports.get_mut(port) else {
            return self.discard(packet, DropReason::NoRoute);
        };
        if egress.info().link == Link::Ethernet {
            let header = EthernetHeader {
                destination: MacAddr(destination),
                source: MacAddr(source),
                ether_type: ETHERTYPE_IPV6,
            };
            if !packet.prepend(ETHERNET_HEADER_LEN) || !header.write(packet.bytes_mut()) {
                return self.discard(packet, DropReason::NoHeadroom);
            }
        }
        if let Err(packet) = egress.tx(packet) {
            self.discard(packet, DropReason::TxFull);
        }
    }

    /// Count what the express packets of a batch have been.
    #[inline]
    pub(crate) fn count_express(&self, Tally { entered, left }: Tally) {
        if entered != 0 {
            self.reader.count(Counter::Encapsulated, entered);
        }
        if left != 0 {
            self.reader.count(Counter::Decapsulated, left);
            self.reader.count(Counter::Forwarded, left);
        }
    }

    /// Send what all ports have queued, and count it.
    pub(crate) fn flush(&mut self) {
        for port in &mut self.ports {
            let report = port.flush();
            if report.sent != 0 {
                self.reader.count(Counter::TxPackets, report.sent);
                self.reader.count(Counter::TxBytes, report.bytes);
            }
            if report.failed != 0 {
                self.reader.count_drops(DropReason::TxFailed, report.failed);
            }
        }
    }
}

/// Count frames that a port received and could not hold.
pub(crate) fn count_oversized(reader: &Reader, frames: u64) {
    if frames == 0 {
        return;
    }
    reader.count(Counter::RxPackets, frames);
    reader.count_drops(DropReason::ReceiveTruncated, frames);
}
