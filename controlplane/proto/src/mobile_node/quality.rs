//! What probes tell of the way over an access to an anchor.

use core::net::Ipv6Addr;
use std::collections::VecDeque;

/// So many probes are remembered.
const REMEMBERED: usize = 100;
/// So many in a row without an answer: nothing comes back.
const SILENT: usize = 3;
/// The middle one of so many round trips counts, so that one late answer does not.
const SMOOTHED: usize = 5;
/// So many good ones in a row make an access good again.
const RECOVERED: usize = 5;
/// And so many have what was lost before forgotten.
const FORGIVEN: usize = 10;

/// The probes of one access to one anchor.
#[derive(Debug, Clone)]
pub(super) struct Quality {
    /// The care-of address that they were sent from.
    pub(super) care_of: Ipv6Addr,
    /// Round trips in nanoseconds, the latest first; `None` was lost.
    probes: VecDeque<Option<u64>>,
    /// When the next one is due.
    pub(super) next_ns: u64,
}

impl Quality {
    pub(super) fn new(care_of: Ipv6Addr) -> Self {
        Self {
            care_of,
            probes: VecDeque::new(),
            next_ns: 0,
        }
    }

    /// Takes what became of a probe.
    pub(super) fn note(&mut self, round_trip_ns: Option<u64>) {
        self.probes.truncate(REMEMBERED - 1);
        self.probes.push_front(round_trip_ns);
    }

    /// How many there were.
    pub(super) fn probes(&self) -> u32 {
        u32::try_from(self.probes.len()).unwrap_or(u32::MAX)
    }

    /// How many of them were lost.
    pub(super) fn lost(&self) -> u32 {
        let lost = self.probes.iter().filter(|probe| probe.is_none());
        u32::try_from(lost.count()).unwrap_or(u32::MAX)
    }

    /// The present round trip.
    pub(super) fn round_trip_ns(&self) -> Option<u64> {
        let latest = self.probes.iter().flatten().take(SMOOTHED);
        let mut latest: Vec<u64> = latest.copied().collect();
        latest.sort_unstable();
        latest.get(latest.len() / 2).copied()
    }

    /// Whether nothing comes back.
    pub(super) fn is_silent(&self) -> bool {
        self.probes.len() >= SILENT && self.probes.iter().take(SILENT).all(Option::is_none)
    }

    /// Whether the last probes have all come back, within `limit_ns` and well below it.
    pub(super) fn is_steady(&self, limit_ns: Option<u64>) -> bool {
        let is_good = |probe: &Option<u64>| {
            let well_below = limit_ns.map(|limit| limit - limit / 8);
            probe.is_some_and(|round_trip| well_below.is_none_or(|most| round_trip <= most))
        };
        self.probes.len() >= RECOVERED && self.probes.iter().take(RECOVERED).all(is_good)
    }

    /// Forgets what was lost, where no more has been for a while: an access that nothing uses is judged by how it is now.
    pub(super) fn forgive_if_recovered(&mut self) {
        if self.probes.len() >= FORGIVEN && self.probes.iter().take(FORGIVEN).all(Option::is_some) {
            self.probes.retain(Option::is_some);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(probes: &[Option<u64>]) -> Quality {
        let mut quality = Quality::new(Ipv6Addr::LOCALHOST);
        for probe in probes {
            quality.note(*probe);
        }
        quality
    }

    #[test]
    fn so_many_probes_count_and_no_more() {
        let mut quality = quality(&[None; 60]);
        for _ in 0..90 {
            quality.note(Some(5));
        }
        assert_eq!((quality.probes(), quality.lost()), (100, 10));
    }

    #[test]
    fn one_late_answer_is_no_longer_way() {
        let late = quality(&[Some(10), Some(12), Some(11), Some(900)]);
        assert_eq!(late.round_trip_ns(), Some(12));
        assert_eq!(quality(&[None, None]).round_trip_ns(), None);
    }

    #[test]
    fn silence_is_three_in_a_row() {
        assert!(!quality(&[None, None]).is_silent());
        assert!(!quality(&[None, None, Some(1), None, None]).is_silent());
        assert!(quality(&[Some(1), None, None, None]).is_silent());
    }

    #[test]
    fn an_access_recovers_with_five_good_probes_in_a_row() {
        let four = [Some(80); 4];
        assert!(!quality(&four).is_steady(Some(100)));
        assert!(quality(&[&four[..], &[Some(87)]].concat()).is_steady(Some(100)));
        assert!(!quality(&[&four[..], &[Some(90)]].concat()).is_steady(Some(100)));
        assert!(!quality(&[&four[..], &[None]].concat()).is_steady(None));
        assert!(quality(&[None, Some(1), Some(1), Some(1), Some(1), Some(1)]).is_steady(None));
    }

    #[test]
    fn a_loss_limit_is_met_again_once_the_access_has_recovered() {
        let mut quality = quality(&[None, None]);
        for good in 1..=10 {
            assert_eq!((quality.probes(), quality.lost()), (1 + good, 2));
            quality.note(Some(1));
            quality.forgive_if_recovered();
        }
        assert_eq!((quality.probes(), quality.lost()), (10, 0));
    }
}
