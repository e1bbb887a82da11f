//! How long the demo is and how much it sends.

use std::time::Duration;

/// The plan.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// Octets of each download.
    pub length: u64,
    /// Octets per second of each download.
    pub rate: u64,
    /// From one move to the next. Long enough for curl to give up what broke: its mean speed is of five seconds.
    pub spacing: Duration,
    /// The moves with one interface, alternating between the access networks; one with two interfaces follows.
    pub moves: usize,
    /// How many of the moves with one interface may be made again because the machine stood still meanwhile.
    pub spare_moves: usize,
    /// The same for the move with two interfaces.
    pub spare_moves_two: usize,
    /// How long the radio is without a link in a move.
    pub radio_gap: Duration,
}

impl DemoPlan {
    /// The demo as described: 200 MB, A→B→A→B, then make before break.
    pub fn full() -> Self {
        Self {
            length: 200_000_000,
            rate: 3_300_000,
            spacing: Duration::from_secs(6),
            moves: 3,
            // As many as the downloads last for.
            spare_moves: 3,
            spare_moves_two: 1,
            radio_gap: Duration::from_millis(50),
        }
    }

    /// A short one for tests: 40 MB, two moves, then make before break.
    pub fn quick() -> Self {
        Self {
            length: 40_000_000,
            rate: 1_400_000,
            moves: 2,
            spare_moves: 0,
            spare_moves_two: 0,
            ..Self::full()
        }
    }
}
