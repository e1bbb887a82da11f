//! Sequence numbers: the window of a security association, and RFC 6275's rule for home registrations.

/// Numbers below the highest that may still arrive, once each.
const WINDOW: u64 = 64;

/// How far ahead a number may be to continue the ones before it: no sender skips more.
const CLOSE_AHEAD: u64 = 64;

/// RFC 6275 §9.5.1 modulo 2^16: a number is greater if it is 1 … 32767 ahead.
const FARTHEST_AHEAD: u16 = 32767;

/// Where the first number of a window is put, so that the ones before it do not run below zero.
const FIRST_EPOCH: u64 = 1 << 16;

/// A sequence number without wrap-around: numbers of one association compare as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequenceNumber(u64);

impl SequenceNumber {
    /// The 16 bits that stand in messages.
    pub(crate) fn on_wire(self) -> u16 {
        u16::try_from(self.0 & 0xffff).unwrap_or_default()
    }
}

/// The number is neither ahead of the highest nor an unused one of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfWindow {
    /// The highest accepted number, which the answer with status 135 gives in its Lifetime field.
    pub(crate) highest: u16,
}

/// The numbers that one security association has used (DMIPv6 profile 1, section 4.1): "highest−63 … highest
/// acceptable once each (as IPsec's, so that parallel requests may overtake each other), ahead 1 … 32767 modulo
/// 2^16; anything else 135".
#[derive(Debug, Clone, Default)]
pub(crate) struct SequenceWindow {
    used: Option<Used>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    first: u64,
    highest: u64,
    /// Bit n: `highest` − n was used.
    bits: u64,
}

impl SequenceWindow {
    /// A window of which nothing is known but that the numbers up to this one may have been used.
    pub(crate) fn used_up_to(highest: u16) -> Self {
        let highest = FIRST_EPOCH.saturating_add(u64::from(highest));
        Self {
            used: Some(Used {
                first: highest,
                highest,
                bits: u64::MAX,
            }),
        }
    }

    /// The highest accepted number, if any.
    pub(crate) fn highest(&self) -> Option<SequenceNumber> {
        self.used.map(|used| SequenceNumber(used.highest))
    }

    /// How many numbers below the highest may still arrive.
    pub(crate) fn unused(&self) -> u32 {
        self.used.map_or(0, |used| used.bits.count_zeros())
    }

    /// Places a number of a message; does not use it up.
    pub(crate) fn place(&self, sequence: u16) -> Result<SequenceNumber, OutOfWindow> {
        let Some(Used { highest, bits, .. }) = self.used else {
            // "a new SA has an empty window, which is not lost state"
            return Ok(SequenceNumber(
                FIRST_EPOCH.saturating_add(u64::from(sequence)),
            ));
        };
        let on_wire = SequenceNumber(highest).on_wire();
        if is_greater(sequence, on_wire) {
            let ahead = u64::from(sequence.wrapping_sub(on_wire));
            return Ok(SequenceNumber(highest.saturating_add(ahead)));
        }
        let behind = u64::from(on_wire.wrapping_sub(sequence));
        if behind < WINDOW && bits & (1 << behind) == 0 {
            return Ok(SequenceNumber(highest.saturating_sub(behind)));
        }
        Err(OutOfWindow { highest: on_wire })
    }

    /// Whether a placed number continues what this window has seen: later than the first number and close ahead of
    /// the highest. Any other may have been used before the window was begun.
    pub(crate) fn continues(&self, number: SequenceNumber) -> bool {
        self.used.is_some_and(|used| {
            used.first < number.0 && number.0 <= used.highest.saturating_add(CLOSE_AHEAD)
        })
    }

    /// Uses up a number that [`Self::place`] has placed.
    pub(crate) fn use_up(&mut self, number: SequenceNumber) {
        let used = self.used.get_or_insert(Used {
            first: number.0,
            highest: number.0,
            bits: 0,
        });
        let ahead = number.0.saturating_sub(used.highest);
        if ahead > 0 {
            used.bits = if ahead < WINDOW {
                used.bits << ahead
            } else {
                0
            };
            used.highest = number.0;
        }
        let behind = used.highest.saturating_sub(number.0);
        if behind < WINDOW {
            used.bits |= 1 << behind;
        }
    }
}

/// RFC 6275 §9.5.1: "A Sequence Number in a received Binding Update is considered less than or equal to the last
/// received number if its value lies in the range of the last received number and the preceding 32768 values,
/// inclusive."
pub(crate) fn is_greater(sequence: u16, last: u16) -> bool {
    (1..=FARTHEST_AHEAD).contains(&sequence.wrapping_sub(last))
}

/// The same for the numbers of a home address, as [`SequenceWindow::continues`].
pub(crate) fn continues(sequence: u16, last: u16) -> bool {
    (1..=CLOSE_AHEAD).contains(&u64::from(sequence.wrapping_sub(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of the KAME and TAHI home agent suites, at the edges that RFC 6275 §9.5.1 draws.
    #[test]
    fn sequence_pairs_of_the_conformance_suites() {
        for (last, next) in [(15, 16), (15, 32782), (32783, 32784), (32783, 14)] {
            assert!(is_greater(next, last), "{last} then {next}");
        }
        for (last, next) in [
            (15, 14),
            (15, 15),
            (15, 32783),
            (15, 32784),
            (32783, 32782),
            (32783, 32783),
            (32783, 15),
            (32783, 16),
        ] {
            assert!(!is_greater(next, last), "{last} then {next}");
        }
    }

    fn accept(window: &mut SequenceWindow, sequence: u16) -> bool {
        window
            .place(sequence)
            .map(|number| window.use_up(number))
            .is_ok()
    }

    #[test]
    fn each_number_of_the_window_is_good_once() {
        let mut window = SequenceWindow::default();
        assert!(accept(&mut window, 100));
        for behind in 1..64 {
            assert!(accept(&mut window, 100 - behind), "{behind} behind");
            assert!(!accept(&mut window, 100 - behind), "{behind} behind, again");
        }
        assert_eq!(window.place(36), Err(OutOfWindow { highest: 100 }));
        assert_eq!(window.place(100), Err(OutOfWindow { highest: 100 }));
    }

    #[test]
    fn the_window_moves_with_the_highest_number() {
        let mut window = SequenceWindow::default();
        assert!(accept(&mut window, 10) && accept(&mut window, 12));
        assert!(
            accept(&mut window, 75),
            "63 ahead keeps 12 as the last of the window"
        );
        assert!(!accept(&mut window, 12) && !accept(&mut window, 10));
        assert!(accept(&mut window, 13) && accept(&mut window, 11 + 3));
        assert!(!accept(&mut window, 11), "64 behind");
        assert!(accept(&mut window, 75 + 200) && accept(&mut window, 76 + 198));
    }

    #[test]
    fn of_a_restored_window_nothing_is_good_but_what_is_ahead() {
        let mut window = SequenceWindow::used_up_to(100);
        assert!((37..=100).all(|sequence| window.place(sequence).is_err()));
        assert!(accept(&mut window, 101) && !accept(&mut window, 101));
    }

    #[test]
    fn numbers_wrap_and_still_compare_as_sent() {
        let mut window = SequenceWindow::default();
        let before = window.place(65535).unwrap();
        window.use_up(before);
        let after = window.place(2).unwrap();
        window.use_up(after);
        assert!(after > before);
        let between = window.place(0).unwrap();
        assert!(before < between && between < after);
        assert_eq!(between.on_wire(), 0);
    }

    #[test]
    fn half_the_space_ahead_is_out_of_the_window() {
        let mut window = SequenceWindow::default();
        assert!(accept(&mut window, 15));
        assert!(window.place(32782).is_ok());
        assert!(window.place(32783).is_err());
    }

    #[test]
    fn numbers_continue_close_ahead_of_the_highest() {
        let mut window = SequenceWindow::default();
        let continues =
            |window: &SequenceWindow, sequence| window.continues(window.place(sequence).unwrap());
        assert!(!continues(&window, 10));
        assert!(accept(&mut window, 10));
        assert!(continues(&window, 11) && continues(&window, 74) && !continues(&window, 75));
        assert!(!continues(&window, 9), "before the first");
        assert!(accept(&mut window, 15) && continues(&window, 12));
        assert!(
            super::continues(2, 65535)
                && !super::continues(65535, 65535)
                && !super::continues(64, 65535)
        );
    }
}
