//! What runs before the first handoff of a mode: the daemons, the agent, and until all is anchored.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::access::Interface;
use crate::addresses::HA;
use crate::agent_events::AgentEvent;
use crate::configuration::{self, AgentPlan, Correspondent, HomeProxy, SteeredFlow};
use crate::lab::Lab;
use crate::ping;
use crate::roaming::Roaming;
use crate::stop::Stop;
use crate::timeline::Tone;

use super::model::{Kind, Mode, Scenario, SessionType};
use super::network::Place;
use super::program;
use super::run::targets;
use super::traffic::{ScenarioTraffic, protocol_and_port};

/// How long the agent may take for its anchors.
const READY: Duration = Duration::from_secs(30);
pub fn start_programs(
    lab: &mut Lab,
    scenario: &Scenario,
    mode: Mode,
    directory: &Path,
    stop: &Stop,
) -> Result<()> {
    for (index, region) in scenario.regions.iter().enumerate() {
        let node = Place(index).correspondent();
        lab.start_server(&node, None)?;
        let is_ssh = |kind| matches!(kind, Kind::Ssh | Kind::SshBulk);
        let mut flows = scenario.flows.iter();
        if flows.any(|flow| is_ssh(flow.kind) && flow.to == region.name) {
            program::start_ssh_server(lab, &node, directory)?;
        }
    }
    let with_dhps = mode.has_dhps();
    let entry = |index| (Place(index).dhp_address(), Place(index).site());
    let directory_of_dhps: Vec<_> = match with_dhps {
        true => (0..scenario.regions.len()).map(entry).collect(),
        false => Vec::new(),
    };
    let (ports, signalling) = (lab.options().ports, lab.options().signalling);
    let home = configuration::home_agent(&lab.socket("ha"), ports, signalling, &directory_of_dhps);
    lab.start_dhpd(&[("ha", home)], stop)?;
    if with_dhps {
        for index in 0..scenario.regions.len() {
            start_dhp(lab, index, mode == Mode::Ro, stop)?;
        }
    }
    if mode == Mode::Ro {
        for index in 0..scenario.regions.len() {
            start_correspondent(lab, index, stop)?;
        }
    }
    let mut known = vec![HA.to_owned()];
    for index in 0..scenario.regions.len() {
        known.extend([
            Place(index).dhp_address(),
            Place(index).address(SessionType::NonPersistent),
        ]);
    }
    for access in lab.topology()?.accesses() {
        lab.warm_up(&access.router(), &known, stop)?;
    }
    Ok(())
}

/// Starts a region's DHP.
pub fn start_dhp(
    lab: &mut Lab,
    index: usize,
    permits_route_optimization: bool,
    stop: &Stop,
) -> Result<()> {
    let text = dhp_configuration(lab, index, permits_route_optimization);
    lab.start_dhpd(&[(&Place(index).dhp(), text)], stop)
}

/// Has it take over a configuration that permits route optimization, or one that does not.
pub fn reconfigure_dhp(lab: &Lab, index: usize, permits_route_optimization: bool) -> Result<()> {
    let text = dhp_configuration(lab, index, permits_route_optimization);
    lab.reconfigure_dhpd(&Place(index).dhp(), &text)
}

fn dhp_configuration(lab: &Lab, index: usize, permits_route_optimization: bool) -> String {
    let place = Place(index);
    let (node, address) = (place.dhp(), place.dhp_address());
    let proxy = HomeProxy {
        node: &node,
        address: &address,
        interfaces: &["core0"],
        pool: &place.pool(),
        coverage: &place.site(),
        path_mtu: None,
        permits_route_optimization,
    };
    let (ports, signalling) = (lab.options().ports, lab.options().signalling);
    proxy.render(&lab.socket(&node), ports, signalling)
}

/// What speaks Mobile IPv6 in front of a region's correspondent, and in its name.
fn start_correspondent(lab: &mut Lab, index: usize, stop: &Stop) -> Result<()> {
    let place = Place(index);
    let (node, address) = (place.speaker(), place.speaker_address());
    let persistent = [SessionType::SessionLasting, SessionType::Fixed];
    let text = Correspondent {
        node: &node,
        address: &address,
        interfaces: &["net0", "cn0"],
        hosts: &persistent.map(|session| place.prefix(session)),
    }
    .render(&lab.socket(&node), lab.options().ports);
    lab.start_dhpd(&[(&node, text)], stop)
}

pub fn agent_plan(scenario: &Scenario, mode: Mode) -> AgentPlan {
    let word = |session| match (session, mode) {
        (SessionType::SessionLasting, mode) if mode.has_dhps() => "session-lasting",
        (SessionType::NonPersistent, _) => "non-persistent",
        _ => "fixed",
    };
    let mut flows = Vec::new();
    for index in 0..scenario.regions.len() {
        for session in SessionType::ALL {
            flows.push((Place(index).prefix(session), word(session)));
        }
    }
    let with_access = scenario.flows.iter().enumerate();
    let with_access = with_access.filter(|(_, flow)| !flow.access.is_empty());
    let steered = with_access.filter_map(|(index, flow)| {
        let (protocol, _, port) = protocol_and_port(flow.kind, index);
        let interfaces = flow.access.iter();
        let interfaces = interfaces.filter_map(|name| scenario.interface_in(name).ok());
        Some(SteeredFlow {
            prefix: Place(scenario.region(&flow.to).ok()?).prefix(flow.session),
            protocol,
            port,
            session: word(flow.session),
            interfaces: interfaces.map(Interface::name).collect(),
            max_loss_permille: flow.max_loss_permille,
        })
    });
    AgentPlan {
        flows,
        steered: steered.collect(),
        asks_for_dhps: mode.has_dhps(),
        check_interval: scenario.dhp_check.clone(),
        path_mtu: None,
        optimizes_routes: mode == Mode::Ro,
    }
}

pub fn wait_until_anchored(
    roaming: &mut Roaming<'_>,
    traffic: &mut ScenarioTraffic<'_>,
    scenario: &Scenario,
    mode: Mode,
) -> Result<()> {
    let mut wanted = vec![HA.to_owned()];
    if mode.has_dhps() {
        wanted.extend((0..scenario.regions.len()).map(|index| Place(index).dhp_address()));
    }
    for anchor in wanted {
        let limit = Instant::now() + READY;
        let is_ready = |event: &AgentEvent| {
            event.name == "anchor_ready" && event.text("anchor") == Some(&anchor)
        };
        while !roaming.has_reported(is_ready) {
            roaming.pump(Duration::from_millis(20), traffic)?;
            if Instant::now() >= limit {
                bail!(
                    "the mobile node has no address at {anchor} within {} s",
                    READY.as_secs()
                );
            }
        }
    }
    for target in targets(scenario) {
        let limit = Instant::now() + READY;
        while let Err(error) = ping::round_trip_ns(roaming.lab.node("mn")?, &target, 1) {
            if Instant::now() >= limit {
                return Err(error).with_context(|| format!("{target} does not answer"));
            }
            roaming.pump(Duration::from_millis(100), traffic)?;
        }
    }
    roaming.timeline.say(
        Tone::Good,
        "all anchors are bound, all correspondents answer",
    );
    match mode {
        Mode::Ro => wait_until_optimized(roaming, traffic, scenario),
        Mode::Ha | Mode::Dhp => Ok(()),
    }
}

fn wait_until_optimized(
    roaming: &mut Roaming<'_>,
    traffic: &mut ScenarioTraffic<'_>,
    scenario: &Scenario,
) -> Result<()> {
    let limit = Instant::now() + READY;
    for flow in &scenario.flows {
        let place = Place(scenario.region(&flow.to)?);
        if flow.session == SessionType::NonPersistent {
            continue;
        }
        let correspondent = place.address(flow.session);
        let is_so = |event: &AgentEvent| {
            event.name == "route_optimized" && event.text("correspondent") == Some(&correspondent)
        };
        while !roaming.has_reported(is_so) {
            // The route of a conversation is optimized, so there has to be one.
            let _ = ping::round_trip_ns(roaming.lab.node("mn")?, &correspondent, 1);
            roaming.pump(Duration::from_millis(100), traffic)?;
            if Instant::now() >= limit {
                bail!(
                    "the route to {correspondent} is not optimized within {} s",
                    READY.as_secs()
                );
            }
        }
    }
    roaming
        .timeline
        .say(Tone::Good, "packets go directly to all correspondents");
    Ok(())
}
