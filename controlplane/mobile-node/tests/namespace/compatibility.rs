//! Where there is no DHP: a plain mobile node, and where there is no home agent either, a plain host.

use super::agent::{Agent, address};
use super::internet::{Anchoring, DHP, HOME_ADDRESS, Internet};
use super::{CN, PREFIX_A, PREFIX_B, Program, kernel_state, network};
use nix::sys::signal::Signal;

const FLOWS: &str = r#"
    [[flow]]
    prefix = "2001:db8:c:1::/64"
    session = "session-lasting"
    "#;
const HOME: &str = r#"
    [home]
    agent = "2001:db8:d::1"
    address = "2001:db8:1:1::100"
    [[locator]]
    address = "2001:db8:d::1"
    "#;

/// Its Binding Errors have status 2, where it does not say nothing.
#[test]
fn with_a_plain_home_agent_it_is_a_plain_mobile_node() {
    let Some(network) = network() else { return };
    let before = kernel_state(&network);
    let internet = Internet::start_with_anchor(&network.rest(), PREFIX_A, Anchoring::HomeAgent);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &format!("{HOME}{FLOWS}"));
    assert_eq!(agent.wait_for("bound")["anchor"], DHP.to_string());
    agent.wait_for_field("flow_source", "source", &HOME_ADDRESS.to_string());
    let program = Program::start(&network.node());
    assert_eq!(program.talk(), HOME_ADDRESS);

    network.disconnect();
    agent.wait_for("care_of_lost");
    *internet.shared.prefix.lock().expect("the lock") = Some(PREFIX_B);
    network.connect();
    let in_b = |event: &serde_json::Value| {
        address(event, "care_of").segments()[..4] == PREFIX_B.segments()[..4]
    };
    while !in_b(&agent.wait_for("bound")) {}
    assert_eq!(program.talk(), HOME_ADDRESS, "on the same socket");
    let errors = agent.status()["counters"]["signalling_binding_errors"].clone();
    assert!(errors.as_u64() > Some(0), "{errors}");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    let bindings = internet.shared.bindings.lock().expect("the lock");
    assert!(bindings.is_empty(), "{bindings:?}");
    assert_eq!(kernel_state(&network), before);
}

#[test]
fn with_neither_home_agent_nor_dhp_it_leaves_traffic_alone() {
    let Some(network) = network() else { return };
    let _internet = Internet::start_with_anchor(&network.rest(), PREFIX_A, Anchoring::None);
    super::choosing::answer_without_tunnel(&network, CN);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, FLOWS);
    agent.wait_for("care_of");
    let fallback = agent.wait_for("fallback");
    assert_eq!(fallback["correspondent"], "2001:db8:c:1::/64");
    let local = Program::start(&network.node()).talk();
    assert_eq!(local.segments()[..4], PREFIX_A.segments()[..4]);
    let counters = agent.status()["counters"].clone();
    assert_eq!(
        (&counters["encapsulated"], &counters["plain"]),
        (&0.into(), &0.into())
    );
}
