//! Longest-prefix match for the control plane

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// A map from prefixes to values: one hash table for each prefix length in use, asked from the longest.
#[derive(Clone, Debug)]
pub struct LongestPrefix<T> {
    by_length: BTreeMap<u8, HashMap<Ipv6Addr, T>>,
}

impl<T> Default for LongestPrefix<T> {
    fn default() -> Self {
        Self {
            by_length: BTreeMap::new(),
        }
    }
}

impl<T> LongestPrefix<T> {
    /// Sets the value of a prefix.
    pub fn insert(&mut self, prefix: Ipv6Net, value: T) {
        let same_length = self.by_length.entry(prefix.prefix_len()).or_default();
        same_length.insert(prefix.network(), value);
    }

    /// The value of the longest prefix that contains the address.
    pub fn lookup(&self, address: Ipv6Addr) -> Option<&T> {
        self.by_length
            .iter()
            .rev()
            .find_map(|(length, same_length)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
                same_length.get(&Ipv6Addr::from_bits(address.to_bits() & mask))
            })
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
        assert_eq!(
            LongestPrefix::<()>::default().lookup(Ipv6Addr::LOCALHOST),
            None
        );
    }
}
