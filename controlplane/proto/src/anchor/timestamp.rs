//! Replay protection by the time in the MESG-ID option (RFC 4285 §6).

use crate::time::{NANOS_PER_SECOND, Now, ntp_distance, ntp_duration};

/// RFC 4285 §6: "a default value of 7 seconds MAY be used to limit the time difference".
const CLOSE_ENOUGH_NS: u64 = 7 * NANOS_PER_SECOND;

/// Why a message is not fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFresh {
    /// The option is missing where nothing else protects: status 145.
    Required,
    /// The time in it is not acceptable: status 144. The answer carries this value instead.
    Mismatch {
        /// RFC 4285 §6: "the Home Agent copies only the low-order 32 bits into the BA, and supplies the high-order
        /// 32 bits from its own time of day".
        answer: u64,
    },
}

/// What a timestamp is measured against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// The timestamp that it has to be greater than, if any.
    pub(crate) newer_than: Option<u64>,
    /// Start of this engine, where the message's number may have been used before it and that is not known any more:
    /// then only the timestamp tells a fresh message from one that was recorded earlier.
    pub(crate) state_lost_at: Option<u64>,
}

impl Freshness {
    /// Checks the MESG-ID of a message whose MAC has verified.
    pub(crate) fn check(self, mesg_id: Option<u64>, now: Now) -> Result<(), NotFresh> {
        let Some(timestamp) = mesg_id else {
            return if self.state_lost_at.is_some() {
                Err(NotFresh::Required)
            } else {
                Ok(())
            };
        };
        let close = ntp_distance(timestamp, now.ntp) <= ntp_duration(CLOSE_ENOUGH_NS);
        // Both compare modulo the NTP era; `close` bounds the distances.
        let later = |than: u64| timestamp.wrapping_sub(than).cast_signed() > 0;
        // RFC 4285 §6: "the timestamp MUST be greater than all previously accepted timestamps"
        let newer = self.newer_than.is_none_or(later);
        let since_start = self.state_lost_at.is_none_or(later);
        if close && newer && since_start {
            return Ok(());
        }
        Err(NotFresh::Mismatch {
            answer: (now.ntp & !0xffff_ffff) | (timestamp & 0xffff_ffff),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now {
        mono_ns: 0,
        ntp: 1000 << 32,
    };
    const ANY: Freshness = Freshness {
        newer_than: None,
        state_lost_at: None,
    };

    #[test]
    fn seven_seconds_either_way_are_close_enough() {
        assert_eq!(ANY.check(Some(1007 << 32), NOW), Ok(()));
        assert_eq!(ANY.check(Some(993 << 32), NOW), Ok(()));
        assert_eq!(ANY.check(None, NOW), Ok(()));
        let late = 992 << 32 | 0x1234;
        assert_eq!(
            ANY.check(Some(late), NOW),
            Err(NotFresh::Mismatch {
                answer: 1000 << 32 | 0x1234
            })
        );
        assert!(ANY.check(Some((1007 << 32) + 1), NOW).is_err());
    }

    #[test]
    fn a_timestamp_is_used_once() {
        let freshness = Freshness {
            newer_than: Some(999 << 32),
            ..ANY
        };
        assert!(freshness.check(Some(999 << 32), NOW).is_err());
        assert_eq!(freshness.check(Some((999 << 32) + 1), NOW), Ok(()));
    }

    #[test]
    fn with_lost_state_a_timestamp_is_required_and_from_after_the_start() {
        let freshness = Freshness {
            newer_than: None,
            state_lost_at: Some(998 << 32),
        };
        assert_eq!(freshness.check(None, NOW), Err(NotFresh::Required));
        assert!(freshness.check(Some(997 << 32), NOW).is_err());
        assert_eq!(freshness.check(Some(999 << 32), NOW), Ok(()));
    }
}
