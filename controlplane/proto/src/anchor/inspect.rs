//! What an operator may see.

use core::net::Ipv6Addr;

use dhp_wire::mobility::Lifetime;
use ipnet::Ipv6Net;

use super::Anchor;
use super::binding_cache::{Binding, FlowMode};
use super::care_of_addresses::CareOfAddress;
use super::care_of_test::UnderTest;
use super::config::{AnchorConfig, PoolKind};
use super::counters::AnchorCounters;
use super::flow_bindings::FlowBinding;
use super::mobile_nodes::Association;
use crate::auth::Algorithm;
use crate::security_association::{MnId, Permissions};
use crate::time::Now;

/// A binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingView<'a> {
    /// The home address.
    pub home_address: Ipv6Addr,
    /// Whether it is a DHoA.
    pub kind: PoolKind,
    /// The mobile node.
    pub mn: &'a MnId,
    /// Where it is, of several care-of addresses the first choice.
    pub care_of: Ipv6Addr,
    /// Whether that is being tested.
    pub test: Option<UnderTest>,
    /// The anchor that holds the binding: the source of its tunnel.
    pub anchor: Ipv6Addr,
    /// What is left of the lifetime.
    pub remaining: Lifetime,
    /// When the binding ends by itself, in nanoseconds of [`Now::mono_ns`]; `None` for never.
    pub expires_ns: Option<u64>,
    /// Number of the DMIP message that last changed it, if one has.
    pub sequence: Option<u16>,
    /// Number of the last Binding Update, if one came.
    pub home_sequence: Option<u16>,
    /// The flow that a dedicated DHoA is for.
    pub dedicated: Option<u16>,
    /// The flows on it, as far as the mobile node has told, with their modes.
    pub flows: &'a [FlowMode],
    /// The care-of addresses with a BID, in the order of their BIDs; none where there is but one, without.
    pub care_ofs: &'a [CareOfAddress],
    /// The flow bindings, in the order of their FID-PRIs.
    pub flow_bindings: &'a [FlowBinding],
}

/// A pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolView {
    /// The prefix.
    pub prefix: Ipv6Net,
    /// What its addresses are.
    pub kind: PoolKind,
    /// Number of addresses, at most 2^64 − 1.
    pub size: u64,
    /// Addresses that are bound.
    pub used: usize,
    /// Addresses in quarantine.
    pub quarantined: usize,
}

/// A security association, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationView<'a> {
    /// The index.
    pub spi: u32,
    /// The owner.
    pub mn: &'a MnId,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// What the owner may do.
    pub permissions: &'a Permissions,
    /// The highest sequence number of DMIP messages, if one was accepted.
    pub sequence: Option<u16>,
    /// How many numbers below that one may still arrive.
    pub unused_numbers: u32,
    /// Whether numbers of the time before may have been used, of which nothing is known: the first message needs a MESG-ID.
    pub is_window_lost: bool,
    /// When the last new message came that was authenticated by it, in nanoseconds of [`Now::mono_ns`].
    pub heard_ns: Option<u64>,
    /// Messages that named it and were not authenticated by it.
    pub refused: u32,
    /// DHoAs that its owner has bound.
    pub dhoas: usize,
}

/// A mobile node that has a security association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MobileNodeView<'a> {
    /// Its number: it stays the same as long as the anchor lives.
    pub number: u32,
    /// Its identity.
    pub id: &'a MnId,
    /// Its associations, in the order of the configuration.
    pub associations: Vec<AssociationView<'a>>,
    /// The DHoAs that it has bound, oldest first.
    pub dhoas: &'a [Ipv6Addr],
    /// DHoAs that it may wish back.
    pub quarantined: usize,
}

impl Anchor {
    /// The bindings, in no particular order.
    pub fn bindings(&self, now: Now) -> impl Iterator<Item = BindingView<'_>> {
        let bindings = self.cache.bindings.values();
        bindings.filter_map(move |binding| self.view(now, binding))
    }

    /// The binding of a home address.
    #[must_use]
    pub fn binding(&self, now: Now, home_address: &Ipv6Addr) -> Option<BindingView<'_>> {
        self.view(now, self.cache.bindings.get(home_address)?)
    }

    fn view<'a>(&'a self, now: Now, binding: &'a Binding) -> Option<BindingView<'a>> {
        let home_sequence = self.cache.home_sequences.get(&binding.home_address);
        Some(BindingView {
            home_address: binding.home_address,
            kind: binding.kind,
            mn: &self.nodes.node(binding.owner)?.id,
            care_of: binding.care_of,
            test: self.care_of_tests.of_default(binding),
            anchor: self.config.address,
            remaining: binding.remaining(now),
            expires_ns: binding.expires_ns,
            sequence: binding.order.map(|order| order.number.on_wire()),
            home_sequence: home_sequence.map(|known| known.last),
            dedicated: binding.dedicated,
            flows: &binding.flows,
            care_ofs: binding.care_ofs(),
            flow_bindings: binding.flow_bindings(),
        })
    }

    /// The pools that are served, in the order of the configuration.
    pub fn pools(&self) -> impl Iterator<Item = PoolView> {
        self.pools.iter().map(|pool| PoolView {
            prefix: pool.prefix,
            kind: pool.kind,
            size: pool.size(),
            used: pool.used,
            quarantined: pool.quarantined,
        })
    }

    /// The security associations, in no particular order.
    pub fn security_associations(&self) -> impl Iterator<Item = AssociationView<'_>> {
        let associations = self.nodes.associations();
        associations.filter_map(|association| self.association_view(association))
    }

    /// How many security associations there are.
    #[must_use]
    pub fn security_association_count(&self) -> usize {
        self.nodes.association_count()
    }

    /// The mobile nodes whose numbers are `first` or more, in the order of these, which is that of the configuration when they came
    /// into it; all, or the one of these with the identity `wanted`. `None` stands for each that is another or no longer known, so
    /// that who looks for few can count how many were looked at.
    pub fn mobile_nodes_from<'a>(
        &'a self,
        first: u32,
        wanted: Option<&'a MnId>,
    ) -> impl Iterator<Item = Option<MobileNodeView<'a>>> {
        self.nodes.nodes_from(first).map(move |(index, node)| {
            if wanted.is_some_and(|wanted| *wanted != *node.id) {
                return None;
            }
            let associations = self.nodes.associations_of(index);
            let associations: Vec<_> = associations
                .filter_map(|association| self.association_view(association))
                .collect();
            (!associations.is_empty()).then_some(MobileNodeView {
                number: index.number(),
                id: &node.id,
                associations,
                dhoas: &node.dhoas,
                quarantined: node.quarantined.len(),
            })
        })
    }

    fn association_view<'a>(&'a self, association: &'a Association) -> Option<AssociationView<'a>> {
        let window = &association.window;
        let sequence = window.highest().map(|number| number.on_wire());
        Some(AssociationView {
            spi: association.security.spi(),
            mn: association.security.mn_id(),
            algorithm: association.security.algorithm(),
            permissions: association.security.permissions(),
            sequence,
            unused_numbers: window.unused(),
            is_window_lost: sequence.is_none() && association.has_lost_numbers,
            heard_ns: association.heard_ns(),
            refused: association.refused(),
            dhoas: self.nodes.node(association.owner)?.dhoas.len(),
        })
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &AnchorCounters {
        &self.counters
    }

    /// What the anchor was configured with, its security associations aside: [`Self::security_associations`].
    #[must_use]
    pub fn config(&self) -> &AnchorConfig {
        &self.config
    }

    /// Whether new DHoAs are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }
}
