//! Coming home to a real home link with `dhpd` as the home agent, and leaving again (RFC 6275 §11.5.5)
//!
//! ```text
//!   node ── wlan0 ── r0 ─ rest, the router of the visited network, with the correspondent
//!                    ╎     └── core0 ─────┐
//!                 at home               dhpd as home agent and DHP
//!                    ╎                     │
//!                   br0, the home link ── home0
//! ```
//!
//! Needs `dhpd` beside `dhp-mn`, as a build of the workspace leaves it; without, it says so and passes.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dhp_port_afpacket::Interface;
use nix::sys::signal::Signal;

use super::advertiser::Advertiser;
use super::agent::{Agent, PATIENCE, address};
use super::daemons::{Daemon, Site, dhpd};
use super::internet::{DHP as ANCHOR, HOME_ADDRESS};
use super::network::{Network, inside};
use super::restart::{Session, send_back};
use super::{CN, PREFIX_A, kernel_state, network};

const HOME_PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0);
/// Goes with the home address; every other port by the DHP.
const HOME_PORT: u16 = 7022;
const DHP_PORT: u16 = 7080;

fn agent_sections(directory: &Path) -> String {
    let state = directory.join("kept").join("state.json");
    format!(
        r#"
        [home]
        agent = "{ANCHOR}"
        address = "{HOME_ADDRESS}"
        [[locator]]
        address = "{ANCHOR}"
        [[flow]]
        protocol = "tcp"
        ports = ["{HOME_PORT}"]
        session = "fixed"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        [state]
        file = "{}"
        "#,
        state.display()
    )
}

fn anchor_sections() -> String {
    format!(
        r#"
        [anchor]
        address = "{ANCHOR}"
        roles = ["home-agent", "dhp", "locator"]
        [[port]]
        interface = "eth0"
        [[port]]
        interface = "home0"
        [[pool]]
        prefix = "2001:db8:1:1::/64"
        kind = "home"
        link = "home0"
        [[pool]]
        prefix = "2001:db8:d:1::/64"
        kind = "dhoa"
        [[coverage]]
        prefix = "2001:db8:c::/48"
        [[directory]]
        dhp = "{ANCHOR}"
        prefix = "2001:db8:c::/48"
        [[mobile-node]]
        id = "mn1@example.net"
        spi = 256
        home-key = "{key}"
        home-address = "{HOME_ADDRESS}"
        "#,
        key = "42".repeat(32)
    )
}

/// Routers that advertise their prefixes, each in its namespace; ended with this.
struct Routers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Routers {
    fn start(routers: [(&str, &'static str, Ipv6Addr); 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |(namespace, interface, prefix): (&str, &'static str, Ipv6Addr)| {
            let (namespace, end) = (namespace.to_owned(), stop.clone());
            std::thread::spawn(move || {
                inside(&namespace, move || {
                    let interface = Interface::find(interface).expect("the interface");
                    let advertiser = Advertiser::new(&interface);
                    while !end.load(Ordering::Relaxed) {
                        advertiser.answer(Some(prefix));
                        std::thread::sleep(Duration::from_millis(10));
                    }
                });
            })
        };
        let threads = routers.into_iter().map(start).collect();
        Self { stop, threads }
    }
}

impl Drop for Routers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// The home link, with the home agent on it.
struct Home<'a> {
    network: &'a Network,
    /// Ends before its namespaces do.
    _routers: Routers,
    anchor: Daemon,
    site: Site<'a>,
}

impl<'a> Home<'a> {
    fn new(network: &'a Network, program: &Path) -> Self {
        let rest = network.rest();
        let site = Site::new(network, "core0", 3, ANCHOR, "2001:db8:d::/48");
        let in_rest = |arguments: &str| in_namespace(network, &rest, arguments);
        in_rest("link add br0 type bridge forward_delay 0 mcast_snooping 0");
        let home0 = format!("link add h0 type veth peer name home0 netns {}", site.name);
        in_rest(&home0);
        for port in ["br0", "h0"] {
            let parameter = format!("/proc/sys/net/ipv6/conf/{port}/disable_ipv6");
            // The home link is not the router's.
            inside(&rest, move || {
                std::fs::write(parameter, "1").expect("a parameter")
            });
        }
        in_rest("link set h0 master br0");
        in_rest("link set br0 up");
        in_rest("link set h0 up");
        in_rest("route add 2001:db8:1:1::/64 via 2001:db8:f:3::2");
        in_rest(&format!("address add {CN}/128 dev lo nodad"));
        let in_site = |arguments: &str| in_namespace(network, &site.name, arguments);
        inside(&site.name, || {
            std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").expect("a parameter");
        });
        in_site("address add 2001:db8:1:1::1/64 dev home0 nodad");
        in_site("link set home0 up");
        for port in [HOME_PORT, DHP_PORT] {
            send_back(&rest, port);
        }
        let anchor = Daemon::start(program, &site, &anchor_sections());
        let visited = (rest.as_str(), "r0", PREFIX_A);
        let home = (site.name.as_str(), "home0", HOME_PREFIX);
        Self {
            network,
            _routers: Routers::start([visited, home]),
            anchor,
            site,
        }
    }

    /// The node's radio finds the home link.
    fn come_home(&self, agent: &Agent) {
        self.network.disconnect();
        agent.wait_for("care_of_lost");
        in_namespace(self.network, &self.network.rest(), "link set r0 master br0");
        in_namespace(self.network, &self.network.rest(), "link set r0 up");
        let event = agent.wait_for("at_home");
        assert_eq!(event["home_address"], HOME_ADDRESS.to_string());
        assert_eq!(event["interface"], "wlan0");
        held_by(self.network, "wlan0");
    }

    /// And the visited network again.
    fn leave_home(&self, agent: &Agent) {
        self.network.disconnect();
        agent.wait_for("care_of_lost");
        in_namespace(self.network, &self.network.rest(), "link set r0 nomaster");
        self.network.connect();
        agent.wait_for("left_home");
        wait_for_home(agent);
        held_by(self.network, "dhpmn0");
    }

    /// What the first worker of the home agent has counted.
    fn counted(&self, name: &str) -> u64 {
        let answer = self.anchor.ask("counters");
        let counter = &answer["ok"]["counters"]["workers"][0]["counters"][name];
        counter.as_u64().expect("a counter")
    }

    /// Whether the home agent has the home address bound.
    fn is_bound(&self) -> bool {
        let answer = self.anchor.ask("bindings").to_string();
        answer.contains(&format!("\"{HOME_ADDRESS}\""))
    }

    /// Whom the home agent's kernel takes for the home address on the home link.
    fn neighbour(&self) -> String {
        let show = format!("neighbour show {HOME_ADDRESS} dev home0");
        in_namespace(self.network, &self.site.name, &show)
    }
}

fn in_namespace(network: &Network, namespace: &str, arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    network.ip(namespace, &[&["-6"], &words[..]].concat())
}

/// The interfaces of the node that have the home address.
fn holders(network: &Network) -> Vec<String> {
    let shown = in_namespace(
        network,
        &network.node(),
        &format!("-oneline address show to {HOME_ADDRESS}"),
    );
    let names = shown
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

/// Waits until it is this one, and no other: the kernel is told after the event has been written.
fn held_by(network: &Network, interface: &str) {
    until("the home address moves", || holders(network) == [interface]);
}

/// Waits until the home agent has bound the home address.
fn wait_for_home(agent: &Agent) {
    while agent.wait_for("bound")["home_addresses"][0] != HOME_ADDRESS.to_string() {}
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// The network and `dhpd`, unless one of them cannot be had here.
fn prepared() -> Option<(Network, PathBuf)> {
    let program = dhpd()?;
    Some((network()?, program))
}

fn start(network: &Network, directory: tempfile::TempDir) -> Agent {
    let sections = agent_sections(directory.path());
    Agent::start_with(&network.node(), directory, &sections)
}

#[test]
fn a_session_lives_through_coming_home_and_leaving_again() {
    let Some((network, program)) = prepared() else {
        return;
    };
    let state = kernel_state(&network);
    let home = Home::new(&network, &program);
    let agent = start(&network, tempfile::tempdir().expect("a directory"));
    wait_for_home(&agent);
    let session = Session::start(&network.node(), HOME_PORT);
    assert_eq!(session.local, HOME_ADDRESS);
    session.goes_on();
    held_by(&network, "dhpmn0");
    assert!(home.is_bound() && home.counted("encapsulated") > 0);
    // Somebody on the home link knows a link-layer address of before.
    let stale = "lladdr 02:00:00:00:00:99 dev home0 nud stale";
    let stale = format!("neighbour replace {HOME_ADDRESS} {stale}");
    in_namespace(&network, &home.site.name, &stale);

    home.come_home(&agent);
    session.goes_on();
    assert!(!home.is_bound());
    let link = network.ip(&network.node(), &["-br", "link", "show", "wlan0"]);
    let mac = link.split_whitespace().nth(2).expect("name, state, MAC");
    until("the neighbour advertisement", || {
        home.neighbour().contains(mac)
    });
    // Without a tunnel, in both directions.
    let tunnelled = || [home.counted("encapsulated"), home.counted("decapsulated")];
    let (before, forwarded) = (tunnelled(), home.counted("forwarded"));
    session.goes_on();
    assert_eq!(tunnelled(), before);
    assert!(home.counted("forwarded") > forwarded);
    let status = agent.status();
    assert_eq!(status["at_home"]["home_address"], HOME_ADDRESS.to_string());
    assert_eq!(status["at_home"]["interface"], "wlan0");
    let explained = agent.ask(&[
        "explain",
        &CN.to_string(),
        "--protocol",
        "tcp",
        "--port",
        &HOME_PORT.to_string(),
        "--json",
    ]);
    assert_eq!(explained["source"], HOME_ADDRESS.to_string());
    assert_eq!(explained["mode"], "direct");
    assert_eq!(explained["anchor"], serde_json::Value::Null);
    let new = Session::start(&network.node(), HOME_PORT);
    assert_eq!(new.local, HOME_ADDRESS);
    new.goes_on();

    home.leave_home(&agent);
    for session in [&session, &new] {
        session.goes_on();
    }
    assert!(home.is_bound());
    assert_eq!(agent.status()["at_home"], serde_json::Value::Null);

    home.come_home(&agent);
    session.goes_on();
    drop((session, new));
    let (ended, _directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
    assert_eq!(kernel_state(&network), state);
    assert!(holders(&network).is_empty());
}

#[test]
fn a_session_by_a_dhp_goes_on_from_the_home_link() {
    let Some((network, program)) = prepared() else {
        return;
    };
    let home = Home::new(&network, &program);
    let agent = start(&network, tempfile::tempdir().expect("a directory"));
    let ready = agent.wait_for_field("anchor_ready", "kind", "dhoa");
    let dhoa = address(&ready, "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let session = Session::start(&network.node(), DHP_PORT);
    assert_eq!(session.local, dhoa);
    session.goes_on();
    home.come_home(&agent);
    session.goes_on();
    let status = agent.status();
    let of_dhp = status["anchors"]
        .as_array()
        .and_then(|anchors| anchors.iter().find(|anchor| anchor["kind"] == "dhoa"));
    let binding = &of_dhp.expect("the DHP")["bindings"][0];
    assert_eq!(binding["care_of"], status["care_of"]);
    assert_ne!(binding["care_of"], HOME_ADDRESS.to_string());
    home.leave_home(&agent);
    session.goes_on();
    drop(session);
    let (ended, _directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
}

#[test]
fn a_session_at_home_outlives_the_agent_and_nothing_outlives_a_stopped_one() {
    let Some((network, program)) = prepared() else {
        return;
    };
    let state = kernel_state(&network);
    let home = Home::new(&network, &program);
    let agent = start(&network, tempfile::tempdir().expect("a directory"));
    wait_for_home(&agent);
    let session = Session::start(&network.node(), HOME_PORT);
    home.come_home(&agent);
    session.goes_on();

    let directory = agent.end_by(&["stop", "--keep"]);
    let agent = start(&network, directory);
    agent.wait_for("at_home");
    session.goes_on();
    let (_, directory) = agent.end(Signal::SIGKILL);
    session.goes_on();
    let agent = start(&network, directory);
    agent.wait_for("at_home");
    session.goes_on();
    home.leave_home(&agent);
    session.goes_on();
    home.come_home(&agent);

    // Killed, and its state lost.
    drop(session);
    let (_, directory) = agent.end(Signal::SIGKILL);
    std::fs::remove_dir_all(directory.path().join("kept")).expect("the state is there");
    assert_eq!(holders(&network), ["wlan0"]);
    let agent = start(&network, directory);
    agent.wait_for("at_home");
    let (ended, _directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
    assert_eq!(kernel_state(&network), state);
    assert!(holders(&network).is_empty());
}

#[test]
fn a_home_agent_that_was_discovered_abroad_is_told_at_home() {
    let Some((network, program)) = prepared() else {
        return;
    };
    let home = Home::new(&network, &program);
    let directory = tempfile::tempdir().expect("a directory");
    let named = format!("agent = \"{ANCHOR}\"");
    let sections = agent_sections(directory.path()).replace(&named, "");
    let agent = Agent::start_with(&network.node(), directory, &sections);
    let found = agent.wait_for("home_agents_found");
    assert_eq!(found["agents"][0], ANCHOR.to_string());
    wait_for_home(&agent);
    let session = Session::start(&network.node(), HOME_PORT);
    assert_eq!(session.local, HOME_ADDRESS);
    session.goes_on();
    let asked = || agent.status()["counters"]["signalling_home_agent_requests_sent"].clone();
    let before = asked();

    home.come_home(&agent);
    session.goes_on();
    assert!(!home.is_bound());
    home.leave_home(&agent);
    session.goes_on();
    assert!(home.is_bound());
    assert_eq!(asked(), before, "it is known");
    drop(session);
    let (ended, _directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
}
