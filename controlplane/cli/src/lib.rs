//! The vocabulary of `dhpd`'s control socket
//!
//! A client writes one JSON object a line, the daemon answers each with one line:
//!
//! ```json
//! {"command":"bindings","after":null,"limit":512}
//! {"ok":{"bindings":{"bindings":[],"more":false}}}
//! ```
//!
//! An answer is either `{"ok":{KIND:…}}` or `{"error":"a sentence"}`. Lists come in pages, so that no question holds up the
//! signalling.
#![forbid(unsafe_code)]

mod answer;
mod mobile_node;
mod request;

pub use answer::{
    Answer, Binding, Bindings, BoundFlow, CareOf, ConfigChange, Counters, Heading, Health,
    HealthState, Neighbour, NumberedCareOf, Pool, Port, Reloaded, Reply, Route, Routes, Status,
    TracedPacket, WorkerCounters, WorkerStatus,
};
pub use mobile_node::{
    Association, Flow, FlowMode, FlowTable, FlowTarget, Flows, MobileNode, MobileNodes, Window,
};
pub use request::{LARGEST_PAGE, Request};

/// Where `dhpd` listens unless its configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/dhpd/dhpd.sock";

/// The longest line of either side, in octets. A longer one ends the connection.
pub const LONGEST_LINE: usize = 1 << 20;
