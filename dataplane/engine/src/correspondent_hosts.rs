//! The hosts behind the box that it is a correspondent node on behalf of

use ipnet::Ipv6Net;

/// Their prefixes, as configured: a few, so that each packet in transit can be held against all of them.
#[derive(Debug, Default)]
pub(crate) struct CorrespondentHosts {
    /// Network and mask of each.
    prefixes: Box<[(u128, u128)]>,
}

impl CorrespondentHosts {
    pub(crate) fn new(prefixes: &[Ipv6Net]) -> Self {
        let bits = |prefix: &Ipv6Net| (prefix.network().to_bits(), prefix.netmask().to_bits());
        Self {
            prefixes: prefixes.iter().map(bits).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Whether this is the address of one of them.
    #[inline]
    pub(crate) fn contains(&self, address: &[u8; 16]) -> bool {
        let address = u128::from_be_bytes(*address);
        let mut prefixes = self.prefixes.iter();
        prefixes.any(|(network, mask)| address & mask == *network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_one_of_the_prefixes_or_in_none() {
        let prefixes = ["2001:db8:cc::/64", "2001:db8:cd::7/128"].map(|text| text.parse().unwrap());
        let hosts = CorrespondentHosts::new(&prefixes);
        let contains = |text: &str| {
            let address: std::net::Ipv6Addr = text.parse().unwrap();
            hosts.contains(&address.octets())
        };
        assert!(contains("2001:db8:cc::1") && contains("2001:db8:cd::7"));
        assert!(!contains("2001:db8:cc:1::1") && !contains("2001:db8:cd::8"));
        assert!(CorrespondentHosts::default().is_empty() && !hosts.is_empty());
    }
}
