//! How long a home prefix is good for (RFC 4861 §4.6.2), and what that means for bindings (RFC 6275 §10.3.1).

use core::time::Duration;

use dhp_wire::mobility::Lifetime;

use crate::time::{NANOS_PER_SECOND, Now};

/// Nanoseconds in the four seconds that a [`Lifetime`] counts in.
const UNIT_NS: u64 = 4 * NANOS_PER_SECOND;

/// What is left of a prefix; `None` is infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrefixLifetimes {
    /// How long its addresses can be used at all.
    pub valid: Option<Duration>,
    /// How long new communication should use them; not longer than `valid`.
    pub preferred: Option<Duration>,
}

/// The ends of the two lifetimes, in nanoseconds of [`Now::mono_ns`]; `None` for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PrefixEnds {
    pub(crate) valid_ns: Option<u64>,
    preferred_ns: Option<u64>,
}

impl PrefixEnds {
    /// The ends of lifetimes that begin now.
    pub(crate) fn of(lifetimes: PrefixLifetimes, now: Now) -> Self {
        let end = |lifetime: Duration| {
            now.deadline_ns(u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX))
        };
        let valid_ns = lifetimes.valid.map(end);
        let preferred_ns = lifetimes.preferred.map(end);
        Self {
            valid_ns,
            // RFC 4861 §4.6.2: the preferred lifetime "MUST NOT exceed the Valid Lifetime field".
            preferred_ns: match (preferred_ns, valid_ns) {
                (Some(preferred), Some(valid)) => Some(preferred.min(valid)),
                (preferred, valid) => preferred.or(valid),
            },
        }
    }

    /// What of `asked` the prefix outlives. RFC 6275 §10.3.1: "The lifetime for the Binding Cache entry MUST NOT be
    /// greater than the remaining valid lifetime for the subnet prefix". Zero of a prefix that ends within 4 s.
    pub(crate) fn limit(self, asked: Lifetime, now: Now) -> Lifetime {
        match left(self.valid_ns, now) {
            Some(valid) => asked.min(Lifetime(
                u16::try_from(valid).unwrap_or(Lifetime::INFINITE.0 - 1),
            )),
            None => asked,
        }
    }

    /// Whether an address of the prefix can be bound at all.
    pub(crate) fn is_valid(self, now: Now) -> bool {
        left(self.valid_ns, now) != Some(0)
    }

    /// Whether the mobile node had better ask for prefixes. RFC 6275 §10.3.1: "The value 1 (accepted but prefix
    /// discovery necessary) MUST be used if the subnet prefix of the specified home address is deprecated, or becomes
    /// deprecated during the lifetime of the binding, or becomes invalid at the end of the lifetime."
    pub(crate) fn needs_discovery(self, granted: Lifetime, now: Now) -> bool {
        // "the prefix lifetimes are first converted into units of four seconds by ignoring the two least significant
        // bits"
        let granted_units = (granted != Lifetime::INFINITE).then_some(u64::from(granted.0));
        let ends_before = |end, or_with: bool| match (left(end, now), granted_units) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(left), Some(granted)) => left < granted || (or_with && left == granted),
        };
        left(self.preferred_ns, now) == Some(0)
            || ends_before(self.preferred_ns, false)
            || ends_before(self.valid_ns, true)
    }

    /// The lifetimes that are left, in seconds; `u32::MAX` is infinity, as in a Prefix Information option.
    pub(crate) fn seconds_left(self, now: Now) -> (u32, u32) {
        let seconds = |end: Option<u64>| {
            end.map_or(u32::MAX, |end| {
                let left = end.saturating_sub(now.mono_ns) / NANOS_PER_SECOND;
                u32::try_from(left).unwrap_or(u32::MAX - 1)
            })
        };
        (seconds(self.valid_ns), seconds(self.preferred_ns))
    }
}

/// Whole units of four seconds until `end`; `None` for an end that never comes.
fn left(end: Option<u64>, now: Now) -> Option<u64> {
    end.map(|end| end.saturating_sub(now.mono_ns) / UNIT_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono_ns: 0, ntp: 0 };

    fn ends(valid: u64, preferred: u64) -> PrefixEnds {
        let lifetimes = PrefixLifetimes {
            valid: Some(Duration::from_secs(valid)),
            preferred: Some(Duration::from_secs(preferred)),
        };
        PrefixEnds::of(lifetimes, NOW)
    }

    #[test]
    fn a_binding_does_not_outlive_its_prefix() {
        assert_eq!(ends(103, 0).limit(Lifetime(100), NOW), Lifetime(25));
        assert_eq!(ends(1000, 0).limit(Lifetime(100), NOW), Lifetime(100));
        assert_eq!(PrefixEnds::default().limit(Lifetime(9), NOW), Lifetime(9));
        assert_eq!(
            ends(u64::from(u32::MAX) - 1, 0).limit(Lifetime::INFINITE, NOW),
            Lifetime(0xfffe)
        );
        assert!(!ends(3, 0).is_valid(NOW) && ends(4, 0).is_valid(NOW));
    }

    #[test]
    fn discovery_is_needed_where_a_lifetime_ends_within_the_binding() {
        // Deprecated already, or within the binding's lifetime, but not at its very end.
        assert!(ends(4000, 0).needs_discovery(Lifetime(10), NOW));
        assert!(ends(4000, 39).needs_discovery(Lifetime(10), NOW));
        assert!(!ends(4000, 40).needs_discovery(Lifetime(10), NOW));
        // Invalid at the end of the binding's lifetime.
        assert!(ends(43, 43).needs_discovery(Lifetime(10), NOW));
        assert!(!ends(44, 44).needs_discovery(Lifetime(10), NOW));
        assert!(!PrefixEnds::default().needs_discovery(Lifetime::INFINITE, NOW));
        assert!(ends(4000, 4000).needs_discovery(Lifetime::INFINITE, NOW));
    }

    #[test]
    fn a_prefix_is_preferred_no_longer_than_valid() {
        assert_eq!(ends(10, 20).seconds_left(NOW), (10, 10));
        assert_eq!(
            PrefixEnds::default().seconds_left(NOW),
            (u32::MAX, u32::MAX)
        );
    }
}
