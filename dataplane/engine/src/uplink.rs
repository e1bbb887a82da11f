//! From a mobile node: the exit of the tunnel

use dhp_segment::{Counter, DropReason, RouteAction};

use crate::downlink::mss_room;
use crate::header::set_traffic_class;
use crate::lookup::Lookup;
use crate::mss_clamp::clamp_mss;
use crate::origin::Origin;
use crate::path::Path;
use crate::plan::Tunnelled;
use crate::{PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Take a packet out of its tunnel if the mobile node that it claims to be from has sent it, and send it on its way.
    #[inline]
    pub(crate) fn uplink(
        &mut self,
        mut packet: P::Buf,
        tunnelled: &Tunnelled,
        lookup: &Lookup,
        origin: Origin,
    ) {
        // RFC 6275 §10.4.5: the home agent "MUST verify that the Source Address in the tunnel IP header is the mobile node's
        // primary care-of address"; §8.4 has the inner source a home address of that binding.
        // With RFC 5648 §6.3.2 any care-of address of the binding will do.
        let Some(source) = lookup.entry(tunnelled.source) else {
            return self.discard(packet, DropReason::TunnelUnknownHome);
        };
        let Some(template) = self.template_from(source, &tunnelled.entry) else {
            return self.discard(packet, DropReason::TunnelSourceMismatch);
        };
        self.credit(&template, packet.bytes().len());
        let Some(traffic_class) = tunnelled.traffic_class else {
            return self.discard(packet, DropReason::EcnInvalid);
        };
        if !packet.trim_front(tunnelled.inner_offset)
            || (packet.bytes().len() != tunnelled.inner_len && !packet.set_len(tunnelled.inner_len))
        {
            return self.discard(packet, DropReason::TunnelInnerMalformed);
        }
        set_traffic_class(packet.bytes_mut(), traffic_class);
        if self.tcp_mss_clamp {
            clamp_mss(packet.bytes_mut(), mss_room(template.mtu.into()));
        }
        self.reader.count(Counter::Decapsulated, 1);
        if tunnelled.entry != template.destination {
            self.reader.count(Counter::PreviousCareOf, 1);
        }
        if tunnelled.action == RouteAction::Pool {
            self.reader.count(Counter::Hairpinned, 1);
        }
        let home = lookup.entry(tunnelled.home);
        self.deliver(packet, tunnelled.action, home, origin.opened());
    }
}
