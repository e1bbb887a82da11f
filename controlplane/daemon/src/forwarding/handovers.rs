//! Home addresses that the box itself is a correspondent of: what its kernel sends there goes through the workers

use std::collections::BTreeSet;
use std::mem;
use std::net::Ipv6Addr;

use dhp_proto::anchor::RouteEnds;

use super::Forwarding;
use crate::mirror::PlannedAction;

/// Whether the host kernel is to hand over to the workers what it sends to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// A home address that the box itself is a correspondent of.
    pub address: Ipv6Addr,
    /// Whether it is to.
    pub wanted: bool,
}

/// What the kernel has been told, and is still to be.
#[derive(Default)]
pub(super) struct Handovers {
    in_force: BTreeSet<Ipv6Addr>,
    waiting: Vec<Handover>,
}

impl Forwarding {
    /// What the host kernel is to hand over, or no more, since the last call.
    pub fn take_handovers(&mut self) -> impl Iterator<Item = Handover> + use<> {
        mem::take(&mut self.optimized.handovers.waiting).into_iter()
    }

    /// The kernel's own packets to a home address go through the workers while the box itself is a correspondent of it. Not where
    /// what the workers send there goes through the kernel: that would hand it back.
    pub(super) fn decide_handover(&mut self, address: Ipv6Addr) {
        let ends = RouteEnds {
            home_address: address,
            correspondent: self.anchor,
        };
        let is_forwarded = || {
            let route = self.routes.lookup(address)?;
            match route.action {
                PlannedAction::Via(key) => self.next_hops.known(key),
                _ => None,
            }
        };
        let wanted = self.optimized.routes.contains_key(&ends) && is_forwarded().is_some();
        let handovers = &mut self.optimized.handovers;
        let changed = match wanted {
            true => handovers.in_force.insert(address),
            false => handovers.in_force.remove(&address),
        };
        if changed {
            handovers.waiting.push(Handover { address, wanted });
        }
    }
}
