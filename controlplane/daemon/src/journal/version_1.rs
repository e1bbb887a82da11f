//! The journal's first format, which had sequence numbers alone: read, never written
//!
//! Records of 36 octets, the first of them of the kind "opened".
//!
//! | octets | what |
//! |---|---|
//! | 0 | kind: 1 opened, 2 home, 3 association, 4 forgotten, 5 closed |
//! | 1 | flags: 1 has a MESG-ID, 2 guarded |
//! | 2–3 | number, big-endian; of the first record the version, 1 |
//! | 4–19 | home address, or the SPI in the first four octets |
//! | 20–27 | MESG-ID |
//! | 28–31 | zero |
//! | 32–35 | CRC-32 of the octets before |

use dhp_proto::anchor::UsedNumber;

use super::fields::Fields;
use super::record::Record;

const RECORD_LEN: usize = 36;
const CHECKSUM_LEN: usize = 4;
const OPENED: u8 = 1;
const VERSION: u16 = 1;

/// The records of a file, as far as they are sound; nothing if it is none of this format.
pub fn read(octets: &[u8]) -> Option<impl Iterator<Item = Record>> {
    let (records, _) = octets.as_chunks::<RECORD_LEN>();
    let (first, rest) = records.split_first()?;
    let mut fields = sound(first)?;
    let is_opened = (fields.u8()?, fields.u8()?, fields.u16()?) == (OPENED, 0, VERSION);
    is_opened.then(|| rest.iter().map_while(decode))
}

/// The fields of a record whose checksum is right.
fn sound(record: &[u8; RECORD_LEN]) -> Option<Fields<'_>> {
    let (body, checksum) = record.split_last_chunk::<CHECKSUM_LEN>()?;
    (crc32fast::hash(body).to_be_bytes() == *checksum).then_some(Fields(body))
}

fn decode(record: &[u8; RECORD_LEN]) -> Option<Record> {
    let mut fields = sound(record)?;
    let (kind, flags, number) = (fields.u8()?, fields.u8()?, fields.u16()?);
    let key: [u8; 16] = fields.array()?;
    let timestamp = fields.u64()?;
    let newest_timestamp = (flags & 0x01 != 0).then_some(timestamp);
    let number = match kind {
        2 => UsedNumber::Home {
            home_address: key.into(),
            last: number,
            newest_timestamp,
        },
        3 => UsedNumber::Association {
            spi: Fields(&key).u32()?,
            highest: number,
            newest_timestamp,
            is_restarted: false,
        },
        4 => UsedNumber::Forgotten {
            home_address: key.into(),
        },
        5 => return Some(Record::Closed),
        _ => return None,
    };
    let is_guarded = flags & 0x02 != 0;
    Some(Record::Number { number, is_guarded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, flags: u8, number: u16, key: [u8; 16], timestamp: u64) -> Vec<u8> {
        let mut octets = vec![kind, flags];
        octets.extend(number.to_be_bytes());
        octets.extend(key);
        octets.extend(timestamp.to_be_bytes());
        octets.extend([0; 4]);
        let checksum = crc32fast::hash(&octets);
        octets.extend(checksum.to_be_bytes());
        octets
    }

    #[test]
    fn a_file_of_the_first_format_is_read() {
        let home_address: std::net::Ipv6Addr = "2001:db8:1::1".parse().unwrap();
        let spi = (u128::from(256u32) << 96).to_be_bytes();
        let file = [
            record(1, 0, 1, [0; 16], 0),
            record(2, 0, 9, home_address.octets(), 77),
            record(3, 3, 65_535, spi, 78),
            record(5, 0, 0, [0; 16], 0),
        ]
        .concat();
        let read_records: Vec<Record> = read(&file).unwrap().collect();
        let home = UsedNumber::Home {
            home_address,
            last: 9,
            newest_timestamp: None,
        };
        let association = UsedNumber::Association {
            spi: 256,
            highest: 65_535,
            newest_timestamp: Some(78),
            is_restarted: false,
        };
        let number = |number, is_guarded| Record::Number { number, is_guarded };
        assert_eq!(
            read_records,
            [
                number(home, false),
                number(association, true),
                Record::Closed
            ]
        );
        assert!(read(&file[1..]).is_none() && read(&[]).is_none());
    }
}
