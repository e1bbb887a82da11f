//! A mobile node goes on after a restart.
//!
//! What was kept is a memory, not a fact: numbers go on behind it, addresses are asked for again at their anchors, and what an anchor
//! does not confirm ends as it would have without a restart.

use core::net::Ipv6Addr;

use dhp_wire::ipv6::is_unicast_routable;

use super::MobileNode;
use super::action::{AddressKind, MnEvent, Session};
use super::agent_discovery::AgentDiscovery;
use super::demand::MAX_DEMANDED;
use super::flow::{Flow, Stage};
use super::kept::{Kept, KeptAnchor, KeptBinding, KeptFlow, KeptFormerHome, KeptHome};
use super::registration::{Anchor, Back, Grant, HomeRegistration};
use super::renumbering::MAX_FORMER;
use super::selection::MAX_ANCHORS;
use crate::time::Now;

impl MobileNode {
    /// Takes over what an engine of the same node had [kept](Self::kept). To be called before anything else. What is over by now, what
    /// no configuration has any more, and what no anchor could have given is left out. Every binding is confirmed with the first
    /// care-of address, the same as before or another.
    pub fn restore(&mut self, now: Now, kept: Kept) {
        if let Some(discovery) = &mut self.discovery {
            *discovery = AgentDiscovery::new(kept.home_agents);
        }
        let configured = self.config.home.map(|home| home.address);
        let present = kept.home.as_ref().map(|home| home.address);
        if configured.is_some() && kept.renumbered_from.or(present) == configured {
            if let Some(home) = kept.home {
                self.restore_home(now, &home);
            }
            for former in kept.former_homes.into_iter().take(MAX_FORMER) {
                self.restore_former_home(now, &former);
            }
        }
        for anchor in kept.anchors.into_iter().take(MAX_ANCHORS) {
            self.restore_anchor(now, anchor);
        }
        for known in kept.candidates {
            if known.expires_ns > now.mono_ns && is_unicast_routable(&known.candidate.dhp) {
                let source = match known.is_own_word {
                    true => known.candidate.dhp,
                    false => Ipv6Addr::UNSPECIFIED,
                };
                let (correspondent, expires_ns) = (known.correspondent.trunc(), known.expires_ns);
                self.candidates
                    .learn(correspondent, known.candidate, &source, expires_ns);
            }
        }
        for flow in kept.flows.into_iter().take(MAX_DEMANDED) {
            self.restore_flow(now, flow);
        }
    }

    fn restore_home(&mut self, now: Now, kept: &KeptHome) {
        self.home = self.restored_registration(now, kept).or(self.home.take());
    }

    fn restore_former_home(&mut self, now: Now, kept: &KeptFormerHome) {
        let is_valid = kept.ends_ns.is_none_or(|end| end > now.mono_ns);
        let home = self.restored_registration(now, &kept.home);
        // Without a binding nobody would notice that it is one.
        if let Some(home) = home.filter(|home| is_valid && home.grant.is_some()) {
            self.restore_former(home, kept.ends_ns);
        }
    }

    /// A registration at the home agent that is configured, or that was discovered.
    fn restored_registration(&self, now: Now, kept: &KeptHome) -> Option<HomeRegistration> {
        let configured = self.config.home?.agent;
        let is_known = configured.is_none_or(|agent| agent == kept.agent);
        let mut addresses = [kept.agent, kept.address].into_iter();
        if !is_known || !addresses.all(|address| is_unicast_routable(&address)) {
            return None;
        }
        let key = self.config.key_for(&kept.agent);
        // RFC 6275 §11.7.1: the next number follows the last one sent; here, the last that may have been.
        let mut home = HomeRegistration::new(kept.agent, kept.address, key, kept.sequence);
        home.grant = kept.binding.and_then(|binding| restored(now, &binding));
        // Somebody may have taken the address meanwhile.
        home.back = kept.at_home.then_some(Back {
            detect_duplicates: true,
        });
        Some(home)
    }

    fn restore_anchor(&mut self, now: Now, kept: KeptAnchor) {
        if !is_unicast_routable(&kept.address) {
            return;
        }
        let mut anchor = Anchor::new(self.config.key_for(&kept.address), kept.sequence);
        anchor.verified = kept.verified;
        anchor.serves = kept.serves.map(|serves| serves.trunc());
        anchor.round_trip_ns = kept.round_trip_ns;
        for (address, binding) in kept.dhoas {
            let grant = restored(now, &binding).filter(|_| is_unicast_routable(&address));
            if let Some(grant) = grant {
                anchor.grant(address, grant, now.mono_ns);
            }
        }
        for address in kept.releasing {
            if is_unicast_routable(&address) {
                anchor.give_back(address);
            }
        }
        self.anchors.insert(kept.address, anchor);
    }

    fn restore_flow(&mut self, now: Now, kept: KeptFlow) {
        let KeptFlow {
            key,
            on_demand,
            serves,
            anchor,
            address,
        } = kept;
        let has_address = self
            .anchors
            .get(&anchor)
            .is_some_and(|anchor| anchor.dhoas.iter().any(|dhoa| dhoa.address == address));
        if !has_address || key.need.session == Session::Fixed {
            return;
        }
        let mut flow = Flow::new(serves);
        flow.demanded_ns = on_demand.then_some(now.mono_ns);
        flow.wish = Some((anchor, address));
        flow.stage = Stage::Ready { anchor, address };
        self.flows.insert(key, flow);
        self.event(MnEvent::AnchorReady {
            flow: key,
            serves,
            anchor,
            home_address: address,
            kind: AddressKind::Dhoa,
        });
    }
}

/// A binding that the anchor may still have; it is not confirmed, so that the first care-of address is sent at once.
fn restored(now: Now, kept: &KeptBinding) -> Option<Grant> {
    let over = kept.expires_ns.is_some_and(|at| at <= now.mono_ns);
    (!over).then_some(Grant {
        confirmed: None,
        expires_ns: kept.expires_ns,
        refresh_ns: Some(now.mono_ns),
    })
}
