//! What a binding has beside its one care-of address, if it has more: care-of addresses by number, and flow bindings.

use core::net::Ipv6Addr;

use dhp_wire::mobility::TrafficSelector;

use super::Anchor;
use super::care_of_addresses::{self, CareOfAddress};
use super::care_of_test::UnderTest;
use super::events::{BindingChange, ReleaseReason};
use super::flow_bindings::{FlowBinding, FlowSelector};
use crate::time::Now;

/// A care-of address that packets of flows can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteeredCareOf {
    /// BID.
    pub bid: u16,
    /// The address.
    pub care_of: Ipv6Addr,
    /// Whether it is being tested.
    pub test: Option<UnderTest>,
}

/// An active flow binding, ready to be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteeringRule {
    /// Which packets it is for.
    pub selector: TrafficSelector,
    /// Where a copy of each goes: BIDs that are registered, at least one.
    pub bids: Vec<u16>,
}

/// Several care-of addresses and flow bindings: few bindings have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Steering {
    /// In the order of their BIDs. None: the binding has one care-of address, without a number.
    pub(crate) care_ofs: Vec<CareOfAddress>,
    /// In the order of their FID-PRIs.
    pub(crate) flows: Vec<FlowBinding>,
}

/// What of a binding the forwarding plane has to know beside its default care-of address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split {
    care_ofs: Vec<SteeredCareOf>,
    rules: Vec<SteeringRule>,
}

impl Steering {
    /// Nothing, where there is nothing to keep.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        let is_empty = self.care_ofs.is_empty() && self.flows.is_empty();
        (!is_empty).then(|| Box::new(self))
    }

    /// Whether packets can go to more than one care-of address. Where they cannot, no flow binding makes a difference.
    pub(crate) fn is_split(&self) -> bool {
        self.care_ofs.len() > 1
    }

    fn split(&self) -> Split {
        if !self.is_split() {
            return Split::default();
        }
        let care_ofs = self.care_ofs.iter().map(|care_of| SteeredCareOf {
            bid: care_of.bid,
            care_of: care_of.address,
            test: care_of.test,
        });
        Split {
            care_ofs: care_ofs.collect(),
            rules: self
                .flows
                .iter()
                .filter_map(|flow| self.rule(flow))
                .collect(),
        }
    }

    /// The rule of a flow binding. RFC 6089 §5.3.6: "If any of the BIDs indicated does not correspond to a valid care-of
    /// address … that BID has no effect on the traffic", and of none "the entry is considered to be inactive … and is
    /// skipped".
    fn rule(&self, flow: &FlowBinding) -> Option<SteeringRule> {
        // No IPv4 packet goes through a tunnel here, so that nothing can match the selector of one.
        let FlowSelector::Ipv6(selector) = flow.selector else {
            return None;
        };
        let bids = flow.bids.iter().copied();
        let bids = bids.filter(|bid| care_of_addresses::find(&self.care_ofs, *bid).is_some());
        let bids: Vec<u16> = bids.collect();
        (!bids.is_empty()).then_some(SteeringRule { selector, bids })
    }
}

impl Split {
    /// What a binding has now in place of `before`, as events: of an unchanged set with other care-of addresses just those.
    fn changes(self, before: &Self, home_address: Ipv6Addr) -> Vec<BindingChange> {
        let bids = |split: &Self| -> Vec<u16> {
            split.care_ofs.iter().map(|care_of| care_of.bid).collect()
        };
        if self.rules != before.rules || bids(&self) != bids(before) {
            return vec![BindingChange::Steered {
                home_address,
                care_ofs: self.care_ofs,
                rules: self.rules,
            }];
        }
        let pairs = self.care_ofs.iter().zip(&before.care_ofs);
        pairs
            .filter(|(now, before)| now != before)
            .map(|(now, _)| BindingChange::CareOfMoved {
                home_address,
                bid: now.bid,
                care_of: now.care_of,
                test: now.test,
            })
            .collect()
    }
}

impl Anchor {
    /// Whether a home address may have more than one care-of address: it has, or others leave room for it.
    pub(crate) fn may_split(&self, home_address: &Ipv6Addr) -> bool {
        let binding = self.cache.bindings.get(home_address);
        let steering = binding.and_then(|binding| binding.steering.as_ref());
        steering.is_some_and(|steering| steering.is_split())
            || self.cache.split < self.config.limits.max_split_bindings
    }

    /// Tells of what has changed since the binding had `before`, and counts it. A binding that has ended needs no event.
    pub(crate) fn tell_of_steering(
        &mut self,
        home_address: &Ipv6Addr,
        before: Option<Box<Steering>>,
    ) {
        let binding = self.cache.bindings.get(home_address);
        let pool = binding.and_then(|binding| self.pools.get_mut(binding.pool));
        let pool = pool.map(|pool| pool.prefix);
        let after = binding.and_then(|binding| binding.steering.as_deref());
        if before.is_none() && after.is_none() {
            return;
        }
        let split = |steering: Option<&Steering>| steering.map(Steering::split).unwrap_or_default();
        let (before, after) = (split(before.as_deref()), split(after));
        let count = |split: &Split| usize::from(!split.care_ofs.is_empty());
        self.cache.split = self.cache.split.saturating_sub(count(&before));
        self.cache.split = self.cache.split.saturating_add(count(&after));
        if let Some(pool) = pool {
            for change in after.changes(&before, *home_address) {
                self.emit(pool, change);
            }
        }
    }

    /// The lifetime of one care-of address of a binding has passed, or of its only one.
    pub(crate) fn care_of_expires(&mut self, now: Now, home_address: &Ipv6Addr) {
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return;
        };
        let left = binding.care_ofs().iter();
        let left: Vec<CareOfAddress> = left
            .filter(|care_of| !care_of.has_expired(now))
            .copied()
            .collect();
        if left.is_empty() {
            self.release(now, home_address, ReleaseReason::Expired);
        } else {
            let flows = binding.flow_bindings().to_vec();
            let registration = binding.with_care_ofs(left, flows);
            self.bind(now, registration);
        }
    }
}
