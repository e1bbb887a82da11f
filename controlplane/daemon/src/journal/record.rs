//! Records of the journal: a kind, flags, a body and a checksum
//!
//! | octets | what |
//! |---|---|
//! | 0 | kind |
//! | 1 | flags |
//! | 2–5 | octets of the body, big-endian |
//! | 6 … | body; those of bindings stand in `binding` |
//! | the last 4 | CRC-32 of the octets before |
//!
//! | kind | body |
//! |---|---|
//! | 1 closed | |
//! | 2 home number | home address (16), number (2), [MESG-ID (8)] |
//! | 3 association number | SPI (4), number (2), [MESG-ID (8)] |
//! | 4 forgotten | home address (16), of which no number counts any more, nor anything else |
//! | 5 bound, 6 refreshed, 7 quarantined | |
//! | 8 free | home address (16) |
//! | 9 distrusted | until (8), kept at (8): ends of bindings may be later than they stand here |
//! | 10 lost | SPI (4) of an association of which no number is known |
//! | 11 clock | boot (16), its monotonic clock in nanoseconds (8), the journal's time then (8), how far the time of day is ahead (8) |
//!
//! Times are NTP timestamps, and by the journal's clock where nothing else is said.

use dhp_proto::anchor::{Kept, KeptDistrust, UsedNumber};

use super::binding::{
    Refresh, decode_binding, decode_quarantine, encode_binding, encode_quarantine,
};
use super::clock::{BootId, ClockReading};
use super::fields::Fields;

mod kind {
    pub const CLOSED: u8 = 1;
    pub const HOME: u8 = 2;
    pub const ASSOCIATION: u8 = 3;
    pub const FORGOTTEN: u8 = 4;
    pub const BOUND: u8 = 5;
    pub const REFRESHED: u8 = 6;
    pub const QUARANTINED: u8 = 7;
    pub const FREE: u8 = 8;
    pub const DISTRUSTED: u8 = 9;
    pub const LOST: u8 = 10;
    pub const CLOCK: u8 = 11;
}

const HAS_TIMESTAMP: u8 = 0x01;
const IS_GUARDED: u8 = 0x02;
const IS_RESTARTED: u8 = 0x04;

/// Octets before the body.
const HEAD_LEN: usize = 6;
/// Octets behind it.
const CHECKSUM_LEN: usize = 4;
/// More than any binding takes, with 256 flow bindings of 200 octets: what claims to be longer is damaged.
const MOST_OCTETS: usize = 1 << 16;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A number was used, or an address forgotten.
    Number {
        /// Which.
        number: UsedNumber,
        /// The number is not the last that was accepted but one that is certainly beyond it.
        is_guarded: bool,
    },
    /// What is kept of a home address.
    Address(Kept),
    /// A binding has been refreshed, or has moved.
    Refreshed(Refresh),
    /// Until when ends may be later than they stand here.
    Distrusted(KeptDistrust),
    /// How the journal's clock goes.
    Clock(ClockReading),
    /// All that was accepted is in the file.
    Closed,
}

impl Record {
    /// Appends the octets of the record.
    pub fn encode(&self, octets: &mut Vec<u8>) {
        let start = octets.len();
        octets.extend([0; HEAD_LEN]);
        let (kind, flags) = self.encode_body(octets);
        let len = octets.len().saturating_sub(start + HEAD_LEN);
        let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        let Some(record) = octets.get_mut(start..) else {
            return;
        };
        for (to, from) in record.iter_mut().zip([kind, flags, a, b, c, d]) {
            *to = from;
        }
        let checksum = crc32fast::hash(record);
        octets.extend(checksum.to_be_bytes());
    }

    /// Kind and flags of the body that it appends.
    fn encode_body(&self, body: &mut Vec<u8>) -> (u8, u8) {
        match self {
            Self::Closed => (kind::CLOSED, 0),
            Self::Number { number, is_guarded } => {
                let (kind, mut flags) = encode_number(number, body);
                if *is_guarded {
                    flags |= IS_GUARDED;
                }
                (kind, flags)
            }
            Self::Address(Kept::Bound(binding)) => (kind::BOUND, encode_binding(binding, body)),
            Self::Refreshed(refresh) => (kind::REFRESHED, refresh.encode(body)),
            Self::Address(Kept::Quarantined(quarantine)) => {
                encode_quarantine(quarantine, body);
                (kind::QUARANTINED, 0)
            }
            Self::Address(Kept::Free { home_address }) => {
                body.extend(home_address.octets());
                (kind::FREE, 0)
            }
            Self::Distrusted(KeptDistrust { until, kept }) => {
                body.extend(until.0.to_be_bytes());
                body.extend(kept.0.to_be_bytes());
                (kind::DISTRUSTED, 0)
            }
            Self::Clock(reading) => {
                body.extend(reading.boot.0);
                let times = [reading.mono_ns, reading.time.0, reading.ahead];
                body.extend(times.into_iter().flat_map(u64::to_be_bytes));
                (kind::CLOCK, 0)
            }
        }
    }

    /// Reads the record that the octets begin with, and gives those behind it; nothing if it is not whole and sound.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<(Self, &[u8])> {
        let mut head = Fields(octets);
        let (kind, flags) = (head.u8()?, head.u8()?);
        let len = usize::try_from(head.u32()?).ok()?;
        if len > MOST_OCTETS {
            return None;
        }
        let (checked, rest) = octets.split_at_checked(HEAD_LEN + len)?;
        let (checksum, rest) = rest.split_first_chunk::<CHECKSUM_LEN>()?;
        if crc32fast::hash(checked).to_be_bytes() != *checksum {
            return None;
        }
        let mut fields = Fields(checked.get(HEAD_LEN..)?);
        let record = Self::decode_body(kind, flags, &mut fields)?;
        fields.end()?;
        Some((record, rest))
    }

    fn decode_body(kind: u8, flags: u8, fields: &mut Fields<'_>) -> Option<Self> {
        Some(match kind {
            kind::CLOSED => Self::Closed,
            kind::BOUND => Self::Address(Kept::Bound(decode_binding(flags, fields)?)),
            kind::REFRESHED => Self::Refreshed(Refresh::decode(flags, fields)?),
            kind::QUARANTINED => Self::Address(Kept::Quarantined(decode_quarantine(fields)?)),
            kind::FREE => Self::Address(Kept::Free {
                home_address: fields.address()?,
            }),
            kind::DISTRUSTED => Self::Distrusted(KeptDistrust {
                until: fields.time()?,
                kept: fields.time()?,
            }),
            kind::CLOCK => Self::Clock(ClockReading {
                boot: BootId(fields.array()?),
                mono_ns: fields.u64()?,
                time: fields.time()?,
                ahead: fields.u64()?,
            }),
            _ => Self::Number {
                number: decode_number(kind, flags, fields)?,
                is_guarded: flags & IS_GUARDED != 0,
            },
        })
    }
}

fn encode_number(number: &UsedNumber, body: &mut Vec<u8>) -> (u8, u8) {
    let mut flags = 0;
    let (kind, used, timestamp) = match number {
        UsedNumber::Home {
            home_address,
            last,
            newest_timestamp,
        } => {
            body.extend(home_address.octets());
            (kind::HOME, last, newest_timestamp)
        }
        UsedNumber::Association {
            spi,
            highest,
            newest_timestamp,
            is_restarted,
        } => {
            if *is_restarted {
                flags |= IS_RESTARTED;
            }
            body.extend(spi.to_be_bytes());
            (kind::ASSOCIATION, highest, newest_timestamp)
        }
        UsedNumber::Lost { spi } => {
            body.extend(spi.to_be_bytes());
            return (kind::LOST, 0);
        }
        UsedNumber::Forgotten { home_address } => {
            body.extend(home_address.octets());
            return (kind::FORGOTTEN, 0);
        }
    };
    body.extend(used.to_be_bytes());
    if let Some(timestamp) = timestamp {
        flags |= HAS_TIMESTAMP;
        body.extend(timestamp.to_be_bytes());
    }
    (kind, flags)
}

fn decode_number(kind: u8, flags: u8, fields: &mut Fields<'_>) -> Option<UsedNumber> {
    let timestamp = |fields: &mut Fields<'_>| match flags & HAS_TIMESTAMP {
        0 => Some(None),
        _ => fields.u64().map(Some),
    };
    Some(match kind {
        kind::HOME => UsedNumber::Home {
            home_address: fields.address()?,
            last: fields.u16()?,
            newest_timestamp: timestamp(fields)?,
        },
        kind::ASSOCIATION => UsedNumber::Association {
            spi: fields.u32()?,
            highest: fields.u16()?,
            newest_timestamp: timestamp(fields)?,
            is_restarted: flags & IS_RESTARTED != 0,
        },
        kind::LOST => UsedNumber::Lost { spi: fields.u32()? },
        kind::FORGOTTEN => UsedNumber::Forgotten {
            home_address: fields.address()?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
