//! Names of correspondents, and the addresses that they have.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

/// Addresses of names that are remembered at once; those that would end first make room.
const MAX_ADDRESSES: usize = 1024;

/// A domain: itself, and all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSuffix(String);

impl NameSuffix {
    /// A domain in presentation format, with or without the dot at its end. `None` if it is no domain name: labels of 1 to 63 of
    /// letters, digits, "-" and "_", 253 octets at most (RFC 1035 §2.3.4).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        };
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        is_name.then(|| Self(name.to_ascii_lowercase()))
    }

    /// The domain, in lower case and without the dot at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is the domain or below it (RFC 4343: letter case counts for nothing).
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let Some(start) = name.len().checked_sub(self.0.len()) else {
            return false;
        };
        let (before, end) = name.as_bytes().split_at(start);
        end.eq_ignore_ascii_case(self.0.as_bytes()) && before.last().is_none_or(|dot| *dot == b'.')
    }
}

/// The addresses that names were seen to have, by the rules about the names.
#[derive(Debug, Clone, Default)]
pub struct NamedAddresses {
    expiries: BTreeMap<(usize, Ipv6Addr), u64>,
}

impl NamedAddresses {
    pub(super) fn learn(&mut self, position: usize, address: Ipv6Addr, expires_ns: u64) {
        let key = (position, address);
        if self.expiries.len() >= MAX_ADDRESSES && !self.expiries.contains_key(&key) {
            let first = self.expiries.iter().min_by_key(|(_, expires)| **expires);
            if let Some(first) = first.map(|(key, _)| *key) {
                self.expiries.remove(&first);
            }
        }
        let expires = self.expiries.entry(key).or_default();
        *expires = expires_ns.max(*expires);
    }

    pub(super) fn contains(&self, position: usize, address: &Ipv6Addr) -> bool {
        self.expiries.contains_key(&(position, *address))
    }

    /// The addresses for the rule at a position.
    pub fn of_rule(&self, position: usize) -> impl Iterator<Item = Ipv6Addr> {
        let unspecified = Ipv6Addr::UNSPECIFIED;
        self.expiries
            .range((position, unspecified)..)
            .take_while(move |((of, _), _)| *of == position)
            .map(|((_, address), _)| *address)
    }

    /// Forgets what has ended. True if there was anything.
    pub fn expire(&mut self, now_ns: u64) -> bool {
        let before = self.expiries.len();
        self.expiries.retain(|_, expires_ns| *expires_ns > now_ns);
        self.expiries.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_ends_at_a_label() {
        let suffix = NameSuffix::new("Example.net.").expect("a name");
        for name in ["example.net", "a.b.EXAMPLE.net.", "www.example.net"] {
            assert!(suffix.takes(name), "{name}");
        }
        for name in ["badexample.net", "net", "", "example.net.org"] {
            assert!(!suffix.takes(name), "{name}");
        }
        for wrong in [
            "",
            ".",
            "a..b",
            "käse.example",
            "*.example",
            &"a".repeat(64),
        ] {
            assert!(NameSuffix::new(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn so_many_addresses_are_kept_and_the_first_to_end_makes_room() {
        let mut names = NamedAddresses::default();
        for number in 0..=MAX_ADDRESSES as u64 {
            names.learn(7, Ipv6Addr::from(u128::from(number)), 100 + number);
        }
        assert_eq!(names.of_rule(7).count(), MAX_ADDRESSES);
        assert!(!names.contains(7, &Ipv6Addr::UNSPECIFIED));
        assert_eq!(names.of_rule(6).count() + names.of_rule(8).count(), 0);
        assert!(names.expire(200));
        assert_eq!(names.of_rule(7).count(), MAX_ADDRESSES - 100);
    }
}
