//! Addresses with a meaning of their own.

use core::net::Ipv6Addr;

/// The interface identifier of the Mobile IPv6 home-agents anycast address (RFC 2526 §2: identifier 126 in a /64).
const HOME_AGENTS_IDENTIFIER: u64 = 0xfdff_ffff_ffff_fffe;

/// A unicast address that routers forward to: neither unspecified, loopback, multicast nor link-local, and not one
/// of `::/96` and `::ffff:0:0/96`, which stand for IPv4 addresses and never on a link.
///
/// RFC 6275 §6.1.7: "The care-of address MUST be a unicast routable address."
#[inline]
#[must_use]
pub fn is_unicast_routable(address: &Ipv6Addr) -> bool {
    let bits = u128::from(*address);
    let stands_for_ipv4 = bits >> 32 == 0 || bits >> 32 == 0xffff;
    !address.is_multicast() && !address.is_unicast_link_local() && !stands_for_ipv4
}

/// The Mobile IPv6 home-agents anycast address of the /64 that an address lies in (RFC 2526, RFC 6275 §10.5.1).
#[inline]
#[must_use]
pub fn home_agents_anycast(prefix64: &Ipv6Addr) -> Ipv6Addr {
    let prefix = u128::from(*prefix64) >> 64 << 64;
    Ipv6Addr::from(prefix | u128::from(HOME_AGENTS_IDENTIFIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routable() {
        for yes in [
            "2001:db8::1",
            "fd00::1",
            "fec0::1",
            "2001:db8:c:0:fdff:ffff:ffff:fffe",
            "::1:0:0:1",
        ] {
            assert!(is_unicast_routable(&yes.parse().unwrap()), "{yes}");
        }
        for no in [
            "::",
            "::1",
            "ff02::1",
            "ff0e::1",
            "fe80::1",
            "febf::1",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
        ] {
            assert!(!is_unicast_routable(&no.parse().unwrap()), "{no}");
        }
    }

    #[test]
    fn anycast() {
        let of = home_agents_anycast(&"2001:db8:c::80".parse().unwrap());
        assert_eq!(
            of,
            "2001:db8:c:0:fdff:ffff:ffff:fffe"
                .parse::<Ipv6Addr>()
                .unwrap()
        );
    }
}
