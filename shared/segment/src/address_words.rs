//! An IPv6 address as the tables and the workers' fast path handle it.

/// An IPv6 address as two words whose octets stand as they do in a packet: two loads read it, and two stores write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressWords(pub [u64; 2]);

impl AddressWords {
    /// The first octet, which tells special addresses from others.
    #[must_use]
    #[inline(always)]
    pub const fn first_octet(self) -> u8 {
        self.0[0].to_ne_bytes()[0]
    }

    /// The words of the address at these octets of a packet.
    #[must_use]
    #[inline(always)]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ])
    }

    /// The address as octets.
    #[must_use]
    #[inline(always)]
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.0[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}

impl From<[u8; 16]> for AddressWords {
    #[inline(always)]
    fn from(octets: [u8; 16]) -> Self {
        Self::from_octets(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_stay_where_they_are() {
        let octets: [u8; 16] = core::array::from_fn(|n| n as u8 + 0x20);
        let words = AddressWords::from(octets);
        assert_eq!(words.octets(), octets);
        assert_eq!(words.first_octet(), 0x20);
        assert_eq!(words.0[1].to_ne_bytes(), octets[8..]);
    }
}
