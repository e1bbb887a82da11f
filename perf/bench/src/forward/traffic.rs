//! What is sent: sizes and directions in turn, each packet of a binding drawn at random

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::setup::MAC;
use crate::bindings::{Frames, Plan, Random};

/// Octets of the smallest frame: Ethernet, IPv6, UDP and a [`Mark`](super::mark::Mark).
pub const SMALLEST: u16 = 78;
/// Octets of the largest: with the tunnel's header it is one that every link carries.
const LARGEST: u16 = 1_474;
/// 7 : 4 : 1, spread out.
const IMIX: [u16; 12] = [78, 512, 78, 78, 512, 78, 1400, 78, 512, 78, 512, 78];

/// Sizes of frames outside of the tunnel, without checksum; 40 octets more inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// All of one size.
    Size(u16),
    /// 7 of 78 octets to 4 of 512 to 1 of 1400.
    Imix,
}

impl Mix {
    fn sizes(&self) -> &[u16] {
        match self {
            Self::Size(size) => std::slice::from_ref(size),
            Self::Imix => &IMIX,
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => write!(f, "{size}"),
            Self::Imix => f.write_str("imix"),
        }
    }
}

impl Serialize for Mix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("imix", _) => Ok(Self::Imix),
            (_, Ok(size)) if (SMALLEST..=LARGEST).contains(&size) => Ok(Self::Size(size)),
            _ => Err(format!("{SMALLEST} to {LARGEST} octets, or imix")),
        }
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To a home address, and into its tunnel.
    Downlink,
    /// Out of its tunnel, to the correspondent.
    Uplink,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub octets: &'a [u8],
    pub direction: Direction,
    /// Its binding.
    pub number: u32,
}

/// Packets without end, half of them in each direction.
#[derive(Debug)]
pub struct Traffic {
    pub plan: Plan,
    frames: Vec<(u16, Frames)>,
    /// Places in `frames`, in their order; each place twice, once for each direction.
    order: Vec<(usize, Direction)>,
    next: usize,
    random: Random,
}

impl Traffic {
    /// To so many bindings.
    pub fn new(mix: Mix, bindings: u32) -> Self {
        let mut frames: Vec<(u16, Frames)> = Vec::new();
        let mut order = Vec::new();
        for size in mix.sizes() {
            let known = frames.iter().position(|(other, _)| other == size);
            let place = known.unwrap_or(frames.len());
            if known.is_none() {
                frames.push((*size, Frames::new(MAC, usize::from(*size))));
            }
            order.extend([(place, Direction::Downlink), (place, Direction::Uplink)]);
        }
        Self {
            plan: Plan::new(bindings, 0),
            frames,
            order,
            next: 0,
            random: Random::new(),
        }
    }

    /// Packets until all sizes and directions have been there as often as they are to be.
    pub fn period(&self) -> usize {
        self.order.len()
    }

    /// The next packet.
    pub fn next(&mut self) -> Option<Packet<'_>> {
        let (place, direction) = *self.order.get(self.next)?;
        self.next += 1;
        if self.next == self.order.len() {
            self.next = 0;
        }
        let number = self.random.below(self.plan.bindings);
        let (_, frames) = self.frames.get_mut(place)?;
        let octets = match direction {
            Direction::Downlink => frames.downlink(&self.plan, number),
            Direction::Uplink => frames.uplink(&self.plan, number, 0),
        };
        Some(Packet {
            octets,
            direction,
            number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imix_is_seven_to_four_to_one_in_both_directions() {
        let mut traffic = Traffic::new(Mix::Imix, 10);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..traffic.period() {
            let packet = traffic.next().expect("a packet");
            let tunnel = match packet.direction {
                Direction::Downlink => 0,
                Direction::Uplink => 40,
            };
            *counts
                .entry((packet.octets.len() - tunnel, tunnel))
                .or_insert(0) += 1;
        }
        let expected = [(78, 7), (512, 4), (1400, 1)]
            .into_iter()
            .flat_map(|(size, count)| [((size, 0), count), ((size, 40), count)]);
        assert_eq!(counts, expected.collect());
    }

    #[test]
    fn a_mix_is_read_as_it_is_written() {
        for mix in [Mix::Size(78), Mix::Size(1_474), Mix::Imix] {
            assert_eq!(mix.to_string().parse(), Ok(mix));
        }
        for wrong in ["77", "1475", "IMIX", ""] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
    }
}
