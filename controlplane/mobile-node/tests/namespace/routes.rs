//! Route optimization (RFC 6275 §11): packets to a correspondent that can do it do not go by the DHP.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;

use super::agent::{Agent, address};
use super::internet::{CAPABLE, Internet};
use super::network::Network;
use super::{CN, PREFIX_A, PREFIX_B, Program, network};

const FLOW: &str = r#"
    [[flow]]
    prefix = "2001:db8:c:1::/64"
    session = "session-lasting"
    route-optimization = "on"
    "#;

/// Goes to another network.
fn roam(network: &Network, internet: &Internet, agent: &Agent, prefix: Ipv6Addr) {
    roam_with(network, &internet.shared.prefix, agent, prefix);
}

/// The same, by whoever advertises this.
pub fn roam_with(
    network: &Network,
    advertised: &Mutex<Option<Ipv6Addr>>,
    agent: &Agent,
    prefix: Ipv6Addr,
) {
    network.disconnect();
    agent.wait_for("care_of_lost");
    *advertised.lock().expect("the lock") = Some(prefix);
    network.connect();
    let is_there = |event: &serde_json::Value| {
        address(event, "care_of").segments()[..4] == prefix.segments()[..4]
    };
    while !is_there(&agent.wait_for("bound")) {}
}

/// Talks a while; UDP packets by the DHP and directly.
fn talk(program: &Program, internet: &Internet, dhoa: Ipv6Addr) -> (u64, u64) {
    let counters = [&internet.shared.tunnelled, &internet.shared.direct];
    let before = counters.map(|counter| counter.load(Ordering::Relaxed));
    for _ in 0..5 {
        assert_eq!(program.talk(), dhoa, "on the same socket");
    }
    let [tunnelled, direct] = counters.map(|counter| counter.load(Ordering::Relaxed));
    (tunnelled - before[0], direct - before[1])
}

#[test]
fn a_socket_goes_on_while_its_route_is_optimized_lost_and_restored() {
    let Some(network) = network() else { return };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, FLOW);
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let program = Program::start_to(&network.node(), SocketAddrV6::new(CAPABLE, 7, 0, 0));
    assert_eq!(program.talk(), dhoa);
    let optimized = agent.wait_for("route_optimized");
    assert_eq!(address(&optimized, "correspondent"), CAPABLE);
    let (tunnelled, direct) = talk(&program, &internet, dhoa);
    assert_eq!(tunnelled, 0, "the DHP carries nothing");
    assert!(direct >= 5);
    let route = agent.status()["routes"][0].clone();
    assert_eq!(route["mode"], "route-optimized");
    assert_eq!(route["care_of"], optimized["care_of"]);

    roam(&network, &internet, &agent, PREFIX_B);
    agent.wait_for("route_optimized");
    assert_eq!(talk(&program, &internet, dhoa).0, 0);

    // The DHP permits it no more: it says so in its next answer.
    internet.shared.not_permitted.store(true, Ordering::Relaxed);
    roam(&network, &internet, &agent, PREFIX_A);
    let (tunnelled, direct) = talk(&program, &internet, dhoa);
    assert!(tunnelled >= 5);
    assert_eq!(direct, 0);
    assert_eq!(agent.status()["routes"][0]["mode"], "proxy");

    internet
        .shared
        .not_permitted
        .store(false, Ordering::Relaxed);
    roam(&network, &internet, &agent, PREFIX_B);
    agent.wait_for("route_optimized");
    assert_eq!(talk(&program, &internet, dhoa).0, 0);

    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    let left = internet.shared.routes.lock().expect("the lock").clone();
    assert!(left.is_empty(), "the correspondent was told: {left:?}");
}

#[test]
fn a_correspondent_that_knows_nothing_of_mobility_is_reached_by_the_dhp() {
    let Some(network) = network() else { return };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, FLOW);
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let program = Program::start(&network.node());
    assert_eq!(program.talk(), dhoa);
    let proxied = agent.wait_for("route_proxied");
    assert_eq!(address(&proxied, "correspondent"), CN);
    assert_eq!(
        proxied["reason"],
        "the correspondent knows nothing of mobility"
    );
    let (tunnelled, direct) = talk(&program, &internet, dhoa);
    assert!(tunnelled >= 5 && direct == 0);
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}
