//! The one party that changes the tables.

mod bindings;
mod exact_flows;
mod flow_compile;
mod flow_lists;
mod flow_removal;
mod flow_staging;
mod flows;
mod growth;
mod meters;
mod next_hops;
mod optimized;
mod prefixes;
mod route_tree;
mod routes;

use crate::error::{SegmentError, Table};
use crate::flow_slot::FlowOwner;
use crate::hash_table::HashTable;
use crate::home_table::HomeTable;
use crate::layout::header_word;
use crate::next_hop;
use crate::optimized::OptimizedTable;
use crate::pool::{Pool, Retired, RetiredQueue};
use crate::quiescence;
use crate::role::{Claim, Role, Roles};
use crate::route_table;
use crate::slot::State;
use crate::sync::Ordering;
use crate::view::View;
use flow_lists::FlowLists;
use growth::{Flows, Homes, Occupancy};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Things waiting for the workers before a change looks by itself whether they have let go.
const RECLAIM_EVERY: usize = 64;

/// The writing side of a segment.
///
/// Every change is complete before readers can reach it, and takes effect by one atomic store. What it replaces is kept
/// until every awake worker has reported a quiescent point; [`Writer::reclaim`] looks whether they have. Changes call it
/// as they need space, so a caller has to only when nothing changes for long, or after [`SegmentError::Busy`].
///
/// A writer keeps nothing of its own that readers need and a new one could not find in the segment: in a new process, it takes
/// over with every binding, next hop and route in place. (A prefix that longer ones hide wholly has no effect, so that a
/// new writer does not know of it until it is told.)
pub struct Writer {
    view: Arc<View>,
    roles: Arc<Roles>,
    _claim: Claim,
    retired: RetiredQueue,
    /// The epoch that all awake workers must reach before free slots are free: the writer before may have retired some.
    ready_at: u64,
    ready: bool,
    /// Of the home table.
    homes: Occupancy,
    templates: Pool,
    meters: Pool,
    meters_in_use: u32,
    optimized: Pool,
    optimized_in_use: u32,
    flow_sets: Pool,
    flow_sets_in_use: u32,
    /// Of the flow table.
    flows: Occupancy,
    flow_owners: Pool,
    flow_lists: FlowLists,
    generation: u64,
    next_hop_ids: Pool,
    next_hop_values: Pool,
    next_hops_allocated: Vec<bool>,
    routes: prefixes::Routes,
}

impl Writer {
    pub(crate) fn attach(view: Arc<View>, roles: Arc<Roles>, claim: Claim) -> Self {
        // The writer before may have died right behind a change.
        route_table::announce_change(&view);
        let ready_at = quiescence::current(&view).saturating_add(1);
        quiescence::advance(&view, ready_at);
        let homes = HomeTable(&view);
        let layout = &view.layout;
        let sets = || homes.entries().filter_map(|entry| entry.flows());
        let owners = || {
            sets()
                .filter_map(|id| view.flow_set(id)?.flows())
                .map(|(FlowOwner(owner), _)| owner)
        };
        let default_templates = || {
            homes
                .entries()
                .filter_map(|entry| match entry.state.state()? {
                    State::ByTemplate { template, .. } => Some((entry.slot, template)),
                    State::Plain(_) => None,
                })
        };
        let reachable = || {
            let care_ofs = sets()
                .filter_map(|id| view.flow_set(id))
                .flat_map(|set| set.templates());
            default_templates()
                .map(|(_, template)| template)
                .chain(care_ofs)
        };
        let load = |id: u32| view.load_template(id);
        // A tested care-of address has a template that only another one names.
        let templates =
            || reachable().flat_map(|id| [Some(id), load(id).and_then(|template| template.tested)]);
        let meters: BTreeSet<u32> = reachable()
            .filter_map(load)
            .filter_map(|template| template.meter)
            .collect();
        let generation = reachable()
            .filter_map(load)
            .map(|template| template.generation)
            .chain(
                homes
                    .entries()
                    .filter_map(|entry| homes.tunnel(&entry))
                    .map(|tunnel| tunnel.generation),
            )
            .chain(
                sets()
                    .filter_map(|id| view.flow_set(id))
                    .map(|set| set.generation()),
            )
            .max()
            .unwrap_or(0);
        let next_hops =
            || (0..layout.next_hops.slots()).map(|id| (id, next_hop::value_index(&view, id)));
        let set_ids = || {
            next_hops()
                .filter(|(_, value)| value.is_some())
                .map(|(id, _)| id)
        };
        let mut retired = RetiredQueue::new(ready_at);
        let mut resting = 0_u32;
        for slot in homes.resting() {
            retired.push(Retired::Home(slot));
            resting = resting.saturating_add(1);
        }
        for (slot, template) in default_templates() {
            retired.push(Retired::Settling { slot, template });
        }
        quiescence::advance(&view, retired.epoch());
        let reachable_sets: Vec<u32> = sets().collect();
        let mut writer = Self {
            ready_at,
            ready: false,
            homes: Occupancy::new(homes.entries().count(), resting),
            templates: Pool::new(layout.templates.slots(), templates().flatten()),
            meters: Pool::new(layout.meters.slots(), meters.iter().copied()),
            meters_in_use: u32::try_from(meters.len()).unwrap_or(u32::MAX),
            optimized: Pool::new(
                layout.optimized.slots(),
                OptimizedTable(&view).entries().map(|(slot, _)| slot),
            ),
            optimized_in_use: 0,
            flow_sets: Pool::new(layout.flow_sets.slots(), sets()),
            flow_sets_in_use: u32::try_from(sets().count()).unwrap_or(u32::MAX),
            flows: Occupancy::default(),
            flow_owners: Pool::new(layout.flow_sets.slots(), owners()),
            flow_lists: FlowLists::new(layout.flow_sets.slots()),
            generation,
            next_hop_ids: Pool::new(layout.next_hops.slots(), set_ids()),
            next_hop_values: Pool::new(
                layout.next_hop_values.slots(),
                next_hops().filter_map(|(_, value)| value),
            ),
            next_hops_allocated: next_hops().map(|(_, value)| value.is_some()).collect(),
            routes: prefixes::Routes::attach(&view),
            retired,
            view,
            roles,
            _claim: claim,
        };
        writer.inherit_moves::<Homes>();
        writer.inherit_flows(&reachable_sets);
        writer.count_flow_sets(writer.flow_sets_in_use);
        writer.publish_landmarks();
        let optimized = writer.optimized_routes().count();
        writer.count_optimized(u32::try_from(optimized).unwrap_or(u32::MAX));
        writer
    }

    /// Frees what every awake worker has let go of, and publishes the routes that waited for it. Gives the number of
    /// things that still wait.
    pub fn reclaim(&mut self) -> usize {
        // What settles leaves a template behind, which waits for the workers once more.
        while self.reclaim_once() {}
        self.publish_waiting_routes();
        self.retired.len()
    }

    /// Whether anything has become free.
    fn reclaim_once(&mut self) -> bool {
        // Who is awake is asked before anything is freed, so that it says nothing of what is retired from now on.
        let announced = self.retired.epoch();
        let (reached, _) = quiescence::reached(&self.view);
        let reached = reached.min(announced);
        let mut any = false;
        self.ready = self.ready || reached >= self.ready_at;
        while let Some(retired) = self.retired.pop(reached) {
            any = true;
            match retired {
                Retired::Home(slot) => self.vacate::<Homes>(slot),
                Retired::MovedHome => self.leave_moved::<Homes>(),
                Retired::Settling { slot, template } => self.settle(slot, template),
                Retired::Flow(slot) => self.leave_flow(slot),
                Retired::MovedFlow => self.leave_moved::<Flows>(),
                Retired::FlowsOf(owner) => self.leave_flows_of(FlowOwner(owner)),
                Retired::Template(slot) => self.templates.give(slot),
                Retired::FlowSet(slot) => self.flow_sets.give(slot),
                Retired::Meter(slot) => self.meters.give(slot),
                Retired::Optimized(slot) => self.optimized.give(slot),
                Retired::NextHop(slot) => self.next_hop_ids.give(slot),
                Retired::NextHopValue(slot) => self.next_hop_values.give(slot),
                Retired::RouteNode(slot) => self.routes.nodes.give(slot),
            }
        }
        any
    }

    /// Parks the workers whose process has died without doing so itself, and gives their number. Changes do this by
    /// themselves before they answer [`SegmentError::Busy`].
    pub fn evict_dead_workers(&mut self) -> usize {
        let mut evicted = 0;
        loop {
            let (reached, behind) = quiescence::reached(&self.view);
            if reached >= self.retired.epoch() {
                return evicted;
            }
            // Whoever can take a worker's role while the worker is awake knows that its holder is dead; holding the
            // role keeps a new reader from registering in between.
            let Some(worker) = behind else { return evicted };
            let Ok(_claim) = self.roles.claim(Role::Worker(worker)) else {
                return evicted;
            };
            quiescence::park(&self.view, worker);
            evicted += 1;
        }
    }

    /// Says that the writer lives, at `now_ns` of its monotonic clock.
    pub fn heartbeat(&mut self, now_ns: u64) {
        if let Some(word) = self.view.word(header_word::HEARTBEAT) {
            word.store(now_ns, Ordering::Release);
        }
    }

    /// Keeps what has just become unreachable until the workers have let go of it. Announced at once, so that the next
    /// quiescent point of each worker is enough.
    fn retire(&mut self, retired: Retired) {
        let epoch = self.retired.push(retired);
        quiescence::advance(&self.view, epoch);
    }

    /// Reclaims, now and then.
    fn tidy(&mut self) {
        if self.retired.len() >= RECLAIM_EVERY {
            self.reclaim();
        }
    }

    /// Makes sure that `has_free` holds, by reclaiming if need be.
    fn make_space(
        &mut self,
        table: Table,
        has_free: impl Fn(&Self) -> bool,
    ) -> Result<(), SegmentError> {
        let fits = |writer: &Self| writer.ready && has_free(writer);
        if fits(self) {
            return Ok(());
        }
        self.reclaim();
        if !fits(self) && self.evict_dead_workers() > 0 {
            self.reclaim();
        }
        if fits(self) {
            Ok(())
        } else {
            Err(SegmentError::Busy { table })
        }
    }
}
