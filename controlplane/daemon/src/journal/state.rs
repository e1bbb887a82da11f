//! What a journal holds

use std::collections::HashMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{Kept, KeptDistrust, UsedNumber};
use foldhash::fast::RandomState;

use super::binding::Refresh;
use super::clock::ClockReading;
use super::header::{Header, HeaderFault};
use super::record::Record;
use super::version_1;

/// How far beyond its last record a number may have got without the file knowing, after the machine has stopped without
/// warning: more than a mobile node sends between two writes (RFC 6275 §11.8 permits 3 a second).
const GUARD: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Home(Ipv6Addr),
    Association(u32),
}

/// The last number of each home address and security association, and what is kept of each home address.
#[derive(Debug)]
pub struct State {
    /// What holds for all of it.
    pub header: Header,
    /// Until when ends may be later than they stand here.
    pub distrust: Option<KeptDistrust>,
    /// How its clock goes.
    pub clock: Option<ClockReading>,
    /// With whether it is guarded.
    numbers: HashMap<Key, (UsedNumber, bool), RandomState>,
    /// None that is free.
    addresses: HashMap<Ipv6Addr, Kept, RandomState>,
}

/// What could be read of a file.
#[derive(Debug)]
pub struct Reading {
    /// What it holds.
    pub state: State,
    /// Whether its last record says that nothing is missing.
    pub is_complete: bool,
    /// Octets that are no sound records: of the last, if a stop cut it short.
    pub lost_octets: usize,
}

impl State {
    /// Nothing yet.
    #[must_use]
    pub fn new(header: Header) -> Self {
        Self {
            header,
            distrust: None,
            clock: None,
            numbers: HashMap::default(),
            addresses: HashMap::default(),
        }
    }

    /// Nothing, and no number of these associations is known.
    pub fn without_numbers(header: Header, associations: &[u32]) -> Self {
        let mut state = Self::new(header);
        for spi in associations {
            state.use_up(UsedNumber::Lost { spi: *spi });
        }
        state
    }

    /// Reads a file of this format or the first one, which gets the header `fresh`. What is damaged is passed over: each
    /// record stands for itself, and a later one of the same address or association takes the place of an earlier one.
    ///
    /// # Errors
    /// [`HeaderFault`]: it is no such file.
    pub fn read(octets: &[u8], fresh: Header) -> Result<Reading, HeaderFault> {
        if let Some(records) = version_1::read(octets) {
            let mut state = Self::new(fresh);
            let mut is_complete = false;
            for record in records {
                is_complete = record == Record::Closed;
                state.take(record);
            }
            return Ok(Reading {
                state,
                is_complete,
                lost_octets: 0,
            });
        }
        let (header, mut rest) = Header::decode(octets)?;
        let mut state = Self::new(header);
        let (mut is_complete, mut lost_octets) = (false, 0);
        loop {
            match Record::decode(rest) {
                Some((record, behind)) => {
                    is_complete = record == Record::Closed;
                    // What is missing may be that the address has become another's.
                    if lost_octets == 0 || !matches!(record, Record::Refreshed(_)) {
                        state.take(record);
                    }
                    rest = behind;
                }
                None => {
                    let Some((_, behind)) = rest.split_first() else {
                        break;
                    };
                    lost_octets += 1;
                    rest = behind;
                }
            }
        }
        Ok(Reading {
            state,
            is_complete: is_complete && lost_octets == 0,
            lost_octets,
        })
    }

    /// Takes a record.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Number { number, is_guarded } => self.take_number(number, is_guarded),
            Record::Address(Kept::Free { home_address }) => {
                self.addresses.remove(&home_address);
            }
            Record::Address(kept) => {
                self.addresses.insert(kept.home_address(), kept);
            }
            Record::Refreshed(refresh) => {
                let known = self.addresses.get_mut(&refresh.home_address);
                if let Some(Kept::Bound(binding)) = known {
                    refresh.apply(binding);
                }
            }
            Record::Distrusted(distrust) => self.distrust = Some(distrust),
            Record::Clock(reading) => self.clock = Some(reading),
            Record::Closed => {}
        }
    }

    /// Takes what is to be kept of an address now, and gives the record that says it: a short one if that is enough.
    pub fn change(&mut self, now: Kept) -> Record {
        if let Kept::Bound(binding) = &now
            && let Some(Kept::Bound(before)) = self.addresses.get_mut(&binding.home_address)
            && let Some(refresh) = Refresh::between(before, binding)
        {
            refresh.apply(before);
            return Record::Refreshed(refresh);
        }
        self.take(Record::Address(now.clone()));
        Record::Address(now)
    }

    /// Takes a number that was used, and gives the record that says so.
    pub fn use_up(&mut self, number: UsedNumber) -> Record {
        let is_guarded = false;
        self.take_number(number, is_guarded);
        Record::Number { number, is_guarded }
    }

    fn take_number(&mut self, number: UsedNumber, is_guarded: bool) {
        let key = match number {
            UsedNumber::Home { home_address, .. } => Key::Home(home_address),
            UsedNumber::Association { spi, .. } | UsedNumber::Lost { spi } => Key::Association(spi),
            UsedNumber::Forgotten { home_address } => {
                self.numbers.remove(&Key::Home(home_address));
                self.addresses.remove(&home_address);
                return;
            }
        };
        self.numbers.insert(key, (number, is_guarded));
    }

    /// Puts every number beyond what may have been accepted without a record. Once is enough, however often the machine stops
    /// before the next is accepted: numbers that ran ahead with every start would come round to those that were used.
    pub fn guard(&mut self) {
        for (number, is_guarded) in self.numbers.values_mut() {
            if std::mem::replace(is_guarded, true) {
                continue;
            }
            match number {
                UsedNumber::Home { last: used, .. }
                | UsedNumber::Association { highest: used, .. } => {
                    *used = used.wrapping_add(GUARD);
                }
                UsedNumber::Lost { .. } | UsedNumber::Forgotten { .. } => {}
            }
        }
    }

    /// Records that it takes to say all.
    #[must_use]
    pub fn records(&self) -> usize {
        let single = usize::from(self.distrust.is_some()) + usize::from(self.clock.is_some());
        self.numbers.len() + self.addresses.len() + single
    }

    /// Every number.
    pub fn numbers(&self) -> impl Iterator<Item = UsedNumber> {
        self.numbers.values().map(|(number, _)| *number)
    }

    /// What is kept of every address.
    pub fn addresses(&self) -> impl Iterator<Item = &Kept> {
        self.addresses.values()
    }

    /// A file that says this, and no more.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut octets = self.header.encode();
        if let Some(distrust) = self.distrust {
            Record::Distrusted(distrust).encode(&mut octets);
        }
        if let Some(reading) = self.clock {
            Record::Clock(reading).encode(&mut octets);
        }
        for (number, is_guarded) in self.numbers.values() {
            let (number, is_guarded) = (*number, *is_guarded);
            Record::Number { number, is_guarded }.encode(&mut octets);
        }
        for kept in self.addresses.values() {
            Record::Address(kept.clone()).encode(&mut octets);
        }
        octets
    }
}
