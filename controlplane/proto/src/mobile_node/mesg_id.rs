//! Timestamps for the replay protection option (RFC 4285 §6).

/// Gives MESG-IDs: each greater than the one before, on a clock that anchors can correct.
#[derive(Debug, Default)]
pub(super) struct MesgIdClock {
    /// Added to the time of day, modulo 2^64.
    offset: u64,
    last: u64,
}

impl MesgIdClock {
    /// The next timestamp. RFC 4285 §6: "MUST be greater than that used in any previous successful Binding Update".
    pub(super) fn next(&mut self, ntp: u64) -> u64 {
        let timestamp = ntp.wrapping_add(self.offset);
        self.last = timestamp.max(self.last.saturating_add(1));
        self.last
    }

    /// Takes over the anchor's time from an authenticated answer with status 144.
    ///
    /// RFC 4285 §6: "If the timestamp is not valid, the Home Agent copies only the low-order 32 bits into the BA, and
    /// supplies the high-order 32 bits from its own time of day." — "the Mobile Node MUST adjust its timestamp".
    pub(super) fn adjust(&mut self, ntp: u64, answered: u64) {
        self.offset = (answered & !0xffff_ffff).wrapping_sub(ntp & !0xffff_ffff);
        self.last = 0;
    }
}

/// Whether the MESG-ID of an answer belongs to the one that was sent.
pub(super) fn matches(sent: Option<u64>, received: Option<u64>, id_mismatch: bool) -> bool {
    match (sent, received) {
        (Some(sent), Some(received)) if id_mismatch => sent & 0xffff_ffff == received & 0xffff_ffff,
        (sent, received) => sent == received,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_only_grow() {
        let mut clock = MesgIdClock::default();
        assert_eq!(clock.next(10), 10);
        assert_eq!(clock.next(10), 11);
        assert_eq!(clock.next(5), 12);
        assert_eq!(clock.next(20), 20);
    }

    #[test]
    fn the_anchor_sets_the_clock_forward_and_back() {
        let mut clock = MesgIdClock::default();
        let sent = clock.next(100 << 32 | 7);
        clock.adjust(101 << 32, 500 << 32 | 7);
        assert!(matches(Some(sent), Some(500 << 32 | 7), true));
        assert!(!matches(Some(sent), Some(500 << 32 | 7), false));
        assert_eq!(clock.next(102 << 32 | 9), 501 << 32 | 9);
        clock.adjust(103 << 32, 50 << 32);
        assert_eq!(clock.next(103 << 32 | 1), 50 << 32 | 1);
    }

    #[test]
    fn an_answer_has_a_mesg_id_exactly_when_the_request_had() {
        assert!(matches(None, None, false));
        assert!(!matches(None, Some(1), false));
        assert!(!matches(Some(1), None, true));
        assert!(matches(Some(1), Some(1), false));
    }
}
