//! Next hops: where a packet goes on the link.
//!
//! An entry is one word, the index of a value of three; a change writes a new value and stores the index, so readers see
//! the old neighbour or the new one and never a mixture.

use crate::layout::NEXT_HOP_WORDS;
use crate::sync::{AtomicU64, Ordering};
use crate::view::View;

/// Whether the neighbour's link-layer address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextHopState {
    /// Not yet, or no longer: the host kernel has to find it.
    Unresolved,
    /// Known.
    Resolved,
}

/// A neighbour: what the Ethernet header takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The port that leads to it.
    pub port: u16,
    /// Whether `destination_mac` is known.
    pub state: NextHopState,
    /// The neighbour's link-layer address.
    pub destination_mac: [u8; 6],
    /// The port's own.
    pub source_mac: [u8; 6],
    /// The link's MTU in octets.
    pub mtu: u16,
}

fn pack(mac: [u8; 6], low: u16) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([a, b, c, d, e, f, 0, 0]) | u64::from(low)
}

fn unpack(word: u64) -> ([u8; 6], u16) {
    let [a, b, c, d, e, f, _, _] = word.to_be_bytes();
    ([a, b, c, d, e, f], word as u16)
}

impl NextHop {
    /// Writes a value that no reader can reach.
    pub(crate) fn store(&self, value: &[AtomicU64; NEXT_HOP_WORDS]) {
        value[0].store(pack(self.destination_mac, self.port), Ordering::Relaxed);
        value[1].store(pack(self.source_mac, self.mtu), Ordering::Relaxed);
        value[2].store(
            u64::from(self.state == NextHopState::Resolved),
            Ordering::Relaxed,
        );
    }

    #[inline(always)]
    fn load(value: &[AtomicU64; NEXT_HOP_WORDS]) -> Self {
        let (destination_mac, port) = unpack(value[0].load(Ordering::Relaxed));
        let (source_mac, mtu) = unpack(value[1].load(Ordering::Relaxed));
        let state = match value[2].load(Ordering::Relaxed) {
            0 => NextHopState::Unresolved,
            _ => NextHopState::Resolved,
        };
        Self {
            port,
            state,
            destination_mac,
            source_mac,
            mtu,
        }
    }
}

/// The index of the value of next hop `id`.
#[inline]
pub(crate) fn value_index(view: &View, id: u32) -> Option<u32> {
    let [entry] = view.slot::<1>(&view.layout.next_hops, id)?;
    (entry.load(Ordering::Acquire) as u32).checked_sub(1)
}

/// The next hop `id`, if it is set.
#[inline(always)]
pub(crate) fn read(view: &View, id: u32) -> Option<NextHop> {
    let value = value_index(view, id)?;
    view.slot(&view.layout.next_hop_values, value)
        .map(NextHop::load)
}

/// Points next hop `id` at a complete value, or at none.
pub(crate) fn point(view: &View, id: u32, value: Option<u32>) {
    if let Some([entry]) = view.slot::<1>(&view.layout.next_hops, id) {
        entry.store(
            value.map_or(0, |value| u64::from(value) + 1),
            Ordering::Release,
        );
    }
}
