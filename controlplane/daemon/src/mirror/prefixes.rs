//! Longest-prefix match for the control plane

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use prefix_trie::PrefixMap;

/// A map from prefixes to values. What each operation takes grows with the prefix length, not with the number of prefixes.
#[derive(Clone)]
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
    /// Sets the value of a prefix, of which only the network part counts.
    pub fn insert(&mut self, prefix: Ipv6Net, value: T) {
        self.prefixes.insert(prefix.trunc(), value);
    }

    /// Takes a prefix out.
    pub fn remove(&mut self, prefix: Ipv6Net) {
        self.prefixes.remove(&prefix.trunc());
    }

    /// The value of the longest prefix that contains the address.
    pub fn lookup(&self, address: Ipv6Addr) -> Option<&T> {
        let (_, value) = self.prefixes.get_lpm(&Ipv6Net::from(address))?;
        Some(value)
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
        table.remove("2001:db8::/32".parse().expect("a prefix"));
        let lookup = |address: &str| table.lookup(address.parse().expect("an address")).copied();
        assert_eq!(lookup("2001:db8::1"), Some(128));
        assert_eq!(lookup("2001:db8::2"), Some(0));
        assert_eq!(
            LongestPrefix::<()>::default().lookup(Ipv6Addr::LOCALHOST),
            None
        );
    }
}
