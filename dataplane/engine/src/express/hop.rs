//! The next hop of an express packet

use dhp_segment::{NextHopState, OUTER_HEADER_LEN, Reader};
use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN as ETHERNET_LEN};

use super::header::put;
use crate::{Link, Port};

/// What an express packet needs of its next hop: a neighbour that is known, on an Ethernet link.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpressHop {
    /// The link header's first eight octets and its last eight, of which two are the same: two stores write it.
    link_front: u64,
    link_back: u64,
    pub(super) port: u16,
    /// The link's MTU.
    pub(super) mtu: u16,
    /// The longest packet that a tunnel over the link takes whole.
    pub(super) tunnel_mtu: u16,
}

impl ExpressHop {
    /// `None`: the next hop needs asking.
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

    #[inline(always)]
    pub(super) fn put_link<const N: usize>(&self, front: &mut [u8; N]) {
        put(front, 0, self.link_front.to_ne_bytes());
        put(front, ETHERNET_LEN - 8, self.link_back.to_ne_bytes());
    }
}

/// The next hop asked for last in a batch: packets that come together often go on together.
pub(super) struct LastHop(Option<(u32, ExpressHop)>);

impl LastHop {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// The next hop `id`.
    #[inline(always)]
    pub(super) fn get<P: Port>(
        &mut self,
        id: u32,
        reader: &Reader,
        ports: &[P],
    ) -> Option<&ExpressHop> {
        if !matches!(&self.0, Some((last, _)) if *last == id) {
            self.0 = Some((id, ExpressHop::find(id, reader, ports)?));
        }
        self.0.as_ref().map(|(_, hop)| hop)
    }
}
