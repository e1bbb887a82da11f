//! What is kept of home addresses beyond a restart, and by which clock.
//!
//! Lifetimes run on while an anchor is down, so their ends are kept by a clock that does: that of the NTP timestamp in the [`Now`]
//! that comes with each call here, the time of day or what its caller holds for better.

use core::net::Ipv6Addr;
use std::sync::Arc;

use super::Anchor;
use super::binding_cache::{Binding, FlowMode};
use super::config::PoolKind;
use super::flow_bindings::FlowBinding;
use crate::security_association::MnId;
use crate::time::{NANOS_PER_SECOND, Now, ntp_duration};

/// What is to be kept of a home address; it takes the place of what was kept before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is bound.
    Bound(KeptBinding),
    /// It rests, for its last owner alone.
    Quarantined(KeptQuarantine),
    /// Nothing.
    Free {
        /// The home address.
        home_address: Ipv6Addr,
    },
}

impl Kept {
    /// The home address that it is about.
    #[must_use]
    pub const fn home_address(&self) -> Ipv6Addr {
        match self {
            Self::Bound(KeptBinding { home_address, .. })
            | Self::Quarantined(KeptQuarantine { home_address, .. })
            | Self::Free { home_address } => *home_address,
        }
    }

    /// How long ago it was kept, as a signed NTP 32.32 fixed-point number of seconds; 0 for nothing.
    #[must_use]
    pub fn age(&self, now: Now) -> i64 {
        match self {
            Self::Bound(KeptBinding { kept, .. })
            | Self::Quarantined(KeptQuarantine { kept, .. }) => {
                now.ntp.wrapping_sub(kept.0).cast_signed()
            }
            Self::Free { .. } => 0,
        }
    }
}

/// A binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBinding {
    /// The home address.
    pub home_address: Ipv6Addr,
    /// Whether it is a DHoA.
    pub kind: PoolKind,
    /// The mobile node.
    pub mn: Arc<MnId>,
    /// Where it is, of several care-of addresses the first choice.
    pub care_of: Ipv6Addr,
    /// When it ends by itself; `None` for never.
    pub ends: Option<KeptTime>,
    /// When this was kept.
    pub kept: KeptTime,
    /// The DMIP message that last changed it.
    pub changed_by: Option<KeptOrder>,
    /// Whether the link-local address with the same interface identifier is the mobile node's too.
    pub link_local: bool,
    /// The flow that a dedicated DHoA is for.
    pub dedicated: Option<u16>,
    /// The flows on it, with their modes.
    pub flows: Box<[FlowMode]>,
    /// The care-of addresses with a BID, in the order of their BIDs.
    pub care_ofs: Vec<KeptCareOf>,
    /// The flow bindings, in the order of their FID-PRIs.
    pub flow_bindings: Vec<FlowBinding>,
}

/// A care-of address with a BID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptCareOf {
    /// BID.
    pub bid: u16,
    /// BID-PRI.
    pub priority: u8,
    /// The address.
    pub address: Ipv6Addr,
    /// When it ends by itself; `None` for never.
    pub ends: Option<KeptTime>,
}

/// The security association of a DMIP message, and its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptOrder {
    /// SPI.
    pub spi: u32,
    /// As it stood in the message.
    pub number: u16,
}

/// A released DHoA that nobody else may have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptQuarantine {
    /// The DHoA.
    pub home_address: Ipv6Addr,
    /// Who had it.
    pub mn: Arc<MnId>,
    /// Until when.
    pub ends: KeptTime,
    /// When this was kept.
    pub kept: KeptTime,
}

/// Until when mobile nodes may hold DHoAs for longer than was kept: see [`Anchor::distrust_ends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptDistrust {
    /// Until when.
    pub until: KeptTime,
    /// When this was kept.
    pub kept: KeptTime,
}

/// An NTP timestamp, as [`Now::ntp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTime(pub u64);

impl KeptTime {
    /// The time at `mono_ns`, which is not before now.
    pub(crate) fn at(mono_ns: u64, now: Now) -> Self {
        let ahead = ntp_duration(mono_ns.saturating_sub(now.mono_ns));
        Self(now.ntp.wrapping_add(ahead))
    }

    /// Nanoseconds until this time, less than zero after it. A clock that shows less than when this was `kept` has been set
    /// back, or has stood still: then it counts as showing that, so that no lifetime gets longer than it was.
    pub(crate) fn left_ns(self, kept: Self, now: Now) -> i64 {
        let is_set_back = now.ntp.wrapping_sub(kept.0).cast_signed() < 0;
        let shown = if is_set_back { kept.0 } else { now.ntp };
        let left = i128::from(self.0.wrapping_sub(shown).cast_signed());
        // 2^31 seconds at most, as nanoseconds.
        let left_ns = (left * i128::from(NANOS_PER_SECOND)) >> 32;
        i64::try_from(left_ns).unwrap_or(i64::MAX)
    }
}

impl Anchor {
    /// What is to be kept of a home address, as it is now. Ask when an event tells of a change.
    #[must_use]
    pub fn kept(&self, now: Now, home_address: Ipv6Addr) -> Kept {
        let binding = self.cache.bindings.get(&home_address);
        let bound = binding.and_then(|binding| self.kept_binding(now, binding));
        let quarantined = || {
            let test_ends_ns = self.end_of_tests(&home_address);
            let untested =
                binding.and_then(|binding| self.kept_untested(now, binding, test_ends_ns?));
            untested.or_else(|| self.kept_quarantine(now, home_address))
        };
        bound
            .map(Kept::Bound)
            .or_else(|| quarantined().map(Kept::Quarantined))
            .unwrap_or(Kept::Free { home_address })
    }

    /// Of a binding under test what has passed: whoever had it go on at a care-of address by way of a restart would have got
    /// round the test.
    fn kept_binding(&self, now: Now, binding: &Binding) -> Option<KeptBinding> {
        let end = |at: Option<u64>| at.map(|at| KeptTime::at(at, now));
        let passed = match self.end_of_tests(&binding.home_address) {
            Some(_) => Some(self.without_tests(now, binding)?),
            None => None,
        };
        let (care_of, expires_ns, steering) = match &passed {
            Some(passed) => (passed.care_of, passed.expires_ns(), Some(&passed.steering)),
            None => (
                binding.care_of,
                binding.expires_ns,
                binding.steering.as_deref(),
            ),
        };
        let care_ofs = steering.map_or(&[][..], |steering| &steering.care_ofs);
        let flow_bindings = steering.map_or(&[][..], |steering| &steering.flows);
        let care_ofs = care_ofs.iter().map(|care_of| KeptCareOf {
            bid: care_of.bid,
            priority: care_of.priority,
            address: care_of.address,
            ends: end(care_of.expires_ns),
        });
        Some(KeptBinding {
            home_address: binding.home_address,
            kind: binding.kind,
            mn: self.nodes.node(binding.owner)?.id.clone(),
            care_of,
            ends: end(expires_ns),
            kept: KeptTime(now.ntp),
            changed_by: binding.order.map(|order| KeptOrder {
                spi: order.spi,
                number: order.number.on_wire(),
            }),
            link_local: binding.link_local,
            dedicated: binding.dedicated,
            flows: binding.flows.clone(),
            care_ofs: care_ofs.collect(),
            flow_bindings: flow_bindings.to_vec(),
        })
    }

    /// An assignment that ends unless its first test is passed: its mobile node can have it again.
    fn kept_untested(
        &self,
        now: Now,
        binding: &Binding,
        test_ends_ns: u64,
    ) -> Option<KeptQuarantine> {
        let (_, pool) = self.pools.find(&binding.home_address)?;
        // As if it were released then: it may be one that its mobile node holds by a refresh of which nothing is known.
        let then = Now {
            mono_ns: test_ends_ns,
            ..now
        };
        let ends_ns = self.end_of_quarantine(then, pool.quarantine, 0);
        (pool.kind == PoolKind::Dhoa).then_some(KeptQuarantine {
            home_address: binding.home_address,
            mn: self.nodes.node(binding.owner)?.id.clone(),
            ends: KeptTime::at(ends_ns, now),
            kept: KeptTime(now.ntp),
        })
    }

    fn kept_quarantine(&self, now: Now, home_address: Ipv6Addr) -> Option<KeptQuarantine> {
        let entry = self.pools.quarantine.get(&home_address)?;
        Some(KeptQuarantine {
            home_address,
            mn: self.nodes.node(entry.owner)?.id.clone(),
            ends: KeptTime::at(entry.ends_ns, now),
            kept: KeptTime(now.ntp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now {
        mono_ns: 5_000_000_000,
        ntp: u64::MAX - (1 << 33),
    };

    #[test]
    fn an_end_is_the_same_by_both_clocks_beyond_the_ntp_era_too() {
        let end = KeptTime::at(NOW.mono_ns + 600_000_000_000, NOW);
        let kept = KeptTime(NOW.ntp);
        assert_eq!(end.left_ns(kept, NOW), 600_000_000_000);
        let later = |seconds: u64| NOW.plus_ns(seconds * 1_000_000_000);
        assert_eq!(end.left_ns(kept, later(590)), 10_000_000_000);
        assert_eq!(end.left_ns(kept, later(700)), -100_000_000_000);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_longer() {
        let end = KeptTime::at(NOW.mono_ns + 10_000_000_000, NOW);
        let back = Now {
            ntp: NOW.ntp - (3600 << 32),
            ..NOW
        };
        assert_eq!(end.left_ns(KeptTime(NOW.ntp), back), 10_000_000_000);
    }
}
