//! Lists of home agents' addresses, as Home Agent Switch and Home Agent Address Discovery Reply carry them.

use core::fmt;
use core::net::Ipv6Addr;

/// IPv6 addresses one behind the other, where they stand.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Addresses<'a>(&'a [[u8; 16]]);

impl<'a> Addresses<'a> {
    /// Of addresses in network byte order.
    #[must_use]
    pub const fn new(addresses: &'a [[u8; 16]]) -> Self {
        Self(addresses)
    }

    /// As many whole addresses as the octets have.
    #[must_use]
    pub(crate) fn of_octets(octets: &'a [u8]) -> Self {
        Self(octets.as_chunks::<16>().0)
    }

    /// The addresses in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Ipv6Addr> + 'a {
        self.0.iter().map(|address| Ipv6Addr::from(*address))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
