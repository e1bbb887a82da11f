//! From a mobile node: the exit of the tunnel

use dhp_segment::{Counter, DropReason, HomeEntry, RouteAction};

use crate::downlink::mss_room;
use crate::header::{set_traffic_class, source_of};
use crate::lookup::Lookup;
use crate::mss_clamp::clamp_mss;
use crate::origin::Origin;
use crate::path::Path;
use crate::plan::Tunnelled;
use crate::{PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Take a packet out of its tunnel if the mobile node that it claims to be from has sent it, and send it on its way.
    #[inline(always)]
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
        let entry = source_of(packet.bytes());
        let Some(sender) = self.sender(source, &entry) else {
            return self.discard(packet, DropReason::TunnelSourceMismatch);
        };
        self.credit(sender.meter, packet.bytes().len());
        let Some(traffic_class) = tunnelled.traffic_class else {
            return self.discard(packet, DropReason::EcnInvalid);
        };
        let inner_len = tunnelled.inner_len as usize;
        if !packet.trim_front(tunnelled.inner_offset as usize)
            || (packet.bytes().len() != inner_len && !packet.set_len(inner_len))
        {
            return self.discard(packet, DropReason::TunnelInnerMalformed);
        }
        set_traffic_class(packet.bytes_mut(), traffic_class);
        if self.tcp_mss_clamp {
            clamp_mss(packet.bytes_mut(), mss_room(sender.mtu.into()));
        }
        self.reader.carry(&source, inner_len as u64);
        self.reader.count(Counter::Decapsulated, 1);
        if sender.has_moved {
            self.reader.count(Counter::PreviousCareOf, 1);
        }
        if matches!(tunnelled.action, RouteAction::Pool) {
            self.reader.count(Counter::Hairpinned, 1);
        }
        let home = lookup.entry(tunnelled.home);
        let origin = origin.inside(self.host_port);
        self.deliver(packet, tunnelled.action, home, origin);
    }
    /// Who has sent a packet out of the tunnel that began at `care_of`, if it is the mobile node of this binding.
    #[inline(always)]
    fn sender(&self, home: HomeEntry, care_of: &[u8; 16]) -> Option<Sender> {
        let default = self.reader.tunnel(&home)?;
        if default.destination == *care_of {
            return Some(Sender {
                meter: default.meter,
                mtu: default.mtu,
                has_moved: false,
            });
        }
        self.sender_elsewhere(home, care_of)
    }

    /// [`Self::sender`] from another care-of address than the default one.
    #[cold]
    fn sender_elsewhere(&self, home: HomeEntry, care_of: &[u8; 16]) -> Option<Sender> {
        let template = self.template_from(home, care_of)?;
        Some(Sender {
            meter: template.meter,
            mtu: template.mtu,
            has_moved: template.destination != *care_of,
        })
    }
}

/// A mobile node that is where it says.
struct Sender {
    /// Where its packets are accounted for.
    meter: Option<u32>,
    /// The largest inner packet of its tunnel.
    mtu: u16,
    /// It has sent from the care-of address before the last handoff.
    has_moved: bool,
}
