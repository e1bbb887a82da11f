//! What the kernel and the data path are to know, from what the agent knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::mobile_node::Session;

use super::Agent;
use crate::access::CareOf;
use crate::config::{FlowPolicy, Treatment};
use crate::event::Event;
use crate::plan::{Needs, Plan};
use crate::tunnel::Tunnel;

/// Room that a tunnel header takes, in octets (RFC 2473 §7).
pub(super) const TUNNEL_HEADER: u32 = 40;
/// The smallest MTU of IPv6 (RFC 8200 §5), also of a tunnel.
pub(super) const MIN_MTU: u32 = 1280;

impl Agent {
    /// Anchors and locators: packets to them never enter the tunnel.
    pub(super) fn anchors(&self) -> BTreeSet<Ipv6Addr> {
        let home = self.config.engine.home.map(|home| home.agent);
        let locators = self.config.engine.locators.iter().copied();
        let dhps = self.ready.values().map(|(anchor, _)| *anchor);
        home.into_iter().chain(locators).chain(dhps).collect()
    }

    fn home_addresses(&self) -> BTreeSet<Ipv6Addr> {
        let home = self.config.engine.home.map(|home| home.address);
        let dhoas = self.ready.values().map(|(_, address)| *address);
        home.into_iter().chain(dhoas).collect()
    }

    /// The source that new flows to a prefix get: until its DHoA is ready, the home address if that is bound.
    pub(super) fn source(&self, policy: &FlowPolicy) -> Option<Ipv6Addr> {
        let home = self.config.engine.home.map(|home| home.address);
        match policy.treatment {
            Treatment::NonPersistent => None,
            Treatment::Anchored(Session::Fixed) => home,
            Treatment::Anchored(Session::SessionLasting | Session::GracefulReplacement) => {
                let ready = self.ready.get(&policy.prefix).map(|(_, address)| *address);
                ready.or_else(|| home.filter(|home| self.bindings.contains_key(home)))
            }
        }
    }

    /// Makes the kernel's state follow from the agent's.
    pub(super) async fn apply_plan(&mut self) {
        let sources: Vec<_> = self
            .config
            .flows
            .iter()
            .map(|policy| (policy.prefix, self.source(policy)))
            .collect();
        let needs = Needs {
            tunnel: self.tunnel_index,
            home_addresses: self.home_addresses(),
            anchors: self.anchors(),
            flows: &sources,
        };
        let plan = Plan::new(&self.access, &needs);
        self.netlink
            .apply(self.tunnel_index, &mut self.installed, &plan)
            .await;
        for (prefix, source) in &sources {
            if !self.sources.contains(&(*prefix, *source)) {
                self.events.write(Event::FlowSource {
                    prefix: *prefix,
                    source: *source,
                });
            }
        }
        self.sources = sources;
    }

    /// Tunnels as the anchors have bound them, from interfaces that can be used.
    pub(super) fn set_tunnels(&self) {
        let anchored = self.ready.values().map(|(anchor, home)| (*home, *anchor));
        let home = self
            .config
            .engine
            .home
            .map(|home| (home.address, home.agent));
        let anchored: BTreeMap<Ipv6Addr, Ipv6Addr> = anchored.chain(home).collect();
        let tunnels = anchored.into_iter().map(|(home, anchor)| {
            let binding = self
                .bindings
                .get(&home)
                .filter(|binding| binding.anchor == anchor);
            let care_of = binding.and_then(|binding| self.access.usable(binding.care_of));
            let mtu = self.tunnel_mtu(care_of, &anchor);
            (
                home,
                Tunnel {
                    anchor,
                    care_of,
                    mtu,
                },
            )
        });
        self.data.set_tunnels(tunnels.collect());
    }

    fn tunnel_mtu(&self, care_of: Option<CareOf>, anchor: &Ipv6Addr) -> u16 {
        let interface = care_of.and_then(|care_of| self.access.interface(care_of.index));
        let link = interface.map_or(u32::from(u16::MAX), |interface| interface.mtu);
        let path = self.path_mtus.get(anchor).copied().unwrap_or(link);
        let path = path.min(self.config.path_mtu.into());
        let tunnel = link.min(path).saturating_sub(TUNNEL_HEADER).max(MIN_MTU);
        u16::try_from(tunnel).unwrap_or(u16::MAX)
    }
}
