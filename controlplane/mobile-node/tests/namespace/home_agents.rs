//! Home agents that are `dhpd`: discovered, lost and found again, and with another prefix at home (RFC 6275 §11.4)
//!
//! ```text
//!   node ── wlan0 ─ rest ─ ha0 ── dhpd as home agent ── home0, a home link with nobody on it
//!                     └─── cn0 ── a program that echoes
//! ```

use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;

use nix::sys::signal::Signal;

use super::agent::{Agent, address};
use super::daemons::{Daemon, Services, Site, dhp_sections, dhpd};
use super::internet::{CAPABLE, DHP, HOME_ADDRESS};
use super::network::Network;
use super::{PREFIX_A, PREFIX_B, Program, kernel_state, network};

const HOME_AGENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0xf, 0, 0, 0, 1);
/// What becomes of [`HOME_ADDRESS`] with the other prefix at home.
const RENUMBERED: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 1, 0, 0, 0, 0x100);
const VIRTUAL: &str = r#"
    [[pool]]
    prefix = "2001:db8:1:1::/64"
    kind = "home"
    "#;
/// The second security association says that the other home address is the same mobile node's.
const REAL: &str = r#"
    [[port]]
    interface = "home0"
    [[pool]]
    prefix = "2001:db8:1:1::/64"
    kind = "home"
    link = "home0"
    valid-lifetime = "3h"
    preferred-lifetime = "1h"
    [[pool]]
    prefix = "2001:db8:2:1::/64"
    kind = "home"
    link = "home0"
    "#;

fn node(spi: u32, home: Ipv6Addr) -> String {
    let key = "42".repeat(32);
    format!(
        r#"
        [[mobile-node]]
        id = "mn1@example.net"
        spi = {spi}
        home-key = "{key}"
        home-address = "{home}"
        "#
    )
}

fn home_agent_sections(more: &str) -> String {
    format!(
        r#"
        [anchor]
        address = "{HOME_AGENT}"
        roles = ["home-agent"]
        [[port]]
        interface = "eth0"
        {more}
        {}
        "#,
        node(256, HOME_ADDRESS)
    )
}

/// `first` stands in [mobile-node].
fn agent_sections(first: &str, directory: &Path) -> String {
    let state = directory.join("kept").join("state.json");
    format!(
        r#"
        {first}
        [home]
        address = "{HOME_ADDRESS}"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "fixed"
        [state]
        file = "{}"
        "#,
        state.display()
    )
}

fn start(network: &Network, first: &str) -> Agent {
    let directory = tempfile::tempdir().expect("a directory");
    let sections = agent_sections(first, directory.path());
    Agent::start_with(&network.node(), directory, &sections)
}

fn program(network: &Network) -> Program {
    Program::start_to(&network.node(), SocketAddrV6::new(CAPABLE, 7, 0, 0))
}

fn home_site(network: &Network) -> Site<'_> {
    Site::new(network, "ha0", 3, HOME_AGENT, "2001:db8:1::/48")
}

fn correspondent_site(network: &Network) -> Site<'_> {
    Site::new(network, "cn0", 4, CAPABLE, &format!("{CAPABLE}/128"))
}

/// Goes to another network, whether or not anybody can be told.
fn go_to(network: &Network, services: &Services, agent: &Agent, prefix: Ipv6Addr) {
    network.disconnect();
    agent.wait_for("care_of_lost");
    *services.prefix.lock().expect("the lock") = Some(prefix);
    network.connect();
}

#[test]
fn a_home_agent_is_discovered_remembered_lost_and_found_again() {
    let (Some(dhpd), Some(network)) = (dhpd(), network()) else {
        return;
    };
    let before = kernel_state(&network);
    let (home, cn) = (home_site(&network), correspondent_site(&network));
    let sections = home_agent_sections(VIRTUAL);
    let daemon = Daemon::start(&dhpd, &home, &sections);
    let services = Services::start(&network, &cn.name);
    let agent = start(&network, "");
    let found = agent.wait_for("home_agents_found");
    assert_eq!(found["agents"][0], HOME_AGENT.to_string());
    assert_eq!(address(&agent.wait_for("bound"), "anchor"), HOME_AGENT);
    let program = program(&network);
    assert_eq!(program.talk(), HOME_ADDRESS);
    let status = agent.status()["home"].clone();
    assert_eq!(status["agent"], HOME_AGENT.to_string());
    assert_eq!(status["discovered"], true);
    let explained = agent.ask(&["explain", &CAPABLE.to_string(), "--json"]);
    assert_eq!(explained["anchor"], HOME_AGENT.to_string());
    assert_eq!(explained["mode"], "home agent");

    // The next agent knows it without asking.
    let directory = agent.end_by(&["stop", "--keep"]);
    let sections_of_agent = agent_sections("", directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections_of_agent);
    agent.wait_for("bound");
    assert_eq!(program.talk(), HOME_ADDRESS, "on the same socket");
    let asked = "signalling_home_agent_requests_sent";
    assert_eq!(agent.status()["counters"][asked], 0);

    // Another one might have its place by now.
    drop(daemon);
    go_to(&network, &services, &agent, PREFIX_B);
    agent.wait_for_field("update_sent", "anchor", &HOME_AGENT.to_string());
    let _daemon = Daemon::start(&dhpd, &home, &sections);
    let bound = agent.wait_for("bound");
    assert_eq!(
        address(&bound, "care_of").segments()[..4],
        PREFIX_B.segments()[..4]
    );
    assert_eq!(program.talk(), HOME_ADDRESS, "on the same socket");
    agent.end_by(&["stop"]);
    assert_eq!(kernel_state(&network), before);
}

/// RFC 6275 §9.5.5: it "is always sent to the home address of the mobile node", and comes by its tunnel.
#[test]
fn a_refresh_request_through_the_tunnel_has_the_binding_refreshed() {
    let (Some(dhpd), Some(network)) = (dhpd(), network()) else {
        return;
    };
    let (home, cn) = (home_site(&network), correspondent_site(&network));
    let asks = "[signalling]\nrefresh-request = \"118s\"\n";
    let sections = home_agent_sections(&format!("{VIRTUAL}{asks}"));
    let _daemon = Daemon::start(&dhpd, &home, &sections);
    let _services = Services::start(&network, &cn.name);
    // It would be refreshed after a minute and a half, and is asked for after two seconds.
    let agent = start(&network, "lifetime = \"120s\"");
    agent.wait_for("bound");
    agent.wait_for("bound");
    agent.wait_for("bound");
    let counters = agent.status()["counters"].clone();
    let requests = counters["signalling_refresh_requests"].as_u64();
    assert!(requests >= Some(2), "{counters}");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

#[test]
fn a_session_keeps_the_old_home_address_when_the_home_link_is_renumbered() {
    let (Some(dhpd), Some(network)) = (dhpd(), network()) else {
        return;
    };
    let (home, cn) = (home_site(&network), correspondent_site(&network));
    let ip = |namespace: &str, arguments: &str| {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        network.ip(namespace, &words);
    };
    ip(&home.name, "link add home0 type veth peer name home1");
    for link in ["home0", "home1"] {
        ip(&home.name, &format!("link set {link} addrgenmode none"));
        ip(&home.name, &format!("link set {link} up"));
    }
    ip(&home.name, "address add fe80::1/64 dev home0 nodad");
    ip(&home.name, "address add 2001:db8:1:1::1/64 dev home0 nodad");
    ip(&home.name, "address add 2001:db8:2:1::1/64 dev home0 nodad");
    ip(
        &network.rest(),
        "route add 2001:db8:2::/48 via 2001:db8:f:3::2",
    );
    let quick = "[signalling]\nmin-prefix-interval = \"1s\"\n";
    let other = node(512, RENUMBERED);
    let sections = home_agent_sections(&format!("{REAL}{quick}{other}"));
    let daemon = Daemon::start(&dhpd, &home, &sections);
    let services = Services::start(&network, &cn.name);
    let agent = start(&network, "");
    agent.wait_for_field("flow_source", "source", &HOME_ADDRESS.to_string());
    let session = program(&network);
    assert_eq!(session.talk(), HOME_ADDRESS);

    daemon.change("preferred-lifetime = \"1h\"", "preferred-lifetime = \"0s\"");
    let renumbered = agent.wait_for("home_renumbered");
    assert_eq!(address(&renumbered, "from"), HOME_ADDRESS);
    assert_eq!(address(&renumbered, "to"), RENUMBERED);
    agent.wait_for_field("flow_source", "source", &RENUMBERED.to_string());
    assert_eq!(session.talk(), HOME_ADDRESS, "on the same socket");
    let new = program(&network);
    assert_eq!(new.talk(), RENUMBERED);
    let status = agent.status()["home"].clone();
    assert_eq!(status["former"][0]["address"], HOME_ADDRESS.to_string());

    // Both follow the node, over a restart as well.
    go_to(&network, &services, &agent, PREFIX_B);
    let mut unbound = vec![RENUMBERED, HOME_ADDRESS];
    while !unbound.is_empty() {
        let bound = agent.wait_for("bound")["home_addresses"].clone();
        unbound.retain(|home| bound[0] != home.to_string());
    }
    for (program, home) in [(&session, HOME_ADDRESS), (&new, RENUMBERED)] {
        assert_eq!(program.talk(), home, "on the same socket");
    }
    let directory = agent.end_by(&["stop", "--keep"]);
    let sections_of_agent = agent_sections("", directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections_of_agent);
    for (program, home) in [(&session, HOME_ADDRESS), (&new, RENUMBERED)] {
        assert_eq!(program.talk(), home, "on the same socket");
    }
    agent.end_by(&["stop"]);
}

/// RFC 6275 §11.3.5: the kernel of a router whose `dhpd` has ended answers that it does not know the Mobility Header.
#[test]
fn a_dhp_that_is_an_ordinary_router_again_gets_no_more_updates() {
    const FLOW: &str = r#"
        [[locator]]
        address = "2001:db8:d::1"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        "#;
    let (Some(dhpd), Some(network)) = (dhpd(), network()) else {
        return;
    };
    let dhp = Site::new(&network, "dhp0", 3, DHP, "2001:db8:d::/48");
    let cn = correspondent_site(&network);
    let daemon = Daemon::start(&dhpd, &dhp, &dhp_sections());
    let services = Services::start(&network, &cn.name);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, FLOW);
    agent.wait_for("bound");
    drop(daemon);
    go_to(&network, &services, &agent, PREFIX_B);
    let refused = agent.wait_for("mobility_refused");
    assert_eq!(address(&refused, "anchor"), DHP);
    assert_eq!(address(&agent.wait_for("anchor_silent"), "anchor"), DHP);
    let daemon = Daemon::start(&dhpd, &dhp, &dhp_sections());
    go_to(&network, &services, &agent, PREFIX_A);
    agent.wait_for("bound");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    drop(daemon);
}
