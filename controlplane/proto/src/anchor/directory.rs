//! Which DHPs cover a correspondent.
//!
//! A Directory is made of a configuration, as a whole: whatever else may tell of DHPs one day makes entries of what it is told.

use core::cmp::Reverse;
use core::net::Ipv6Addr;
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

use dhp_wire::mobility::MobilityOption;
use hashbrown::HashSet;
use ipnet::Ipv6Net;

use super::config::{AnchorConfig, DirectoryEntry};

/// The DHP directory, by coverage prefix.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Of each prefix best first, so that an answer needs to look at no more of them than it names.
    entries: BTreeMap<Ipv6Net, Vec<DirectoryEntry>>,
    /// Prefix lengths that occur, longest first.
    lengths: Vec<u8>,
}

impl Directory {
    pub(crate) fn new(entries: impl IntoIterator<Item = DirectoryEntry>) -> Self {
        let mut directory = Self::default();
        let mut known = HashSet::new();
        for entry in entries {
            let prefix = entry.prefix.trunc();
            if known.insert((prefix, entry.dhp)) {
                let at = directory.entries.entry(prefix).or_default();
                at.push(DirectoryEntry { prefix, ..entry });
            }
        }
        for at in directory.entries.values_mut() {
            sort_best_first(at);
        }
        let lengths = directory.entries.keys().map(Ipv6Net::prefix_len);
        let lengths: BTreeSet<u8> = lengths.collect();
        directory.lengths = lengths.into_iter().rev().collect();
        directory
    }

    /// What an anchor with this configuration covers itself.
    pub(crate) fn of_own_coverage(config: &AnchorConfig) -> Self {
        let own = config
            .coverage
            .iter()
            .filter(|_| config.roles.dhp)
            .map(|prefix| DirectoryEntry {
                dhp: config.address,
                prefix: *prefix,
                preference: config.preference,
                load: 0,
                path_rtt_us: 0,
            });
        Self::new(own)
    }

    /// What others cover, as far as an anchor with this configuration tells of it.
    pub(crate) fn of_others(config: &AnchorConfig) -> Self {
        let others = config
            .directory
            .iter()
            .filter(|entry| config.roles.locator && entry.dhp != config.address);
        Self::new(others.copied())
    }

    /// The entries whose prefix contains `correspondent`, best first.
    pub(crate) fn covering(
        &self,
        correspondent: &Ipv6Net,
    ) -> impl Iterator<Item = &DirectoryEntry> {
        let (address, length) = (correspondent.addr(), correspondent.prefix_len());
        self.lengths
            .iter()
            .filter(move |at| **at <= length)
            .filter_map(move |at| Ipv6Net::new(address, *at).ok())
            .filter_map(|prefix| self.entries.get(&prefix.trunc()))
            .flatten()
    }

    /// The entries in the order of their prefixes, those of one prefix best first: all, or those behind one that there was.
    pub(crate) fn after(
        &self,
        after: Option<(Ipv6Net, Ipv6Addr)>,
    ) -> impl Iterator<Item = &DirectoryEntry> {
        let rest_of_prefix = after.and_then(|(prefix, dhp)| {
            let at = self.entries.get(&prefix)?;
            let place = at.iter().position(|entry| entry.dhp == dhp)?;
            at.get(place.saturating_add(1)..)
        });
        let from = after.map_or(Bound::Unbounded, |(prefix, _)| Bound::Excluded(prefix));
        let further = self.entries.range((from, Bound::Unbounded));
        let further = further.flat_map(|(_, at)| at);
        rest_of_prefix.into_iter().flatten().chain(further)
    }

    /// Whether any entry's prefix contains `link`, or lies in it.
    pub(crate) fn touches(&self, link: &Ipv6Net) -> bool {
        // Prefixes within another come right behind it.
        let mut further = self.entries.range(*link..);
        let is_within = further.next().is_some_and(|(at, _)| link.contains(at));
        is_within || self.covers(link)
    }

    /// Whether there are entries of this very prefix.
    pub(crate) fn contains(&self, prefix: &Ipv6Net) -> bool {
        self.entries.contains_key(prefix)
    }

    /// Whether any entry's prefix contains `correspondent`.
    pub(crate) fn covers(&self, correspondent: &Ipv6Net) -> bool {
        self.covering(correspondent).next().is_some()
    }
}

/// Sorts candidates. DMIPv6 profile 1, section 4.1: "**Best first** in a Reply: longest coverage prefix, higher
/// preference, smaller path RTT (unknown last), lower load, lower address."
pub(crate) fn sort_best_first(candidates: &mut [DirectoryEntry]) {
    candidates.sort_unstable_by_key(|entry| {
        let rtt = if entry.path_rtt_us == 0 {
            u64::from(u32::MAX) + 1
        } else {
            u64::from(entry.path_rtt_us)
        };
        (
            Reverse(entry.prefix.prefix_len()),
            Reverse(entry.preference),
            rtt,
            entry.load,
            entry.dhp,
        )
    });
}

/// The prefix of a Correspondent option, host bits ignored.
pub(crate) fn correspondent_prefix(prefix_len: u8, address: Ipv6Addr) -> Option<Ipv6Net> {
    Ipv6Net::new(address, prefix_len)
        .ok()
        .map(|prefix| prefix.trunc())
}

/// The DHP Information option of a candidate.
pub(crate) fn information(entry: &DirectoryEntry) -> MobilityOption<'static> {
    MobilityOption::DhpInformation {
        preference: entry.preference,
        load: entry.load,
        prefix_len: entry.prefix.prefix_len(),
        address: entry.dhp,
        prefix: entry.prefix.network(),
        path_rtt_us: entry.path_rtt_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dhp: u16, prefix: &str, preference: u8, path_rtt_us: u32, load: u8) -> DirectoryEntry {
        let dhp = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, dhp);
        DirectoryEntry {
            dhp,
            prefix: prefix.parse().unwrap(),
            preference,
            load,
            path_rtt_us,
        }
    }

    #[test]
    fn best_first_follows_the_order_of_the_profile() {
        let best_first = [
            entry(9, "2001:db8:c::/48", 1, 0, 255),
            entry(8, "2001:db8::/32", 9, 100, 9),
            entry(7, "2001:db8::/32", 9, 0, 0),
            entry(6, "2001:db8::/32", 8, 50, 9),
            entry(5, "2001:db8::/32", 8, 60, 1),
            entry(3, "2001:db8::/32", 8, 60, 2),
            entry(4, "2001:db8::/32", 8, 60, 2),
        ];
        let mut candidates = best_first;
        candidates.reverse();
        sort_best_first(&mut candidates);
        assert_eq!(candidates, best_first);
    }

    #[test]
    fn coverage_must_contain_the_whole_correspondent_prefix() {
        let directory = Directory::new([
            entry(1, "2001:db8:c::/48", 1, 0, 0),
            entry(2, "2001:db8::/32", 1, 0, 0),
        ]);
        let found = |text: &str| {
            directory
                .covering(&text.parse().unwrap())
                .map(|e| e.dhp.segments()[7])
                .collect::<Vec<_>>()
        };
        assert_eq!(found("2001:db8:c::80/128"), [1, 2]);
        assert_eq!(found("2001:db8:c::/48"), [1, 2]);
        assert_eq!(found("2001:db8:c::/47"), [2]);
        assert_eq!(found("2001:db9::1/128"), []);
    }

    #[test]
    fn a_link_is_touched_by_what_contains_it_and_by_what_lies_in_it() {
        let directory = Directory::new([
            entry(1, "2001:db8:c::/48", 1, 0, 0),
            entry(2, "2001:db8:d:1:80::/80", 1, 0, 0),
        ]);
        let touches = |text: &str| directory.touches(&text.parse().unwrap());
        assert!(touches("2001:db8:c:7::/64") && touches("2001:db8:d:1::/64"));
        assert!(!touches("2001:db8:d::/64") && !touches("2001:db8:d:2::/64"));
        assert!(!touches("2001:db8:b:ffff::/64"));
    }

    #[test]
    fn an_entry_that_stands_twice_counts_once() {
        let twice = [
            entry(1, "2001:db8:c::/48", 5, 0, 0),
            entry(1, "2001:db8:c::1/48", 1, 0, 0),
        ];
        assert_eq!(
            Directory::new(twice)
                .covering(&"2001:db8:c::1/128".parse().unwrap())
                .count(),
            1
        );
    }
}
