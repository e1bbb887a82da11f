//! Records of the journal: 36 octets each, with a checksum
//!
//! | octets | what |
//! |---|---|
//! | 0 | kind |
//! | 1 | flags |
//! | 2–3 | number, big-endian |
//! | 4–19 | home address, or the SPI in the first four octets |
//! | 20–27 | MESG-ID |
//! | 28–31 | zero |
//! | 32–35 | CRC-32 of the octets before |

use dhp_proto::anchor::UsedNumber;

/// Octets of a record.
pub const RECORD_LEN: usize = 36;
const CHECKSUM_AT: usize = 32;

/// What the first record of a file says of the format.
const FORMAT_VERSION: u16 = 1;

mod kind {
    pub const OPENED: u8 = 1;
    pub const HOME: u8 = 2;
    pub const ASSOCIATION: u8 = 3;
    pub const FORGOTTEN: u8 = 4;
    pub const CLOSED: u8 = 5;
}

const HAS_TIMESTAMP: u8 = 0x01;
const IS_GUARDED: u8 = 0x02;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The file begins.
    Opened,
    /// A number was used, or an address forgotten.
    Number {
        /// Which.
        number: UsedNumber,
        /// The number is not the last that was accepted but one that is certainly beyond it.
        is_guarded: bool,
    },
    /// All that was accepted is in the file.
    Closed,
}

impl Record {
    /// The octets of the record.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_LEN] {
        let (kind, number, key, timestamp, is_guarded) = match *self {
            Self::Opened => (kind::OPENED, FORMAT_VERSION, [0; 16], None, false),
            Self::Closed => (kind::CLOSED, 0, [0; 16], None, false),
            Self::Number { number, is_guarded } => match number {
                UsedNumber::Home {
                    home_address,
                    last,
                    newest_timestamp,
                } => {
                    let key = home_address.octets();
                    (kind::HOME, last, key, newest_timestamp, is_guarded)
                }
                UsedNumber::Association {
                    spi,
                    highest,
                    newest_timestamp,
                } => {
                    let key = (u128::from(spi) << 96).to_be_bytes();
                    let kind = kind::ASSOCIATION;
                    (kind, highest, key, newest_timestamp, is_guarded)
                }
                UsedNumber::Forgotten { home_address } => {
                    (kind::FORGOTTEN, 0, home_address.octets(), None, false)
                }
            },
        };
        let mut flags = 0;
        if timestamp.is_some() {
            flags |= HAS_TIMESTAMP;
        }
        if is_guarded {
            flags |= IS_GUARDED;
        }
        let mut octets = Vec::with_capacity(RECORD_LEN);
        octets.extend([kind, flags]);
        octets.extend(number.to_be_bytes());
        octets.extend(key);
        octets.extend(timestamp.unwrap_or_default().to_be_bytes());
        octets.extend([0; 4]);
        octets.extend(crc32fast::hash(&octets).to_be_bytes());
        let mut record = [0; RECORD_LEN];
        for (to, from) in record.iter_mut().zip(octets) {
            *to = from;
        }
        record
    }

    /// Reads a record; nothing if its checksum is wrong, or it is of another format.
    #[must_use]
    pub fn decode(record: &[u8; RECORD_LEN]) -> Option<Self> {
        let (body, checksum) = record.split_at_checked(CHECKSUM_AT)?;
        if crc32fast::hash(body).to_be_bytes() != checksum {
            return None;
        }
        let [kind, flags, n0, n1, rest @ ..] = record;
        let number = u16::from_be_bytes([*n0, *n1]);
        let key = rest.first_chunk::<16>()?;
        let timestamp = u64::from_be_bytes(*rest.get(16..)?.first_chunk::<8>()?);
        let newest_timestamp = (flags & HAS_TIMESTAMP != 0).then_some(timestamp);
        let number = match *kind {
            kind::OPENED => return (number == FORMAT_VERSION).then_some(Self::Opened),
            kind::CLOSED => return Some(Self::Closed),
            kind::HOME => UsedNumber::Home {
                home_address: (*key).into(),
                last: number,
                newest_timestamp,
            },
            kind::ASSOCIATION => {
                let [a, b, c, d, ..] = *key;
                UsedNumber::Association {
                    spi: u32::from_be_bytes([a, b, c, d]),
                    highest: number,
                    newest_timestamp,
                }
            }
            kind::FORGOTTEN => UsedNumber::Forgotten {
                home_address: (*key).into(),
            },
            _ => return None,
        };
        let is_guarded = flags & IS_GUARDED != 0;
        Some(Self::Number { number, is_guarded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let home_address = "2001:db8:1::1".parse().unwrap();
        let numbers = [
            UsedNumber::Home {
                home_address,
                last: 0xfffe,
                newest_timestamp: Some(u64::MAX),
            },
            UsedNumber::Association {
                spi: 0x0102_0304,
                highest: 7,
                newest_timestamp: None,
            },
            UsedNumber::Forgotten { home_address },
        ];
        let numbers = numbers.map(|number| Record::Number {
            number,
            is_guarded: matches!(number, UsedNumber::Association { .. }),
        });
        [Record::Opened, Record::Closed]
            .into_iter()
            .chain(numbers)
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for record in records() {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn a_changed_octet_is_noticed() {
        for record in records() {
            for at in 0..RECORD_LEN {
                let mut octets = record.encode();
                octets[at] ^= 0x10;
                assert_eq!(Record::decode(&octets), None, "{record:?}, octet {at}");
            }
        }
    }
}
