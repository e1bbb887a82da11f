//! Who is bound, what the segment says of it, and packets from and to them

mod frames;
mod plan;

pub use frames::{Frames, Random, destination};
pub use plan::{ANCHOR, Bound, CORRESPONDENT, Handoff, Plan};
