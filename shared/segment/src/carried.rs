//! What a binding or a flow has carried.

use crate::sync::{AtomicU64, Ordering};

/// What a binding has carried in both directions since it began, or an exact flow towards the mobile node: inner packets, whatever
/// became of them behind the tunnel.
///
/// No more than that: of two workers that count the same binding within the same few nanoseconds, one may be lost; so may, where the binding's slot changes, the few of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Packets.
    pub packets: u64,
    /// Octets of them.
    pub octets: u64,
}

/// The two words of a slot that count.
#[derive(Clone, Copy)]
pub(crate) struct Tally<'a> {
    pub(crate) packets: &'a AtomicU64,
    pub(crate) octets: &'a AtomicU64,
}

impl Tally<'_> {
    /// What was counted.
    pub(crate) fn get(self) -> Carried {
        Carried {
            packets: self.packets.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
        }
    }

    /// Counts a packet. Load and store: a locked addition would cost a third of all that is done to the packet.
    #[inline(always)]
    pub(crate) fn carry(self, octets: u64) {
        let add = |word: &AtomicU64, more: u64| {
            let before = word.load(Ordering::Relaxed);
            word.store(before.wrapping_add(more), Ordering::Relaxed);
        };
        add(self.packets, 1);
        add(self.octets, octets);
    }

    /// Counts what was carried elsewhere. Writer only.
    pub(crate) fn add(self, more: Carried) {
        self.packets.fetch_add(more.packets, Ordering::Relaxed);
        self.octets.fetch_add(more.octets, Ordering::Relaxed);
    }

    /// Nothing has been carried yet. Writer only.
    pub(crate) fn clear(self) {
        self.packets.store(0, Ordering::Relaxed);
        self.octets.store(0, Ordering::Relaxed);
    }
}
