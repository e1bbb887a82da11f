//! The memory that the forwarding and the control plane share.
//!
//! A segment is one region of `AtomicU64` words: anonymous memory when both planes live in one process, a file on tmpfs
//! or hugetlbfs when they do not. It holds no pointers, so every process may map it wherever it likes.
//!
//! | part | written by | read by |
//! |---|---|---|
//! | home table: home address → tunnel | [`Writer`] | [`Reader`] |
//! | optimized routes: correspondent and home address → care-of address | [`Writer`] | [`Reader`] |
//! | flow sets: care-of addresses and the short list of flow rules of one home address | [`Writer`] | [`Reader`] |
//! | flow table: exact flow of a home address → what its rule says | [`Writer`] | [`Reader`] |
//! | next hops, route table | [`Writer`] | [`Reader`] |
//! | meters: what a binding has sent and got, where that is limited | [`Reader`]s | [`Reader`]s |
//! | punt ring, one per worker | [`Reader`] | [`Control`] |
//! | inject ring, one per worker | [`Control`] | [`Reader`] |
//! | trace ring, one per worker | [`Reader`] | [`Control`] |
//! | counters, one block per worker | [`Reader`] | [`Control`], [`Segment::counters`] |
//!
//! **Readers are wait-free.** They take no lock and retry nothing, so a writer that dies at any instruction leaves them
//! forwarding. Whatever is published is complete before the one atomic store that makes it reachable, and what that store
//! replaced is kept until every worker has said "I hold nothing from before" ([`Reader::quiescent`], once per batch). See
//! the `quiescence` module for the argument.
//!
//! **Nothing in the segment is trusted for memory safety.** All access is atomic, and every index read from it is checked
//! against the geometry this process validated when it opened the segment.

mod address_words;
mod anchors;
mod care_of_filter;
mod carried;
mod control;
mod counters;
mod drop_reason;
mod error;
mod exact_flow;
mod extent;
mod flow;
mod flow_set;
mod flow_slot;
mod flow_table;
mod geometry;
mod group;
mod hash;
mod hash_table;
mod header;
mod home_table;
mod homes;
mod landmarks;
mod layout;
mod mapping;
mod meter;
mod names;
mod next_hop;
mod optimized;
mod pool;
mod punt_class;
mod quiescence;
mod reader;
mod ring;
mod role;
mod route;
mod route_cache;
mod route_node;
mod route_table;
mod segment;
mod slot;
mod sync;
mod table_growth;
mod template;
mod trace;
mod view;
mod writer;

pub use address_words::AddressWords;
pub use carried::Carried;
pub use control::{Control, Punted};
pub use counters::{Counter, CounterSnapshot};
pub use drop_reason::DropReason;
pub use error::{SegmentError, Table};
pub use exact_flow::{ExactFlow, ExactRule};
pub use flow::{
    FlowKey, FlowRange, FlowRule, FlowSelector, FlowVerdict, MAX_CARE_OFS, MAX_FLOW_RULES,
};
pub use flow_set::FlowSet;
pub use flow_table::{FlowEntry, FlowPlace};
pub use geometry::Geometry;
pub use home_table::{HomeCandidate, HomeEntry, HomePlace};
pub use homes::{Homes, PlainBinding};
pub use landmarks::Landmarks;
pub use meter::Meter;
pub use next_hop::{NextHop, NextHopState};
pub use optimized::{OptimizedEntry, OptimizedRoute};
pub use punt_class::PuntClass;
pub use reader::Reader;
pub use ring::{InjectMeta, PuntKind, PuntMeta, RING_PACKET_BYTES, RingError};
pub use role::Role;
pub use route::{Route, RouteAction};
pub use route_cache::Routes;
pub use segment::Segment;
pub use template::{CareOfTest, OUTER_HEADER_LEN, Template, TestedCareOf, Tunnel};
pub use trace::{Outcome, TRACE_PACKET_BYTES, TraceMeta, TraceRequest, Traced};
pub use writer::Writer;
