//! The forwarding plane: Port, Batch and the run-to-completion worker
//!
//! Three nouns: a [`Port`] is where packets come from and go to, a [`Batch`] is what a stage works on, and the tables
//! of the shared segment are what it looks up.
#![forbid(unsafe_code)]

mod batch;
mod frame;
mod packet_buf;
mod port;

pub use batch::{BATCH_SIZE, Batch};
pub use frame::{FRAME_HEADROOM, FrameBuf, FramePool};
pub use packet_buf::PacketBuf;
pub use port::{FlushReport, Link, Port, PortInfo, PortStats};
