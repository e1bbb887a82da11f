//! Where everything stands in a segment.
//!
//! A layout is computed from the geometry, never read: a process that has checked the header once trusts its own copy.

use crate::care_of_filter::{PER_WORD, PLACES};
use crate::counters::Counter;
use crate::drop_reason::DropReason;
use crate::flow::MAX_CARE_OFS;
use crate::flow_set::FLOW_SET_WORDS;
use crate::flow_slot::FLOW_SLOT_WORDS;
use crate::geometry::Geometry;
use crate::group::{GROUP_SLOTS, GROUP_WORDS};
use crate::landmarks::{LANDMARK_ENTRIES, LANDMARK_WORDS};
use crate::meter::METER_WORDS;
use crate::optimized::{CHAINS_PER_ENTRY, OPTIMIZED_WORDS};
use crate::ring;
use crate::route_node::{self, NODE_WORDS};
use crate::slot::{SLOT_PAST_WORDS, SLOT_WORDS};
use crate::sync::LINE_WORDS;
use crate::trace::TRACE_SLOTS;

/// "DHPSEGMT".
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"DHPSEGMT");

/// Changes whenever the meaning of any word does.
pub(crate) const LAYOUT_VERSION: u32 = 9;

/// Words of the header, by position.
pub(crate) mod header_word {
    /// [`super::MAGIC`], stored last, so that a half-made segment is never taken for one.
    pub(crate) const MAGIC: usize = 0;
    /// Layout version (high 32 bits), counters (16), drop reasons (16).
    pub(crate) const VERSION: usize = 1;
    /// Length of the segment in words.
    pub(crate) const WORDS: usize = 2;
    /// The ten numbers of the geometry, in the order of its fields.
    pub(crate) const GEOMETRY: usize = 3;
    /// Two words of hash seed.
    pub(crate) const SEED: usize = 13;
    /// How many groups of the home table are in use; among words that never change, since every lookup reads it.
    pub(crate) const HOME_EXTENT: usize = 15;
    /// The epoch of the quiescence protocol; on its own line, since the writer changes it while every worker reads it.
    pub(crate) const EPOCH: usize = 16;
    /// One more than the slot of the route table that is current; 0: there is none.
    pub(crate) const ROUTES: usize = 17;
    /// Counts the changes of routes, so that workers know what they remember to be old.
    pub(crate) const ROUTES_VERSION: usize = 18;
    /// The number of the list of landmarks; odd while it is being changed.
    pub(crate) const LANDMARKS: usize = 19;
    /// How many optimized routes there are.
    pub(crate) const OPTIMIZED: usize = 20;
    /// How many home addresses have a flow set.
    pub(crate) const FLOW_SETS: usize = 21;
    /// How many groups of the flow table are in use.
    pub(crate) const FLOW_EXTENT: usize = 22;
    /// When the writer last said that it lives, in nanoseconds of its monotonic clock.
    pub(crate) const HEARTBEAT: usize = 24;
    /// What is to be traced: flags, then an address.
    pub(crate) const TRACE: usize = 25;
    pub(crate) const TRACE_ADDRESS: usize = 26;
    /// Length of the header.
    pub(crate) const LEN: usize = 32;
}

/// Words of a template: one cache line.
pub(crate) const TEMPLATE_WORDS: usize = LINE_WORDS;
/// Words of what a template remembers of the binding's past.
pub(crate) const PAST_WORDS: usize = 4;
/// Words of a next hop's value.
pub(crate) const NEXT_HOP_WORDS: usize = 4;

/// Word 0 of a worker's block: the epoch it last reported, 0 while it is parked or absent.
pub(crate) const WORKER_EPOCH: usize = 0;
/// First counter in a worker's block; the drop reasons follow the counters.
pub(crate) const WORKER_COUNTERS: usize = LINE_WORDS;

/// Keys per group of a table at full capacity, of the fourteen that fit: one insertion in sixty goes past.
const GROUP_LOAD: usize = 10;

/// A table begins with so many groups at least: what rounding to a power of two times that costs is no more than one in
/// so many. The model's is as small as can be.
const LEAST_GROUPS: usize = if cfg!(loom) { 1 } else { 16 };

/// Different anchor addresses that plain bindings can have.
pub(crate) const ANCHORS: usize = 256;

/// A run of equal slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// First word.
    pub(crate) start: usize,
    /// Words per slot.
    pub(crate) stride: usize,
    /// Number of slots.
    pub(crate) count: usize,
}

impl Region {
    /// The first word of slot `index`, if there is one.
    #[inline(always)]
    pub(crate) fn at(&self, index: u32) -> Option<usize> {
        let index = index as usize;
        (index < self.count).then(|| self.start + index * self.stride)
    }

    /// Number of slots as the type that indices have: no geometry has more.
    #[inline(always)]
    pub(crate) fn slots(&self) -> u32 {
        self.count as u32
    }
}

/// All regions of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    /// Groups of the home table at the beginning; all of them are a power of two times that.
    pub(crate) first_home_groups: u32,
    /// The same of the flow table.
    pub(crate) first_flow_groups: u32,
    pub(crate) workers: Region,
    pub(crate) home_groups: Region,
    pub(crate) homes: Region,
    /// One for each slot, at the same index.
    pub(crate) home_pasts: Region,
    pub(crate) anchors: Region,
    pub(crate) templates: Region,
    /// One for each template, at the same index.
    pub(crate) pasts: Region,
    pub(crate) meters: Region,
    /// The chains of the optimized routes, and these.
    pub(crate) optimized_heads: Region,
    pub(crate) optimized: Region,
    pub(crate) care_of_filter: Region,
    pub(crate) flow_sets: Region,
    pub(crate) flow_groups: Region,
    pub(crate) flows: Region,
    pub(crate) landmarks: Region,
    pub(crate) next_hops: Region,
    pub(crate) next_hop_values: Region,
    pub(crate) route_nodes: Region,
    pub(crate) punt_rings: Region,
    pub(crate) inject_rings: Region,
    pub(crate) trace_rings: Region,
    /// Length of the whole segment in words.
    pub(crate) words: usize,
}

impl Layout {
    /// Lays out a geometry that has been validated.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let mut next = header_word::LEN;
        let mut region = |stride: usize, count: usize| {
            let start = next;
            next += (stride * count).next_multiple_of(LINE_WORDS);
            Region {
                start,
                stride,
                count,
            }
        };
        let workers = geometry.workers as usize;
        let homes = geometry.home_addresses as usize;
        let worker_words = WORKER_COUNTERS + Counter::ALL.len() + DropReason::ALL.len();
        let next_hops = geometry.next_hops as usize;
        // n prefixes cut the address space into at most 2n + 1 ranges.
        let (tree, levels) = route_node::most(2 * geometry.routes as usize + 1);
        let flow_sets = geometry.flow_sets as usize;
        let meters = geometry.meters as usize;
        let optimized = geometry.optimized_routes as usize;
        // The default tunnel of a binding with flow rules is a template beside those of its care-of addresses. Where a binding is
        // limited, each care-of address under test has a second template, for the tested one.
        let templates = geometry.templates as usize + flow_sets * (1 + MAX_CARE_OFS) + 2 * meters;
        let (first_home_groups, home_groups) = groups(homes);
        let home_slots = home_groups * GROUP_SLOTS as usize;
        let (first_flow_groups, flow_groups) = groups(geometry.flows as usize);
        let flow_slots = flow_groups * GROUP_SLOTS as usize;
        let ring_words = ring::words(geometry.ring_slots);
        let mut layout = Self {
            geometry: *geometry,
            first_home_groups,
            first_flow_groups,
            workers: region(worker_words.next_multiple_of(LINE_WORDS), workers),
            home_groups: region(GROUP_WORDS, home_groups),
            homes: region(SLOT_WORDS, home_slots),
            home_pasts: region(SLOT_PAST_WORDS, home_slots),
            anchors: region(2, ANCHORS),
            templates: region(TEMPLATE_WORDS, templates),
            pasts: region(PAST_WORDS, templates),
            // One in eight waits for quiescence, and at least one where there is any.
            meters: region(METER_WORDS, meters + meters.div_ceil(8)),
            optimized_heads: region(1, optimized * CHAINS_PER_ENTRY),
            // One in eight waits for quiescence, as above.
            optimized: region(OPTIMIZED_WORDS, optimized + optimized.div_ceil(8)),
            care_of_filter: region(
                1,
                ((homes + optimized + flow_sets * MAX_CARE_OFS) * PLACES).div_ceil(PER_WORD),
            ),
            // One in eight waits for quiescence, and at least one: a new set is complete before the old one goes.
            flow_sets: region(FLOW_SET_WORDS, flow_sets + flow_sets.div_ceil(8)),
            flow_groups: region(GROUP_WORDS, flow_groups),
            flows: region(FLOW_SLOT_WORDS, flow_slots),
            landmarks: region(LANDMARK_WORDS, LANDMARK_ENTRIES),
            next_hops: region(1, next_hops),
            next_hop_values: region(NEXT_HOP_WORDS, 2 * next_hops),
            trace_rings: region(ring::words(TRACE_SLOTS), workers),
            // A tree and a head, those that take their place, and the nodes of one change.
            route_nodes: region(NODE_WORDS, 2 * (tree + 1) + route_node::spare(levels)),
            punt_rings: region(ring_words, workers),
            inject_rings: region(ring_words, workers),
            words: 0,
        };
        layout.words = next;
        layout
    }
}

/// Groups of a table for so many keys, at the beginning and in the end.
fn groups(keys: usize) -> (u32, usize) {
    let mut first = keys.div_ceil(GROUP_LOAD);
    let mut doublings = 0;
    while first >= 2 * LEAST_GROUPS {
        first = first.div_ceil(2);
        doublings += 1;
    }
    (first as u32, first << doublings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_begins_small_and_has_hardly_more_groups_than_it_needs() {
        for keys in [1, 13, 160, 161, 320, 1_000, 65_536, 10_000_000, 1 << 28] {
            let (first, groups) = groups(keys);
            let needed = keys.div_ceil(GROUP_LOAD);
            assert!((1..2 * LEAST_GROUPS).contains(&(first as usize)));
            assert!(groups >= needed && groups <= needed + needed / LEAST_GROUPS);
            let doublings = (groups / first as usize).trailing_zeros();
            assert_eq!(groups, (first as usize) << doublings);
            assert!(doublings < crate::hash::BRANCH_BITS);
        }
    }

    #[test]
    fn a_flow_costs_less_than_a_hundred_octets() {
        let words = |flows: u32| {
            let geometry = Geometry {
                flows,
                ..Geometry::default()
            };
            Layout::new(&geometry).words
        };
        for flows in [1_000, 65_536, 10_000_000] {
            let octets = (words(flows) - words(0)) * 8;
            let each = octets / flows as usize;
            assert!(each < 100, "{flows}: {each}");
        }
    }

    #[test]
    fn regions_are_line_aligned_and_do_not_overlap() {
        let layout = Layout::new(&Geometry {
            workers: 3,
            home_addresses: 13,
            templates: 4,
            next_hops: 5,
            routes: 3,
            flow_sets: 2,
            flows: 11,
            meters: 0,
            optimized_routes: 3,
            ring_slots: 2,
        });
        let mut end = header_word::LEN;
        for region in [
            layout.workers,
            layout.home_groups,
            layout.homes,
            layout.home_pasts,
            layout.anchors,
            layout.templates,
            layout.pasts,
            layout.meters,
            layout.optimized_heads,
            layout.optimized,
            layout.care_of_filter,
            layout.flow_sets,
            layout.flow_groups,
            layout.flows,
            layout.landmarks,
            layout.next_hops,
            layout.next_hop_values,
            layout.trace_rings,
            layout.route_nodes,
            layout.punt_rings,
            layout.inject_rings,
        ] {
            assert_eq!(region.start % LINE_WORDS, 0);
            assert!(region.start >= end);
            end = region.start + region.stride * region.count;
            assert_eq!(region.at(region.slots()), None);
        }
        assert!(layout.words >= end);
        assert_eq!(layout.workers.stride % LINE_WORDS, 0);
    }
}
