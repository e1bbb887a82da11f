//! Known DHPs, and those of the subscription, are asked for an address while it is still being found out which DHP covers a
//! correspondent.
//!
//! A DHP that does not cover it says so (status 192) and gives no address away; one that does has saved a round trip.

use core::cmp::Reverse;
use core::net::Ipv6Addr;
use std::collections::BTreeSet;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::exchange::Reason;
use super::need::FlowKey;
use crate::time::Now;

/// DHPs that are asked at once.
const MOST: usize = 2;

/// Leading bits that a correspondent has in common with those that a DHP serves. Registries give networks /32s out of blocks of
/// the region's, so one that differs in fewer is somewhere else.
const PLAUSIBLE_BITS: u8 = 24;

/// Wrong guesses in a row after which a DHP is not asked any more, until it has given an address again.
const MOST_MISSES: u8 = 3;

impl MobileNode {
    /// Asks the DHPs that most plausibly cover a flow's correspondents.
    pub(super) fn guess(&mut self, now: Now, key: FlowKey) {
        // Without somebody who waits, the answers to the queries are early enough.
        let flow = self.flows.get(&key);
        if flow.is_none_or(|flow| flow.demanded_ns.is_none()) {
            return;
        }
        for dhp in self.plausible(&key) {
            self.send_request(now, key, dhp, Reason::Guess);
        }
    }

    /// The DHPs that would be asked for an address for a new flow before anybody has said that they cover its correspondents, the most
    /// plausible first.
    #[must_use]
    pub fn plausible(&self, key: &FlowKey) -> Vec<Ipv6Addr> {
        let may_share = self.may_share(key);
        let provisioned = self.provisioned.iter().map(|named| named.address);
        let known: BTreeSet<Ipv6Addr> = self.anchors.keys().copied().chain(provisioned).collect();
        let mut plausible: Vec<_> = known
            .into_iter()
            // Where there is an address to be shared already, the answer to the query is all that is needed.
            .filter(|dhp| !may_share || !self.has_dhoa(dhp))
            .filter_map(|dhp| {
                let bits = self.plausibility(key, &dhp)?;
                let anchor = self.anchors.get(&dhp);
                let distance = anchor.and_then(|anchor| anchor.round_trip_ns);
                Some((Reverse(bits), distance.unwrap_or(u64::MAX), dhp))
            })
            .collect();
        plausible.sort();
        plausible.truncate(MOST);
        plausible.into_iter().map(|(_, _, dhp)| dhp).collect()
    }

    /// How many leading bits a DHP's correspondents have in common with a flow's; `None`: it is not worth a message. What the
    /// subscription says is not taken back by answers about others.
    fn plausibility(&self, key: &FlowKey, dhp: &Ipv6Addr) -> Option<u8> {
        if self.is_silent(dhp) {
            return None;
        }
        let promised = self.promised(key, dhp);
        promised.or_else(|| {
            let anchor = self.anchors.get(dhp)?;
            let bits = common_bits(&anchor.serves?, &key.correspondent);
            let is_promising = anchor.verified && anchor.misses < MOST_MISSES;
            (is_promising && bits >= PLAUSIBLE_BITS).then_some(bits)
        })
    }

    /// A DHP that was asked beside the flow's way to an address has none for it.
    pub(super) fn asked_in_vain(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr) {
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        if flow.challenger == Some(dhp) {
            flow.forget_rivals();
            flow.tried.push(dhp);
            return;
        }
        if let Some(anchor) = self.anchors.get_mut(&dhp) {
            anchor.misses = anchor.misses.saturating_add(1);
        }
        self.query_over(now, key);
    }
}

/// Leading bits that two prefixes have in common.
fn common_bits(one: &Ipv6Net, other: &Ipv6Net) -> u8 {
    let different = u128::from(one.network()) ^ u128::from(other.network());
    let same = u8::try_from(different.leading_zeros()).unwrap_or(u8::MAX);
    same.min(one.prefix_len()).min(other.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_so_many_bits_in_common() {
        let bits = |one: &str, other: &str| {
            common_bits(
                &one.parse().expect("a prefix"),
                &other.parse().expect("a prefix"),
            )
        };
        assert_eq!(bits("2001:db8:c::/48", "2001:db8:c:1::/64"), 48);
        assert_eq!(bits("2001:db8:c:1::/64", "2001:db8:d:1::/64"), 47);
        assert_eq!(bits("2001:db8::/32", "2a00::/64"), 4);
        assert_eq!(bits("::/0", "2001:db8::/32"), 0);
    }
}
