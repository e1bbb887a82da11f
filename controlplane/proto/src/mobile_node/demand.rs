//! Flows that exist because somebody talks to their correspondents, and end when nobody does any more.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::MobileNode;
use super::action::{MnEvent, Session};
use super::flow::{Flow, Stage};
use super::need::{FlowKey, Need};
use super::receive::count;
use crate::time::{NANOS_PER_SECOND, Now};

/// Flows on demand at once: a program that talks to the whole world must not fill the memory, nor every DHP's tables.
pub(super) const MAX_DEMANDED: usize = 256;

/// How long "there is no DHP" is believed of a correspondent.
pub(super) const NEGATIVE_NS: u64 = 120 * NANOS_PER_SECOND;

/// A query on demand asks for the correspondent's /64: its neighbours there are as near to a DHP as it is.
const ASKED_PREFIX: u8 = 64;

/// The widest prefix that one correspondent's DHP serves: a site (RFC 6177). A DHP that covers more may be far from the rest.
pub(super) const WIDEST_SERVED: u8 = 48;

impl MobileNode {
    /// Somebody talks to the correspondent, or is about to: looks for an anchor, unless there is one or one is looked for.
    pub(super) fn demand(&mut self, now: Now, correspondent: Ipv6Addr, need: Need) {
        // The home address needs no looking for.
        if need.session == Session::Fixed {
            return;
        }
        let serving = self.flows.iter_mut().find(|(key, flow)| {
            key.need == need
                && (flow.serves.contains(&correspondent)
                    || key.correspondent.contains(&correspondent))
        });
        if let Some((_, flow)) = serving {
            flow.demanded_ns = flow.demanded_ns.map(|_| now.mono_ns);
            return;
        }
        if !self.make_room() {
            return count(&mut self.counters.demands_refused);
        }
        let Ok(asked) = Ipv6Net::new(correspondent, ASKED_PREFIX) else {
            return;
        };
        let key = FlowKey::new(asked, need);
        let mut flow = Flow::new(key.correspondent);
        flow.demanded_ns = Some(now.mono_ns);
        self.flows.insert(key, flow);
        self.start_flow(now, key);
    }

    /// Gives a flow on demand the address that this node already has at its DHP, which saves a round trip: what a request would
    /// bring is "the MN's existing DHoA at that DHP" (profile 1, section 2, step 5). False if there is none, or if the flow asks for
    /// more than an address.
    pub(super) fn share_address(&mut self, now: Now, key: FlowKey, dhp: Ipv6Addr) -> bool {
        let Some(anchor) = self.anchors.get(&dhp) else {
            return false;
        };
        let bound = anchor
            .dhoas
            .iter()
            .find(|dhoa| dhoa.grant.confirmed.is_some() && dhoa.grant.confirmed == self.care_of);
        let Some(address) = bound.map(|dhoa| dhoa.address) else {
            return false;
        };
        if !self.may_share(&key) {
            return false;
        }
        self.make_ready(now, key, dhp, address);
        true
    }

    /// Whether any address at its DHP is good for a flow.
    pub(super) fn may_share(&self, key: &FlowKey) -> bool {
        let is_demanded = self
            .flows
            .get(key)
            .is_some_and(|flow| flow.demanded_ns.is_some());
        is_demanded && key.need == Session::SessionLasting.into()
    }

    /// Programs have this home address: it is kept.
    pub(super) fn keep_address(&mut self, now: Now, address: Ipv6Addr) {
        for anchor in self.anchors.values_mut() {
            for dhoa in &mut anchor.dhoas {
                if dhoa.address == address {
                    dhoa.in_use_ns = now.mono_ns;
                }
            }
        }
    }

    /// Room for one more flow on demand, if need be that of a correspondent known to have no DHP. False if there is none.
    fn make_room(&mut self) -> bool {
        let demanded = self
            .flows
            .iter()
            .filter_map(|(key, flow)| Some((*key, flow, flow.demanded_ns?)));
        if demanded.clone().count() < MAX_DEMANDED {
            return true;
        }
        let oldest = demanded
            .filter(|(_, flow, _)| matches!(flow.stage, Stage::Fallback { .. }))
            .min_by_key(|(_, _, demanded_ns)| *demanded_ns)
            .map(|(key, _, _)| key);
        oldest.is_some_and(|key| self.flows.remove(&key).is_some())
    }

    /// What the DHP that a flow has found serves beside the correspondents that it was found for.
    pub(super) fn served_by(&self, key: &FlowKey, dhp: &Ipv6Addr) -> Ipv6Net {
        let coverage = self.coverage_of(key, dhp);
        let is_demanded = self
            .flows
            .get(key)
            .is_some_and(|flow| flow.demanded_ns.is_some());
        coverage
            .filter(|_| is_demanded)
            .and_then(|coverage| {
                let prefix_len = coverage.prefix_len().max(WIDEST_SERVED);
                Ipv6Net::new(key.correspondent.network(), prefix_len).ok()
            })
            .map_or(key.correspondent, |served| served.trunc())
    }

    /// When each flow on demand, and each address that no flow uses, has been idle for long enough.
    pub(super) fn idle_deadlines(&self) -> impl Iterator<Item = u64> {
        let flows = self
            .flows
            .values()
            .filter_map(|flow| self.flow_idle_ns(flow));
        flows.chain(self.unused_addresses().map(|(_, _, idle_ns)| idle_ns))
    }

    fn flow_idle_ns(&self, flow: &Flow) -> Option<u64> {
        let demanded_ns = flow.demanded_ns?;
        let in_use_ns = match flow.stage {
            Stage::Ready { anchor, address } => self.anchors.get(&anchor).and_then(|anchor| {
                let mut dhoas = anchor.dhoas.iter();
                dhoas
                    .find(|dhoa| dhoa.address == address)
                    .map(|dhoa| dhoa.in_use_ns)
            }),
            _ => None,
        };
        let last = demanded_ns.max(in_use_ns.unwrap_or_default());
        Some(last.saturating_add(self.config.idle_ns))
    }

    /// Addresses that programs may still have although no new flow gets them: anchor, address, when they end.
    fn unused_addresses(&self) -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr, u64)> {
        // What a flow has had it may get again.
        let is_used = |peer: &Ipv6Addr, address: &Ipv6Addr| {
            self.flows
                .values()
                .any(|flow| flow.uses(peer, address) || flow.wish == Some((*peer, *address)))
        };
        self.anchors
            .iter()
            .flat_map(|(peer, anchor)| anchor.dhoas.iter().map(move |dhoa| (*peer, dhoa)))
            .filter(move |(peer, dhoa)| !is_used(peer, &dhoa.address))
            .map(|(peer, dhoa)| {
                let idle_ns = dhoa.in_use_ns.saturating_add(self.config.idle_ns);
                (peer, dhoa.address, idle_ns)
            })
    }

    /// Ends flows that nobody asks for any more, and gives unused addresses back. True if there were any.
    pub(super) fn end_idle(&mut self, now: Now) -> bool {
        let idle: Vec<FlowKey> = self
            .flows
            .iter()
            .filter(|(_, flow)| {
                self.flow_idle_ns(flow)
                    .is_some_and(|idle_ns| idle_ns <= now.mono_ns)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in &idle {
            self.end_flow(now, *key);
        }
        let unused: Vec<(Ipv6Addr, Ipv6Addr)> = self
            .unused_addresses()
            .filter(|(_, _, idle_ns)| *idle_ns <= now.mono_ns)
            .map(|(anchor, address, _)| (anchor, address))
            .collect();
        for (anchor, address) in &unused {
            self.release_address(now, *anchor, *address);
        }
        !idle.is_empty() || !unused.is_empty()
    }

    /// Ends a flow on demand; its address goes when no other flow and no program has it.
    pub(super) fn end_flow(&mut self, now: Now, key: FlowKey) {
        self.release_flow(now, key);
        self.event(MnEvent::Ended { flow: key });
    }
}
