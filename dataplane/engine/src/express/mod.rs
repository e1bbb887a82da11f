//! The short way of most packets: UDP and TCP into the tunnel of a plain binding, and whatever comes out of one
//!
//! The long way ([`crate::classify`], [`crate::downlink`], [`crate::uplink`]) has an answer to everything that can be wrong with a
//! packet. Nothing is wrong with nearly all of them. This one asks the same questions as that one, all of them, and leaves
//! unchanged every packet to which an answer is not the usual one: that then goes the long way. So it can be short: fields are
//! read where they stand in the frame, the link header stays on, one write makes the new headers, and what is counted is counted for
//! the batch.
//!
//! A batch goes through in steps, so that the cache misses of each overlap: [`sort`](sort::sort) and the tags of its bindings, then the
//! bindings themselves, then [`Express::rewrite`].

mod enter;
mod header;
mod hop;
mod leave;
mod sort;

use dhp_segment::{HomeCandidate, HomePlace, Homes, Reader};
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::HEADER_LEN as IPV6_LEN;

pub(crate) use sort::sort;

use crate::path::Path;
use crate::{BATCH_SIZE, Batch, Port};
use hop::LastHop;

/// Link header and outer IPv6 header.
const HEADERS: usize = ETHERNET_LEN + IPV6_LEN;
/// The ports of UDP and TCP behind them.
const HEADERS_AND_PORTS: usize = HEADERS + 4;
/// With the IPv6 header inside the tunnel.
const BOTH_HEADERS: usize = HEADERS + IPV6_LEN;

/// The way of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// By a [`Plan`](crate::plan::Plan).
    Long,
    /// Into a tunnel.
    Enter,
    /// Out of a tunnel.
    Leave,
}

/// How far a packet of a batch has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) lane: Lane,
    /// Where its binding is looked for; on the long way, anywhere.
    pub(crate) place: HomePlace,
    pub(crate) candidate: HomeCandidate,
    pub(crate) egress: Egress,
}

/// The port on which an express packet leaves, or [`LONG`](Self::LONG).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Egress(u32);

impl Egress {
    /// It has to go the long way.
    const LONG: Self = Self(u32::MAX);

    /// The port; `None`: by the long way.
    #[inline(always)]
    pub(crate) fn port(self) -> Option<usize> {
        (self != Self::LONG).then_some(self.0 as usize)
    }
}

impl From<Option<u16>> for Egress {
    #[inline(always)]
    fn from(port: Option<u16>) -> Self {
        port.map_or(Self::LONG, |port| Self(port.into()))
    }
}

/// How far the packets of a batch have come.
pub(crate) type Progresses = [Progress; BATCH_SIZE];

impl Progress {
    pub(crate) fn none() -> Self {
        Self {
            lane: Lane::Long,
            place: HomePlace::default(),
            candidate: HomeCandidate::default(),
            egress: Egress::LONG,
        }
    }
}

/// What a batch's express packets add to the counters of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) entered: u64,
    pub(crate) left: u64,
}

/// What the express packets of one batch have in common.
struct Express<'a, P> {
    homes: Homes<'a>,
    reader: &'a Reader,
    ports: &'a [P],
    tcp_mss_clamp: bool,
    inwards: LastHop,
    outwards: LastHop,
    tally: Tally,
}

/// Rewrite the express packets of a batch. `Some`: all of them are, and leave on that port.
#[inline(always)]
pub(crate) fn rewrite<P: Port>(
    path: &Path<P>,
    homes: Homes<'_>,
    batch: &mut Batch<P::Buf>,
    progresses: &mut Progresses,
) -> (Option<usize>, Tally) {
    let mut express = Express {
        homes,
        reader: &path.reader,
        ports: &path.ports,
        tcp_mss_clamp: path.tcp_mss_clamp,
        inwards: LastHop::none(),
        outwards: LastHop::none(),
        tally: Tally::default(),
    };
    // The bits that all have, and those that any has: the same where all are alike.
    let (mut all, mut any) = (u32::MAX, 0);
    for (packet, progress) in batch.iter_mut().zip(progresses) {
        let port = match progress.lane {
            Lane::Long => None,
            Lane::Enter => express.enter(packet, progress.candidate),
            Lane::Leave => express.leave(packet, progress.candidate),
        };
        progress.egress = port.into();
        all &= progress.egress.0;
        any |= progress.egress.0;
    }
    let port = if all == any { Egress(all).port() } else { None };
    (port, express.tally)
}
