//! The care-of addresses of a home address that has several, by Binding Identification number (RFC 5648, RFC 6089 §4.1).

use core::net::Ipv6Addr;

use super::care_of_test::UnderTest;
use crate::time::Now;

/// A care-of address with a Binding Identification number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CareOfAddress {
    /// BID, not 0.
    pub bid: u16,
    /// BID-PRI: the lower goes first. 0 is that of a mobile node that knows RFC 5648 alone, and goes last.
    pub priority: u8,
    /// The address.
    pub address: Ipv6Addr,
    /// When it ends by itself, in nanoseconds of [`Now::mono_ns`]; `None` for never.
    pub expires_ns: Option<u64>,
    /// Whether it is being tested.
    pub test: Option<UnderTest>,
}

impl CareOfAddress {
    /// "BIDs with the same BID-PRI value have equal priority meaning that, the BID used is an implementation issue"
    /// (RFC 6089 §4.1): the lower BID here.
    fn rank(&self) -> (u8, u16) {
        let priority = match self.priority {
            0 => u8::MAX,
            priority => priority,
        };
        (priority, self.bid)
    }

    /// Whether its lifetime has passed.
    pub(crate) fn has_expired(&self, now: Now) -> bool {
        self.expires_ns.is_some_and(|at| at <= now.mono_ns)
    }
}

/// The care-of address of a BID.
pub(crate) fn find(care_ofs: &[CareOfAddress], bid: u16) -> Option<&CareOfAddress> {
    care_ofs.iter().find(|care_of| care_of.bid == bid)
}

/// RFC 6089 §5.3.6: what matches no flow binding "SHOULD be forwarded to the highest order care-of address, i.e., the one
/// associated with the BID with the lowest BID-PRI".
pub(crate) fn first_choice(care_ofs: &[CareOfAddress]) -> Option<&CareOfAddress> {
    care_ofs.iter().min_by_key(|care_of| care_of.rank())
}

/// When the first of them ends; `None` for never.
pub(crate) fn first_end(care_ofs: &[CareOfAddress]) -> Option<u64> {
    care_ofs
        .iter()
        .filter_map(|care_of| care_of.expires_ns)
        .min()
}

/// When the last of them has ended, and the binding with it; `None` for never.
pub(crate) fn last_end(care_ofs: &[CareOfAddress]) -> Option<u64> {
    let ends = care_ofs.iter().map(|care_of| care_of.expires_ns);
    ends.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn care_of(bid: u16, priority: u8, expires_ns: Option<u64>) -> CareOfAddress {
        CareOfAddress {
            bid,
            priority,
            address: Ipv6Addr::LOCALHOST,
            expires_ns,
            test: None,
        }
    }

    #[test]
    fn the_lowest_priority_goes_first_and_none_last() {
        let first = |list: &[CareOfAddress]| first_choice(list).map(|care_of| care_of.bid);
        let [a, b, c] = [(1, 30), (2, 20), (3, 0)].map(|(bid, pri)| care_of(bid, pri, None));
        assert_eq!(first(&[a, b, c]), Some(2));
        assert_eq!(first(&[c, a]), Some(1));
        assert_eq!(first(&[care_of(9, 20, None), b]), Some(2), "the lower BID");
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn a_binding_ends_with_its_last_care_of_address() {
        let [a, b, c] = [(1, Some(5)), (2, Some(9)), (3, None)].map(|(n, at)| care_of(n, 1, at));
        assert_eq!((first_end(&[a, b]), last_end(&[a, b])), (Some(5), Some(9)));
        assert_eq!((first_end(&[a, c]), last_end(&[a, c])), (Some(5), None));
    }
}
