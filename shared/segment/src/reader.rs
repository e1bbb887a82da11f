//! A worker's view of the segment.

use crate::address_words::AddressWords;
use crate::care_of_filter::CareOfFilter;
use crate::counters::{Counter, CounterSnapshot};
use crate::drop_reason::DropReason;
use crate::flow::FlowKey;
use crate::flow_set::FlowSet;
use crate::flow_table::{FlowEntry, FlowPlace, FlowTable};
use crate::hash_table::HashTable;
use crate::home_table::{HomeCandidate, HomeEntry, HomePlace, HomeTable};
use crate::homes::Homes;
use crate::landmarks::Landmarks;
use crate::layout::{WORKER_COUNTERS, header_word};
use crate::meter::Meter;
use crate::next_hop::{self, NextHop};
use crate::optimized::{OptimizedEntry, OptimizedTable};
use crate::quiescence;
use crate::ring::{InjectMeta, PuntMeta, Ring, RingError};
use crate::role::Claim;
use crate::route::RouteAction;
use crate::route_cache::{RouteCache, Routes};
use crate::route_table;
use crate::segment::read_counters;
use crate::sync::{LINE_WORDS, Ordering, prefetch};
use crate::template::Template;
use crate::trace::{
    OUTCOME_BYTES, Outcome, TRACE_PACKET_BYTES, TRACE_SLOTS, TraceMeta, TraceRequest,
};
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
    routes: RouteCache,
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
            routes: RouteCache::new(),
            _claim: claim,
            _not_sync: PhantomData,
        }
    }

    /// The number of this worker.
    #[must_use]
    pub fn worker(&self) -> u32 {
        self.worker
    }

    /// The home table as it is now, for the lookups of a batch.
    #[must_use]
    #[inline(always)]
    pub fn homes(&self) -> Homes<'_> {
        Homes::new(&self.view)
    }

    /// Begins to look up a home address: has what says where it is come nearer, for [`Reader::expect_binding`] a little later. So the
    /// cache misses of a batch overlap.
    #[must_use]
    #[inline(always)]
    pub fn expect_home(&self, home: AddressWords) -> HomePlace {
        self.homes().expect(home)
    }

    /// Goes on: has the binding itself come nearer, for [`Reader::find_home`] a little later.
    #[must_use]
    #[inline(always)]
    pub fn expect_binding(&self, place: HomePlace) -> HomeCandidate {
        self.homes().expect_binding(place)
    }

    /// Looks up a home address that [`Reader::expect_binding`] has found a candidate for.
    #[must_use]
    #[inline(always)]
    pub fn find_home(&self, home: AddressWords, candidate: HomeCandidate) -> Option<HomeEntry> {
        HomeTable(&self.view).find_at(home, candidate)
    }

    /// Looks up one home address.
    #[must_use]
    #[inline]
    pub fn lookup_home(&self, home: &[u8; 16]) -> Option<HomeEntry> {
        HomeTable(&self.view).find(home)
    }

    /// The tunnel of a binding that a lookup has found. `None` only for what no lookup gave.
    #[must_use]
    #[inline]
    pub fn tunnel(&self, entry: &HomeEntry) -> Option<Template> {
        HomeTable(&self.view).tunnel(entry)
    }

    /// Counts a packet of so many octets that a binding has carried.
    #[inline(always)]
    pub fn carry(&self, entry: &HomeEntry, octets: u64) {
        if let Some(slot) = HomeTable(&self.view).slot(entry.slot) {
            slot.carry(octets);
        }
    }

    /// The template that a flow set or another template has named. `None` only for an index that no lookup gave.
    #[must_use]
    #[inline(always)]
    pub fn template(&self, id: u32) -> Option<Template> {
        self.view.load_template(id)
    }

    /// The meter that a template has named. `None` only for an index that no template gave.
    #[must_use]
    #[inline]
    pub fn meter(&self, id: u32) -> Option<Meter<'_>> {
        self.view.meter(id)
    }

    /// The flow set that a lookup has named. `None` only for an index that no lookup gave.
    #[must_use]
    #[inline]
    pub fn flow_set(&self, id: u32) -> Option<FlowSet<'_>> {
        self.view.flow_set(id)
    }

    /// Whether there are any optimized routes: to be asked once per round, so that no packet need ask where there are none.
    #[must_use]
    #[inline]
    pub fn optimizes(&self) -> bool {
        self.view
            .word(header_word::OPTIMIZED)
            .is_some_and(|count| count.load(Ordering::Acquire) != 0)
    }

    /// Looks up the optimized route between a correspondent and a home address.
    #[must_use]
    pub fn find_optimized(
        &self,
        correspondent: &[u8; 16],
        home_address: &[u8; 16],
    ) -> Option<OptimizedEntry> {
        OptimizedTable(&self.view).find(correspondent, home_address)
    }

    /// Counts a packet of so many octets that an optimized route has carried.
    pub fn carry_optimized(&self, entry: &OptimizedEntry, octets: u64) {
        OptimizedTable(&self.view).carry(entry.slot, octets);
    }

    /// Whether any home address has flow rules or several care-of addresses.
    #[must_use]
    #[inline]
    pub fn has_flow_sets(&self) -> bool {
        self.view
            .word(header_word::FLOW_SETS)
            .is_some_and(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Whether what [`Reader::expect_binding`] has found has flow rules or several care-of addresses. It may be another binding than the
    /// one that is looked for.
    #[must_use]
    #[inline(always)]
    pub fn may_have_flows(&self, candidate: HomeCandidate) -> bool {
        HomeTable(&self.view).may_have_flows(candidate)
    }

    /// Begins to look up the exact flow of a packet: has the head of the flow set that a lookup has named come nearer, for
    /// [`Reader::expect_flow`] a little later.
    #[inline]
    pub fn expect_flow_set(&self, id: u32) {
        if let Some(FlowSet(words)) = self.view.flow_set(id) {
            words.iter().step_by(LINE_WORDS).take(2).for_each(prefetch);
        }
    }

    /// Goes on: has what says where the flow is come nearer, for [`Reader::expect_flow_entry`]. `None` where the set has no exact flows,
    /// or the packet no ports: then there is nothing to be found.
    #[must_use]
    #[inline]
    pub fn expect_flow(&self, set: FlowSet<'_>, key: &FlowKey) -> Option<FlowPlace> {
        FlowTable(&self.view).expect(set, key)
    }

    /// Goes on: has the flow itself come nearer, for [`Reader::find_flow`].
    #[inline]
    pub fn expect_flow_entry(&self, place: FlowPlace) {
        FlowTable(&self.view).expect_slot(place);
    }

    /// Looks up the flow of a packet for the home address of a flow set, expected or not: whether it has an active rule of its own.
    /// A rule of the list may come before it: [`FlowSet::overrules`].
    #[must_use]
    #[inline]
    pub fn find_flow(&self, set: FlowSet<'_>, key: &FlowKey) -> Option<FlowEntry> {
        FlowTable(&self.view).find(set, key)
    }

    /// Counts a packet of so many octets on the account of its flow.
    #[inline]
    pub fn carry_flow(&self, flow: &FlowEntry, octets: u64) {
        if let Some(slot) = FlowTable(&self.view).slot(flow.slot) {
            slot.tally().carry(octets);
        }
    }

    /// What the route table says about `destination`; [`RouteAction::Unreachable`] where no prefix matches.
    #[must_use]
    #[inline]
    pub fn route(&self, destination: &[u8; 16]) -> RouteAction {
        self.routes().lookup((*destination).into())
    }

    /// The routes as they are now, for the lookups of a batch.
    #[must_use]
    #[inline(always)]
    pub fn routes(&self) -> Routes<'_> {
        Routes::new(&self.view, &self.routes)
    }

    /// Brings a worker's copy of the landmarks up to date. Once per round.
    #[inline]
    pub fn renew(&self, landmarks: &mut Landmarks) {
        landmarks.renew(&self.view);
    }

    /// Whether `address` is the care-of address of a binding, or one of the few others that look like one: a hint for whom to
    /// serve first, and no proof of anything.
    #[must_use]
    #[inline]
    pub fn is_care_of(&self, address: &[u8; 16]) -> bool {
        CareOfFilter(&self.view).holds(address)
    }

    /// Asks [`Reader::route`] about a batch: `out[n]` is the answer for `destinations[n]`. Of slices of unequal length the
    /// shorter counts. The lookups are staged, so that their cache misses overlap.
    #[inline]
    pub fn lookup_routes(&self, destinations: &[[u8; 16]], out: &mut [RouteAction]) {
        route_table::lookup_batch(&self.view, destinations, out);
    }

    /// The next hop `id`; `None` if it has been released.
    #[must_use]
    #[inline(always)]
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
        self.count_drops(reason, 1);
    }

    /// Counts `n` dropped packets.
    #[inline]
    pub fn count_drops(&self, reason: DropReason, n: u64) {
        self.add(Counter::ALL.len() + reason.index(), n);
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

    /// Hands a packet (from its IPv6 header on) to the control plane. Each class has a part of the ring that less urgent ones do not
    /// get, so that a flood of these does not keep it out.
    ///
    /// # Errors
    /// [`RingError`]; its [`RingError::drop_reason`] is the drop to count.
    pub fn punt(&self, meta: &PuntMeta, packet: &[u8]) -> Result<(), RingError> {
        let reserve = meta.class.reserve(self.view.layout.geometry.ring_slots);
        Ring::new(&self.view, &self.view.layout.punt_rings, self.worker)
            .ok_or(RingError::Full)?
            .push(meta.encode(), packet, reserve)
    }

    /// Which packets are to be traced. Once per round.
    #[must_use]
    #[inline]
    pub fn trace_request(&self) -> Option<TraceRequest> {
        TraceRequest::load(&self.view)
    }

    /// What this worker has counted.
    #[must_use]
    pub fn counters(&self) -> CounterSnapshot {
        read_counters(&self.view, self.worker)
    }

    /// Tells what became of a packet, as it was received. `false`: the ring is full.
    pub fn trace(&self, meta: &TraceMeta, outcome: Outcome, packet: &[u8]) -> bool {
        let mut octets = [0; OUTCOME_BYTES + TRACE_PACKET_BYTES];
        let kept = packet.len().min(TRACE_PACKET_BYTES);
        let (head, rest) = octets.split_at_mut(OUTCOME_BYTES);
        head.copy_from_slice(&outcome.to_octets());
        for (to, from) in rest.iter_mut().zip(packet) {
            *to = *from;
        }
        let told = octets.get(..OUTCOME_BYTES + kept).unwrap_or_default();
        Ring::with_slots(
            &self.view,
            &self.view.layout.trace_rings,
            self.worker,
            TRACE_SLOTS,
        )
        .is_some_and(|ring| ring.push(meta.encode(), told, 0).is_ok())
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
