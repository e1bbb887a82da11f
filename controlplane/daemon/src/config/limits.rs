//! `[limits]`: how large the forwarding tables are

use dhp_segment::{MAX_CARE_OFS, MAX_FLOW_RULES};

/// `[limits]`: sizes of the forwarding tables, fixed while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Home addresses that can be bound at once. More are refused with status 130.
    pub home_addresses: u32,
    /// Prefixes of the kernel that the workers can forward by.
    pub routes: u32,
    /// Mobile nodes with home agents elsewhere whose way to this box, or to a host behind it, can be optimized at once. More
    /// are refused with status 130.
    pub correspondents: u32,
    /// Neighbours that the workers can send to; packets to more go through the kernel.
    pub next_hops: u32,
    /// Home addresses that can have flow rules or several care-of addresses at once.
    pub flow_sets: u32,
    /// Care-of addresses that one of them can have: with 0 several are refused with status 166.
    pub care_of_addresses: usize,
    /// Flow bindings that one of them can have: with 0 they are refused with flow status 128. Of these, [`MAX_FLOW_RULES`] can be for
    /// more than exactly one flow each.
    pub flow_bindings: usize,
    /// Exact flows with a rule at once, of all home addresses together.
    pub flows: u32,
    /// Packets of which each worker holds fragments at once.
    pub reassembly: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            home_addresses: 65_536,
            correspondents: 4_096,
            routes: 16_384,
            next_hops: 4_096,
            flow_sets: 1_024,
            care_of_addresses: MAX_CARE_OFS,
            flow_bindings: MAX_FLOW_RULES,
            flows: 65_536,
            reassembly: 256,
        }
    }
}
