//! Rings of packets between a worker and the control plane: one producer, one consumer, slots of one size.
//!
//! ```text
//! line 0   producer's cursor: packets ever put in
//! line 1   consumer's cursor: packets ever taken out
//! then     slots: one line of description (length, meta, timestamp), then the packet
//! ```
//!
//! Neither side believes the other: a cursor or a length that can not be is treated as "full" by the producer and skipped by
//! the consumer.

use crate::drop_reason::DropReason;
use crate::layout::Region;
use crate::punt_class::PuntClass;
use crate::sync::{AtomicU64, LINE_WORDS, Ordering};
use crate::view::View;
use thiserror::Error;

/// Longest packet that fits into a ring slot, in octets.
pub const RING_PACKET_BYTES: usize = if cfg!(loom) { 8 } else { 2304 };

const PRODUCER: usize = 0;
const CONSUMER: usize = LINE_WORDS;
const SLOTS: usize = 2 * LINE_WORDS;
const SLOT_WORDS: usize = LINE_WORDS + RING_PACKET_BYTES / 8;

const SLOT_LENGTH: usize = 0;
const SLOT_META: usize = 1;
const SLOT_TIMESTAMP: usize = 2;

/// Words of a ring with `slots` slots.
pub(crate) fn words(slots: u32) -> usize {
    SLOTS + slots as usize * SLOT_WORDS
}

/// Why a ring did not take a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RingError {
    /// The consumer is behind, or gone.
    #[error("the ring is full")]
    Full,
    /// Longer than [`RING_PACKET_BYTES`].
    #[error("the packet is longer than a ring slot")]
    TooLong,
}

impl RingError {
    /// The reason to count when a worker could not punt.
    #[must_use]
    pub fn drop_reason(self) -> DropReason {
        match self {
            Self::Full => DropReason::RingFull,
            Self::TooLong => DropReason::PuntTooLong,
        }
    }
}

/// Why a worker hands a packet to the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PuntKind {
    /// Mobility Header to an address of the anchor.
    Mobility,
    /// To the home-agents anycast address of a covered /64.
    QueryAnycast,
    /// ICMPv6 error that came back to a tunnel.
    IcmpError,
    /// Home Address option without a binding: a Binding Error is due.
    HomeAddressOption,
}

impl PuntKind {
    fn encode(self) -> u64 {
        match self {
            Self::Mobility => 1,
            Self::QueryAnycast => 2,
            Self::IcmpError => 3,
            Self::HomeAddressOption => 4,
        }
    }

    fn decode(value: u64) -> Option<Self> {
        match value {
            1 => Some(Self::Mobility),
            2 => Some(Self::QueryAnycast),
            3 => Some(Self::IcmpError),
            4 => Some(Self::HomeAddressOption),
            _ => None,
        }
    }
}

/// What a worker says about a packet that it punts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PuntMeta {
    /// The port that the packet came from.
    pub port: u16,
    /// Why it is punted.
    pub kind: PuntKind,
    /// Whose it seems to be.
    pub class: PuntClass,
    /// When it came, in nanoseconds of the worker's clock.
    pub timestamp_ns: u64,
}

impl PuntMeta {
    pub(crate) fn encode(&self) -> [u64; 2] {
        [
            self.class.encode() << 32 | u64::from(self.port) << 16 | self.kind.encode(),
            self.timestamp_ns,
        ]
    }

    pub(crate) fn decode([meta, timestamp_ns]: [u64; 2]) -> Option<Self> {
        Some(Self {
            port: (meta >> 16) as u16,
            class: PuntClass::decode(meta >> 32),
            kind: PuntKind::decode(meta & 0xffff)?,
            timestamp_ns,
        })
    }
}

/// A packet taken from the inject ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectMeta {
    /// Its length in octets; it stands at the start of the buffer.
    pub len: usize,
}

/// One ring in the segment.
pub(crate) struct Ring<'a> {
    words: &'a [AtomicU64],
    slots: u32,
}

/// A packet taken out: its length and the two words that its producer gave with it.
pub(crate) struct Popped {
    pub(crate) len: usize,
    pub(crate) meta: [u64; 2],
}

impl<'a> Ring<'a> {
    /// The punt or inject ring of `worker`, if there is such a worker.
    #[inline]
    pub(crate) fn new(view: &'a View, region: &Region, worker: u32) -> Option<Self> {
        Self::with_slots(view, region, worker, view.layout.geometry.ring_slots)
    }

    /// A ring of `worker` with so many slots, a power of two.
    #[inline]
    pub(crate) fn with_slots(
        view: &'a View,
        region: &Region,
        worker: u32,
        slots: u32,
    ) -> Option<Self> {
        let words = view.slice(region, worker)?;
        Some(Self { words, slots })
    }

    fn cursor(&self, which: usize, order: Ordering) -> u64 {
        self.words.get(which).map_or(0, |word| word.load(order))
    }

    fn slot(&self, cursor: u64) -> Option<&'a [AtomicU64; SLOT_WORDS]> {
        // The number of slots is a power of two, so the cursor may wrap.
        let slot = (cursor & (u64::from(self.slots) - 1)) as usize;
        self.words.get(SLOTS + slot * SLOT_WORDS..)?.first_chunk()
    }

    /// Puts a packet in, if that leaves `reserve` slots free. The producer's side.
    pub(crate) fn push(
        &self,
        meta: [u64; 2],
        packet: &[u8],
        reserve: u32,
    ) -> Result<(), RingError> {
        if packet.len() > RING_PACKET_BYTES {
            return Err(RingError::TooLong);
        }
        let produced = self.cursor(PRODUCER, Ordering::Relaxed);
        let waiting = produced.wrapping_sub(self.cursor(CONSUMER, Ordering::Acquire));
        if waiting >= u64::from(self.slots.saturating_sub(reserve)) {
            return Err(RingError::Full);
        }
        let slot = self.slot(produced).ok_or(RingError::Full)?;
        let (description, content) = slot.split_at(LINE_WORDS);
        description[SLOT_LENGTH].store(packet.len() as u64, Ordering::Relaxed);
        description[SLOT_META].store(meta[0], Ordering::Relaxed);
        description[SLOT_TIMESTAMP].store(meta[1], Ordering::Relaxed);
        for (word, octets) in content.iter().zip(packet.chunks(8)) {
            let mut value = [0; 8];
            for (to, from) in value.iter_mut().zip(octets) {
                *to = *from;
            }
            word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
        }
        if let Some(cursor) = self.words.get(PRODUCER) {
            cursor.store(produced.wrapping_add(1), Ordering::Release);
        }
        Ok(())
    }

    /// Takes the oldest packet out, into `buffer`. The consumer's side. Packets that `buffer` can not hold, and slots
    /// that can not be, are skipped; at most one round of the ring.
    pub(crate) fn pop(&self, buffer: &mut [u8]) -> Option<Popped> {
        let produced = self.cursor(PRODUCER, Ordering::Acquire);
        let consumer = self.words.get(CONSUMER)?;
        let mut consumed = consumer.load(Ordering::Relaxed);
        if produced.wrapping_sub(consumed) > u64::from(self.slots) {
            // One of the cursors was overwritten: begin anew where the producer says it is.
            consumer.store(produced, Ordering::Release);
            return None;
        }
        while consumed != produced {
            let popped = self.slot(consumed).and_then(|slot| copy_out(slot, buffer));
            consumed = consumed.wrapping_add(1);
            consumer.store(consumed, Ordering::Release);
            if popped.is_some() {
                return popped;
            }
        }
        None
    }

    /// Packets waiting; never more than there are slots.
    pub(crate) fn waiting(&self) -> u32 {
        let produced = self.cursor(PRODUCER, Ordering::Acquire);
        let waiting = produced.wrapping_sub(self.cursor(CONSUMER, Ordering::Acquire));
        u32::try_from(waiting).unwrap_or(u32::MAX).min(self.slots)
    }
}

fn copy_out(slot: &[AtomicU64; SLOT_WORDS], buffer: &mut [u8]) -> Option<Popped> {
    let (description, content) = slot.split_at(LINE_WORDS);
    let len = usize::try_from(description[SLOT_LENGTH].load(Ordering::Relaxed)).ok()?;
    if len > RING_PACKET_BYTES {
        return None;
    }
    let packet = buffer.get_mut(..len)?;
    for (octets, word) in packet.chunks_mut(8).zip(content) {
        let value = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in octets.iter_mut().zip(value) {
            *to = from;
        }
    }
    let meta = [SLOT_META, SLOT_TIMESTAMP].map(|word| description[word].load(Ordering::Relaxed));
    Some(Popped { len, meta })
}
