//! DHPs that the subscription names: they need not be found, and are asked for an address while it is still being found out whether
//! another one is nearer.

use core::cmp::Reverse;
use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::need::FlowKey;
use crate::time::Now;

/// A DHP of the subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionedDhp {
    /// Its address, which its key is derived from.
    pub address: Ipv6Addr,
    /// What it covers; empty: that is not known, and it may cover anything.
    pub covers: Vec<Ipv6Net>,
}

impl ProvisionedDhp {
    /// The longest prefix that it covers of those with the correspondents in them.
    fn coverage(&self, correspondent: &Ipv6Net) -> Option<Ipv6Net> {
        let covering = self.covers.iter();
        let covering = covering.filter(|prefix| prefix.contains(correspondent));
        covering.copied().max_by_key(Ipv6Net::prefix_len)
    }
}

impl MobileNode {
    /// Takes the DHPs of the subscription, in place of those of before.
    pub fn provision(&mut self, dhps: Vec<ProvisionedDhp>) {
        self.provisioned = dhps;
    }

    fn provisioned(&self, dhp: &Ipv6Addr) -> Option<&ProvisionedDhp> {
        let mut provisioned = self.provisioned.iter();
        provisioned.find(|named| named.address == *dhp)
    }

    /// The length of the prefix by which the subscription has a DHP serve a flow's correspondents: 0 where it may cover anything.
    /// `None`: it says nothing of them.
    pub(super) fn promised(&self, key: &FlowKey, dhp: &Ipv6Addr) -> Option<u8> {
        let named = self.provisioned(dhp)?;
        let coverage = named.coverage(&key.correspondent);
        let length = coverage.map(|coverage| coverage.prefix_len());
        length.or_else(|| named.covers.is_empty().then_some(0))
    }

    /// What a DHP covers of a flow's correspondents: as was told, or as the subscription says.
    pub(super) fn coverage_of(&self, key: &FlowKey, dhp: &Ipv6Addr) -> Option<Ipv6Net> {
        let told = self.candidates.coverage(&key.correspondent, dhp);
        told.or_else(|| self.provisioned(dhp)?.coverage(&key.correspondent))
    }

    /// Gives a flow the address that this node has at a DHP whose coverage the subscription tells. False if there is none.
    pub(super) fn share_provisioned(&mut self, now: Now, key: FlowKey) -> bool {
        let covering = self.provisioned.iter().filter_map(|named| {
            let coverage = named.coverage(&key.correspondent)?;
            Some((Reverse(coverage.prefix_len()), named.address))
        });
        let mut covering: Vec<_> = covering.collect();
        covering.sort_unstable();
        covering
            .into_iter()
            .any(|(_, dhp)| !self.is_silent(&dhp) && self.share_address(now, key, dhp))
    }
}
