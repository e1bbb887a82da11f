//! Which generation of each binding's care-of address is out

use std::sync::atomic::{AtomicU32, Ordering};

/// Written by the one writer, read by whoever checks.
#[derive(Debug)]
pub struct Ledger {
    bindings: Vec<Generations>,
}

/// In one cache line.
#[derive(Debug, Default)]
#[repr(align(8))]
struct Generations {
    begun: AtomicU32,
    published: AtomicU32,
}

impl Ledger {
    /// All bindings are in generation 0.
    pub fn new(bindings: u32) -> Self {
        let bindings = (0..bindings).map(|_| Generations::default()).collect();
        Self { bindings }
    }

    /// The writer is about to publish this generation.
    pub fn begin(&self, number: u32, generation: u32) {
        if let Some(of) = self.of(number) {
            of.begun.store(generation, Ordering::Release);
        }
    }

    /// The writer has published it.
    pub fn publish(&self, number: u32, generation: u32) {
        if let Some(of) = self.of(number) {
            of.published.store(generation, Ordering::Release);
        }
    }

    /// At least this generation is what a worker finds from now on.
    pub fn published(&self, number: u32) -> u32 {
        self.of(number)
            .map_or(0, |of| of.published.load(Ordering::Acquire))
    }

    /// At most this generation is what a worker can have found until now.
    pub fn begun(&self, number: u32) -> u32 {
        self.of(number)
            .map_or(0, |of| of.begun.load(Ordering::Acquire))
    }

    fn of(&self, number: u32) -> Option<&Generations> {
        self.bindings.get(number as usize)
    }
}
