//! An agent that goes on where another has ended, and one that ends so that another can.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::Path;

use anyhow::Context;
use dhp_port_afpacket::Interface;
use dhp_proto::mobile_node::policy::{Policy, Treatment};
use dhp_proto::mobile_node::{FlowKey, Kept};
use dhp_proto::time::Now;

use super::choosing::prepared_flows;
use super::setup::home_places;
use super::{Agent, Binding};
use crate::api::Answer;
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::netlink::Netlink;
use crate::state::StateFile;
use crate::sysctl::Sysctls;

/// How an agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All bindings are given back, and nothing is left behind but what is known of DHPs.
    Leave,
    /// The next agent goes on: bindings, interface, addresses, routes and rules stay.
    Keep,
}

impl Agent {
    /// Has written what the next agent needs, if that has changed.
    pub(super) fn keep(&mut self) {
        if let Some(state) = &mut self.state {
            state.keep(self.clock.now(), self.engine.kept());
        }
    }

    /// Has written what an agent knows that is about to give everything back: numbers that are used up, and DHPs.
    pub(super) fn keep_knowledge(&mut self) {
        if let Some(state) = &mut self.state {
            let kept = self.engine.kept().without_bindings();
            state.keep(self.clock.now(), kept);
        }
    }

    /// Somebody wants the agent to end.
    pub(super) fn end(&mut self, keep: bool) -> Answer {
        if keep && self.state.is_none() {
            let reason = "sessions cannot outlive the agent: its configuration has no [state]";
            return Answer::Refused(reason.to_owned());
        }
        self.ending = Some(if keep { Ending::Keep } else { Ending::Leave });
        Answer::Done
    }
}

/// Whose state it is: the identity, if it is configured.
pub(super) fn owner(config: &Config) -> String {
    let mn_id = config.engine.mn_id.as_ref();
    mn_id.map_or_else(String::new, ToString::to_string)
}

/// What an agent of the same configuration has kept.
pub(super) fn recall(config: &Config, mn_id: &str, now: Now) -> Option<Kept> {
    let path = config.state.as_ref()?;
    match StateFile::load(path, mn_id, now) {
        Ok(kept) => {
            let mut kept = kept?;
            let prepared = prepared_flows(&config.policy);
            kept.flows.retain(|flow| match flow.on_demand {
                true => is_wanted(&config.policy, &flow.key),
                false => prepared.contains(&flow.key),
            });
            Some(kept)
        }
        Err(error) => {
            tracing::warn!(%error, "{}: the state is not taken over", path.display());
            None
        }
    }
}

/// Whether a rule of the policy gives what an earlier one has given.
fn is_wanted(policy: &Policy, key: &FlowKey) -> bool {
    let same = |treatment| matches!(treatment, Treatment::Anchored(need) if need == key.need);
    policy.rules.iter().any(|rule| same(rule.treatment))
}

/// Where the anchors had bound the addresses. An address without a care-of address is there all the same: a program may have it.
pub(super) fn bindings(kept: &Kept) -> BTreeMap<Ipv6Addr, Binding> {
    let former = kept.former_homes.iter().map(|former| &former.home);
    let home = kept.home.iter().chain(former);
    let home = home.filter_map(|home| Some((home.address, home.agent, home.binding?)));
    let dhoas = kept.anchors.iter().flat_map(|anchor| {
        let dhoas = anchor.dhoas.iter();
        dhoas.map(|(address, binding)| (*address, anchor.address, *binding))
    });
    home.chain(dhoas)
        .map(|(address, anchor, binding)| {
            let care_of = binding.care_of.unwrap_or(Ipv6Addr::UNSPECIFIED);
            (address, Binding { anchor, care_of })
        })
        .collect()
}

/// Removes what a dead agent has left: rules, routes, the tunnel interface, kernel parameters, files.
///
/// # Errors
/// The agent is not dead, or the kernel refuses.
pub async fn clean(path: &Path) -> anyhow::Result<()> {
    let Loaded { config, .. } = Config::load(path)?;
    if std::os::unix::net::UnixStream::connect(&config.socket).is_ok() {
        anyhow::bail!("{}: an agent runs", config.socket.display());
    }
    let (netlink, _notifications) = Netlink::connect().context("open a netlink socket")?;
    let interfaces = config.interfaces.iter();
    // One that is not there has no address either.
    let interfaces: Vec<Interface> = interfaces
        .filter_map(|name| Interface::find(name).ok())
        .collect();
    let kept = recall(&config, &owner(&config), Clock::new().now());
    let places = home_places(&config, kept.as_ref(), &interfaces);
    netlink.remove_leftovers(&places).await?;
    if let Some(index) = netlink.left_tunnel(&config.tun).await? {
        netlink
            .remove_link(index)
            .await
            .with_context(|| format!("{}: remove the interface", config.tun))?;
    }
    // Making it restores what the file notes.
    Sysctls::new(config.socket.with_extension("state"))?;
    if let Some(state) = &config.state {
        StateFile::remove_at(state);
    }
    match std::fs::remove_file(&config.socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| config.socket.display().to_string())
        }
        _ => Ok(()),
    }
}
