//! Who covers the correspondents that the policy names is asked before anybody talks to them.

use std::net::Ipv6Addr;

use dhp_proto::mobile_node::MnCommand;
use dhp_proto::mobile_node::policy::Rule;
use ipnet::Ipv6Net;

use super::Agent;
use super::choosing::lasting;
use crate::config::SITE;
use crate::dns;

/// A flow on demand asks for so much of a correspondent's network.
const NETWORK: u8 = 64;

impl Agent {
    /// Asks in advance, where that is configured and there is a network to ask from. What is known already is not asked for.
    pub(super) fn prefetch(&mut self) {
        if !self.config.prefetch || self.access.current().is_none() {
            return;
        }
        let is_to_be_found = |rule: &Rule| !rule.prepare && lasting(rule).is_some();
        let rules = self.config.policy.rules.iter().enumerate();
        let mut prefixes = Vec::new();
        let mut unknown = Vec::new();
        for (position, rule) in rules.filter(|(_, rule)| is_to_be_found(rule)) {
            let Some(name) = &rule.selector.name else {
                prefixes.extend(
                    Some(rule.selector.prefix).filter(|prefix| prefix.prefix_len() >= SITE),
                );
                continue;
            };
            let known = self.known_names.addresses(name.as_str());
            if known.is_empty() {
                unknown.push(name.as_str().to_owned());
            }
            let used = self.names.of_rule(position);
            prefixes.extend(used.chain(known.iter().copied()).filter_map(network));
        }
        for prefix in prefixes {
            self.engine
                .handle_command(self.clock.now(), MnCommand::Foresee(prefix));
        }
        let mut busy = self.looking_up.iter();
        let is_busy = unknown.is_empty() || busy.any(|task| !task.is_finished());
        if let Some(config) = self.config.dns.as_ref().filter(|_| !is_busy) {
            let look_up = dns::look_up(config.upstream.clone(), unknown, self.lookups.clone());
            self.looking_up = Some(tokio::task::spawn_local(look_up));
        }
    }

    /// A name that the policy is about has addresses.
    pub(super) async fn take_foreseen(&mut self, name: &str, addresses: Vec<Ipv6Addr>) {
        for prefix in addresses.iter().copied().filter_map(network) {
            self.engine
                .handle_command(self.clock.now(), MnCommand::Foresee(prefix));
        }
        self.known_names.learn(name, addresses);
        self.follow_engine().await;
    }
}

fn network(address: Ipv6Addr) -> Option<Ipv6Net> {
    let network = Ipv6Net::new(address, NETWORK).ok();
    network.map(|network| network.trunc())
}
