//! What became of single packets: asked for by the control plane, told by the workers.
//!
//! A request stands in the header; a worker looks at it once per round. What it tells goes through a ring of its own, and
//! what does not fit there is lost: tracing never holds up a packet.

use crate::counters::{Counter, CounterSnapshot};
use crate::drop_reason::DropReason;
use crate::layout::header_word;
use crate::sync::Ordering;
use crate::view::{View, address_octets, address_words};
use core::net::Ipv6Addr;

/// Octets of a traced packet that are kept.
pub const TRACE_PACKET_BYTES: usize = 1536;
/// Traced packets that wait for the control plane.
pub(crate) const TRACE_SLOTS: u32 = if cfg!(loom) { 2 } else { 128 };

const ON: u64 = 1;
const DROPS_ONLY: u64 = 2;

/// Which packets are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceRequest {
    /// Only those with this source or destination, inside a tunnel or outside.
    pub address: Option<Ipv6Addr>,
    /// Only those that were dropped.
    pub drops_only: bool,
}

impl TraceRequest {
    /// The request that stands in the segment.
    #[inline]
    pub(crate) fn load(view: &View) -> Option<Self> {
        let word = |at| view.word(at).map_or(0, |word| word.load(Ordering::Acquire));
        let flags = word(header_word::TRACE);
        if flags & ON == 0 {
            return None;
        }
        let address = address_octets([
            word(header_word::TRACE_ADDRESS),
            word(header_word::TRACE_ADDRESS + 1),
        ]);
        let address = Ipv6Addr::from(address);
        Some(Self {
            address: (!address.is_unspecified()).then_some(address),
            drops_only: flags & DROPS_ONLY != 0,
        })
    }

    /// Writes a request, or takes it back.
    pub(crate) fn store(view: &View, request: Option<Self>) {
        let put = |at, value| {
            if let Some(word) = view.word(at) {
                word.store(value, Ordering::Release);
            }
        };
        // Off while it changes: a worker that sees half of it traces packets that nobody asked for, and no more.
        put(header_word::TRACE, 0);
        let Some(request) = request else {
            return;
        };
        let address = request.address.unwrap_or(Ipv6Addr::UNSPECIFIED);
        let [high, low] = address_words(&address.octets());
        put(header_word::TRACE_ADDRESS, high);
        put(header_word::TRACE_ADDRESS + 1, low);
        let drops = if request.drops_only { DROPS_ONLY } else { 0 };
        put(header_word::TRACE, ON | drops);
    }
}

/// What a worker did about one packet: every counter and drop reason that rose while it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome(u128);

const _: () = assert!(Counter::ALL.len() + DropReason::ALL.len() <= 128);

impl Outcome {
    /// What rose from one snapshot of a worker's counters to the next.
    #[must_use]
    pub fn between(before: &CounterSnapshot, after: &CounterSnapshot) -> Self {
        let counters = Counter::ALL
            .iter()
            .filter(|counter| before.get(**counter) != after.get(**counter))
            .map(|counter| counter.index());
        let drops = DropReason::ALL
            .iter()
            .filter(|reason| before.drops(**reason) != after.drops(**reason))
            .map(|reason| Counter::ALL.len() + reason.index());
        Self(counters.chain(drops).fold(0, |bits, bit| bits | 1 << bit))
    }

    /// The counters that rose.
    pub fn counters(self) -> impl Iterator<Item = Counter> {
        Counter::ALL
            .iter()
            .copied()
            .filter(move |counter| self.0 >> counter.index() & 1 == 1)
    }

    /// Why it was dropped, or something that was made of it.
    pub fn drops(self) -> impl Iterator<Item = DropReason> {
        DropReason::ALL
            .iter()
            .copied()
            .filter(move |reason| self.0 >> (Counter::ALL.len() + reason.index()) & 1 == 1)
    }
}

/// Octets of the outcome before those of the packet, in a slot.
pub(crate) const OUTCOME_BYTES: usize = 16;

impl Outcome {
    pub(crate) fn to_octets(self) -> [u8; OUTCOME_BYTES] {
        self.0.to_ne_bytes()
    }

    pub(crate) fn from_octets(octets: [u8; OUTCOME_BYTES]) -> Self {
        Self(u128::from_ne_bytes(octets))
    }
}

/// What a worker says about a traced packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceMeta {
    /// The port that it came by; `u16::MAX`: none, the control plane sent it.
    pub port: u16,
    /// Its length in octets; [`TRACE_PACKET_BYTES`] of them are kept at most.
    pub length: u32,
    /// When, in nanoseconds of the worker's clock.
    pub timestamp_ns: u64,
}

impl TraceMeta {
    pub(crate) fn encode(&self) -> [u64; 2] {
        [
            u64::from(self.length) << 16 | u64::from(self.port),
            self.timestamp_ns,
        ]
    }

    pub(crate) fn decode([meta, timestamp_ns]: [u64; 2]) -> Self {
        Self {
            port: meta as u16,
            length: (meta >> 16) as u32,
            timestamp_ns,
        }
    }
}

/// A packet that a worker has traced; as it was received it stands at the start of the buffer given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// What the worker said about it.
    pub meta: TraceMeta,
    /// What became of it.
    pub outcome: Outcome,
    /// Octets of it that were kept.
    pub kept: usize,
}
