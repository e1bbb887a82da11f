//! The control plane's end of the rings.

use crate::counters::CounterSnapshot;
use crate::ring::{PuntMeta, Ring, RingError};
use crate::role::Claim;
use crate::segment::read_counters;
use crate::trace::{
    OUTCOME_BYTES, Outcome, TRACE_PACKET_BYTES, TRACE_SLOTS, TraceMeta, TraceRequest, Traced,
};
use crate::view::View;
use std::sync::Arc;

/// A packet that a worker has punted; it stands at the start of the buffer given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Punted {
    /// What the worker said about it.
    pub meta: PuntMeta,
    /// Its length in octets.
    pub len: usize,
}

/// Consumer of every worker's punt ring, producer of every worker's inject ring, reader of the counters.
pub struct Control {
    view: Arc<View>,
    _claim: Claim,
}

impl Control {
    pub(crate) fn new(view: Arc<View>, claim: Claim) -> Self {
        Self {
            view,
            _claim: claim,
        }
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.view.layout.geometry.workers
    }

    /// Takes the oldest packet that `worker` has punted. `buffer` should hold [`crate::RING_PACKET_BYTES`]; a packet that
    /// does not fit is lost.
    pub fn punt_pop(&mut self, worker: u32, buffer: &mut [u8]) -> Option<Punted> {
        let ring = Ring::new(&self.view, &self.view.layout.punt_rings, worker)?;
        // A slot whose description can not be is skipped; there are no more of them than slots.
        for _ in 0..self.view.layout.geometry.ring_slots {
            let popped = ring.pop(buffer)?;
            if let Some(meta) = PuntMeta::decode(popped.meta) {
                return Some(Punted {
                    meta,
                    len: popped.len,
                });
            }
        }
        None
    }

    /// Packets of `worker` that wait in its punt ring.
    #[must_use]
    pub fn punts_waiting(&self, worker: u32) -> u32 {
        Ring::new(&self.view, &self.view.layout.punt_rings, worker).map_or(0, |ring| ring.waiting())
    }

    /// Asks the workers to trace packets, or no longer to.
    pub fn set_trace(&mut self, request: Option<TraceRequest>) {
        TraceRequest::store(&self.view, request);
    }

    /// Takes the oldest packet that `worker` has traced. `buffer` should hold [`TRACE_PACKET_BYTES`]; a packet that does not
    /// fit is cut short.
    pub fn trace_pop(&mut self, worker: u32, buffer: &mut [u8]) -> Option<Traced> {
        let region = &self.view.layout.trace_rings;
        let ring = Ring::with_slots(&self.view, region, worker, TRACE_SLOTS)?;
        let mut octets = [0; OUTCOME_BYTES + TRACE_PACKET_BYTES];
        let popped = ring.pop(&mut octets)?;
        let told = octets.get(..popped.len).unwrap_or_default();
        let (outcome, packet) = told.split_first_chunk::<OUTCOME_BYTES>()?;
        let kept = packet.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(packet) {
            *to = *from;
        }
        Some(Traced {
            meta: TraceMeta::decode(popped.meta),
            outcome: Outcome::from_octets(*outcome),
            kept,
        })
    }

    /// Gives `worker` a packet (from its IPv6 header on) to send by route.
    ///
    /// # Errors
    /// [`RingError::Full`] (also for a worker that does not exist), [`RingError::TooLong`].
    pub fn inject(&mut self, worker: u32, packet: &[u8]) -> Result<(), RingError> {
        Ring::new(&self.view, &self.view.layout.inject_rings, worker)
            .ok_or(RingError::Full)?
            .push([0; 2], packet, 0)
    }

    /// The counters of `worker`; all 0 if there is no such worker.
    #[must_use]
    pub fn counters(&self, worker: u32) -> CounterSnapshot {
        read_counters(&self.view, worker)
    }
}
