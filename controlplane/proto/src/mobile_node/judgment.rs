//! Judgment of the access network against each flow's requirements (profile 1, section 3, step 1).
//!
//! Neither clock nor state: what is known goes in, the verdict comes out.

use super::access::Unmet;
use super::action::Session;
use super::need::Requirements;

/// In what an access falls short of what a flow needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shortfall {
    /// It costs money.
    Metered,
    /// The link is too slow.
    Bandwidth,
    /// Nothing comes back over it.
    Silent,
    /// Too much is lost.
    Loss,
    /// It takes too long.
    Latency,
}

impl Shortfall {
    /// Whether it is a property of the network, which only another network changes.
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        matches!(self, Self::Metered | Self::Bandwidth)
    }
}

/// What is known of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// To the correspondent and half the way back, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// Of so many probes so many were lost.
    pub lost: u32,
    /// How many.
    pub probes: u32,
    /// Whether the last ones were all lost.
    pub is_silent: bool,
    /// What the link carries in kbit/s.
    pub rate_kbps: Option<u32>,
    /// Whether it costs money.
    pub metered: bool,
}

/// How an access stands to what a flow needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is good enough.
    Good,
    /// As far as is known; something that counts has not been measured.
    Unmeasured,
    /// It is not.
    Short(Shortfall),
}

/// Lost probes below this number prove nothing.
const LOSSES_THAT_COUNT: u32 = 2;

/// Holds an access against requirements, of which 0 asks for nothing.
#[must_use]
pub fn standing(needed: &Requirements, may_be_metered: bool, known: &Known) -> Standing {
    if known.metered && !may_be_metered {
        return Standing::Short(Shortfall::Metered);
    }
    let bandwidth = needed.min_bandwidth_kbps;
    if bandwidth > 0 && known.rate_kbps.is_some_and(|rate| rate < bandwidth) {
        return Standing::Short(Shortfall::Bandwidth);
    }
    if known.is_silent {
        return Standing::Short(Shortfall::Silent);
    }
    let loss = u64::from(needed.max_loss_permille);
    let exceeds = u64::from(known.lost).saturating_mul(1000) > loss * u64::from(known.probes);
    if loss > 0 && known.lost >= LOSSES_THAT_COUNT && exceeds {
        return Standing::Short(Shortfall::Loss);
    }
    let latency_ns = u64::from(needed.max_latency_ms) * 1_000_000;
    if latency_ns > 0 && known.latency_ns.is_some_and(|latency| latency > latency_ns) {
        return Standing::Short(Shortfall::Latency);
    }
    let wants_probes = (latency_ns > 0 && known.latency_ns.is_none())
        || (loss > 0 && known.probes == 0)
        || (bandwidth > 0 && known.rate_kbps.is_none());
    match wants_probes {
        true => Standing::Unmeasured,
        false => Standing::Good,
    }
}

/// Why a flow waits: it keeps what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// It is not known yet whether the access is good enough.
    NotMeasured,
    /// An access that would do may come back.
    ComingBack(Shortfall),
    /// What is wrong may pass.
    Passing(Shortfall),
}

/// What becomes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The new care-of address is bound for it.
    Maintain,
    /// For now it is.
    Wait(Waiting),
    /// It is not.
    Terminate(Shortfall),
}

/// What a judgment is made of.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What the flow's sessions need.
    pub session: Session,
    /// What becomes of it where nothing is good enough.
    pub unmet: Unmet,
    /// How the accesses that it may use stand, the best first.
    pub standings: &'a [Standing],
    /// Whether another access that it may use is not there now, but may come back.
    pub expects_another: bool,
    /// Whether nothing was good enough for so long that nobody waits any more.
    pub has_waited: bool,
}

/// Judges a flow.
#[must_use]
pub fn judge(case: &Case<'_>) -> Verdict {
    let is = |wanted: Standing| case.standings.contains(&wanted);
    if is(Standing::Good) {
        return Verdict::Maintain;
    }
    let shortfalls = case.standings.iter().filter_map(|standing| match standing {
        Standing::Short(shortfall) => Some(*shortfall),
        Standing::Good | Standing::Unmeasured => None,
    });
    // What may pass by itself is the lesser evil.
    let least = shortfalls.max();
    let (false, Some(shortfall)) = (is(Standing::Unmeasured), least) else {
        return Verdict::Wait(Waiting::NotMeasured);
    };
    let waiting = match case.expects_another {
        true => Waiting::ComingBack(shortfall),
        false => Waiting::Passing(shortfall),
    };
    // The home address is that of the whole node, and who pays does not wait for long.
    let may_end = case.session != Session::Fixed
        && (case.unmet == Unmet::Release || shortfall == Shortfall::Metered);
    let waits = !case.has_waited && (case.expects_another || !shortfall.is_lasting());
    match may_end && !waits {
        true => Verdict::Terminate(shortfall),
        false => Verdict::Wait(waiting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Session, how the accesses stand, whether another may come back, whether it has waited, and what becomes of it.
    type Row<'a> = ((Session, Unmet), &'a [Standing], bool, bool, Verdict);

    fn needs() -> Requirements {
        Requirements {
            dscp: 0,
            min_bandwidth_kbps: 500,
            max_latency_ms: 50,
            max_loss_permille: 20,
        }
    }

    fn good() -> Known {
        Known {
            latency_ns: Some(30 * MS),
            lost: 0,
            probes: 20,
            is_silent: false,
            rate_kbps: Some(10_000),
            metered: false,
        }
    }

    #[test]
    fn an_access_is_held_against_each_requirement() {
        let short = |shortfall| Standing::Short(shortfall);
        let table = [
            ("all is well", good(), Standing::Good),
            (
                "one lost probe proves nothing",
                Known { lost: 1, ..good() },
                Standing::Good,
            ),
            (
                "2 of 20 are more than 2 %",
                Known { lost: 2, ..good() },
                short(Shortfall::Loss),
            ),
            (
                "2 of 100 are not",
                Known {
                    lost: 2,
                    probes: 100,
                    ..good()
                },
                Standing::Good,
            ),
            (
                "too far",
                Known {
                    latency_ns: Some(51 * MS),
                    ..good()
                },
                short(Shortfall::Latency),
            ),
            (
                "too slow",
                Known {
                    rate_kbps: Some(499),
                    ..good()
                },
                short(Shortfall::Bandwidth),
            ),
            (
                "nobody answers",
                Known {
                    is_silent: true,
                    ..good()
                },
                short(Shortfall::Silent),
            ),
            (
                "it costs",
                Known {
                    metered: true,
                    ..good()
                },
                short(Shortfall::Metered),
            ),
            (
                "not measured",
                Known {
                    latency_ns: None,
                    lost: 0,
                    probes: 0,
                    ..good()
                },
                Standing::Unmeasured,
            ),
            (
                "a rate that nobody knows",
                Known {
                    rate_kbps: None,
                    ..good()
                },
                Standing::Unmeasured,
            ),
        ];
        for (what, known, expected) in table {
            assert_eq!(standing(&needs(), false, &known), expected, "{what}");
        }
        let metered = Known {
            metered: true,
            ..good()
        };
        assert_eq!(standing(&needs(), true, &metered), Standing::Good);
        let nothing = Requirements::default();
        assert_eq!(standing(&nothing, true, &Known::default()), Standing::Good);
    }

    #[test]
    fn flows_are_maintained_or_wait_or_end() {
        use Session::{Fixed, GracefulReplacement, SessionLasting};
        let latency = Standing::Short(Shortfall::Latency);
        let slow = Standing::Short(Shortfall::Bandwidth);
        let costly = Standing::Short(Shortfall::Metered);
        let wait = |waiting| Verdict::Wait(waiting);
        let (lasting, graceful) = (
            (SessionLasting, Unmet::Wait),
            (GracefulReplacement, Unmet::Release),
        );
        let end = |shortfall| Verdict::Terminate(shortfall);
        let table: &[Row<'_>] = &[
            (
                lasting,
                &[latency, Standing::Good],
                false,
                true,
                Verdict::Maintain,
            ),
            (
                lasting,
                &[Standing::Unmeasured],
                false,
                true,
                wait(Waiting::NotMeasured),
            ),
            (lasting, &[], false, true, wait(Waiting::NotMeasured)),
            (
                lasting,
                &[latency],
                false,
                true,
                wait(Waiting::Passing(Shortfall::Latency)),
            ),
            (
                lasting,
                &[slow],
                true,
                true,
                wait(Waiting::ComingBack(Shortfall::Bandwidth)),
            ),
            (lasting, &[costly], false, false, end(Shortfall::Metered)),
            (
                lasting,
                &[costly],
                true,
                false,
                wait(Waiting::ComingBack(Shortfall::Metered)),
            ),
            (lasting, &[costly], true, true, end(Shortfall::Metered)),
            (
                graceful,
                &[latency],
                false,
                false,
                wait(Waiting::Passing(Shortfall::Latency)),
            ),
            (graceful, &[latency], false, true, end(Shortfall::Latency)),
            (graceful, &[slow], false, false, end(Shortfall::Bandwidth)),
            (
                graceful,
                &[slow],
                true,
                false,
                wait(Waiting::ComingBack(Shortfall::Bandwidth)),
            ),
            (
                graceful,
                &[slow, latency],
                false,
                false,
                wait(Waiting::Passing(Shortfall::Latency)),
            ),
            (
                graceful,
                &[slow, Standing::Unmeasured],
                false,
                true,
                wait(Waiting::NotMeasured),
            ),
            (
                (Fixed, Unmet::Release),
                &[costly],
                false,
                true,
                wait(Waiting::Passing(Shortfall::Metered)),
            ),
        ];
        for ((session, unmet), standings, expects_another, has_waited, verdict) in table {
            let case = Case {
                session: *session,
                unmet: *unmet,
                standings,
                expects_another: *expects_another,
                has_waited: *has_waited,
            };
            assert_eq!(judge(&case), *verdict, "{case:?}");
        }
    }
}
