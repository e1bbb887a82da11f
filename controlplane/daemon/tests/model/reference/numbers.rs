//! Sequence numbers, timestamps and stored answers (DMIPv6 profile 1, section 4.1; RFC 6275 §9.5.1; RFC 4285 §6)

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv6Addr;

use dhp_proto::security_association::SecurityAssociation;
use dhp_proto::time::Now;

use super::Model;

/// "highest−63 … highest acceptable once each"
const BEHIND: i64 = 63;
/// "the last 8 answers per SA for 64 s"
const ANSWERS: usize = 8;
const ANSWERS_NS: u64 = 64_000_000_000;
/// RFC 4285 §6: seven seconds, of the 2^32 parts that an NTP timestamp counts.
const CLOSE: u64 = 7 << 32;
/// Where state was lost, numbers so close ahead continue those since.
const CONTINUES: i64 = 64;

/// Which message: "a message with a lower one neither changes nor releases that binding". Those of another association do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub spi: u32,
    /// Without wrap-around.
    pub number: i64,
}

impl Order {
    pub fn is_after(self, other: Self) -> bool {
        self.spi == other.spi && self.number > other.number
    }
}

#[derive(Debug, Clone)]
struct Stored<A> {
    source: Ipv6Addr,
    octets: Vec<u8>,
    answer: A,
    until_ns: u64,
}

/// What the use of a security association leaves behind, answers among it.
#[derive(Debug, Clone)]
pub struct Association<A> {
    pub owner: usize,
    pub security: SecurityAssociation,
    used: BTreeSet<i64>,
    /// Every number up to this one counts as used.
    used_up_to: Option<i64>,
    /// The first number since the start.
    first: Option<i64>,
    newest_timestamp: Option<u64>,
    /// The journal's number is beyond any that was used.
    is_guarded: bool,
    /// Numbers were used of which nothing is known.
    has_lost: bool,
    answers: VecDeque<Stored<A>>,
}

impl<A: Clone> Association<A> {
    pub fn new(owner: usize, security: &SecurityAssociation) -> Self {
        Self {
            owner,
            security: security.clone(),
            used: BTreeSet::new(),
            used_up_to: None,
            first: None,
            newest_timestamp: None,
            is_guarded: false,
            has_lost: false,
            answers: VecDeque::new(),
        }
    }

    /// Nothing is known of what was used, at this start and at later ones.
    pub fn lose_numbers(&mut self) {
        *self = Self {
            has_lost: true,
            ..Self::new(self.owner, &self.security)
        };
    }

    fn highest(&self) -> Option<i64> {
        self.used.last().copied().max(self.used_up_to)
    }

    /// "ahead 1 … 32767 modulo 2^16; anything else 135, whose Lifetime field gives the highest accepted number"
    pub fn place(&self, sequence: u16) -> Result<i64, u16> {
        let Some(highest) = self.highest() else {
            return Ok(i64::from(sequence));
        };
        let on_wire = on_wire(highest);
        let ahead = i64::from(sequence.wrapping_sub(on_wire).cast_signed());
        let number = highest + ahead;
        let is_used = self.used.contains(&number) || self.used_up_to.is_some_and(|to| number <= to);
        // −32768 is neither ahead nor close behind.
        if ahead >= -BEHIND && !is_used {
            Ok(number)
        } else {
            Err(on_wire)
        }
    }

    /// Checks a placed number's MESG-ID. The error is a status, and the MESG-ID of the answer.
    pub fn check_timestamp(
        &self,
        number: i64,
        mesg_id: Option<u64>,
        started: Now,
        now: Now,
    ) -> Result<(), (u8, Option<u64>)> {
        let continues = self.first.is_some_and(|first| {
            let highest = self.highest().unwrap_or(first);
            first < number && number <= highest + CONTINUES
        });
        let since = (self.has_lost && !continues).then_some(started.ntp);
        let newer_than = self.newest_timestamp.filter(|_| self.is_ahead(number));
        check_timestamp(mesg_id, newer_than, since, now)
    }

    fn is_ahead(&self, number: i64) -> bool {
        self.highest().is_none_or(|highest| number > highest)
    }

    /// Uses a number up.
    pub fn use_up(&mut self, number: i64, mesg_id: Option<u64>) {
        if self.is_ahead(number) {
            self.newest_timestamp = mesg_id.or(self.newest_timestamp);
            self.is_guarded = false;
        }
        self.first.get_or_insert(number);
        self.used.insert(number);
    }

    /// "identical octets get the stored answer again and act only once"
    pub fn stored(&self, source: &Ipv6Addr, octets: &[u8], now: Now) -> Option<A> {
        let is_it = |stored: &&Stored<A>| {
            stored.source == *source && stored.octets == octets && stored.until_ns > now.mono_ns
        };
        let stored = self.answers.iter().find(is_it)?;
        Some(stored.answer.clone())
    }

    pub fn keep(&mut self, source: Ipv6Addr, octets: &[u8], answer: A, now: Now) {
        if self.answers.len() == ANSWERS {
            self.answers.pop_front();
        }
        // Those that are old make room too.
        self.answers.push_back(Stored {
            source,
            octets: octets.to_vec(),
            answer,
            until_ns: now.mono_ns + ANSWERS_NS,
        });
    }

    /// What the journal says after a restart, which does not know where below the highest number there is room.
    pub fn restart(&mut self, guard: u16) {
        let guard = if self.is_guarded { 0 } else { guard };
        self.is_guarded |= guard > 0;
        self.used_up_to = self.highest().map(|highest| highest + i64::from(guard));
        self.first = self.used_up_to;
        self.used.clear();
        self.answers.clear();
    }
}

/// The numbers of classic Binding Updates for one home address.
#[derive(Debug, Clone, Copy)]
pub struct HomeNumbers {
    pub last: u16,
    newest_timestamp: Option<u64>,
    /// Until when a deregistered binding counts as an entry that is marked invalid (RFC 6275 §10.3.2).
    invalid_until_ns: u64,
    is_guarded: bool,
}

impl HomeNumbers {
    pub fn restart(&mut self, guard: u16) {
        let guard = if self.is_guarded { 0 } else { guard };
        self.is_guarded |= guard > 0;
        self.last = self.last.wrapping_add(guard);
        self.invalid_until_ns = 0;
    }
}

impl Model {
    /// Whether a de-registered binding is still remembered.
    pub(super) fn is_remembered(&self, address: &Ipv6Addr) -> bool {
        let numbers = self.homes.get(address);
        numbers.is_some_and(|numbers| numbers.invalid_until_ns > self.now.mono_ns)
    }

    /// RFC 6275 §9.5.1 and RFC 4285 §6. The error is a status, the sequence number and the MESG-ID of the answer.
    pub(super) fn check_home_number(
        &self,
        address: &Ipv6Addr,
        sequence: u16,
        mesg_id: Option<u64>,
    ) -> Result<(), (u8, u16, Option<u64>)> {
        let known = self.homes.get(address);
        if let Some(known) = known {
            let has_entry = self.bindings.contains_key(address) || self.is_remembered(address);
            // Where there is no entry any number is good, from who proves by a timestamp that it is new.
            let any_number = !has_entry && mesg_id.is_some();
            let is_greater = sequence.wrapping_sub(known.last).cast_signed() > 0;
            if !any_number && !is_greater {
                return Err((135, known.last, mesg_id));
            }
        }
        let newer_than = known.and_then(|known| known.newest_timestamp);
        check_timestamp(mesg_id, newer_than, None, self.now)
            .map_err(|(status, mesg_id)| (status, sequence, mesg_id))
    }

    pub(super) fn remember_home_number(
        &mut self,
        address: &Ipv6Addr,
        sequence: u16,
        mesg_id: Option<u64>,
        invalid_until_ns: u64,
    ) {
        let known = self.homes.get(address);
        let newest_timestamp = mesg_id.or(known.and_then(|known| known.newest_timestamp));
        let numbers = HomeNumbers {
            last: sequence,
            newest_timestamp,
            invalid_until_ns,
            is_guarded: false,
        };
        self.homes.insert(*address, numbers);
    }
}

/// 145: required. 144: more than 7 s from here, not greater than the last, or from before the start. An answer with 144 has the low
/// half of what was sent, and the high half of the time here.
fn check_timestamp(
    mesg_id: Option<u64>,
    newer_than: Option<u64>,
    since: Option<u64>,
    now: Now,
) -> Result<(), (u8, Option<u64>)> {
    let Some(timestamp) = mesg_id else {
        return since.map_or(Ok(()), |_| Err((145, None)));
    };
    let is_later = |than: u64| timestamp.wrapping_sub(than).cast_signed() > 0;
    let distance = timestamp.wrapping_sub(now.ntp).cast_signed().unsigned_abs();
    if distance <= CLOSE && newer_than.is_none_or(is_later) && since.is_none_or(is_later) {
        return Ok(());
    }
    Err((144, Some(now.ntp >> 32 << 32 | timestamp & 0xffff_ffff)))
}

/// The 16 bits of a number that stand in messages.
pub fn on_wire(number: i64) -> u16 {
    u16::try_from(number.rem_euclid(1 << 16)).expect("16 bits")
}
