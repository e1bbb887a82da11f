//! The bindings (RFC 6275 §9.1), and what is remembered of home addresses that have none.

use core::mem;
use core::net::Ipv6Addr;

use dhp_wire::mobility::{Lifetime, Mode};

use super::care_of_addresses::{self, CareOfAddress};
use super::config::PoolKind;
use super::flow_bindings::FlowBinding;
use super::lifecycle::Registration;
use super::mobile_nodes::MnIndex;
use super::recent_map::RecentMap;
use super::sequence::SequenceNumber;
use super::steering::Steering;
use super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now};
use crate::timer_wheel::{TimerKey, TimerWheel};

/// Flows that one binding remembers.
pub(crate) const MAX_FLOWS: usize = 64;

/// Which DMIP message changed a binding: numbers of one security association compare as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) spi: u32,
    pub(crate) number: SequenceNumber,
}

impl Order {
    /// Whether this message was sent after the other. Another association of the same mobile node has other numbers,
    /// which do not compare.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self.spi == other.spi && self.number > other.number
    }
}

/// A flow that uses a home address; FID 0 stands for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowMode {
    /// The flow's identifier.
    pub fid: u16,
    /// How its packets go, as the mobile node has confirmed.
    pub mode: Mode,
}

/// A home address and where its owner is.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) home_address: Ipv6Addr,
    pub(crate) pool: usize,
    pub(crate) kind: PoolKind,
    pub(crate) owner: MnIndex,
    /// Of several the first choice.
    pub(crate) care_of: Ipv6Addr,
    /// `None` for never. Of several care-of addresses the end of the last.
    pub(crate) expires_ns: Option<u64>,
    /// Fires when the binding or the first of its care-of addresses ends, or before: what is refreshed all the time keeps the
    /// timer that it has.
    pub(crate) timer: Option<TimerKey>,
    /// The DMIP message that last changed the binding.
    pub(crate) order: Option<Order>,
    /// Fires when the mobile node should be asked for a refresh.
    pub(crate) refresh_timer: Option<TimerKey>,
    /// Whether the link-local address with the same interface identifier is the mobile node's too (L bit).
    pub(crate) link_local: bool,
    /// The flow that a dedicated DHoA is for.
    pub(crate) dedicated: Option<u16>,
    pub(crate) flows: Box<[FlowMode]>,
    /// Several care-of addresses and flow bindings, which few have.
    pub(crate) steering: Option<Box<Steering>>,
}

impl Binding {
    /// The care-of addresses with a BID; none where there is but one, without.
    pub(crate) fn care_ofs(&self) -> &[CareOfAddress] {
        let steering = self.steering.as_ref();
        steering.map_or(&[], |steering| &steering.care_ofs)
    }

    /// The flow bindings, in the order of their FID-PRIs.
    pub(crate) fn flow_bindings(&self) -> &[FlowBinding] {
        let steering = self.steering.as_ref();
        steering.map_or(&[], |steering| &steering.flows)
    }

    /// When something of it ends first; `None` for never.
    pub(crate) fn first_end_ns(&self) -> Option<u64> {
        match self.care_ofs() {
            [] => self.expires_ns,
            care_ofs => care_of_addresses::first_end(care_ofs),
        }
    }

    /// The same binding with these care-of addresses, at least one, and flow bindings.
    pub(crate) fn with_care_ofs(
        &self,
        care_ofs: Vec<CareOfAddress>,
        flows: Vec<FlowBinding>,
    ) -> Registration {
        let care_of = care_of_addresses::first_choice(&care_ofs);
        Registration {
            home_address: self.home_address,
            owner: self.owner,
            care_of: care_of.map_or(self.care_of, |care_of| care_of.address),
            expires_ns: None,
            order: None,
            link_local: self.link_local,
            steering: Steering { care_ofs, flows },
        }
    }

    /// DMIPv6 profile 1, section 4.1: "a binding remembers the number that last changed it; a message with a lower
    /// one neither changes nor releases that binding".
    pub(crate) fn is_newer_than(&self, order: Order) -> bool {
        self.order.is_some_and(|last| last.is_after(order))
    }

    /// Has the binding end then, `None` for never, and each of its care-of addresses that have BIDs at its own time. What it
    /// had of these before.
    pub(crate) fn end_at(
        &mut self,
        expires_ns: Option<u64>,
        steering: Option<Box<Steering>>,
        timers: &mut TimerWheel<Timer>,
    ) -> Option<Box<Steering>> {
        let before_ns = self.first_end_ns();
        let steered_before = mem::replace(&mut self.steering, steering);
        self.expires_ns = expires_ns;
        let first_ns = self.first_end_ns();
        let is_later = first_ns >= before_ns && self.timer.is_some();
        if !is_later || first_ns.is_none() {
            self.wait_for_end(timers);
        }
        steered_before
    }

    /// Has its timer fire when something of it ends first.
    pub(crate) fn wait_for_end(&mut self, timers: &mut TimerWheel<Timer>) {
        if let Some(timer) = self.timer.take() {
            timers.cancel(timer);
        }
        let timer = Timer::BindingExpires(self.home_address);
        self.timer = self.first_end_ns().map(|at| timers.schedule(at, timer));
    }

    /// What is left of the lifetime, never 0: that would tell of a deletion.
    pub(crate) fn remaining(&self, now: Now) -> Lifetime {
        let Some(expires_ns) = self.expires_ns else {
            return Lifetime::INFINITE;
        };
        let left = expires_ns.saturating_sub(now.mono_ns);
        Lifetime::at_most(core::time::Duration::from_nanos(left)).max(Lifetime(1))
    }

    /// How the packets of a flow go, or, for FID 0, those that belong to no flow of their own.
    pub(crate) fn mode_of(&self, fid: u16) -> Mode {
        self.flows
            .iter()
            .find(|flow| flow.fid == fid)
            .map_or(Mode::Proxy, |flow| flow.mode)
    }

    /// Whether a flow is known or there is room for it.
    pub(crate) fn has_room_for(&self, fid: u16) -> bool {
        self.flows.len() < MAX_FLOWS || self.flows.iter().any(|flow| flow.fid == fid)
    }

    /// Remembers a flow, in proxy mode until the mobile node confirms another.
    pub(crate) fn add_flow(&mut self, fid: u16) {
        if self.flows.len() < MAX_FLOWS && !self.flows.iter().any(|flow| flow.fid == fid) {
            let added = FlowMode {
                fid,
                mode: Mode::Proxy,
            };
            self.flows = self.flows.iter().copied().chain([added]).collect();
        }
    }
}

/// The end of a lifetime that begins now; `None` for never.
pub(crate) fn expiry(lifetime: Lifetime, now: Now) -> Option<u64> {
    let duration = lifetime.duration()?;
    Some(now.deadline_ns(duration.as_secs().saturating_mul(NANOS_PER_SECOND)))
}

/// The numbers that classic Binding Updates for one home address have used. Kept beyond the binding, so that a
/// recorded update does not bring an old care-of address back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HomeSequence {
    pub(crate) last: u16,
    /// MESG-ID of the last accepted update, if it had one.
    pub(crate) newest_timestamp: Option<u64>,
    /// Until when a deregistered binding counts as an entry that is marked invalid (RFC 6275 §10.3.2).
    pub(crate) invalid_until_ns: Option<u64>,
}

/// Something of each of many addresses.
pub(crate) type AddressMap<T> = RecentMap<Ipv6Addr, T>;

/// All bindings.
#[derive(Debug, Default)]
pub(crate) struct BindingCache {
    pub(crate) bindings: AddressMap<Binding>,
    /// How many of them have more than one care-of address.
    pub(crate) split: usize,
    pub(crate) home_sequences: AddressMap<HomeSequence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be millions, of which few have several care-of addresses.
    #[test]
    fn a_binding_is_small() {
        let octets = size_of::<Binding>();
        assert!(octets <= 144, "{octets} octets");
    }
}
