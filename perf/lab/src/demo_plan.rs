//! How long the demo is and how much it sends.

use std::time::Duration;

/// The plan.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// Octets of each download.
    pub length: u64,
    /// Octets per second of each download.
    pub rate: u64,
    /// From one move to the next.
    pub spacing: Duration,
    /// The moves with one interface, alternating between the access networks; one with two interfaces follows.
    pub moves: usize,
    /// How long the radio is without a link in a move.
    pub radio_gap: Duration,
}

impl DemoPlan {
    /// The demo as described: 200 MB, A→B→A→B, then make before break.
    pub fn full() -> Self {
        Self {
            length: 200_000_000,
            rate: 3_300_000,
            spacing: Duration::from_secs(8),
            moves: 3,
            radio_gap: Duration::from_millis(50),
        }
    }

    /// A short one for tests: 40 MB, two moves, then make before break.
    pub fn quick() -> Self {
        Self {
            length: 40_000_000,
            rate: 1_400_000,
            moves: 2,
            ..Self::full()
        }
    }
}
