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
mod tests {
    use std::net::Ipv6Addr;
    use std::sync::Arc;

    use dhp_proto::anchor::{
        FlowBinding, FlowMode, FlowSelector, KeptBinding, KeptCareOf, KeptOrder, KeptQuarantine,
        KeptTime, PoolKind,
    };
    use dhp_proto::security_association::MnId;
    use dhp_wire::mobility::{Ipv4TrafficSelector, Mode, SelectorRange, TrafficSelector};

    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn binding() -> KeptBinding {
        KeptBinding {
            home_address: address("2001:db8:d:1::7"),
            kind: PoolKind::Dhoa,
            mn: Arc::new(MnId::nai("mn1@example.net")),
            care_of: address("2001:db8:a::7"),
            ends: Some(KeptTime(0x0102_0304_0506_0708)),
            kept: KeptTime(0x0102_0304_0000_0000),
            changed_by: None,
            link_local: false,
            dedicated: None,
            flows: Box::default(),
            care_ofs: Vec::new(),
            flow_bindings: Vec::new(),
        }
    }

    /// With all that a binding can have.
    fn full() -> KeptBinding {
        let ports = Some(SelectorRange {
            start: 80,
            end: Some(443),
        });
        let ipv6 = TrafficSelector {
            source: Some(SelectorRange::one(address("2001:db8:c::80"))),
            source_port: ports,
            ..TrafficSelector::default()
        };
        let ipv4 = Ipv4TrafficSelector {
            protocol: Some(SelectorRange::one(6)),
            ..Ipv4TrafficSelector::default()
        };
        let flow = |fid, selector| FlowBinding {
            fid,
            priority: fid * 10,
            selector,
            bids: vec![1, fid],
        };
        let care_of = |bid, ends| KeptCareOf {
            bid,
            priority: 9,
            address: address("2001:db8:b::9"),
            ends,
        };
        KeptBinding {
            ends: None,
            changed_by: Some(KeptOrder {
                spi: 0xdead_beef,
                number: 65_535,
            }),
            link_local: true,
            dedicated: Some(77),
            flows: [(0, Mode::Proxy), (77, Mode::RouteOptimized)]
                .map(|(fid, mode)| FlowMode { fid, mode })
                .into(),
            care_ofs: vec![care_of(1, Some(KeptTime(5))), care_of(2, None)],
            flow_bindings: vec![
                flow(2, FlowSelector::Ipv6(ipv6)),
                flow(3, FlowSelector::Ipv4(ipv4)),
            ],
            ..binding()
        }
    }

    fn records() -> Vec<Record> {
        let home_address = address("2001:db8:1::1");
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
                is_restarted: false,
            },
            UsedNumber::Association {
                spi: 0x0102_0305,
                highest: 8,
                newest_timestamp: Some(9),
                is_restarted: true,
            },
            UsedNumber::Lost { spi: 0x0102_0306 },
            UsedNumber::Forgotten { home_address },
        ];
        let numbers = numbers.map(|number| Record::Number {
            number,
            is_guarded: matches!(number, UsedNumber::Association { .. }),
        });
        let quarantine = KeptQuarantine {
            home_address,
            mn: Arc::new(MnId {
                subtype: 2,
                identifier: Vec::new(),
            }),
            ends: KeptTime(u64::MAX),
            kept: KeptTime(1),
        };
        let moved = KeptBinding {
            care_of: address("2001:db8:b::9"),
            kept: KeptTime(9),
            ..binding()
        };
        let addresses = [
            Record::Address(Kept::Bound(binding())),
            Record::Address(Kept::Bound(KeptBinding {
                kind: PoolKind::Home,
                ..full()
            })),
            Record::Refreshed(Refresh::between(&binding(), &moved).unwrap()),
            Record::Address(Kept::Quarantined(quarantine)),
            Record::Address(Kept::Free { home_address }),
            Record::Distrusted(KeptDistrust {
                until: KeptTime(600),
                kept: KeptTime(2),
            }),
            Record::Clock(ClockReading {
                boot: BootId([0xb0; 16]),
                mono_ns: 1,
                time: KeptTime(2),
                ahead: u64::MAX,
            }),
            Record::Closed,
        ];
        numbers.into_iter().chain(addresses).collect()
    }

    fn encoded(record: &Record) -> Vec<u8> {
        let mut octets = Vec::new();
        record.encode(&mut octets);
        octets
    }

    #[test]
    fn what_is_written_is_read_and_nothing_that_was_cut_short_is() {
        for record in records() {
            let octets = encoded(&record);
            let followed = [&octets[..], b"next"].concat();
            assert_eq!(Record::decode(&followed), Some((record, &b"next"[..])));
            for len in 0..octets.len() {
                assert_eq!(Record::decode(&octets[..len]), None, "{len} octets");
            }
        }
    }

    #[test]
    fn a_changed_octet_is_noticed() {
        for record in records() {
            let octets = encoded(&record);
            for at in 0..octets.len() {
                let mut octets = octets.clone();
                octets[at] ^= 0x10;
                assert_eq!(Record::decode(&octets), None, "{record:?}, octet {at}");
            }
        }
    }

    #[test]
    fn a_handoff_is_a_short_record_and_another_owner_none() {
        let moved = KeptBinding {
            care_of: address("2001:db8:b::9"),
            changed_by: Some(KeptOrder {
                spi: 256,
                number: 2,
            }),
            ..binding()
        };
        let refresh = Refresh::between(&binding(), &moved).unwrap();
        assert_eq!(encoded(&Record::Refreshed(refresh)).len(), 64);
        let mut before = binding();
        refresh.apply(&mut before);
        assert_eq!(before, moved);
        let other = KeptBinding {
            mn: Arc::new(MnId::nai("mn2@example.net")),
            ..binding()
        };
        for (before, now) in [(binding(), other), (full(), binding()), (binding(), full())] {
            assert_eq!(Refresh::between(&before, &now), None);
        }
    }
}
