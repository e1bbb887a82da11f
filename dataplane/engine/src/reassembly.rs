//! Fragments of packets to the anchor, put together again
//!
//! RFC 2473 §7: the exit of a tunnel "reassembles the fragments before decapsulation". Whoever makes fragments costs memory
//! here without having proved anything, so there are as many places as were configured and no more, found by a keyed hash;
//! and a packet whose first fragment shows a tunnel of one of our mobile nodes takes the place of one that does not.

use std::hash::BuildHasher;

use dhp_segment::{Counter, DropReason, Reader};
use dhp_wire::codepoints::icmpv6::ERRONEOUS_FIELD;
use dhp_wire::codepoints::next_header;
use dhp_wire::extension::{self, Fragment};
use dhp_wire::icmpv6::{IcmpError, may_answer};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};
use foldhash::quality::RandomState;

use crate::flow_memory::FragmentedPacket;
use crate::origin::Origin;
use crate::partial_packet::{Joined, PartialPacket, Piece};
use crate::path::Path;
use crate::{PacketBuf, Port};

/// RFC 8200 §4.5: what is not complete "within 60 seconds of the reception of the first-arriving fragment" is abandoned.
pub(crate) const KEPT_NS: u64 = 60_000_000_000;
/// How often old ones are looked for.
const SWEEP_NS: u64 = 1_000_000_000;
/// Places that a packet may stand in.
const WAYS: usize = 8;
/// Offsets of the fields that a Parameter Problem points to.
const PAYLOAD_LENGTH: u32 = 4;
const FRAGMENT_OFFSET: usize = 2;
const LONGEST_PAYLOAD: usize = 65_535;

#[derive(Debug)]
struct Entry<B> {
    id: FragmentedPacket,
    since_ns: u64,
    /// Its first fragment shows a tunnel of a binding.
    trusted: bool,
    /// Fragments in it.
    pieces: u64,
    /// `None`: given up, and what else comes of it is dropped.
    partial: Option<PartialPacket<B>>,
}

/// The incomplete packets of one worker.
#[derive(Debug)]
pub(crate) struct Reassembly<B> {
    entries: Box<[Option<Entry<B>>]>,
    hasher: RandomState,
    held: u64,
    swept_ns: u64,
}

impl<B: PacketBuf> Reassembly<B> {
    /// Room for `packets` packets, rounded up to whole sets of places.
    pub(crate) fn new(packets: u32) -> Self {
        let places = usize::try_from(packets).unwrap_or(0).next_multiple_of(WAYS);
        Self {
            entries: (0..places).map(|_| None).collect(),
            hasher: RandomState::default(),
            held: 0,
            swept_ns: 0,
        }
    }

    /// Fragments that wait for others.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// The places that the packet `id` may stand in; none where there are no places.
    fn places(&self, id: &FragmentedPacket) -> std::ops::Range<usize> {
        let sets = self.entries.len() / WAYS;
        let set = (self.hasher.hash_one(id) as usize)
            .checked_rem(sets)
            .unwrap_or(0);
        let first = set.saturating_mul(WAYS).min(self.entries.len());
        first..first.saturating_add(WAYS).min(self.entries.len())
    }

    /// Where the packet `id` stands.
    fn find(&self, id: &FragmentedPacket) -> Option<usize> {
        let is_it = |place: &usize| {
            let entry = self.entries.get(*place).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.id == *id)
        };
        self.places(id).find(is_it)
    }

    /// A place for a new packet, and whether something has to leave it: an empty one, else that of the oldest packet that
    /// nobody vouches for. `None`: only a packet that is no better than what stands everywhere would be served.
    fn place_for(&self, id: &FragmentedPacket, trusted: bool) -> Option<usize> {
        let empty = |place: &usize| self.entries.get(*place).is_some_and(Option::is_none);
        if let Some(place) = self.places(id).find(empty) {
            return Some(place);
        }
        let age = |place: &usize| {
            let entry = self.entries.get(*place).and_then(Option::as_ref);
            entry.map_or(0, |entry| entry.since_ns)
        };
        let may_go = |place: &usize| {
            let entry = self.entries.get(*place).and_then(Option::as_ref);
            entry.is_none_or(|entry| !entry.trusted)
        };
        self.places(id)
            .filter(|place| trusted && may_go(place))
            .min_by_key(age)
    }

    fn take(&mut self, place: usize) -> Option<Entry<B>> {
        let entry = self.entries.get_mut(place)?.take()?;
        self.held = self.held.saturating_sub(entry.pieces);
        Some(entry)
    }
}

impl<P: Port> Path<P> {
    /// Takes in a fragment to the anchor. Gives the packet that it completes.
    #[cold]
    pub(crate) fn reassemble(&mut self, packet: P::Buf, origin: Origin) -> Option<P::Buf> {
        let Some(fragment) = fragment_of(packet.bytes()) else {
            self.discard(packet, DropReason::BadExtensionChain);
            return None;
        };
        if let Some((pointer, reason)) = malformed(packet.bytes(), &fragment) {
            let code = ERRONEOUS_FIELD;
            let error = IcmpError::ParameterProblem { code, pointer };
            self.answer(packet.bytes(), error, origin);
            self.discard(packet, reason);
            return None;
        }
        let (id, trusted) = match identify(packet.bytes(), &fragment, &self.reader, self.now_ns) {
            Ok(found) => found,
            Err(reason) => {
                self.discard(packet, reason);
                return None;
            }
        };
        let place = match self.reassembly.find(&id) {
            Some(place) => place,
            None => match self.begin(id, trusted) {
                Ok(place) => place,
                Err(reason) => {
                    self.discard(packet, reason);
                    return None;
                }
            },
        };
        self.join(packet, &fragment, place, trusted)
    }

    /// The origin of a packet that a fragment from `origin` has completed. A host kernel with copies of the fragments puts them
    /// together itself; any other has not seen them.
    pub(crate) fn origin_of_whole(&self, origin: Origin) -> Origin {
        let host_has_copies = match origin {
            Origin::Port(port) => self
                .ports
                .get(port)
                .is_some_and(|port| port.info().host_has_copy),
            _ => false,
        };
        if host_has_copies {
            origin
        } else {
            origin.opened()
        }
    }

    /// Gives up what has been incomplete for too long. Cheap where it was called a moment ago.
    #[inline]
    pub(crate) fn abandon_old_fragments(&mut self) {
        let due_ns = self.reassembly.swept_ns.saturating_add(SWEEP_NS);
        if self.now_ns >= due_ns {
            self.sweep();
        }
    }

    #[cold]
    fn sweep(&mut self) {
        self.reassembly.swept_ns = self.now_ns;
        for place in 0..self.reassembly.entries.len() {
            let entry = self.reassembly.entries.get(place).and_then(Option::as_ref);
            let is_old =
                |entry: &Entry<P::Buf>| self.now_ns.saturating_sub(entry.since_ns) >= KEPT_NS;
            if entry.is_some_and(is_old)
                && let Some(entry) = self.reassembly.take(place)
            {
                self.reader
                    .count_drops(DropReason::ReassemblyTimeout, entry.pieces);
                self.tell_timeout(entry);
            }
        }
    }

    /// RFC 8200 §4.5: "If the first fragment … has been received, an ICMP Time Exceeded -- Fragment Reassembly Time Exceeded
    /// message should be sent to the source of that fragment."
    fn tell_timeout(&mut self, entry: Entry<P::Buf>) {
        let first = entry.partial.and_then(PartialPacket::first_fragment);
        let error = IcmpError::ReassemblyTimeExceeded;
        if let Some(first) = first
            && may_answer(first.bytes(), error)
        {
            let (source, ..) = entry.id;
            self.send_error(source, first.bytes(), error);
        }
    }

    /// A place for a packet of which nothing has come.
    fn begin(&mut self, id: FragmentedPacket, trusted: bool) -> Result<usize, DropReason> {
        let limit = DropReason::ReassemblyLimit;
        let place = self.reassembly.place_for(&id, trusted).ok_or(limit)?;
        let mut buffer = self
            .ports
            .first_mut()
            .and_then(Port::alloc)
            .ok_or(DropReason::NoBuffer)?;
        if !buffer.set_len(0) {
            return Err(DropReason::NoBuffer);
        }
        if let Some(displaced) = self.reassembly.take(place) {
            self.reader.count_drops(limit, displaced.pieces);
        }
        if let Some(entry) = self.reassembly.entries.get_mut(place) {
            *entry = Some(Entry {
                id,
                since_ns: self.now_ns,
                trusted,
                pieces: 0,
                partial: Some(PartialPacket::new(buffer)),
            });
        }
        Ok(place)
    }

    fn join(
        &mut self,
        packet: P::Buf,
        fragment: &Fragment,
        place: usize,
        trusted: bool,
    ) -> Option<P::Buf> {
        let entry = self.reassembly.entries.get_mut(place)?.as_mut()?;
        entry.trusted |= trusted;
        let joined = match (&mut entry.partial, Piece::of(packet.bytes(), fragment)) {
            (Some(partial), Some(piece)) => partial.join(&piece),
            _ => Joined::Overlap,
        };
        match joined {
            Joined::Held => {
                entry.pieces = entry.pieces.saturating_add(1);
                self.reassembly.held = self.reassembly.held.saturating_add(1);
                None
            }
            Joined::Complete => {
                let entry = self.reassembly.take(place)?;
                self.reader.count(Counter::FragmentsJoined, entry.pieces);
                match entry.partial?.finish() {
                    Ok(whole) => {
                        self.reader.count(Counter::Reassembled, 1);
                        Some(whole)
                    }
                    Err(reason) => {
                        self.discard(packet, reason);
                        None
                    }
                }
            }
            Joined::Duplicate => {
                self.discard(packet, DropReason::FragmentDuplicate);
                None
            }
            Joined::Overlap => self.give_up(packet, place, DropReason::ReassemblyOverlap),
            Joined::TooLong => self.give_up(packet, place, DropReason::ReassemblyLimit),
        }
    }

    /// Drops what has come of a packet, and has what will come be dropped too.
    fn give_up(&mut self, packet: P::Buf, place: usize, reason: DropReason) -> Option<P::Buf> {
        if let Some(Some(entry)) = self.reassembly.entries.get_mut(place) {
            entry.partial = None;
            let pieces = std::mem::take(&mut entry.pieces);
            self.reassembly.held = self.reassembly.held.saturating_sub(pieces);
            self.reader.count_drops(reason, pieces);
        }
        self.discard(packet, reason);
        None
    }
}

fn fragment_of(packet: &[u8]) -> Option<Fragment> {
    extension::walk(packet).ok()?.fragment
}

/// RFC 8200 §4.5: a fragment with more behind it whose length is no multiple of 8 octets, or one that would make the packet
/// longer than 65,535 octets, is discarded, and its source told where the mistake is.
fn malformed(packet: &[u8], fragment: &Fragment) -> Option<(u32, DropReason)> {
    let data_len = packet
        .len()
        .saturating_sub(fragment.header_offset.saturating_add(8));
    if data_len == 0 || fragment.more && !data_len.is_multiple_of(8) {
        return Some((PAYLOAD_LENGTH, DropReason::FragmentMalformed));
    }
    let headers_len = fragment.header_offset.saturating_sub(HEADER_LEN);
    let payload_len = fragment.offset.saturating_add(data_len);
    if payload_len.saturating_add(headers_len) > LONGEST_PAYLOAD {
        let field = fragment.header_offset.saturating_add(FRAGMENT_OFFSET);
        let pointer = u32::try_from(field).unwrap_or(u32::MAX);
        return Some((pointer, DropReason::FragmentMalformed));
    }
    None
}

/// Which packet a fragment belongs to, and whether it shows a tunnel of a binding. A first fragment that shows a tunnel of
/// anybody else is not worth a buffer.
fn identify(
    packet: &[u8],
    fragment: &Fragment,
    reader: &Reader,
    now_ns: u64,
) -> Result<(FragmentedPacket, bool), DropReason> {
    let view = Ipv6View::new(packet).map_err(|_| DropReason::MalformedIpv6)?;
    let entry = *view.source_octets();
    let id = (entry, *view.destination_octets(), fragment.id);
    let chain = extension::walk(packet).map_err(|_| DropReason::BadExtensionChain)?;
    if fragment.offset != 0 || chain.upper_protocol != next_header::IPV6 {
        return Ok((id, false));
    }
    let inner = packet.get(chain.upper_offset..).unwrap_or_default();
    let Some(source) = inner.get(8..24).and_then(<[u8]>::first_chunk::<16>) else {
        return Err(DropReason::TunnelInnerMalformed);
    };
    let home = reader
        .lookup_home(source)
        .ok_or(DropReason::TunnelUnknownHome)?;
    match crate::flow_rules::template_from(reader, home, &entry, now_ns) {
        Some(_) => Ok((id, true)),
        None => Err(DropReason::TunnelSourceMismatch),
    }
}
