//! A Port in memory, for tests, fuzzing, simulation and benchmarks
//!
//! [`MemoryPort`] is the worker's side, [`MemoryWire`] the other end of the cable: a test puts frames on it and takes
//! off what the worker sent.
#![forbid(unsafe_code)]

mod port;
mod wire;

pub use port::MemoryPort;
pub use wire::{MemoryWire, WireFull};
