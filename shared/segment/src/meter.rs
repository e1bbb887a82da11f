//! How much a binding has sent and got, where that is limited.
//!
//! Two things are: a new care-of address that has not been tested yet gets no more than a credit (DMIPv6 profile 1, section 6.4;
//! RFC 4866 §2.6), and a binding may have a cap on its rate. The packets of one binding may be handled by several workers, so
//! that the meter is the one thing in the segment that more than one of them writes: by single atomic operations that never wait.

use crate::flow::MAX_CARE_OFS;
use crate::sync::{AtomicU64, Ordering};

/// Octets accepted from the mobile node, by second.
const RECEIVED: usize = 0;
/// Seconds of which octets are known, the current one among them.
const SECONDS: usize = 8;
/// When a sender at exactly the cap would be due (the theoretical arrival time of the generic cell rate algorithm, ITU-T I.371).
const DUE: usize = 8;
/// Octets sent to each care-of address under test since the credit was given: the default one, then those of the flow set by
/// position.
const SENT: usize = 9;
/// When the credit was last given in full; 0: never.
const GIVEN: usize = SENT + 1 + MAX_CARE_OFS;
/// Words of a meter: three cache lines.
pub(crate) const METER_WORDS: usize = 24;
const _: () = assert!(GIVEN < METER_WORDS);

/// A second's word: its number in the high 24 bits, its octets in the low 40.
const OCTET_BITS: u32 = 40;
const OCTETS: u64 = (1 << OCTET_BITS) - 1;
const STAMP: u64 = (1 << 24) - 1;

const SECOND_NS: u64 = 1_000_000_000;
/// What a care-of address gets before its mobile node has sent anything: two packets of 1,500 octets.
const INITIAL_CREDIT: u64 = 3_000;
/// A binding that was silent may send a tenth of a second's worth at once, or one packet.
const BURST_NS: u64 = SECOND_NS / 10;
/// Times that a worker tries again when another one has changed the word at the same moment.
const ATTEMPTS: usize = 4;

/// A meter that a template has named, good as long as that.
#[derive(Clone, Copy)]
pub struct Meter<'a>(pub(crate) &'a [AtomicU64; METER_WORDS]);

impl<'a> Meter<'a> {
    #[inline(always)]
    fn word(self, at: usize) -> Option<&'a AtomicU64> {
        self.0.get(at)
    }

    /// Counts octets accepted from the mobile node, outer headers included.
    #[inline]
    pub fn receive(self, octets: u64, now_ns: u64) {
        let second = now_ns / SECOND_NS;
        let Some(word) = self.word(RECEIVED + (second % SECONDS as u64) as usize) else {
            return;
        };
        let begun = (second & STAMP) << OCTET_BITS;
        let old = word.load(Ordering::Relaxed);
        if old & !OCTETS != begun {
            // A worker that loses this has lost it to one that began the same second.
            let new = begun | octets & OCTETS;
            if word
                .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                return;
            }
        }
        word.fetch_add(octets & OCTETS, Ordering::Relaxed);
    }

    /// Octets accepted in this second and the seven before it.
    fn received(self, now_ns: u64) -> u64 {
        let second = now_ns / SECOND_NS;
        (0..SECONDS as u64)
            .filter_map(|ago| second.checked_sub(ago))
            .filter_map(|second| {
                let word = self.word(RECEIVED + (second % SECONDS as u64) as usize)?;
                let word = word.load(Ordering::Relaxed);
                (word >> OCTET_BITS == second & STAMP).then_some(word & OCTETS)
            })
            .fold(0, u64::saturating_add)
    }

    /// Whether the care-of address with this number ([`crate::Template::number`]), which is being tested, may get these octets, which count as sent then: they are not more than what the
    /// mobile node sent "in the last 8 s plus 3,000, less those sent to it since the test began", or since an earlier test began
    /// within these 8 s.
    #[inline]
    pub fn spend(self, number: u8, octets: u64, now_ns: u64) -> bool {
        let Some(sent) = self.word(SENT + usize::from(number)) else {
            return false;
        };
        let credit = self.received(now_ns).saturating_add(INITIAL_CREDIT);
        let before = sent.fetch_add(octets, Ordering::Relaxed);
        if before.saturating_add(octets) <= credit {
            return true;
        }
        sent.fetch_sub(octets, Ordering::Relaxed);
        false
    }

    /// Whether the cap of so many octets a second lets these go. What it does not let go costs nothing.
    #[inline]
    pub fn pace(self, octets: u64, octets_per_second: u32, now_ns: u64) -> bool {
        let Some(word) = self.word(DUE) else {
            return false;
        };
        let cost_ns = octets
            .saturating_mul(SECOND_NS)
            .checked_div(u64::from(octets_per_second))
            .unwrap_or(u64::MAX);
        let mut due_ns = word.load(Ordering::Relaxed);
        for _ in 0..ATTEMPTS {
            // A word beyond every clock was not written by us.
            let from_ns = due_ns.max(now_ns);
            if from_ns > now_ns.saturating_add(BURST_NS) {
                return false;
            }
            let next_ns = from_ns.saturating_add(cost_ns);
            match word.compare_exchange(due_ns, next_ns, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed_ns) => due_ns = changed_ns,
            }
        }
        false
    }

    /// A care-of address is to be tested from now on. What the mobile node sent in 8 s is credited in full once in 8 s: else it
    /// would have more sent to its victims than it sends, by naming one after the other. Writer only.
    pub(crate) fn begin_test(self, now_ns: u64) {
        let Some(given) = self.word(GIVEN) else {
            return;
        };
        let now_ns = now_ns.max(1);
        let given_ns = given.load(Ordering::Relaxed);
        let ago_ns = now_ns.saturating_sub(given_ns);
        if given_ns != 0 && ago_ns < SECONDS as u64 * SECOND_NS {
            return;
        }
        given.store(now_ns, Ordering::Relaxed);
        for number in 0..=MAX_CARE_OFS {
            if let Some(word) = self.word(SENT + number) {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Forgets everything. Writer only, while no reader can reach it.
    pub(crate) fn clear(self) {
        for word in self.0 {
            word.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words() -> [AtomicU64; METER_WORDS] {
        core::array::from_fn(|_| AtomicU64::new(0))
    }

    const START_NS: u64 = 123_456 * SECOND_NS;

    #[test]
    fn what_came_is_known_for_eight_seconds() {
        let words = words();
        let meter = Meter(&words);
        meter.receive(1_000, START_NS);
        meter.receive(500, START_NS + SECOND_NS / 2);
        meter.receive(70, START_NS + 3 * SECOND_NS);
        let after = |seconds| meter.received(START_NS + seconds * SECOND_NS);
        assert_eq!(
            [after(3), after(7), after(8), after(11)],
            [1_570, 1_570, 70, 0]
        );
        meter.receive(1, START_NS + 8 * SECOND_NS);
        assert_eq!(after(8), 71);
    }

    #[test]
    fn a_care_of_address_under_test_gets_what_its_mobile_node_sent_and_3000_octets() {
        let words = words();
        let meter = Meter(&words);
        meter.begin_test(START_NS);
        assert!(meter.spend(0, 1_500, START_NS));
        assert!(meter.spend(0, 1_500, START_NS));
        assert!(!meter.spend(0, 1, START_NS));
        meter.receive(1_000, START_NS);
        assert!(meter.spend(0, 600, START_NS));
        assert!(!meter.spend(0, 401, START_NS));
        assert!(
            meter.spend(0, 400, START_NS),
            "what was refused cost nothing"
        );
    }

    #[test]
    fn what_the_mobile_node_sent_is_credited_once_however_many_tests_it_asks_for() {
        let words = words();
        let meter = Meter(&words);
        meter.begin_test(START_NS);
        assert!(meter.spend(0, 3_000, START_NS));
        let later_ns = START_NS + 8 * SECOND_NS;
        meter.begin_test(later_ns - 1);
        assert!(!meter.spend(0, 1, later_ns - 1));
        meter.begin_test(later_ns);
        assert!(meter.spend(0, 3_000, later_ns));
        meter.begin_test(later_ns + 1);
        assert!(!meter.spend(0, 1, later_ns + 1));
    }

    #[test]
    fn a_cap_gives_its_rate_over_time_and_a_tenth_of_it_at_once() {
        let words = words();
        let meter = Meter(&words);
        let sent_at = |now_ns| {
            (0..10_000)
                .take_while(|_| meter.pace(1_000, 1_000_000, now_ns))
                .count()
        };
        let burst = sent_at(START_NS);
        assert!((100..=102).contains(&burst), "{burst}");
        let later: usize = (1..=10)
            .map(|tenth| sent_at(START_NS + tenth * SECOND_NS / 10))
            .sum();
        assert!((999..=1_001).contains(&later), "{later}");
        assert!(!meter.pace(1, 0, START_NS) || !meter.pace(1, 0, START_NS));
    }
}
