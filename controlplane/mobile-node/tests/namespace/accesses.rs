//! Two accesses at once: a voice flow on one, a download on the other, both through the same DHP.

use std::net::SocketAddrV6;
use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;

use super::agent::{Agent, address};
use super::internet::Internet;
use super::{CN, PREFIX_A, PREFIX_B, Program, kernel_state, network};

const WLAN: usize = 0;
const WWAN: usize = 1;
const VOICE: u16 = 5004;
const DOWNLOAD: u16 = 7;
/// Of the second access network.
const SECOND: &str = "2001:db8:b::/48";

/// Talks once each, and says which link their packets took, up and down.
fn links(internet: &Internet, programs: [(&Program, u16); 2]) -> [Vec<usize>; 2] {
    let seen = || internet.shared.seen.lock().expect("the lock");
    programs.map(|(program, port)| {
        seen().clear();
        program.talk();
        let of_flow = seen();
        let of_flow = of_flow.iter().filter(|(_, _, of)| *of == port);
        let of_flow: Vec<(usize, bool)> = of_flow.map(|(link, up, _)| (*link, *up)).collect();
        assert!(of_flow.iter().any(|(_, up)| *up) && of_flow.iter().any(|(_, up)| !up));
        let mut links: Vec<usize> = of_flow.into_iter().map(|(link, _)| link).collect();
        links.sort_unstable();
        links.dedup();
        links
    })
}

#[test]
fn each_flow_uses_its_access_in_both_directions_and_moves_when_that_degrades_or_goes() {
    let Some(network) = network() else { return };
    network.add_link(SECOND);
    let state = kernel_state(&network);
    let internet = Internet::start_on_two(&network.rest(), PREFIX_A, PREFIX_B);
    let sections = r#"
        [[interface]]
        name = "wwan0"
        metered = true
        rate-kbps = 20000
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        protocol = "udp"
        ports = ["5000-5999"]
        session = "session-lasting"
        prepare = true
        access = ["wwan0", "wlan0"]
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        "#;
    let directory = tempfile::tempdir().expect("a directory");
    let both = r#"["wlan0", "wwan0"]"#;
    let agent = Agent::start_on(&network.node(), directory, both, sections);
    let steered = || loop {
        let event = agent.wait_for("steered");
        if event["care_ofs"]
            .as_array()
            .is_some_and(|both| both.len() == 2)
        {
            return event;
        }
    };
    let first = steered();
    assert_eq!(first["care_ofs"][0]["interface"], "wlan0");
    assert_eq!(first["care_ofs"][1]["interface"], "wwan0");
    let dhoa = first["home_addresses"][0].clone();
    let status = agent.status();
    assert_eq!(status["flows"][0]["access"], "wwan0");
    assert_eq!(status["flows"][1]["access"], "wlan0");

    let to = |port| Program::start_to(&network.node(), SocketAddrV6::new(CN, port, 0, 0));
    let (voice, download) = (to(VOICE), to(DOWNLOAD));
    assert_eq!(voice.talk().to_string(), dhoa, "both have the same address");
    assert_eq!(download.talk().to_string(), dhoa);
    let used = || links(&internet, [(&voice, VOICE), (&download, DOWNLOAD)]);
    assert_eq!(used(), [vec![WWAN], vec![WLAN]]);

    // The access degrades: it is there, and nothing comes back over it.
    internet
        .shared
        .second_is_broken
        .store(true, Ordering::Relaxed);
    let moved = agent.wait_for_field("flow_access", "interface", "wlan0");
    assert_eq!(moved["rule"], 1);
    assert_eq!(
        moved["reason"],
        "not one before it: nothing comes back over it"
    );
    while agent.wait_for("steered")["care_ofs"] != serde_json::json!([]) {}
    assert_eq!(used(), [vec![WLAN], vec![WLAN]]);

    // It recovers.
    internet
        .shared
        .second_is_broken
        .store(false, Ordering::Relaxed);
    agent.wait_for_field("flow_access", "interface", "wwan0");
    steered();
    assert_eq!(used(), [vec![WWAN], vec![WLAN]]);

    // It goes, and comes back.
    network.disconnect_second();
    let moved = agent.wait_for_field("flow_access", "interface", "wlan0");
    assert_eq!(moved["reason"], "those before it are not there");
    while agent.wait_for("steered")["care_ofs"] != serde_json::json!([]) {}
    assert_eq!(used(), [vec![WLAN], vec![WLAN]]);
    network.connect_second(SECOND);
    let back = steered();
    assert_eq!(back["care_ofs"][1]["interface"], "wwan0");
    assert!(address(&back["care_ofs"][1], "care_of").segments()[..4] == PREFIX_B.segments()[..4]);
    assert_eq!(used(), [vec![WWAN], vec![WLAN]]);

    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    assert_eq!(kernel_state(&network), state);
}
