//! Which packets may go to their correspondents directly.

use std::net::Ipv6Addr;

use dhp_proto::anchor::RouteEnds;
use dhp_proto::mobile_node::policy::{Contact, Conversation};
use dhp_proto::mobile_node::{MnCommand, RouteMode};

use super::Agent;
use super::engine_events::proxy_reason;
use crate::status::RouteStatus;

impl Agent {
    /// Whether any flow may be optimized.
    pub(super) fn may_optimize(&self) -> bool {
        let mut rules = self.config.policy.rules.iter();
        self.config.optimize || rules.any(|rule| rule.optimize)
    }

    /// A conversation goes on, whoever began it: has its route optimized if its rule says so, and for a while.
    pub(super) async fn optimize(&mut self, conversation: &Conversation, contact: &Contact) {
        let judged = self.config.policy.judge(contact, &self.names);
        let optimize = judged.map_or(self.config.optimize, |(_, rule)| rule.optimize);
        let home = self.engine.present_home().map(|home| home.address);
        let is_home = home == Some(conversation.local);
        if !optimize || !(is_home || self.bindings.contains_key(&conversation.local)) {
            return;
        }
        let ends = RouteEnds {
            home_address: conversation.local,
            correspondent: conversation.remote,
        };
        let is_new = !self.engine.routes().any(|route| route.ends == ends);
        self.engine
            .handle_command(self.clock.now(), MnCommand::OptimizeRoute(ends));
        if is_new {
            // What the correspondent sends directly may be here before its acknowledgement.
            self.set_tunnels();
        }
        self.follow_engine().await;
    }

    /// Whether packets go to the correspondent directly.
    pub(super) fn is_route_to(&self, correspondent: &Ipv6Addr) -> bool {
        let mut routes = self.engine.routes();
        routes.any(|route| route.ends.correspondent == *correspondent)
    }

    /// The mode of packets from a home address to a correspondent; `None`: nobody has thought of another than proxy.
    pub(super) fn route_mode(&self, ends: &RouteEnds) -> Option<RouteMode> {
        let mut routes = self.engine.routes();
        routes
            .find(|route| route.ends == *ends)
            .map(|route| route.mode)
    }

    /// The routes as `dhp-mn status` shows them.
    pub(super) fn route_status(&self) -> Vec<RouteStatus> {
        let now_ns = self.clock.now().mono_ns;
        let routes = self.engine.routes().map(|route| {
            let (care_of, expires_ns, reason) = match route.mode {
                RouteMode::Optimized {
                    care_of,
                    expires_ns,
                } => (Some(care_of), Some(expires_ns), None),
                RouteMode::Proxy(reason) => (None, None, reason),
            };
            RouteStatus {
                home_address: route.ends.home_address,
                correspondent: route.ends.correspondent,
                mode: mode_name(&route.mode).to_owned(),
                care_of,
                seconds_left: expires_ns.map(|ns| ns.saturating_sub(now_ns) / 1_000_000_000),
                reason: reason.map(proxy_reason),
            }
        });
        routes.collect()
    }
}

pub(super) fn mode_name(mode: &RouteMode) -> &'static str {
    match mode {
        RouteMode::Optimized { .. } => "route-optimized",
        RouteMode::Proxy(_) => "proxy",
    }
}
