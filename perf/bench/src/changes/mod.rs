//! Handoffs while packets are forwarded, and the proof that none of them is late
//!
//! Each care-of address carries a generation. The writer notes for a binding which generation it is *about to* publish, publishes
//! it, and notes that it *has been* published:
//!
//! ```text
//!  writer   begun = g      publish g      published = g
//!  worker                     ───── handles a packet ─────
//!  checker  ── reads published: p ──►                  ──► reads begun: b     p ≤ generation in the packet ≤ b
//! ```
//!
//! What had been published before the packet was handed to the worker is the least that it may use; what was begun when the
//! packet had come out, the most. Anything else was not current when it was handled.

mod handed_over;
mod ledger;
mod writer_thread;

pub use handed_over::HandedOver;
pub use ledger::Ledger;
pub use writer_thread::{Pace, WriterThread};

#[cfg(test)]
mod tests;
