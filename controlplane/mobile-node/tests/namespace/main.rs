//! The agent in a network namespace: router advertisements, a DHP, an unmodified program, a move, and what stays behind.
//!
//! Needs root and network namespaces; without them it says so and passes.

mod accesses;
mod advertiser;
mod agent;
mod choosing;
mod compatibility;
mod daemons;
mod first_contact;
mod home;
mod home_agents;
mod internet;
mod network;
mod restart;
mod routes;

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use nix::sys::signal::Signal;

use agent::{Agent, PATIENCE, address};
use internet::{ASSOCIATIONS, Internet};
use network::{Network, inside};

const PREFIX_A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0);
const PREFIX_B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 0);
const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);

/// A program that knows nothing of mobility: it connects a socket and talks.
struct Program {
    go: mpsc::Sender<()>,
    done: mpsc::Receiver<SocketAddr>,
}

impl Program {
    fn start(namespace: &str) -> Self {
        Self::start_to(namespace, SocketAddrV6::new(CN, 7, 0, 0))
    }

    fn start_to(namespace: &str, correspondent: SocketAddrV6) -> Self {
        let (go, wait) = mpsc::channel();
        let (sender, done) = mpsc::channel();
        let namespace = namespace.to_owned();
        std::thread::spawn(move || {
            inside(&namespace, move || {
                let socket = UdpSocket::bind("[::]:0").expect("a socket");
                socket.connect(correspondent).expect("a route");
                let short = std::time::Duration::from_millis(200);
                socket.set_read_timeout(Some(short)).expect("a timeout");
                while wait.recv().is_ok() {
                    let until = std::time::Instant::now() + PATIENCE;
                    let mut answer = [0; 16];
                    // Datagrams may be lost, as in any network.
                    while std::time::Instant::now() < until {
                        let _ = socket.send(b"hello");
                        if socket
                            .recv(&mut answer)
                            .is_ok_and(|length| &answer[..length] == b"hello")
                        {
                            let _ = sender.send(socket.local_addr().expect("an address"));
                            break;
                        }
                    }
                }
            });
        });
        Self { go, done }
    }

    /// Talks once; its own address, when the answer has come.
    fn talk(&self) -> Ipv6Addr {
        self.go.send(()).expect("the program runs");
        match self.done.recv_timeout(PATIENCE + PATIENCE) {
            Ok(SocketAddr::V6(local)) => *local.ip(),
            other => panic!("the correspondent does not answer: {other:?}"),
        }
    }
}

fn network() -> Option<Network> {
    unless_impossible(Network::new())
}

fn unless_impossible(network: Result<Network, String>) -> Option<Network> {
    match network {
        Ok(network) => Some(network),
        Err(reason) => {
            eprintln!("skipped: {reason}");
            None
        }
    }
}

/// Rules, routes beyond the local table, and interfaces: what an agent changes.
fn kernel_state(network: &Network) -> [String; 3] {
    let show = |arguments: &[&str]| network.ip(&network.node(), arguments);
    let links = show(&["-brief", "link", "show"]);
    let names = links
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    [
        show(&["-6", "rule", "show"]),
        show(&["-6", "route", "show", "table", "all", "proto", "77"]),
        names.collect::<Vec<_>>().join(" "),
    ]
}

#[test]
fn a_socket_survives_the_move_to_another_network() {
    let Some(network) = network() else { return };
    let parameter = "net/ipv6/conf/wlan0/optimistic_dad";
    let before = network.read(&network.node(), parameter);
    let state = kernel_state(&network);
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let agent = Agent::start(&network.node(), tempfile::tempdir().expect("a directory"));
    let ready = agent.wait_for("anchor_ready");
    let dhoa = address(&ready, "home_address");
    let bound = agent.wait_for("bound");
    assert!(address(&bound, "care_of").segments()[..4] == PREFIX_A.segments()[..4]);
    while agent.wait_for("flow_source")["source"] != dhoa.to_string() {}

    let program = Program::start(&network.node());
    assert_eq!(program.talk(), dhoa, "an unmodified program gets the DHoA");

    // The link goes to another network: the carrier is lost, and another router answers.
    network.disconnect();
    agent.wait_for("care_of_lost");
    *internet.shared.prefix.lock().expect("the lock") = Some(PREFIX_B);
    network.connect();
    // The kernel may try the address of before again, until the router has said that it is of another network.
    let care_of = loop {
        let configured = address(&agent.wait_for("address_configured"), "address");
        if configured.segments()[..4] == PREFIX_B.segments()[..4] {
            break configured;
        }
        assert!(configured.segments()[..4] == PREFIX_A.segments()[..4]);
    };
    let bound = agent.wait_for("bound");
    assert_eq!(address(&bound, "care_of"), care_of);
    assert_eq!(program.talk(), dhoa, "on the same socket");

    let addresses = network.ip(
        &network.node(),
        &["-6", "addr", "show", "dev", "wlan0", "scope", "global"],
    );
    assert!(
        !addresses.contains("2001:db8:a:"),
        "the old network's address is gone: {addresses}"
    );
    let status = agent.status();
    assert_eq!(status["care_of"], care_of.to_string());
    assert_eq!(status["flows"][0]["state"], "ready");
    assert_eq!(status["flows"][1]["source"], serde_json::Value::Null);

    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    assert!(
        internet
            .shared
            .bindings
            .lock()
            .expect("the lock")
            .is_empty(),
        "it has said farewell"
    );
    assert_eq!(kernel_state(&network), state);
    assert_eq!(network.read(&network.node(), parameter), before);
}

/// The carrier was away for a moment, in which the kernel told nothing of it, and the next network's router has the same link-local
/// address. No router says anything unless it is asked (RFC 6275, section 11.5.1, leaves it to the node how it notices).
#[test]
fn a_move_between_two_looks_at_the_carrier_is_noticed() {
    let Some(network) = unless_impossible(Network::like_a_card()) else {
        return;
    };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let agent = Agent::start(&network.node(), tempfile::tempdir().expect("a directory"));
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    let bound = agent.wait_for("bound");
    assert!(address(&bound, "care_of").segments()[..4] == PREFIX_A.segments()[..4]);
    while agent.wait_for("flow_source")["source"] != dhoa.to_string() {}
    let program = Program::start(&network.node());
    assert_eq!(program.talk(), dhoa);

    *internet.shared.prefix.lock().expect("the lock") = Some(PREFIX_B);
    network.flap();
    let bound = agent.wait_for("bound");
    assert!(address(&bound, "care_of").segments()[..4] == PREFIX_B.segments()[..4]);
    assert_eq!(program.talk(), dhoa, "on the same socket");
    let addresses = network.ip(
        &network.node(),
        &["-6", "addr", "show", "dev", "wlan0", "scope", "global"],
    );
    assert!(!addresses.contains("2001:db8:a:"), "{addresses}");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

/// DMIPv6 profile 1, section 6.4: the new care-of address has a credit until the cookie is echoed.
#[test]
fn packets_flow_while_the_care_of_address_is_tested() {
    let Some(network) = network() else { return };
    let internet = Internet::start_losing_cookies(&network.rest(), PREFIX_A);
    let agent = Agent::start(&network.node(), tempfile::tempdir().expect("a directory"));
    let dhoa = agent.wait_for("under_test")["home_addresses"][0].clone();
    while agent.wait_for("flow_source")["source"] != dhoa {}
    let program = Program::start(&network.node());
    assert_eq!(dhoa, program.talk().to_string(), "nothing is confirmed yet");
    let cookies_lost = &internet.shared.cookies_lost;
    cookies_lost.store(false, Ordering::Relaxed);
    assert_eq!(agent.wait_for("bound")["home_addresses"][0], dhoa);
    assert_eq!(dhoa, program.talk().to_string());
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

#[test]
fn a_socket_survives_another_key() {
    let Some(network) = network() else { return };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let heard = || *internet.shared.heard.lock().expect("the lock");
    let agent = Agent::start(&network.node(), tempfile::tempdir().expect("a directory"));
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    agent.wait_for("bound");
    while agent.wait_for("flow_source")["source"] != dhoa.to_string() {}
    let program = Program::start(&network.node());
    assert_eq!(program.talk(), dhoa);
    assert_eq!(heard(), Some(ASSOCIATIONS[0].0));

    let (taken_over, said) = agent.reload();
    assert!(taken_over && said.contains("the same as before"), "{said}");
    agent.edit("level = \"warn\"", "level = \"info\"");
    let (taken_over, said) = agent.reload();
    assert!(
        !taken_over && said.contains("only a restart can change [log] level"),
        "{said}"
    );
    agent.edit("level = \"info\"", "level = \"warn\"");

    let write = |(spi, octet): (u32, u8)| {
        let key = format!("{octet:02x}").repeat(32);
        format!("spi = {spi}\n            home-key = \"{key}\"")
    };
    let [old, new] = ASSOCIATIONS.map(write);
    agent.edit(&old, &new);
    let (taken_over, said) = agent.reload();
    assert!(taken_over && said.contains("SPI 512"), "{said}");
    assert_eq!(agent.wait_for("key_changed")["spi"], 512);
    let bound = agent.wait_for("bound");
    assert_eq!(bound["home_addresses"][0], dhoa.to_string());
    assert_eq!(program.talk(), dhoa, "on the same socket");
    assert_eq!(heard(), Some(ASSOCIATIONS[1].0));
    assert_eq!(agent.status()["spi"], 512);

    // And back, by the signal.
    agent.edit(&new, &old);
    agent.hang_up();
    assert_eq!(agent.wait_for("key_changed")["spi"], 256);
    agent.wait_for("bound");
    assert_eq!(program.talk(), dhoa);
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

#[test]
fn what_a_killed_agent_leaves_behind_is_removed_by_the_next() {
    let Some(network) = network() else { return };
    let parameter = "net/ipv6/conf/wlan0/optimistic_dad";
    let before = network.read(&network.node(), parameter);
    let state = kernel_state(&network);
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let agent = Agent::start(&network.node(), tempfile::tempdir().expect("a directory"));
    agent.wait_for("anchor_ready");
    agent.wait_for("flow_source");
    let (_, directory) = agent.end(Signal::SIGKILL);
    assert_ne!(
        kernel_state(&network)[0],
        state[0],
        "rules outlive a killed process"
    );
    assert_ne!(network.read(&network.node(), parameter), before);
    let agent = Agent::start(&network.node(), directory);
    agent.wait_for("anchor_ready");
    agent.wait_for("bound");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    assert_eq!(kernel_state(&network), state);
    assert_eq!(network.read(&network.node(), parameter), before);
}
