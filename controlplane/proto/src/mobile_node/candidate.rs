//! The DHPs that queries have named, and the order in which they are tried.

use core::cmp::Reverse;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use ipnet::Ipv6Net;

use super::kept::KeptCandidate;

/// A load at which a DHP takes no new DHoAs (profile 1, section 4.2).
const FULL: u8 = 255;

/// What one step of load weighs against round-trip time: a DHP that is nearly full loses to one 25 ms further away.
const LOAD_PENALTY_NS: u64 = 100_000;

/// Measured costs that differ by less than this are a tie: round trips vary by as much from packet to packet.
const COST_STEP_NS: u64 = 2_000_000;

/// At most so many candidates are kept for one prefix, and so many prefixes.
const MAX_CANDIDATES: usize = 16;
const MAX_PREFIXES: usize = 512;

/// A DHP that serves a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The DHP.
    pub dhp: Ipv6Addr,
    /// What it covers.
    pub coverage: Ipv6Net,
    /// Higher is better.
    pub preference: u8,
    /// 0 is idle, 255 takes no new DHoAs.
    pub load: u8,
    /// From the DHP to the correspondent and back, as the answer gave it.
    pub path_round_trip_ns: Option<u64>,
    /// From here to the DHP and back, as it was measured.
    pub round_trip_ns: Option<u64>,
}

impl Candidate {
    /// Profile 1, section 2 step 4: "longest coverage prefix first; then measured cost rtt(MN→DHP) + rtt(DHP→CN) +
    /// load penalty; then preference. An already used DHP that covers the CN wins ties, since it saves a binding."
    /// What was not measured comes after what was.
    fn rank(&self, used: bool) -> impl Ord + use<> {
        (
            Reverse(self.coverage.prefix_len()),
            self.cost(),
            !used,
            Reverse(self.preference),
            self.dhp,
        )
    }

    /// In steps of [`COST_STEP_NS`].
    fn cost(&self) -> u64 {
        let cost = self.cost_ns().map(|cost| cost / COST_STEP_NS);
        cost.unwrap_or(u64::MAX)
    }

    /// The way to the correspondent and back, and what the load weighs; `None` until the way to the DHP is measured.
    pub(super) fn cost_ns(&self) -> Option<u64> {
        let load_penalty = u64::from(self.load).saturating_mul(LOAD_PENALTY_NS);
        self.round_trip_ns.map(|round_trip| {
            round_trip
                .saturating_add(self.path_round_trip_ns.unwrap_or(0))
                .saturating_add(load_penalty)
        })
    }

    /// In what this one differs first from one that ranks after it.
    pub(super) fn advantage(&self, after: &Self, used: impl Fn(&Ipv6Addr) -> bool) -> Advantage {
        if self.coverage.prefix_len() != after.coverage.prefix_len() {
            Advantage::Coverage
        } else if self.cost() != after.cost() {
            Advantage::Cost
        } else if used(&self.dhp) != used(&after.dhp) {
            Advantage::InUse
        } else if self.preference != after.preference {
            Advantage::Preference
        } else {
            Advantage::Address
        }
    }
}

/// By what one candidate goes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advantage {
    /// A longer coverage prefix: it is nearer to the correspondent.
    Coverage,
    /// Shorter round trips, less load.
    Cost,
    /// It has given an address already.
    InUse,
    /// A higher preference.
    Preference,
    /// A lower address: something has to decide.
    Address,
}

#[derive(Debug)]
struct Entry {
    candidate: Candidate,
    /// Whether the DHP has told so itself.
    is_own_word: bool,
    expires_ns: u64,
}

/// Candidates by correspondent prefix, each for the lifetime its answer gave.
#[derive(Debug, Default)]
pub(super) struct CandidateCache {
    prefixes: BTreeMap<Ipv6Net, Vec<Entry>>,
}

impl CandidateCache {
    /// Keeps what an answer from `source` named; a DHP that is known already is brought up to date, but what it has told of itself,
    /// as it is and as it was measured, is not replaced by what another has in its directory.
    pub(super) fn learn(
        &mut self,
        correspondent: Ipv6Net,
        candidate: Candidate,
        source: &Ipv6Addr,
        expires_ns: u64,
    ) {
        if !candidate.coverage.contains(&correspondent)
            || (self.prefixes.len() >= MAX_PREFIXES && !self.prefixes.contains_key(&correspondent))
        {
            return;
        }
        let is_own_word = candidate.dhp == *source;
        let known_round_trip = self.round_trip(&candidate.dhp);
        let candidate = Candidate {
            round_trip_ns: candidate.round_trip_ns.or(known_round_trip),
            ..candidate
        };
        let entries = self.prefixes.entry(correspondent).or_default();
        if let Some(entry) = entries
            .iter_mut()
            .find(|entry| entry.candidate.dhp == candidate.dhp)
        {
            entry.expires_ns = expires_ns.max(entry.expires_ns);
            if is_own_word || !entry.is_own_word {
                entry.candidate = candidate;
                entry.is_own_word = is_own_word;
            }
        } else if entries.len() < MAX_CANDIDATES {
            entries.push(Entry {
                candidate,
                is_own_word,
                expires_ns,
            });
        }
    }

    /// Notes a round trip to a DHP wherever it is a candidate.
    pub(super) fn measured(&mut self, dhp: &Ipv6Addr, round_trip_ns: u64) {
        for entry in self.prefixes.values_mut().flatten() {
            if entry.candidate.dhp == *dhp {
                entry.candidate.round_trip_ns = Some(round_trip_ns);
            }
        }
    }

    /// Forgets all round trips: they were measured from another place.
    pub(super) fn forget_round_trips(&mut self) {
        for entry in self.prefixes.values_mut().flatten() {
            entry.candidate.round_trip_ns = None;
        }
    }

    /// What a candidate of a prefix covers.
    pub(super) fn coverage(&self, correspondent: &Ipv6Net, dhp: &Ipv6Addr) -> Option<Ipv6Net> {
        let entries = self.entries(correspondent);
        let mut candidates = entries.iter().map(|entry| entry.candidate);
        candidates
            .find(|candidate| candidate.dhp == *dhp)
            .map(|candidate| candidate.coverage)
    }

    /// Whether somebody was asked for the DHPs of this very prefix.
    pub(super) fn has(&self, correspondent: &Ipv6Net) -> bool {
        self.prefixes.contains_key(correspondent)
    }

    /// What is known for a prefix: what was answered for it, or else whose coverage contains it as answers for other prefixes
    /// have told. Each DHP once, with its longest coverage.
    fn entries(&self, correspondent: &Ipv6Net) -> Vec<&Entry> {
        if let Some(entries) = self.prefixes.get(correspondent) {
            return entries.iter().collect();
        }
        let covering = self.prefixes.values().flatten();
        let covering = covering.filter(|entry| entry.candidate.coverage.contains(correspondent));
        let mut best: BTreeMap<Ipv6Addr, &Entry> = BTreeMap::new();
        for entry in covering {
            let weight = |entry: &Entry| (entry.candidate.coverage.prefix_len(), entry.is_own_word);
            let known = best.entry(entry.candidate.dhp).or_insert(entry);
            if weight(entry) > weight(known) {
                *known = entry;
            }
        }
        best.into_values().take(MAX_CANDIDATES).collect()
    }

    /// What a candidate of a prefix has told of the way from it to the correspondents and back.
    pub(super) fn path_round_trip(&self, correspondent: &Ipv6Net, dhp: &Ipv6Addr) -> Option<u64> {
        let mut entries = self.prefixes.get(correspondent)?.iter();
        entries
            .find(|entry| entry.candidate.dhp == *dhp)
            .and_then(|entry| entry.candidate.path_round_trip_ns)
    }

    fn round_trip(&self, dhp: &Ipv6Addr) -> Option<u64> {
        self.prefixes
            .values()
            .flatten()
            .find(|entry| entry.candidate.dhp == *dhp)
            .and_then(|entry| entry.candidate.round_trip_ns)
    }

    /// Forgets what has outlived its lifetime.
    pub(super) fn expire(&mut self, mono_ns: u64) {
        self.prefixes.retain(|_, entries| {
            entries.retain(|entry| entry.expires_ns > mono_ns);
            !entries.is_empty()
        });
    }

    /// Forgets the candidates of a prefix.
    pub(super) fn forget(&mut self, correspondent: &Ipv6Net) {
        self.prefixes.remove(correspondent);
    }

    /// The candidates of a prefix, best first. `used` tells whether a DHP is an anchor of this node already.
    pub(super) fn ranked(
        &self,
        correspondent: &Ipv6Net,
        used: impl Fn(&Ipv6Addr) -> bool,
    ) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .entries(correspondent)
            .into_iter()
            .map(|entry| entry.candidate)
            .filter(|candidate| candidate.load < FULL || used(&candidate.dhp))
            .collect();
        candidates.sort_by_key(|candidate| candidate.rank(used(&candidate.dhp)));
        candidates
    }

    /// All candidates as they outlive a restart.
    pub(super) fn kept(&self) -> impl Iterator<Item = KeptCandidate> {
        let entries = self.prefixes.iter();
        let entries =
            entries.flat_map(|(prefix, entries)| entries.iter().map(move |one| (prefix, one)));
        entries.map(|(prefix, entry)| KeptCandidate {
            correspondent: *prefix,
            candidate: Candidate {
                round_trip_ns: None,
                ..entry.candidate
            },
            is_own_word: entry.is_own_word,
            expires_ns: entry.expires_ns,
        })
    }

    /// All prefixes with their candidates, for display.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv6Net, Vec<Candidate>)> {
        self.prefixes.iter().map(|(prefix, entries)| {
            (
                *prefix,
                entries.iter().map(|entry| entry.candidate).collect(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().expect("a prefix")
    }

    fn candidate(last: u16, coverage: &str, round_trip_ms: Option<u64>) -> Candidate {
        Candidate {
            dhp: Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, last),
            coverage: net(coverage),
            preference: 100,
            load: 0,
            path_round_trip_ns: None,
            round_trip_ns: round_trip_ms.map(|ms| ms * 1_000_000),
        }
    }

    fn order(candidates: &[Candidate], used: Option<u16>) -> Vec<u16> {
        let cn = net("2001:db8:c:1::/64");
        let mut cache = CandidateCache::default();
        for candidate in candidates {
            cache.learn(cn, *candidate, &candidate.dhp, 1000);
        }
        cache
            .ranked(&cn, |dhp| Some(dhp.segments()[7]) == used)
            .iter()
            .map(|candidate| candidate.dhp.segments()[7])
            .collect()
    }

    #[test]
    fn coverage_then_cost_then_the_used_one_then_preference() {
        let wide = candidate(1, "2001:db8::/32", Some(1));
        let far = candidate(2, "2001:db8:c::/48", Some(40));
        let near = candidate(3, "2001:db8:c::/48", Some(8));
        let unmeasured = candidate(4, "2001:db8:c::/48", None);
        assert_eq!(order(&[wide, unmeasured, far, near], None), [3, 2, 4, 1]);

        let tie = Candidate {
            round_trip_ns: Some(8_500_000),
            preference: 200,
            ..candidate(5, "2001:db8:c::/48", None)
        };
        assert_eq!(order(&[near, tie], None), [5, 3]);
        assert_eq!(order(&[near, tie], Some(3)), [3, 5]);
    }

    #[test]
    fn load_and_the_path_beyond_count_and_a_full_dhp_serves_only_who_has_it() {
        let near = candidate(3, "2001:db8:c::/48", Some(8));
        let busy = Candidate { load: 254, ..near };
        let further = candidate(2, "2001:db8:c::/48", Some(20));
        assert_eq!(order(&[busy, further], None), [2, 3]);
        let long_way = Candidate {
            path_round_trip_ns: Some(30_000_000),
            ..near
        };
        assert_eq!(order(&[long_way, further], None), [2, 3]);
        let full = Candidate { load: 255, ..near };
        assert_eq!(order(&[full], None), Vec::<u16>::new());
        assert_eq!(order(&[full], Some(3)), [3]);
    }

    #[test]
    fn what_does_not_cover_the_correspondent_or_is_too_old_is_no_candidate() {
        let cn = net("2001:db8:c:1::/64");
        let mut cache = CandidateCache::default();
        let elsewhere = candidate(1, "2001:db8:e::/48", Some(1));
        cache.learn(cn, elsewhere, &elsewhere.dhp, 1000);
        assert!(cache.ranked(&cn, |_| false).is_empty());
        let near = candidate(1, "2001:db8:c::/48", Some(1));
        cache.learn(cn, near, &near.dhp, 1000);
        cache.expire(999);
        assert_eq!(cache.ranked(&cn, |_| false).len(), 1);
        cache.expire(1000);
        assert!(cache.ranked(&cn, |_| false).is_empty());
    }

    #[test]
    fn what_a_dhp_tells_of_itself_counts_more_than_what_others_tell() {
        let cn = net("2001:db8:c:1::/64");
        let locator = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
        let heard = candidate(1, "2001:db8:c::/48", None);
        let told = Candidate {
            load: 20,
            path_round_trip_ns: Some(700_000),
            ..heard
        };
        let kept = |words: &[(Candidate, Ipv6Addr)]| {
            let mut cache = CandidateCache::default();
            for (candidate, source) in words {
                cache.learn(cn, *candidate, source, 1000);
            }
            cache.ranked(&cn, |_| false)[0]
        };
        assert_eq!(kept(&[(heard, locator)]), heard);
        assert_eq!(kept(&[(heard, locator), (told, told.dhp)]), told);
        assert_eq!(kept(&[(told, told.dhp), (heard, locator)]), told);
        let changed = Candidate { load: 90, ..told };
        assert_eq!(kept(&[(told, told.dhp), (changed, told.dhp)]), changed);
    }
}
