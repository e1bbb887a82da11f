//! The forwarding plane: Port, Batch and the run-to-completion worker
//!
//! Three nouns: a [`Port`] is where packets come from and go to, a [`Batch`] is what a stage works on, and the tables
//! of the shared segment are what it looks up. A [`Worker`] takes a batch from a port and carries each packet to its end:
//!
//! | stage | question |
//! |---|---|
//! | `classify` | whose is it, as far as its own octets and the routes tell? Yields a `Plan` |
//! | `lookup` | the bindings of all home addresses of the batch, at once |
//! | `downlink` | CN → home address: the entry of the tunnel; `outer_header`, `outer_fragment`, `binding_limits` |
//! | `type_2_routing` | from the box itself to a mobile node whose home is here |
//! | `optimized` | between a correspondent that the box speaks for and a mobile node whose home is elsewhere |
//! | `flow_rules` | which of a mobile node's care-of addresses get the packet; `flow_expect`, `flow_memory` |
//! | `reassembly` | fragments of packets to the anchor; `partial_packet` |
//! | `uplink` | mobile node → anchor: the exit of the tunnel, with both checks of the binding |
//! | `forward` | by route: hop limit, MTU, next hop |
//! | `local` | to the anchor itself: signalling is punted, the rest is the host's |
//! | `icmp` | the errors that the above call for |
//! | `tunnel_error` | the errors that come back from inside a tunnel, for the source of what was in it |
//! | `exception` | frames between a port and the host kernel's interface for it |
//! | `inject` | what the control plane sends |
//!
//! While somebody asks for it, `trace` tells what becomes of single packets.
//!
//! On the packet path nothing allocates, locks, reads a clock, formats or panics, and every packet ends in exactly one
//! counted place.
#![forbid(unsafe_code)]

mod aged_table;
mod batch;
mod binding_limits;
mod classify;
mod config;
mod correspondent_hosts;
mod downlink;
mod exception;
mod express;
mod flow_expect;
mod flow_memory;
mod flow_rules;
mod forward;
mod frame;
mod header;
mod icmp;
mod inject;
mod local;
mod lookup;
mod mss_clamp;
mod network_limits;
mod optimized;
mod origin;
mod outer_fragment;
mod outer_header;
mod packet_buf;
mod partial_packet;
mod path;
mod plan;
mod port;
mod punt_limits;
mod punt_sender;
mod reassembly;
mod run;
mod token_bucket;
mod trace;
mod tunnel_error;
mod type_2_routing;
mod uplink;
mod wake;
mod worker;

pub use batch::{BATCH_SIZE, Batch};
pub use config::{IdlePolicy, WorkerConfig};
pub use frame::{FRAME_HEADROOM, FrameBuf, FramePool};
pub use icmp::ErrorRates;
pub use packet_buf::{PacketBuf, PacketPool};
pub use port::{FlushReport, Link, Port, PortInfo, PortStats};
pub use punt_limits::PuntRates;
pub use run::{RunError, monotonic_ns};
pub use wake::WakeFd;
pub use worker::{MAX_PORTS, Worker, WorkerError};
