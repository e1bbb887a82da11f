//! The next hop of an express packet

use dhp_segment::{NextHopState, OUTER_HEADER_LEN};
use dhp_wire::ethernet::{ETHERTYPE_IPV6, HEADER_LEN as ETHERNET_LEN};

use super::header::put;
use crate::path::Path;
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
    /// To nowhere.
    const NONE: Self = Self {
        link_front: 0,
        link_back: 0,
        port: 0,
        mtu: 0,
        tunnel_mtu: 0,
    };

    /// `None`: the next hop needs asking.
    fn find<P: Port>(id: u32, path: &Path<P>) -> Option<Self> {
        let hop = path.reader.next_hop(id)?;
        let link = path.ports.get(usize::from(hop.port))?.info().link;
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
pub(super) struct LastHop<'a, P: Port> {
    path: &'a Path<P>,
    /// Its number; beyond all numbers: none yet.
    id: u64,
    hop: ExpressHop,
}

impl<'a, P: Port> LastHop<'a, P> {
    pub(super) const fn new(path: &'a Path<P>) -> Self {
        Self {
            path,
            id: u64::MAX,
            hop: ExpressHop::NONE,
        }
    }

    /// The next hop `id`.
    #[inline(always)]
    pub(super) fn get(&mut self, id: u32) -> Option<&ExpressHop> {
        if self.id != u64::from(id) && !self.renew(id) {
            return None;
        }
        Some(&self.hop)
    }

    /// By a function of its own, so that this stays in memory and leaves the registers to the packets.
    #[cold]
    #[inline(never)]
    fn renew(&mut self, id: u32) -> bool {
        let Some(hop) = ExpressHop::find(id, self.path) else {
            return false;
        };
        self.hop = hop;
        self.id = id.into();
        true
    }
}
