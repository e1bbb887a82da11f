//! The short way of most packets: UDP and TCP into the tunnel of a plain binding, and whatever comes out of one
//!
//! The long way ([`crate::classify`], [`crate::downlink`], [`crate::uplink`]) has an answer to everything that can be wrong with a
//! packet. Nothing is wrong with nearly all of them. This one asks the same questions as that one, all of them, and leaves
//! unchanged every packet to which an answer is not the usual one: that then goes the long way. So it can be short: fields are
//! read where they stand in the frame, the link header stays on, one write makes the new headers, and what is counted is counted for
//! the batch.
//!
//! A batch goes through in steps, each for all packets before the next, so that cache misses overlap:
//!
//! | step | does |
//! |---|---|
//! | `sort` | tells by the octets of a frame which way it goes, and asks for the tags of its binding |
//! | `expect` | asks for the binding itself |
//! | `enter`, `leave` | rewrite a frame, if the binding lets them |
//!
//! Each is a function of its own, with the registers for itself, and so that a profile tells what each of them costs.

mod enter;
mod header;
mod hop;
mod leave;
mod sort;

use dhp_segment::{HomeCandidate, HomePlace, Homes, Landmarks};
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::HEADER_LEN as IPV6_LEN;

use crate::path::Path;
use crate::{BATCH_SIZE, Batch, PacketBuf, Port};

/// Link header and outer IPv6 header.
const HEADERS: usize = ETHERNET_LEN + IPV6_LEN;
/// The ports of UDP and TCP behind them.
const HEADERS_AND_PORTS: usize = HEADERS + 4;
/// With the IPv6 header inside the tunnel.
const BOTH_HEADERS: usize = HEADERS + IPV6_LEN;

/// The way of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lane {
    /// By a [`Plan`](crate::plan::Plan).
    Long = 1,
    /// Into a tunnel.
    Enter = 2,
    /// Out of a tunnel.
    Leave = 4,
}

/// The lanes that packets of a batch are in.
#[derive(Clone, Copy, Debug, Default)]
struct Lanes(u8);

impl Lanes {
    #[inline(always)]
    fn add(&mut self, lane: Lane) {
        self.0 |= lane as u8;
    }

    const fn has(self, lane: Lane) -> bool {
        self.0 & lane as u8 != 0
    }
}

/// How far a packet of a batch has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) lane: Lane,
    /// Where its binding is looked for. On the long way, what another batch has left here; so the following.
    place: HomePlace,
    pub(crate) candidate: HomeCandidate,
    egress: Egress,
}

impl Progress {
    const fn long() -> Self {
        Self {
            place: HomePlace::none(),
            candidate: HomeCandidate::none(),
            egress: Egress::LONG,
            lane: Lane::Long,
        }
    }

    /// Where it leaves; `None`: it goes the long way, or has to go it now.
    #[inline(always)]
    pub(crate) fn port(&self) -> Option<usize> {
        match self.lane {
            Lane::Long => None,
            Lane::Enter | Lane::Leave => self.egress.port(),
        }
    }
}

/// The port on which an express packet leaves, or [`LONG`](Self::LONG).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Egress(u32);

impl Egress {
    /// It has to go the long way.
    const LONG: Self = Self(u32::MAX);

    #[inline(always)]
    fn port(self) -> Option<usize> {
        (self != Self::LONG).then_some(self.0 as usize)
    }
}

impl From<Option<u16>> for Egress {
    #[inline(always)]
    fn from(port: Option<u16>) -> Self {
        port.map_or(Self::LONG, |port| Self(port.into()))
    }
}

/// What has become of the express packets of a batch.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// The bits that the ports of all have, and those that any has: the same where all leave on one port.
    all: u32,
    any: u32,
    /// Rewritten.
    count: u64,
}

impl Outcome {
    const fn none() -> Self {
        Self {
            all: u32::MAX,
            any: 0,
            count: 0,
        }
    }

    #[inline(always)]
    fn add(&mut self, egress: Egress) {
        self.all &= egress.0;
        self.any |= egress.0;
        self.count += u64::from(egress != Egress::LONG);
    }
}

/// What the express packets of a batch add to the counters of the worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) entered: u64,
    pub(crate) left: u64,
}

/// The packets of a batch on their ways.
#[derive(Debug)]
pub(crate) struct Express {
    progresses: [Progress; BATCH_SIZE],
    lanes: Lanes,
}

impl Express {
    pub(crate) const fn new() -> Self {
        Self {
            progresses: [Progress::long(); BATCH_SIZE],
            lanes: Lanes(0),
        }
    }

    /// How far each packet has come, in their order.
    #[inline]
    pub(crate) fn progresses(&self) -> std::slice::Iter<'_, Progress> {
        self.progresses.iter()
    }

    /// The same, for whoever has packets go the long way, and then says so: [`Express::add_long`].
    #[inline]
    pub(crate) fn progresses_mut(&mut self) -> std::slice::IterMut<'_, Progress> {
        self.progresses.iter_mut()
    }

    pub(crate) fn add_long(&mut self) {
        self.lanes.add(Lane::Long);
    }

    /// Whether packets go the long way.
    #[inline]
    pub(crate) fn has_long(&self) -> bool {
        self.lanes.has(Lane::Long)
    }

    /// Have all packets go the long way.
    pub(crate) fn close(&mut self) {
        self.progresses = [Progress::long(); BATCH_SIZE];
        self.lanes = Lanes::default();
        self.lanes.add(Lane::Long);
    }

    /// The first step for the frames of a batch, as they were received on an Ethernet link.
    #[inline(never)]
    pub(crate) fn sort<B: PacketBuf>(
        &mut self,
        batch: &Batch<B>,
        landmarks: &Landmarks,
        homes: Homes<'_>,
    ) {
        let mut lanes = Lanes::default();
        for (frame, progress) in batch.iter().zip(&mut self.progresses) {
            progress.lane = match sort::sort(frame, landmarks, &homes) {
                Some((lane, place)) => {
                    progress.place = place;
                    lane
                }
                None => Lane::Long,
            };
            lanes.add(progress.lane);
        }
        self.lanes = lanes;
    }

    /// The second, for so many packets.
    #[inline(never)]
    pub(crate) fn expect(&mut self, packets: usize, homes: Homes<'_>) {
        for progress in self.progresses.get_mut(..packets).unwrap_or_default() {
            progress.candidate = homes.expect_binding(progress.place);
        }
    }

    /// The third. `Some`: all packets have been rewritten, and leave on that port.
    #[inline]
    pub(crate) fn rewrite<P: Port>(
        &mut self,
        path: &Path<P>,
        homes: Homes<'_>,
        batch: &mut Batch<P::Buf>,
    ) -> (Option<usize>, Tally) {
        let (mut entered, mut left) = (Outcome::none(), Outcome::none());
        if self.lanes.has(Lane::Enter) {
            entered = enter::enter(path, homes, batch, &mut self.progresses);
        }
        if self.lanes.has(Lane::Leave) {
            left = leave::leave(path, homes, batch, &mut self.progresses);
        }
        let (all, any) = (entered.all & left.all, entered.any | left.any);
        let port = match all == any && !self.lanes.has(Lane::Long) {
            true => Egress(all).port(),
            false => None,
        };
        let tally = Tally {
            entered: entered.count,
            left: left.count,
        };
        (port, tally)
    }
}
