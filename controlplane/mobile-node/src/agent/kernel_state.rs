//! What the kernel and the data path are to know, from what the agent knows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::anchor::RouteEnds;
use dhp_proto::mobile_node::policy::{Rule, Treatment};
use dhp_proto::mobile_node::{FlowKey, Need, RouteMode, Session};
use ipnet::Ipv6Net;

use super::choosing::lasting;
use super::{Agent, Ready};
use crate::access::CareOf;
use crate::direct_route::DirectRoute;
use crate::event::Event;
use crate::exec::mark_of;
use crate::plan::{FlowWays, Needs, Plan, Way};
use crate::tunnel::Tunnel;

/// Room that a tunnel header takes, in octets (RFC 2473 §7).
pub(super) const TUNNEL_HEADER: u32 = 40;
/// Room that a Home Address option or a type 2 routing header takes.
const OPTION_HEADER: u32 = 24;
/// The smallest MTU of IPv6 (RFC 8200 §5), also of a tunnel.
pub(super) const MIN_MTU: u32 = 1280;

impl Agent {
    /// Anchors, known or named by the subscription, and locators: packets to them never enter the tunnel.
    pub(super) fn anchors(&self) -> BTreeSet<Ipv6Addr> {
        let home = self.engine.present_home().and_then(|home| home.agent);
        let locators = self.config.engine.locators.iter().copied();
        let provisioned = self.config.provisioned.iter().map(|dhp| dhp.address);
        let dhps = self.ready.values().map(|ready| ready.anchor);
        let bound = self.bindings.values().map(|binding| binding.anchor);
        let anchors = home.into_iter().chain(locators).chain(provisioned);
        anchors.chain(dhps).chain(bound).collect()
    }

    fn home_addresses(&self) -> BTreeSet<Ipv6Addr> {
        let home = self.engine.present_home().map(|home| home.address);
        let dhoas = self.ready.values().map(|ready| ready.home_address);
        // A program may have an address that new flows no longer get.
        let bound = self.bindings.keys().copied();
        home.into_iter().chain(dhoas).chain(bound).collect()
    }

    /// The flow whose anchor serves all of a prefix, if there is one.
    pub(super) fn anchored(&self, need: &Need, prefix: &Ipv6Net) -> Option<(&FlowKey, &Ready)> {
        self.ready
            .iter()
            .filter(|(key, ready)| key.need == *need && ready.serves.contains(prefix))
            .max_by_key(|(_, ready)| ready.serves.prefix_len())
    }

    /// The way of flows for which there is no DHP, or not yet.
    pub(super) fn way_without_dhp(&self, rule: &Rule) -> Way {
        let at_home = self.at_home().map(|way| way.address);
        if let (Some(home), Treatment::Anchored(need)) = (at_home, rule.treatment) {
            // What may get a DHP goes through the tunnel interface here too, without a tunnel, since there it is seen who is
            // talked to.
            return match need.session != Session::Fixed && !rule.prepare {
                true => Way::Tunnel(home),
                false => Way::Home(home),
            };
        }
        let home = self.engine.present_home().map(|home| home.address);
        let bound = home.filter(|home| self.bindings.contains_key(home));
        let care_of = self.access.current().map(|care_of| care_of.address);
        let source = match rule.treatment {
            Treatment::NonPersistent => None,
            Treatment::Anchored(need) if need.session == Session::Fixed => home,
            // Through the tunnel interface, since there it is seen who is talked to.
            Treatment::Anchored(_) if !rule.prepare => bound.or(care_of),
            Treatment::Anchored(_) => bound,
        };
        source.map_or(Way::Direct, Way::Tunnel)
    }

    /// The ways of a rule's flows.
    fn ways(&self, position: usize, rule: &Rule) -> Vec<(Ipv6Net, Way)> {
        let correspondents: Vec<Ipv6Net> = match &rule.selector.name {
            Some(_) => self.names.of_rule(position).map(Ipv6Net::from).collect(),
            None => vec![rule.selector.prefix],
        };
        let mut ways = Vec::new();
        for prefix in correspondents {
            let anchored = lasting(rule).and_then(|need| self.anchored(&need, &prefix));
            let way = match anchored {
                Some((_, ready)) => Way::Tunnel(ready.home_address),
                None => self.way_without_dhp(rule),
            };
            ways.push((prefix, way));
            if let Some(need) = lasting(rule) {
                let within = self.ready.iter().filter(|(key, ready)| {
                    key.need == need && ready.serves != prefix && prefix.contains(&ready.serves)
                });
                let mut within: Vec<(Ipv6Net, Way)> = within
                    .map(|(_, ready)| (ready.serves, Way::Tunnel(ready.home_address)))
                    .collect();
                // Two searches may have ended at different DHPs: the first one's holds.
                within.dedup_by_key(|(serves, _)| *serves);
                ways.extend(within);
            }
        }
        ways
    }

    /// Makes the kernel's state follow from the agent's.
    pub(super) async fn apply_plan(&mut self) {
        let marked: Vec<(u32, Rule)> = self
            .preference_rules()
            .chain(
                self.leases
                    .keys()
                    .map(|session| (session.mark(), session.rule())),
            )
            .collect();
        let before_policy = marked.len();
        let marked = marked.iter().map(|(mark, rule)| FlowWays {
            selector: &rule.selector,
            mark: Some(*mark),
            ways: self.ways(usize::MAX, rule),
        });
        let rules = self.config.policy.rules.iter().enumerate();
        let policy = rules.map(|(position, rule)| FlowWays {
            selector: &rule.selector,
            mark: rule.selector.program.as_ref().map(mark_of),
            ways: self.ways(position, rule),
        });
        let flows: Vec<FlowWays<'_>> = marked.chain(policy).collect();
        let needs = Needs {
            tunnel: self.tunnel_index,
            home_addresses: self.home_addresses(),
            at_home: self.home_use(),
            anchors: self.anchors(),
            flows: &flows,
        };
        let plan = Plan::new(&self.access, &needs);
        let policy = flows.iter().skip(before_policy);
        let sources: Vec<(usize, Ipv6Net, Option<Ipv6Addr>)> = (1..)
            .zip(policy)
            .flat_map(|(rule, flow)| {
                flow.ways.iter().map(move |(prefix, way)| match way {
                    Way::Tunnel(source) | Way::Home(source) => (rule, *prefix, Some(*source)),
                    Way::Direct => (rule, *prefix, None),
                })
            })
            .collect();
        self.netlink
            .apply(self.tunnel_index, &mut self.installed, &plan)
            .await;
        for (rule, prefix, source) in &sources {
            if !self.sources.contains(&(*rule, *prefix, *source)) {
                self.events.write(Event::FlowSource {
                    rule: *rule,
                    prefix: *prefix,
                    source: *source,
                });
            }
        }
        self.sources = sources;
    }

    /// Tunnels as the anchors have bound them, from interfaces that can be used.
    pub(super) fn set_tunnels(&self) {
        let bound = self.bindings.iter();
        let bound = bound.map(|(home, binding)| (*home, binding.anchor));
        let ready = self.ready.values();
        let ready = ready.map(|ready| (ready.home_address, ready.anchor));
        let home = self.engine.present_home();
        let home = home.and_then(|home| Some((home.address, home.agent?)));
        let anchored: BTreeMap<Ipv6Addr, Ipv6Addr> = bound.chain(ready).chain(home).collect();
        let at_home = self.at_home();
        let tunnels = anchored.into_iter().map(|(home, anchor)| {
            if let Some(way) = at_home.filter(|way| way.address == home) {
                let tunnel = Tunnel {
                    anchor,
                    care_of: Some(way),
                    mtu: u16::MAX,
                    steered: Vec::new(),
                };
                return (home, tunnel);
            }
            let binding = self
                .bindings
                .get(&home)
                .filter(|binding| binding.anchor == anchor);
            let care_of = binding
                .and_then(|binding| self.access.usable(binding.care_of))
                .or_else(|| self.other_care_of(&home, &anchor));
            let mtu = self.tunnel_mtu(care_of, &anchor);
            (
                home,
                Tunnel {
                    anchor,
                    care_of,
                    mtu,
                    steered: self.steered_paths(&home, &anchor),
                },
            )
        });
        self.data.modes.set_homes(self.engine.home_addresses());
        self.data.set_tunnels(
            tunnels.collect(),
            self.direct_routes(),
            self.access.current(),
        );
    }

    /// Routes as correspondents have confirmed them, and those that they may know of already.
    fn direct_routes(&self) -> Vec<(RouteEnds, DirectRoute)> {
        let routes = self.engine.routes().map(|route| {
            let care_of = match route.mode {
                RouteMode::Optimized { care_of, .. } => self.access.usable(care_of),
                RouteMode::Proxy(_) => None,
            };
            let room = self.path_mtu(care_of, &route.ends.correspondent);
            let mtu = octets(room.saturating_sub(OPTION_HEADER));
            (route.ends, DirectRoute { care_of, mtu })
        });
        routes.collect()
    }

    pub(super) fn tunnel_mtu(&self, care_of: Option<CareOf>, anchor: &Ipv6Addr) -> u16 {
        let path = self.path_mtu(care_of, anchor);
        octets(path.saturating_sub(TUNNEL_HEADER).max(MIN_MTU))
    }

    /// The longest packet that the way to an anchor or a correspondent takes.
    fn path_mtu(&self, care_of: Option<CareOf>, peer: &Ipv6Addr) -> u32 {
        let interface = care_of.and_then(|care_of| self.access.interface(care_of.index));
        let link = interface.map_or(u32::from(u16::MAX), |interface| interface.mtu);
        let path = self.path_mtus.get(peer).copied().unwrap_or(link);
        link.min(path).min(self.config.path_mtu.into())
    }
}

fn octets(length: u32) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
