//! A packet of which only some fragments are here (RFC 8200 §4.5)

use dhp_segment::DropReason;
use dhp_wire::extension::Fragment;
use dhp_wire::ipv6::HEADER_LEN;

use crate::PacketBuf;

/// The headers before the fragment header that are kept: the IPv6 header, and what fits into the headroom of a buffer
/// beside a link header.
const HEAD_ROOM: usize = 104;
/// Fragment offsets count in units of this many octets.
const UNIT: usize = 8;
const UNITS_PER_WORD: usize = 64;
const UNIT_WORDS: usize = 19;
/// The longest fragmentable part in octets: what the largest buffers hold.
const LONGEST: usize = UNIT * UNITS_PER_WORD * UNIT_WORDS;

const NOT_ECT: u8 = 0b00;
const CE: u8 = 0b11;

/// A fragment, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// The packet's headers before the fragment header.
    pub(crate) head: &'a [u8],
    /// The fragment header, which begins with the type of what the fragments make up.
    pub(crate) header: [u8; 8],
    /// Offset of this piece in octets.
    pub(crate) offset: usize,
    /// More follow.
    pub(crate) more: bool,
    /// What stands behind the fragment header.
    pub(crate) data: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Takes `packet` apart at its fragment header.
    pub(crate) fn of(packet: &'a [u8], fragment: &Fragment) -> Option<Self> {
        let head = packet.get(..fragment.header_offset)?;
        let (header, data) = packet
            .get(fragment.header_offset..)?
            .split_first_chunk::<8>()?;
        Some(Self {
            head,
            header: *header,
            offset: fragment.offset,
            more: fragment.more,
            data,
        })
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.data.len())
    }

    fn ecn(&self) -> u8 {
        self.head.get(1).map_or(0, |octet| octet >> 4 & 0b11)
    }
}

/// What a fragment was to its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// One more piece; others are missing.
    Held,
    /// The last one that was missing.
    Complete,
    /// The same as one before. RFC 8200 §4.5 lets it be dropped by itself.
    Duplicate,
    /// It says of some octet what another one says too, or contradicts another about the end: RFC 8200 §4.5 has the whole
    /// packet dropped, "including those not yet received".
    Overlap,
    /// More than a buffer holds.
    TooLong,
}

/// The fragmentable part of a packet, as far as it has come, in a buffer of its own.
#[derive(Debug)]
pub(crate) struct PartialPacket<B> {
    buffer: B,
    head: [u8; HEAD_ROOM],
    /// 0 until the first fragment has come.
    head_len: usize,
    /// The fragment header of the first fragment, whose first octet is the type of the fragmentable part.
    first_header: [u8; 8],
    /// Octets of the first fragment's data.
    first_len: usize,
    /// Which units have come.
    units: [u64; UNIT_WORDS],
    /// Octets that have come.
    received: usize,
    /// Length of the fragmentable part, once the last fragment has come.
    end: Option<usize>,
    /// A bit for each value of the ECN field that came.
    ecn: u8,
}

impl<B: PacketBuf> PartialPacket<B> {
    /// Nothing yet, in an empty buffer.
    pub(crate) const fn new(buffer: B) -> Self {
        Self {
            buffer,
            head: [0; HEAD_ROOM],
            head_len: 0,
            first_header: [0; 8],
            first_len: 0,
            units: [0; UNIT_WORDS],
            received: 0,
            end: None,
            ecn: 0,
        }
    }

    /// Takes in a fragment. But for the last, its length is a multiple of 8 octets, which the caller has checked.
    pub(crate) fn join(&mut self, piece: &Piece<'_>) -> Joined {
        let end = piece.end();
        let is_first = piece.offset == 0;
        if end > LONGEST || is_first && piece.head.len() > HEAD_ROOM {
            return Joined::TooLong;
        }
        match self.taken(piece) {
            Taken::None => {}
            Taken::All if self.agrees(piece) => return Joined::Duplicate,
            Taken::All | Taken::Some => return Joined::Overlap,
        }
        let length = self.buffer.bytes().len();
        let beyond = self.end.is_some_and(|last| end > last || !piece.more);
        if beyond || !piece.more && length > end {
            return Joined::Overlap;
        }
        if !self.put(piece) {
            return Joined::TooLong;
        }
        self.ecn |= 1 << piece.ecn();
        if !piece.more {
            self.end = Some(end);
        }
        if is_first {
            self.first_len = piece.data.len();
            self.first_header = piece.header;
            self.head_len = piece.head.len();
            if let Some(head) = self.head.get_mut(..piece.head.len()) {
                head.copy_from_slice(piece.head);
            }
        }
        self.received = self.received.saturating_add(piece.data.len());
        match self.end {
            Some(end) if end == self.received => Joined::Complete,
            _ => Joined::Held,
        }
    }

    /// The whole packet, without its fragment header.
    ///
    /// # Errors
    /// [`DropReason::EcnInvalid`]: marked congestion experienced, and the sender does not know of ECN (RFC 3168 §5.3);
    /// [`DropReason::ReassemblyLimit`]: longer than an IPv6 packet or its buffer.
    pub(crate) fn finish(self) -> Result<B, DropReason> {
        let ecn = self.whole_ecn().ok_or(DropReason::EcnInvalid)?;
        self.put_head(ecn).ok_or(DropReason::ReassemblyLimit)
    }

    fn put_head(mut self, ecn: u8) -> Option<B> {
        let [next_header, ..] = self.first_header;
        let head = self.head.get_mut(..self.head_len)?;
        let payload_len = self.received.checked_add(head.len())?;
        let payload_len = u16::try_from(payload_len.checked_sub(HEADER_LEN)?).ok()?;
        head.get_mut(4..6)?
            .copy_from_slice(&payload_len.to_be_bytes());
        *head.get_mut(1)? |= ecn << 4;
        set_last_next_header(head, next_header)?;
        if !self.buffer.prepend(head.len()) {
            return None;
        }
        self.buffer
            .bytes_mut()
            .get_mut(..head.len())?
            .copy_from_slice(head);
        Some(self.buffer)
    }

    /// The first fragment as it came: what an ICMPv6 error about the packet quotes. `None`: it has not come.
    pub(crate) fn first_fragment(mut self) -> Option<B> {
        let head = self.head.get_mut(..self.head_len)?;
        let payload_len = head
            .len()
            .checked_add(8)?
            .checked_add(self.first_len)?
            .checked_sub(HEADER_LEN)?;
        head.get_mut(4..6)?
            .copy_from_slice(&u16::try_from(payload_len).ok()?.to_be_bytes());
        let fragment = self.first_header;
        let whole = self.buffer.set_len(self.first_len)
            && self.buffer.prepend(fragment.len())
            && self.buffer.prepend(head.len());
        if !whole || head.is_empty() {
            return None;
        }
        let (front, rest) = self.buffer.bytes_mut().split_at_mut_checked(head.len())?;
        front.copy_from_slice(head);
        rest.get_mut(..fragment.len())?.copy_from_slice(&fragment);
        Some(self.buffer)
    }

    /// RFC 3168 §5.3: the reassembled packet is marked if any fragment was, and dropped where that mark cannot be, since some
    /// fragment says that the sender does not know it. What is to be set in the first fragment's field; `None`: drop.
    fn whole_ecn(&self) -> Option<u8> {
        let came = |ecn: u8| self.ecn >> ecn & 1 == 1;
        match (came(CE), came(NOT_ECT)) {
            (true, true) => None,
            (true, false) => Some(CE),
            (false, _) => Some(0),
        }
    }

    fn put(&mut self, piece: &Piece<'_>) -> bool {
        let end = piece.end();
        if self.buffer.bytes().len() < end && !self.buffer.set_len(end) {
            return false;
        }
        let Some(place) = self.buffer.bytes_mut().get_mut(piece.offset..end) else {
            return false;
        };
        place.copy_from_slice(piece.data);
        for unit in units(piece) {
            if let Some(word) = self.units.get_mut(unit / UNITS_PER_WORD) {
                *word |= 1 << (unit % UNITS_PER_WORD);
            }
        }
        true
    }

    fn agrees(&self, piece: &Piece<'_>) -> bool {
        let is_end = self.end == Some(piece.end());
        is_end != piece.more
            && self.buffer.bytes().get(piece.offset..piece.end()) == Some(piece.data)
    }

    fn taken(&self, piece: &Piece<'_>) -> Taken {
        let has = |unit: usize| {
            let word = self.units.get(unit / UNITS_PER_WORD).copied();
            word.unwrap_or(0) >> (unit % UNITS_PER_WORD) & 1 == 1
        };
        let taken = units(piece).filter(|unit| has(*unit)).count();
        match taken {
            0 => Taken::None,
            all if all == units(piece).len() => Taken::All,
            _ => Taken::Some,
        }
    }
}

/// How much of a fragment has come before.
enum Taken {
    None,
    Some,
    All,
}

fn units(piece: &Piece<'_>) -> std::ops::Range<usize> {
    piece.offset / UNIT..piece.end().div_ceil(UNIT)
}

/// RFC 8200 §4.5: "The Next Header field of the last header of the Per-Fragment headers is obtained from the Next Header
/// field of the first fragment's Fragment header."
fn set_last_next_header(head: &mut [u8], next_header: u8) -> Option<()> {
    let mut field = 6;
    let mut at = HEADER_LEN;
    // Each header of the chain is longer than nothing, so that this ends within the head.
    while at < head.len() {
        field = at;
        let words = usize::from(*head.get(at.checked_add(1)?)?);
        at = at.checked_add(words.checked_add(1)?.checked_mul(8)?)?;
    }
    *head.get_mut(field)? = next_header;
    (at == head.len()).then_some(())
}
