//! The numbers that a journal holds

use std::collections::HashMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::UsedNumber;

use super::record::{RECORD_LEN, Record};

/// How far beyond its last record a number may have got without the file knowing, after the machine has stopped without
/// warning: more than a mobile node sends between two writes (RFC 6275 §11.8 permits 3 a second).
const GUARD: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Home(Ipv6Addr),
    Association(u32),
}

/// The last number of each home address and security association.
#[derive(Debug, Default)]
pub struct Numbers {
    /// With whether it is guarded.
    last: HashMap<Key, (UsedNumber, bool)>,
}

impl Numbers {
    /// Reads a file, as far as it is sound. The number of records that were, and whether the last says that nothing is missing;
    /// nothing of what is no journal.
    pub fn read(octets: &[u8]) -> Option<(Self, usize, bool)> {
        let (chunks, _) = octets.as_chunks::<RECORD_LEN>();
        let mut records = chunks.iter().map_while(Record::decode);
        if records.next() != Some(Record::Opened) {
            return None;
        }
        let mut numbers = Self::default();
        let (mut count, mut is_complete) = (1, false);
        for record in records {
            count += 1;
            is_complete = record == Record::Closed;
            numbers.take(record);
        }
        Some((numbers, count, is_complete))
    }

    /// Takes a record.
    pub fn take(&mut self, record: Record) {
        let Record::Number { number, is_guarded } = record else {
            return;
        };
        let key = match number {
            UsedNumber::Home { home_address, .. } => Key::Home(home_address),
            UsedNumber::Association { spi, .. } => Key::Association(spi),
            UsedNumber::Forgotten { home_address } => {
                self.last.remove(&Key::Home(home_address));
                return;
            }
        };
        self.last.insert(key, (number, is_guarded));
    }

    /// Puts every number beyond what may have been accepted without a record. Once is enough, however often the machine stops
    /// before the next is accepted: numbers that ran ahead with every start would come round to those that were used.
    pub fn guard(&mut self) {
        for (number, is_guarded) in self.last.values_mut() {
            if std::mem::replace(is_guarded, true) {
                continue;
            }
            match number {
                UsedNumber::Home { last: used, .. }
                | UsedNumber::Association { highest: used, .. } => {
                    *used = used.wrapping_add(GUARD);
                }
                UsedNumber::Forgotten { .. } => {}
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Every number.
    pub fn iter(&self) -> impl Iterator<Item = UsedNumber> {
        self.last.values().map(|(number, _)| *number)
    }

    /// A file with these numbers alone.
    pub fn to_file(&self) -> Vec<u8> {
        let mut octets = Record::Opened.encode().to_vec();
        for (number, is_guarded) in self.last.values() {
            let (number, is_guarded) = (*number, *is_guarded);
            octets.extend(Record::Number { number, is_guarded }.encode());
        }
        octets
    }
}
