//! What an anchor knows of several accesses, as far as the node knows.

use core::net::Ipv6Addr;
use std::collections::BTreeSet;

use super::MobileNode;
use super::action::MnEvent;
use super::anchors::UpdateKind;
use super::exchange::{Exchange, Purpose};
use super::steering::Steering;
use crate::time::{NANOS_PER_SECOND, Now};

/// How long an anchor that has refused several care-of addresses, or a flow binding, is spared them.
const SPARED_NS: u64 = 300 * NANOS_PER_SECOND;

/// What an anchor knows of several accesses.
#[derive(Debug)]
pub(super) struct Steered {
    /// What it has confirmed; `None`: something else was sent to it since.
    confirmed: Option<Steering>,
    /// BIDs that it may have.
    bids: BTreeSet<u16>,
    /// Until when it is told of one care-of address only.
    spared_until_ns: u64,
    /// Whether the last that was told of it was more than one care-of address.
    is_told: bool,
    /// Whether a DHoA Request has gone out since the last update: it may leave an address with one care-of address.
    pub(super) was_requested: bool,
}

impl Default for Steered {
    fn default() -> Self {
        Self {
            confirmed: Some(Steering::default()),
            bids: BTreeSet::new(),
            spared_until_ns: 0,
            is_told: false,
            was_requested: false,
        }
    }
}

impl Steered {
    /// What it is to know.
    pub(super) fn wanted(&self, now: Now, steering: Steering) -> Steering {
        match self.spared_until_ns > now.mono_ns {
            true => Steering::default(),
            false => steering,
        }
    }

    /// Whether it knows that.
    pub(super) fn knows(&self, wanted: &Steering) -> bool {
        self.confirmed.as_ref() == Some(wanted)
    }

    /// An update is about to be sent: from now on it may know what that says, whether or not we get to know.
    pub(super) fn sending(&mut self, steering: &Steering) {
        if !self.knows(steering) {
            self.confirmed = None;
        }
        self.bids.extend(steering.bids());
        self.was_requested = false;
    }

    /// BIDs that it may have beside those of a steering.
    pub(super) fn leaving(&self, steering: &Steering) -> Vec<u16> {
        let stays: BTreeSet<u16> = steering.bids().collect();
        self.bids.difference(&stays).copied().collect()
    }

    /// It has confirmed a steering. True if there is, or was, something to tell of.
    pub(super) fn confirm(&mut self, steering: &Steering) -> bool {
        if steering.is_single() {
            self.bids.clear();
        }
        self.confirmed = (!self.was_requested || steering.is_single()).then(|| steering.clone());
        core::mem::replace(&mut self.is_told, !steering.is_single()) || self.is_told
    }

    /// It has refused one.
    pub(super) fn refuse(&mut self, now: Now) {
        self.confirmed = None;
        self.spared_until_ns = now.deadline_ns(SPARED_NS);
    }

    /// It does not know what several care-of addresses are, and has bound one.
    pub(super) fn ignores(&mut self) {
        self.confirmed = Some(Steering::default());
        self.bids.clear();
        self.spared_until_ns = u64::MAX;
    }

    /// It has no binding any more.
    pub(super) fn released(&mut self) {
        self.confirmed = Some(Steering::default());
        self.bids.clear();
        self.is_told = false;
    }

    /// It has an address that has one care-of address only, whatever the others have.
    pub(super) fn forget(&mut self) {
        self.confirmed = self.confirmed.take().filter(Steering::is_single);
    }

    /// It has these BIDs no longer.
    pub(super) fn detached(&mut self, bids: &[u16]) {
        self.bids.retain(|bid| !bids.contains(bid));
    }
}

impl MobileNode {
    /// A DHP has bound what an update says. `pending`: it still tests care-of addresses.
    pub(super) fn steered(&mut self, now: Now, exchange: &Exchange, pending: bool) {
        let (peer, steering) = (exchange.peer, &exchange.steering);
        let Some(anchor) = self.anchors.get_mut(&peer) else {
            return;
        };
        let home_addresses = anchor.addresses();
        let leaving = anchor.steered.leaving(steering);
        if anchor.steered.confirm(steering) {
            self.event(MnEvent::Steered {
                anchor: peer,
                home_addresses: home_addresses.clone(),
                steering: steering.clone(),
            });
        }
        if pending {
            return;
        }
        // What was repeated for the tests of care-of addresses has its answer, too.
        self.exchanges.retain(|other| !other.is_update_to(&peer));
        if let (Some(care_of), false, false) =
            (self.care_of, leaving.is_empty(), steering.is_single())
        {
            let purpose = Purpose::Detach {
                addresses: home_addresses,
                bids: leaving,
            };
            let detach = Exchange::new(purpose, peer, care_of, now.mono_ns);
            self.exchanges.push(detach.steered(steering.clone()));
        }
        // It may be otherwise by now.
        self.bind_anchor(now, peer, UpdateKind::Steer);
    }

    /// A DHP has refused care-of addresses or flow bindings: it is told of the default care-of address alone.
    pub(super) fn steering_refused(&mut self, now: Now, exchange: &Exchange, status: u8) {
        let peer = exchange.peer;
        if let Some(anchor) = self.anchors.get_mut(&peer) {
            anchor.steered.refuse(now);
        }
        self.event(MnEvent::SteeringRefused {
            anchor: peer,
            status: Some(status),
        });
        self.update_anchor(now, peer, exchange.replaces);
    }

    /// Care-of addresses were taken away at a DHP, or nobody confirms it: then their lifetimes end them.
    pub(super) fn detach_over(&mut self, peer: Ipv6Addr, bids: &[u16]) {
        if let Some(anchor) = self.anchors.get_mut(&peer) {
            anchor.steered.detached(bids);
        }
    }
}
