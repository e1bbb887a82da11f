//! Packets in fragments, put together slowly and plainly (RFC 8200 §4.5, RFC 5722, RFC 3168 §5.3)
//!
//! A worker may forget what it holds: when its time is up, which is looked at once a second, and early where places or buffers
//! are scarce. So all that it may hold of a packet is kept here side by side, and what one of them gives may leave.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::naive::Chain;
use crate::packets::{destination, source};

const KEPT_NS: u64 = 60_000_000_000;
const SURELY_GONE_NS: u64 = 61_000_000_000;
/// RFC 8200 §5: every node must be able to put together a packet of so many octets. A longer one may be given up.
const SURELY_TAKEN: usize = 1_500;
/// What surely has room of the headers that each fragment has.
const SURELY_TAKEN_OF_HEADERS: usize = 104;
/// So many packets surely find a place, each one for itself.
const SURELY_PLACED: usize = 8;

#[derive(Clone, PartialEq, Eq)]
struct Piece {
    /// The fragment as it came, and where its fragment header stands.
    packet: Vec<u8>,
    header: usize,
    offset: usize,
    more: bool,
}

/// What may be held of a packet: nothing, some pieces, or that it is given up.
#[derive(Clone, Default, PartialEq, Eq)]
struct Held {
    since_ns: u64,
    pieces: Vec<Piece>,
    is_given_up: bool,
}

type Id = (Ipv6Addr, Ipv6Addr, Vec<u8>);

/// What may be held of all packets.
#[derive(Default)]
pub struct Pieces {
    held: BTreeMap<Id, Vec<Held>>,
    /// There may be no buffer for a piece.
    pub is_scarce: bool,
}

/// What is wrong with a fragment: where a Parameter Problem points to.
pub fn mistake(packet: &[u8], chain: &Chain) -> Option<u32> {
    let (offset, more) = chain.fragment?;
    let length = packet.len() - chain.fragment_header - 8;
    if length == 0 || more && !length.is_multiple_of(8) {
        return Some(4);
    }
    let whole = chain.fragment_header - 40 + usize::from(offset) + length;
    (whole > 65_535).then_some(chain.fragment_header as u32 + 2)
}

impl Piece {
    fn data(&self) -> &[u8] {
        &self.packet[self.header + 8..]
    }

    fn end(&self) -> usize {
        self.offset + self.data().len()
    }

    fn ecn(&self) -> u8 {
        self.packet[1] >> 4 & 3
    }
}

impl Held {
    fn is_nothing(&self) -> bool {
        self.pieces.is_empty() && !self.is_given_up
    }

    fn octet(&self, at: usize) -> Option<u8> {
        let piece = self
            .pieces
            .iter()
            .find(|piece| (piece.offset..piece.end()).contains(&at))?;
        Some(piece.data()[at - piece.offset])
    }

    fn end(&self) -> Option<usize> {
        let last = self.pieces.iter().find(|piece| !piece.more)?;
        Some(last.end())
    }

    fn give_up(&mut self) {
        self.pieces.clear();
        self.is_given_up = true;
    }

    /// One more piece.
    fn join(&mut self, piece: &Piece) {
        if self.is_given_up {
            return;
        }
        let octets = piece.offset..piece.end();
        let data = piece.data().iter().copied().map(Some);
        let is_same = octets.clone().map(|at| self.octet(at)).eq(data)
            && (self.end() == Some(piece.end())) != piece.more;
        if is_same {
            return;
        }
        let overlaps = octets.clone().any(|at| self.octet(at).is_some());
        let is_beyond = self
            .end()
            .is_some_and(|end| piece.end() > end || !piece.more);
        let is_within = !piece.more && self.pieces.iter().any(|other| other.end() > piece.end());
        if overlaps || is_beyond || is_within {
            return self.give_up();
        }
        self.pieces.push(piece.clone());
    }

    fn is_whole(&self) -> bool {
        let octets = self.pieces.iter().map(|piece| piece.data().len()).sum();
        self.end() == Some(octets)
    }

    /// `None`: marked congestion experienced, and not everywhere may be.
    fn whole(&self) -> Option<Vec<u8>> {
        let mut pieces: Vec<_> = self.pieces.iter().collect();
        pieces.sort_by_key(|piece| piece.offset);
        let first = pieces[0];
        let mut whole = first.packet[..first.header].to_vec();
        // The last header before the fragment header has its type at its first octet, the IPv6 header at the seventh.
        let (mut kind, mut next) = (6, 40);
        while next < first.header {
            (kind, next) = (next, next + 8 * (usize::from(whole[next + 1]) + 1));
        }
        whole[kind] = first.packet[first.header];
        let marks: Vec<u8> = pieces.iter().map(|piece| piece.ecn()).collect();
        if marks.contains(&3) {
            if marks.contains(&0) {
                return None;
            }
            whole[1] |= 0x30;
        }
        for piece in pieces {
            whole.extend(piece.data());
        }
        let length = u16::try_from(whole.len() - 40).ok()?;
        whole[4..6].copy_from_slice(&length.to_be_bytes());
        Some(whole)
    }
}

impl Pieces {
    /// Takes in a fragment without a [`mistake`]. Gives the packets that it may complete.
    pub fn join(&mut self, packet: &[u8], chain: &Chain, now_ns: u64) -> Vec<Vec<u8>> {
        let header = chain.fragment_header;
        let (offset, more) = chain.fragment.expect("a fragment");
        let piece = Piece {
            packet: packet.to_vec(),
            header,
            offset: offset.into(),
            more,
        };
        let id = (
            source(packet),
            destination(packet),
            packet[header + 4..header + 8].to_vec(),
        );
        let is_scarce = self.is_scarce || self.held.len() >= SURELY_PLACED;
        let before = self.held.remove(&id).unwrap_or_default();
        let is_too_long = piece.end() > SURELY_TAKEN || header > SURELY_TAKEN_OF_HEADERS;
        let (mut after, mut wholes) = (vec![], vec![]);
        for mut held in may_be(before, is_scarce, now_ns) {
            if held.is_nothing() {
                held.since_ns = now_ns;
                if is_scarce {
                    after.push(Held::default());
                }
            }
            if is_too_long {
                let mut given_up = held.clone();
                given_up.give_up();
                after.push(given_up);
            }
            held.join(&piece);
            if held.is_whole() {
                wholes.extend(held.whole());
                held = Held::default();
            }
            after.push(held);
        }
        if after.iter().any(|held| !held.is_nothing()) {
            self.held.insert(id, after);
        }
        wholes
    }

    /// The first fragments of packets that may be given up now, since the others have not come.
    pub fn overdue(&mut self, now_ns: u64) -> Vec<Vec<u8>> {
        let all = self.held.values().flatten();
        let late = all.filter(|held| !held.is_nothing() && now_ns - held.since_ns >= KEPT_NS);
        let firsts = late
            .flat_map(|held| held.pieces.iter())
            .filter(|piece| piece.offset == 0);
        let firsts = firsts.map(|piece| piece.packet.clone()).collect();
        self.held.retain(|_, held| {
            *held = may_be(std::mem::take(held), false, now_ns);
            held.iter().any(|held| !held.is_nothing())
        });
        firsts
    }
}

/// What may be held by now of what may have been held.
fn may_be(before: Vec<Held>, is_scarce: bool, now_ns: u64) -> Vec<Held> {
    let is_new = before.is_empty();
    let age = |held: &Held| match held.is_nothing() {
        true => 0,
        false => now_ns - held.since_ns,
    };
    let may_be_gone = before.iter().any(|held| age(held) >= KEPT_NS);
    let kept = before.iter().filter(|held| age(held) < SURELY_GONE_NS);
    let mut now: Vec<Held> = vec![];
    for held in kept {
        if !now.contains(held) {
            now.push(held.clone());
        }
    }
    if (is_new || is_scarce || may_be_gone) && !now.contains(&Held::default()) {
        now.push(Held::default());
    }
    now
}
