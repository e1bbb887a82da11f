//! A worker's view of the segment.

use crate::counters::Counter;
use crate::drop_reason::DropReason;
use crate::flow_set::FlowSet;
use crate::home_table::{HomeEntry, HomeTable};
use crate::layout::WORKER_COUNTERS;
use crate::next_hop::{self, NextHop};
use crate::quiescence;
use crate::ring::{InjectMeta, PuntMeta, Ring, RingError};
use crate::role::Claim;
use crate::route::RouteAction;
use crate::route_table;
use crate::sync::Ordering;
use crate::template::Template;
use crate::view::View;
use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::Arc;

/// The reading side of one worker. Every call is wait-free: a bounded number of loads and stores, whatever the writer is
/// doing or has died doing.
///
/// What a lookup gives (a [`HomeEntry`], the index of a next hop) is good until the worker's next [`Reader::quiescent`] or
/// [`Reader::park`]. A worker calls `quiescent` once per batch, also after an empty one, and parks before it sleeps: what it
/// holds is not reused before. It moves to the worker's thread (`Send`), but is not for two threads at once (not `Sync`).
pub struct Reader {
    view: Arc<View>,
    worker: u32,
    /// Position of this worker's first counter.
    counters: usize,
    _claim: Claim,
    /// Counters are load and store, not one operation.
    _not_sync: PhantomData<Cell<()>>,
}

impl Reader {
    pub(crate) fn new(view: Arc<View>, worker: u32, claim: Claim) -> Self {
        quiescence::unpark(&view, worker);
        // A worker without a block does not exist; the end of the address space is a word that does not either.
        let block = view.layout.workers.at(worker);
        let counters = block.map_or(usize::MAX, |block| block + WORKER_COUNTERS);
        Self {
            view,
            worker,
            counters,
            _claim: claim,
            _not_sync: PhantomData,
        }
    }

    /// The number of this worker.
    #[must_use]
    pub fn worker(&self) -> u32 {
        self.worker
    }

    /// Looks up a batch of home addresses: `out[n]` is the binding of `keys[n]`. Of slices of unequal length the shorter
    /// counts. The lookups are staged, so that their cache misses overlap; the templates found are on their way to the
    /// cache at return.
    #[inline]
    pub fn lookup_homes(&self, keys: &[[u8; 16]], out: &mut [Option<HomeEntry>]) {
        HomeTable(&self.view).find_batch(keys, out);
    }

    /// Looks up one home address.
    #[must_use]
    #[inline]
    pub fn lookup_home(&self, key: &[u8; 16]) -> Option<HomeEntry> {
        HomeTable(&self.view).find(key).map(|(entry, _)| entry)
    }

    /// The template that a lookup has named. `None` only for an index that no lookup gave.
    #[must_use]
    #[inline]
    pub fn template(&self, id: u32) -> Option<Template> {
        self.view
            .slot(&self.view.layout.templates, id)
            .map(Template::load)
    }

    /// The flow set that a lookup has named. `None` only for an index that no lookup gave.
    #[must_use]
    #[inline]
    pub fn flow_set(&self, id: u32) -> Option<FlowSet<'_>> {
        self.view.flow_set(id)
    }

    /// What the route table says about `destination`; [`RouteAction::Unreachable`] where no prefix matches.
    #[must_use]
    #[inline]
    pub fn route(&self, destination: &[u8; 16]) -> RouteAction {
        route_table::lookup(&self.view, destination)
    }

    /// Asks [`Reader::route`] about a batch: `out[n]` is the answer for `destinations[n]`. Of slices of unequal length the
    /// shorter counts. The lookups are staged, so that their cache misses overlap.
    #[inline]
    pub fn lookup_routes(&self, destinations: &[[u8; 16]], out: &mut [RouteAction]) {
        route_table::lookup_batch(&self.view, destinations, out);
    }

    /// The next hop `id`; `None` if it has been released.
    #[must_use]
    #[inline]
    pub fn next_hop(&self, id: u32) -> Option<NextHop> {
        next_hop::read(&self.view, id)
    }

    /// Says that this worker holds nothing it has read before: one load and one store. Once per batch.
    #[inline]
    pub fn quiescent(&self) {
        quiescence::report(&self.view, self.worker);
    }

    /// Says that this worker holds nothing and will read nothing until [`Reader::unpark`]. Before sleeping.
    pub fn park(&self) {
        quiescence::park(&self.view, self.worker);
    }

    /// Takes part again. After sleeping, before the first lookup.
    pub fn unpark(&self) {
        quiescence::unpark(&self.view, self.worker);
    }

    /// Adds `n` to a counter of this worker.
    #[inline]
    pub fn count(&self, counter: Counter, n: u64) {
        self.add(counter.index(), n);
    }

    /// Counts one dropped packet.
    #[inline]
    pub fn count_drop(&self, reason: DropReason) {
        self.add(Counter::ALL.len() + reason.index(), 1);
    }

    #[inline(always)]
    fn add(&self, index: usize, n: u64) {
        if let Some(word) = self.view.word(self.counters.saturating_add(index)) {
            // This worker alone writes the word.
            word.store(
                word.load(Ordering::Relaxed).wrapping_add(n),
                Ordering::Relaxed,
            );
        }
    }

    /// Hands a packet (from its IPv6 header on) to the control plane.
    ///
    /// # Errors
    /// [`RingError`]; its [`RingError::drop_reason`] is the drop to count.
    pub fn punt(&self, meta: &PuntMeta, packet: &[u8]) -> Result<(), RingError> {
        Ring::new(&self.view, &self.view.layout.punt_rings, self.worker)
            .ok_or(RingError::Full)?
            .push(meta.encode(), packet)
    }

    /// Takes the oldest packet (from its IPv6 header on) that the control plane wants sent. `buffer` should hold
    /// [`crate::RING_PACKET_BYTES`]; a packet that does not fit is lost.
    pub fn take_injected(&mut self, buffer: &mut [u8]) -> Option<InjectMeta> {
        let ring = Ring::new(&self.view, &self.view.layout.inject_rings, self.worker)?;
        ring.pop(buffer)
            .map(|popped| InjectMeta { len: popped.len })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        quiescence::park(&self.view, self.worker);
    }
}
