//! Longest-prefix match for the control plane

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use prefix_trie::PrefixMap;

/// A map from prefixes to values. What each operation takes grows with the prefix length, not with the number of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongestPrefix<T> {
    prefixes: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for LongestPrefix<T> {
    fn default() -> Self {
        Self {
            prefixes: PrefixMap::new(),
        }
    }
}

impl<T> LongestPrefix<T> {
    /// Sets the value of a prefix, of which only the network part counts. Gives the one before.
    pub fn insert(&mut self, prefix: Ipv6Net, value: T) -> Option<T> {
        self.prefixes.insert(prefix.trunc(), value)
    }

    /// Takes a prefix out.
    pub fn remove(&mut self, prefix: Ipv6Net) -> Option<T> {
        self.prefixes.remove(&prefix.trunc())
    }

    /// The value of exactly this prefix.
    pub fn get(&self, prefix: Ipv6Net) -> Option<&T> {
        self.prefixes.get(&prefix.trunc())
    }

    /// The value of the longest prefix that contains the address.
    pub fn lookup(&self, address: Ipv6Addr) -> Option<&T> {
        let (_, value) = self.prefixes.get_lpm(&Ipv6Net::from(address))?;
        Some(value)
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// All prefixes in their order: by address, the shorter first.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv6Net, &T)> {
        self.prefixes.iter()
    }

    /// Those behind `after` in their order, or all.
    pub fn iter_after(&self, after: Option<Ipv6Net>) -> impl Iterator<Item = (Ipv6Net, &T)> {
        match after {
            Some(prefix) => self.prefixes.iter_from(&prefix.trunc(), false),
            None => self.prefixes.iter(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let mut table = LongestPrefix::default();
        for (prefix, value) in [("::/0", 0), ("2001:db8::/32", 32), ("2001:db8::1/128", 128)] {
            table.insert(prefix.parse().expect("a prefix"), value);
        }
        let lookup = |address: &str| table.lookup(address.parse().expect("an address")).copied();
        assert_eq!(lookup("2001:db8::1"), Some(128));
        assert_eq!(lookup("2001:db8::2"), Some(32));
        assert_eq!(lookup("2001:db9::1"), Some(0));
        let behind: Vec<i32> = table
            .iter_after("2001:db8::/32".parse().ok())
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(behind, [128]);
        assert_eq!(
            table.remove("2001:db8::/32".parse().expect("a prefix")),
            Some(32)
        );
        let lookup = |address: &str| table.lookup(address.parse().expect("an address")).copied();
        assert_eq!(lookup("2001:db8::1"), Some(128));
        assert_eq!(lookup("2001:db8::2"), Some(0));
        assert_eq!((table.len(), table.is_empty()), (2, false));
        assert_eq!(
            LongestPrefix::<()>::default().lookup(Ipv6Addr::LOCALHOST),
            None
        );
    }
}
