//! The agent is killed, or ended for a restart, and sessions live on.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::agent::{Agent, PATIENCE, address};
use super::internet::{HOME_ADDRESS, Internet};
use super::network::{Network, inside};
use super::{CN, PREFIX_A, PREFIX_B, kernel_state, network};

/// Goes by the home agent; every other port by the DHP.
const HOME_PORT: u16 = 7022;
const DHP_PORT: u16 = 7080;
/// Octets of a block, and blocks that prove that a session goes on.
const BLOCK: usize = 8192;
const SOME: u64 = 20;

fn sections(directory: &Path) -> String {
    let state = directory.join("kept").join("state.json");
    format!(
        r#"
        [home]
        agent = "2001:db8:d::1"
        address = "2001:db8:1:1::100"
        [[flow]]
        protocol = "tcp"
        ports = ["{HOME_PORT}"]
        session = "fixed"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        [metrics]
        listen = "[::1]:9106"
        [state]
        file = "{}"
        "#,
        state.display()
    )
}

/// A session: the same octets are sent and come back, block by block.
pub(super) struct Session {
    blocks: Arc<AtomicU64>,
    pub(super) local: Ipv6Addr,
    thread: Option<JoinHandle<()>>,
    socket: TcpStream,
}

impl Session {
    pub(super) fn start(namespace: &str, port: u16) -> Self {
        let socket = inside(namespace, move || {
            TcpStream::connect(SocketAddrV6::new(CN, port, 0, 0)).expect("a connection")
        });
        let local = match socket.local_addr().expect("an address") {
            SocketAddr::V6(local) => *local.ip(),
            SocketAddr::V4(_) => panic!("an IPv6 socket"),
        };
        let blocks = Arc::new(AtomicU64::new(0));
        let (counter, mut stream) = (Arc::clone(&blocks), socket.try_clone().expect("a socket"));
        let thread = std::thread::spawn(move || {
            let mut back = [0; BLOCK];
            for number in 0_u64.. {
                let octets = number.to_be_bytes().repeat(BLOCK / 8);
                // It ends when the test closes the socket.
                if stream.write_all(&octets).is_err() || stream.read_exact(&mut back).is_err() {
                    break;
                }
                assert_eq!(back[..], octets[..], "what was sent comes back, in order");
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            blocks,
            local,
            thread: Some(thread),
            socket,
        }
    }

    /// Waits until more blocks have come back.
    pub(super) fn goes_on(&self) {
        let begun = self.blocks.load(Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        while self.blocks.load(Ordering::Relaxed) < begun + SOME {
            let error = self.socket.take_error().expect("a socket");
            assert!(error.is_none(), "{}: {error:?}", self.local);
            assert!(
                Instant::now() < deadline,
                "{}: nothing comes back",
                self.local
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "other octets came back"
            );
        }
    }
}

/// The correspondent: the kernel of the other namespace, and a server that sends back what it gets.
fn correspondent(network: &Network) -> Internet {
    let rest = network.rest();
    network.ip(
        &rest,
        &["addr", "add", &format!("{CN}/128"), "dev", "lo", "nodad"],
    );
    let internet = Internet::start_with_kernel(&rest, PREFIX_A);
    let deadline = Instant::now() + PATIENCE;
    while !network
        .ip(&rest, &["-brief", "link", "show", "up"])
        .contains("cn0")
    {
        assert!(Instant::now() < deadline, "the TUN interface does not come");
        std::thread::yield_now();
    }
    for pool in ["2001:db8:d:1::/64", "2001:db8:1:1::/64"] {
        network.ip(&rest, &["route", "add", pool, "dev", "cn0"]);
    }
    for port in [HOME_PORT, DHP_PORT] {
        send_back(&rest, port);
    }
    internet
}

/// A server of a namespace that has the correspondent's address: it sends back what it gets.
pub(super) fn send_back(namespace: &str, port: u16) {
    let listener = inside(namespace, move || {
        TcpListener::bind((CN, port)).expect("an address of its own")
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut from, mut to) = (&stream, &stream);
                let _ = std::io::copy(&mut from, &mut to);
            });
        }
    });
}

/// What a packet filter of the namespace shows; empty, too, where there is no tool to ask.
fn packet_filter(network: &Network) -> String {
    let output = Command::new("ip")
        .args(["netns", "exec", &network.node(), "nft", "list", "ruleset"])
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Waits until the disk has what the next agent needs: a thread of the agent's writes it, which does not get far on a busy disk.
fn is_kept(directory: &Path, dhoa: Ipv6Addr) {
    let file = directory.join("kept").join("state.json");
    let is_whole = |text: String| {
        let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let [home, dhp] = [&state["home"]["binding"], &state["anchors"][0]["dhoas"][0]];
        let mut flows = state["flows"].as_array().into_iter().flatten();
        home["care_of"].is_string()
            && dhp["care_of"].is_string()
            && flows.any(|flow| flow["address"] == dhoa.to_string())
            && state["candidates"][0].is_object()
    };
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&file).is_ok_and(is_whole) {
        let state = || std::fs::read_to_string(&file);
        assert!(Instant::now() < deadline, "the state is {:?}", state());
        std::thread::yield_now();
    }
}

/// An agent with both kinds of flows, and a session of each, of which the disk knows.
fn with_sessions(network: &Network, directory: tempfile::TempDir) -> (Agent, [Session; 2]) {
    let sections = sections(directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections);
    let dhoa = address(
        &agent.wait_for_field("anchor_ready", "kind", "dhoa"),
        "home_address",
    );
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    while agent.status()["anchors"][0]["bindings"][0]["care_of"].is_null() {}
    let sessions = [HOME_PORT, DHP_PORT].map(|port| Session::start(&network.node(), port));
    assert_eq!(sessions[0].local, HOME_ADDRESS);
    assert_eq!(sessions[1].local, dhoa);
    for session in &sessions {
        session.goes_on();
    }
    is_kept(agent.socket().parent().expect("a directory"), dhoa);
    (agent, sessions)
}

/// What an agent has left that was stopped: what it knows, and nothing that it had been given.
fn only_knowledge_is_left(network: &Network, before: &[String; 3], filter: &str, directory: &Path) {
    let state = directory.join("kept").join("state.json");
    let text = std::fs::read(&state).expect("a state");
    let state_left: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let anchor = &state_left["anchors"][0];
    assert_eq!(anchor["verified"], true, "{state_left}");
    for given in [&anchor["dhoas"], &anchor["releasing"], &state_left["flows"]] {
        assert_eq!(given.as_array().map(Vec::len), Some(0), "{state_left}");
    }
    assert!(state_left["home"]["binding"].is_null(), "{state_left}");
    std::fs::remove_file(state).expect("it is there");
    nothing_is_left(network, before, filter, directory);
}

fn nothing_is_left(network: &Network, before: &[String; 3], filter: &str, directory: &Path) {
    assert_eq!(kernel_state(network), *before);
    assert_eq!(packet_filter(network), filter);
    let addresses = network.ip(&network.node(), &["-6", "addr", "show", "scope", "global"]);
    assert!(!addresses.contains("2001:db8:d:"), "{addresses}");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["dhp-mn.toml", "kept"]);
    let kept = std::fs::read_dir(directory.join("kept")).expect("a directory");
    assert_eq!(kept.count(), 0);
}

#[test]
fn sessions_outlive_a_killed_agent_and_nothing_outlives_a_stopped_one() {
    let Some(network) = network() else { return };
    let parameter = "net/ipv6/conf/wlan0/optimistic_dad";
    let parameter_before = network.read(&network.node(), parameter);
    let (before, filter) = (kernel_state(&network), packet_filter(&network));
    let internet = correspondent(&network);
    let (agent, sessions) = with_sessions(&network, tempfile::tempdir().expect("a directory"));

    let (_, directory) = agent.end(Signal::SIGKILL);
    let sections = sections(directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections);
    for session in &sessions {
        session.goes_on();
    }
    let status = agent.status();
    assert_eq!(status["counters"]["signalling_resynchronisations"], 0);
    assert_eq!(
        status["counters"]["signalling_queries_sent"], 0,
        "answers are kept"
    );
    assert_eq!(status["flows"][1]["source"], sessions[1].local.to_string());
    let new = Session::start(&network.node(), DHP_PORT);
    assert_eq!(new.local, sessions[1].local);
    new.goes_on();

    let status = agent.status();
    let dhp = &status["anchors"][1]["traffic"];
    assert!(
        dhp["bytes_sent"].as_u64() > Some(BLOCK as u64) && dhp["bytes_received"].as_u64() > Some(0)
    );

    drop((new, sessions));
    let (ended, directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
    assert!(
        internet
            .shared
            .bindings
            .lock()
            .expect("the lock")
            .is_empty()
    );
    only_knowledge_is_left(&network, &before, &filter, directory.path());
    assert_eq!(network.read(&network.node(), parameter), parameter_before);
}

#[test]
fn sessions_outlive_a_restart_and_a_move_meanwhile() {
    let Some(network) = network() else { return };
    let (before, filter) = (kernel_state(&network), packet_filter(&network));
    let internet = correspondent(&network);
    let (agent, sessions) = with_sessions(&network, tempfile::tempdir().expect("a directory"));

    let directory = agent.end_by(&["stop", "--keep"]);
    network.disconnect();
    *internet.shared.prefix.lock().expect("the lock") = Some(PREFIX_B);
    network.connect();
    let sections = sections(directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections);
    let in_b = |address: Ipv6Addr| address.segments()[..4] == PREFIX_B.segments()[..4];
    while !in_b(address(&agent.wait_for("bound"), "care_of")) {}
    for session in &sessions {
        session.goes_on();
    }

    drop(sessions);
    let directory = agent.end_by(&["stop"]);
    only_knowledge_is_left(&network, &before, &filter, directory.path());
}

#[test]
fn what_a_dead_agent_has_left_can_be_removed_without_another() {
    let Some(network) = network() else { return };
    let before = kernel_state(&network);
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let directory = tempfile::tempdir().expect("a directory");
    let sections = sections(directory.path());
    let agent = Agent::start_with(&network.node(), directory, &sections);
    agent.wait_for_field("anchor_ready", "kind", "dhoa");
    let clean = |directory: &Path| {
        let config = directory.join("dhp-mn.toml");
        Command::new("ip")
            .args(["netns", "exec", &network.node()])
            .args([env!("CARGO_BIN_EXE_dhp-mn"), "clean", "--config"])
            .arg(config)
            .output()
            .expect("dhp-mn runs")
    };
    let refused = clean(agent.socket().parent().expect("a directory"));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("an agent runs"));
    let (_, directory) = agent.end(Signal::SIGKILL);
    assert_ne!(kernel_state(&network), before);
    assert!(clean(directory.path()).status.success());
    nothing_is_left(
        &network,
        &before,
        &packet_filter(&network),
        directory.path(),
    );
}

#[test]
fn metrics_are_served_and_the_state_can_be_watched() {
    let Some(network) = network() else { return };
    let _internet = correspondent(&network);
    let (agent, sessions) = with_sessions(&network, tempfile::tempdir().expect("a directory"));
    // On a busy machine it may have been sent more than once.
    let updates = agent.status()["counters"]["signalling_home_updates_sent"].clone();
    let updates =
        format!("dmip_mn_signalling_messages_total{{type=\"binding-update\"}} {updates}\n");
    let text = inside(&network.node(), || {
        let mut stream = TcpStream::connect("[::1]:9106").expect("somebody listens");
        let request = b"GET /metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("a question");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    });
    for sample in [
        "dmip_mn_handoffs_total 1\n",
        "dmip_mn_bindings{anchor=\"2001:db8:d::1\",kind=\"home\"} 1\n",
        "dmip_mn_flows{session=\"session-lasting\",state=\"ready\"} 1\n",
        &updates,
        "dmip_mn_interruption_seconds_count 0\n",
        "dmip_mn_mode_packets_total{direction=\"out\",mode=\"route-optimized\"} 0\n",
    ] {
        assert!(text.contains(sample), "{sample} in {text}");
    }
    for mode in ["proxy", "home-agent"] {
        for direction in ["in", "out"] {
            let name =
                format!("dmip_mn_mode_packets_total{{direction=\"{direction}\",mode=\"{mode}\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&name));
            let value = value.and_then(|value| value.parse::<u64>().ok());
            assert!(value > Some(SOME), "{name}{value:?}");
        }
    }

    let mut watch = Command::new(env!("CARGO_BIN_EXE_dhp-mn"))
        .args(["status", "--watch", "--socket"])
        .arg(agent.socket())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a watcher");
    let mut screen = [0; 24];
    let output = watch.stdout.as_mut().expect("its output");
    output.read_exact(&mut screen).expect("a screen");
    assert_eq!(screen, *b"\x1b[2J\x1b[Hcare-of address  ");
    drop(sessions);
    let (ended, _directory) = agent.end(Signal::SIGTERM);
    assert!(ended.success());
    // It ends with the agent, or when nobody reads any more.
    drop(watch.stdout.take());
    let _ = watch.wait();
}
