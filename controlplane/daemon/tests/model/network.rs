//! A network that loses, duplicates, delays and reorders

use std::collections::BTreeMap;

use crate::step::Quality;

/// Marsaglia's xorshift64: the same in every run.
#[derive(Debug)]
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).expect("64 bits") % below
    }
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub enum Parcel {
    ToAnchor(Vec<u8>),
    FromAnchor(Vec<u8>),
}

/// Packets on their way, by when they arrive and the order in which they were sent.
#[derive(Debug)]
pub struct Network {
    underway: BTreeMap<(u64, u64), Parcel>,
    sent: u64,
    dice: Dice,
    pub quality: Quality,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            underway: BTreeMap::new(),
            sent: 0,
            dice: Dice::default(),
            quality: Quality {
                lost: 0,
                twice: 0,
                delay_ms: 0,
            },
        }
    }
}

impl Network {
    /// Sends a packet; what becomes of it is up to the network.
    pub fn send(&mut self, now_ns: u64, parcel: Parcel) {
        let Quality {
            lost,
            twice,
            delay_ms,
        } = self.quality;
        let copies = match self.dice.roll(100) {
            fate if fate < lost => 0,
            fate if fate < lost + twice => 2,
            _ => 1,
        };
        let most = usize::try_from(delay_ms).expect("seconds") + 1;
        for _ in 0..copies {
            let delay = u64::try_from(self.dice.roll(most)).expect("seconds");
            self.send_to_arrive(now_ns + delay * 1_000_000, parcel.clone());
        }
    }

    /// Sends one copy that arrives then.
    pub fn send_to_arrive(&mut self, at_ns: u64, parcel: Parcel) {
        self.sent += 1;
        self.underway.insert((at_ns, self.sent), parcel);
    }

    pub fn next_arrival_ns(&self) -> Option<u64> {
        self.underway.keys().next().map(|(at_ns, _)| *at_ns)
    }

    /// What arrives first, if it has arrived.
    pub fn arrived(&mut self, now_ns: u64) -> Option<Parcel> {
        let first = self.underway.first_entry()?;
        (first.key().0 <= now_ns).then(|| first.remove())
    }
}
