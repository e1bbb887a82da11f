//! What can go wrong with a segment.

use crate::role::Role;
use core::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// The tables whose space can run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Home addresses with a binding.
    HomeAddresses,
    /// Rewrite templates.
    Templates,
    /// Flow rules and further care-of addresses.
    FlowSets,
    /// Exact flows with a rule.
    Flows,
    /// Meters of limited bindings.
    Meters,
    /// Optimized routes of correspondents.
    OptimizedRoutes,
    /// Addresses of the anchor.
    Anchors,
    /// Next hops.
    NextHops,
    /// Routes.
    Routes,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HomeAddresses => "home address table",
            Self::Templates => "template table",
            Self::FlowSets => "flow set table",
            Self::Flows => "table of exact flows",
            Self::Meters => "meter table",
            Self::OptimizedRoutes => "table of optimized routes",
            Self::Anchors => "table of anchor addresses",
            Self::NextHops => "next hop table",
            Self::Routes => "route table",
        })
    }
}

/// Why a segment could not be made, opened or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The file could not be made, opened, sized or read.
    #[error("{}: can not {action}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The segment's file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The kernel gave no memory.
    #[error("can not map {words} words of 8 octets: {source}")]
    Map {
        /// Words asked for.
        words: usize,
        /// The system's answer.
        source: nix::errno::Errno,
    },
    /// The system's random generator did not answer.
    #[error("no random hash seed: {0}")]
    Random(String),
    /// A file that is no segment.
    #[error("not a segment: the magic number is {found:#018x}, expected {expected:#018x}")]
    Magic {
        /// The file's first word.
        found: u64,
        /// A segment's first word.
        expected: u64,
    },
    /// A segment that its creator has not finished (or never will).
    #[error("the segment is not initialised: its creator is still at work, or died at it")]
    NotReady,
    /// A segment of another release.
    #[error("the segment has layout version {found}, this program has {expected}")]
    Version {
        /// The segment's layout version.
        found: u32,
        /// This program's.
        expected: u32,
    },
    /// A segment whose counters are not the ones that this program names.
    #[error(
        "the segment counts {found_counters} counters and {found_drops} drop reasons, this program {counters} and {drops}"
    )]
    Counters {
        /// The segment's number of counters.
        found_counters: u16,
        /// The segment's number of drop reasons.
        found_drops: u16,
        /// This program's number of counters.
        counters: u16,
        /// This program's number of drop reasons.
        drops: u16,
    },
    /// The file's length, the header and the geometry do not agree.
    #[error("the segment's {what} is {found} octets, its geometry needs {expected}")]
    Size {
        /// Which length differs.
        what: &'static str,
        /// As found.
        found: u64,
        /// As computed from the geometry.
        expected: u64,
    },
    /// A geometry that can not be laid out.
    #[error("geometry: {field} = {value}: {expected}")]
    Geometry {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What would be right.
        expected: &'static str,
    },
    /// Somebody holds this role already.
    #[error("the {0} of this segment is in use")]
    Taken(Role),
    /// A worker number beyond the geometry's.
    #[error("no worker {worker}: the segment has {workers}")]
    NoSuchWorker {
        /// The number asked for.
        worker: u32,
        /// How many there are.
        workers: u32,
    },
    /// The declared capacity is in use.
    #[error("the {table} is full: {capacity} entries")]
    Full {
        /// Which table.
        table: Table,
        /// Its declared capacity.
        capacity: u32,
    },
    /// There is space, but a worker that has not yet reported a quiescent point may still be reading it. Try again
    /// when the workers have gone through another batch.
    #[error("the {table} waits for the workers to let go of what was replaced")]
    Busy {
        /// Which table.
        table: Table,
    },
    /// More for one home address than there may be.
    #[error("{found} {what} for one home address: at most {limit}")]
    FlowLimit {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A further care-of address is to be limited, and the binding was published without a meter.
    #[error("{0} is bound without a meter: publish its binding with one first")]
    NotMetered(core::net::Ipv6Addr),
    /// A next hop that is not allocated.
    #[error("no next hop {0}")]
    NoSuchNextHop(u32),
    /// A prefix longer than an address.
    #[error("a prefix length of {0}: an IPv6 address has 128 bits")]
    PrefixLength(u8),
}
