//! How long an answer of the stub resolver waits for the anchor of its addresses, in round trips to the DHP.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::PREFIX_A;
use super::agent::{Agent, PATIENCE};
use super::internet::{DHP, Internet, LOCATOR, NEAR, Ways, site};
use super::network;
use super::network::{Network, hurry, inside};

/// To the DHP and back: much, so that a busy machine does not count.
const ROUND_TRIP: Duration = Duration::from_millis(100);
/// Contacts of each kind.
const SAMPLES: u16 = 5;
/// How long the resolver upstream takes when it is slow.
const UPSTREAM: Duration = Duration::from_millis(200);

/// Names of `a.example` need an address of their own, those of `b.example` any, those of `c.example` promise something.
const FLOWS: &str = r#"
    [[flow]]
    name = "a.example"
    session = "graceful-replacement"
    [[flow]]
    name = "b.example"
    session = "session-lasting"
    [[flow]]
    name = "c.example"
    session = "session-lasting"
    max-latency-ms = 200
    "#;

/// A resolver that finds the address in the name: the pair of sites, which of them, and the network there. Ended with this.
struct Upstream {
    address: SocketAddr,
    is_slow: Arc<AtomicBool>,
    namespace: String,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upstream {
    fn start(network: &Network) -> Self {
        let namespace = network.node();
        let socket = inside(&namespace, || {
            UdpSocket::bind("[::1]:0").expect("a resolver")
        });
        let address = socket.local_addr().expect("its address");
        let is_slow = Arc::new(AtomicBool::new(false));
        let slow = Arc::clone(&is_slow);
        let thread = std::thread::spawn(move || {
            hurry();
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if length == 0 {
                    break;
                }
                if slow.load(Ordering::Relaxed) {
                    std::thread::sleep(UPSTREAM);
                }
                let mut answer = question[..length].to_vec();
                let label = std::str::from_utf8(&question[13..18]).expect("text");
                let address = address_of(label);
                answer[2] |= 0x80;
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]);
                answer.extend(address.octets());
                socket.send_to(&answer, from).expect("sent");
            }
        });
        Self {
            address,
            is_slow,
            namespace,
            thread: Some(thread),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let address = self.address;
        inside(&self.namespace, move || {
            let socket = UdpSocket::bind("[::1]:0").expect("a socket");
            socket.send_to(b"", address).expect("the resolver ends");
        });
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// The address of a label such as `3-1-2`.
fn address_of(label: &str) -> Ipv6Addr {
    let mut numbers = label
        .split('-')
        .map(|number| number.parse::<u16>().expect("a number"));
    let mut next = || numbers.next().expect("three numbers");
    let mut segments = site(next(), next()).segments();
    segments[3] = next();
    segments[7] = 0x80;
    segments.into()
}

fn sections(upstream: &Upstream, more: &str) -> String {
    let address = upstream.address;
    format!(
        r#"
        {FLOWS}
        {more}
        [dns]
        listen = "[::1]:5353"
        upstream = ["{address}"]
        "#
    )
}

/// How long the stub resolver takes for a name.
fn resolve(network: &Network, name: &str) -> Duration {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label"));
        question.extend(label.bytes());
    }
    question.extend([0, 0, 28, 0, 1]);
    inside(&network.node(), move || {
        hurry();
        let socket = UdpSocket::bind("[::1]:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let asked = Instant::now();
        socket.send_to(&question, "[::1]:5353").expect("sent");
        let mut answer = [0; 512];
        socket.recv(&mut answer).expect("an answer");
        asked.elapsed()
    })
}

/// The median in round trips to the DHP.
fn median(what: &str, mut waits: Vec<Duration>) -> f64 {
    waits.sort();
    let median = waits[waits.len() / 2];
    let ratio = median.as_secs_f64() / ROUND_TRIP.as_secs_f64();
    eprintln!("{what}: {ratio:.2} round trips (of {waits:?})");
    ratio
}

/// A site whose DHP nobody near tells, then others that are known or plausible.
#[test]
fn an_answer_waits_for_as_many_round_trips_as_are_needed() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        ..Ways::default()
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let flows = sections(&upstream, "");
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let [
        mut unknown,
        mut covered,
        mut shared,
        mut again,
        mut plausible,
    ] = [const { Vec::new() }; 5];
    for pair in 0..SAMPLES {
        let resolve = |name: &str| resolve(&network, &format!("{pair}-{name}.example"));
        unknown.push(resolve("1-1.a"));
        covered.push(resolve("1-2.c"));
        shared.push(resolve("1-3.b"));
        again.push(resolve("1-1.a"));
        plausible.push(resolve("2-1.a"));
    }
    let unknown = median("nobody near knows the DHP", unknown);
    assert!((1.9..2.5).contains(&unknown), "query, then request");
    assert!(median("its coverage is cached", covered) < 1.3);
    assert!(median("and there is an address", shared) < 0.3);
    assert!(median("asked again", again) < 0.3);
    assert!(median("a known DHP may cover it", plausible) < 1.3);
}

#[test]
fn a_locator_that_is_near_saves_most_of_a_round_trip() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        locator: ROUND_TRIP / 4,
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let locator = format!("[[locator]]\naddress = \"{LOCATOR}\"");
    let flows = sections(&upstream, &locator);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let mut near = Vec::new();
    for pair in 0..SAMPLES {
        near.push(resolve(&network, &format!("{pair}-1-1.a.example")));
        // RFC 6275 has three messages a second to one node, and the locator is one.
        std::thread::sleep(Duration::from_secs(1) / 3);
    }
    assert!(median("a locator at a quarter of the way", near) <= 1.5);
}

#[test]
fn a_name_that_was_asked_for_before_is_prepared_while_it_is_resolved() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        ..Ways::default()
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let flows = sections(&upstream, "[dhp]\nidle = \"10s\"");
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let names: Vec<String> = (0..SAMPLES)
        .map(|pair| format!("{pair}-1-1.a.example"))
        .collect();
    for name in &names {
        resolve(&network, name);
    }
    for _ in &names {
        agent.wait_for("flow_ended");
    }
    upstream.is_slow.store(true, Ordering::Relaxed);
    let added = names
        .iter()
        .map(|name| resolve(&network, name).saturating_sub(UPSTREAM))
        .collect();
    assert!(median("an earlier name, beside a slow resolver", added) < 0.3);
    upstream.is_slow.store(false, Ordering::Relaxed);
}

#[test]
fn a_dhp_of_the_subscription_is_asked_without_a_query() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        ..Ways::default()
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let named = format!(
        r#"
        [[flow]]
        prefix = "2a00:700::/24"
        session = "session-lasting"
        [[provisioned-dhp]]
        address = "{DHP}"
        covers = ["2a00::/12"]
        "#
    );
    let flows = sections(&upstream, &named);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let explained = agent.ask(&["explain", &site(7, 1).to_string(), "--json"]);
    let next = explained["next"].as_str().unwrap_or_default();
    assert!(
        next.contains(&format!("and {DHP} for an address at once")),
        "{explained}"
    );
    let [mut apart, mut shared] = [const { Vec::new() }; 2];
    for pair in 0..SAMPLES {
        let resolve = |name: &str| resolve(&network, &format!("{pair}-{name}.example"));
        apart.push(resolve("1-1.a"));
        shared.push(resolve("2-1.b"));
    }
    assert!(median("the subscription names the DHP", apart) < 1.3);
    assert!(median("and it has given an address", shared) < 0.3);
}

#[test]
fn a_dhp_in_use_that_is_near_tells_of_others() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        locator: ROUND_TRIP / 4,
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let named =
        format!("[[provisioned-dhp]]\naddress = \"{LOCATOR}\"\ncovers = [\"2a00:800::/24\"]");
    let flows = sections(&upstream, &named);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    resolve(&network, &format!("{NEAR}-1-1.a.example"));
    let anchor = LOCATOR.to_string();
    agent.wait_for_field("anchor_ready", "anchor", &anchor);
    let mut near = Vec::new();
    for pair in 0..SAMPLES {
        near.push(resolve(&network, &format!("{pair}-1-1.a.example")));
        // RFC 6275 has three messages a second to one node, and two of them are kept free for measuring it.
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(median("a DHP in use at a quarter of the way knows it", near) <= 1.5);
}

#[test]
fn what_is_known_of_dhps_outlives_an_agent_that_was_stopped() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        ..Ways::default()
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state.json");
    let flows = sections(
        &upstream,
        &format!("[state]\nfile = \"{}\"", state.display()),
    );
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    for pair in 0..SAMPLES {
        resolve(&network, &format!("{pair}-1-1.a.example"));
    }
    let directory = agent.end_by(&["stop"]);
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let names = (0..SAMPLES).map(|pair| format!("{pair}-1-2.a.example"));
    let covered = names.map(|name| resolve(&network, &name)).collect();
    assert!(median("known before the agent was stopped", covered) < 1.3);
    assert_eq!(agent.status()["counters"]["signalling_queries_sent"], 0);
}

#[test]
fn names_of_the_policy_are_looked_up_in_advance() {
    let Some(network) = network() else { return };
    let ways = Ways {
        dhp: ROUND_TRIP,
        ..Ways::default()
    };
    let _internet = Internet::start_far(&network.rest(), PREFIX_A, ways);
    let upstream = Upstream::start(&network);
    let names: Vec<String> = (0..SAMPLES)
        .map(|pair| format!("{pair}-1-1.d.example"))
        .collect();
    let mut more = "[dhp]\nprefetch = \"on\"\n".to_owned();
    for name in &names {
        more += &format!("[[flow]]\nname = \"{name}\"\nsession = \"graceful-replacement\"\n");
    }
    let flows = sections(&upstream, &more).replace(FLOWS, "");
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, &flows);
    agent.wait_for("care_of");
    agent.hurry();
    let deadline = Instant::now() + PATIENCE;
    let known = |status: &serde_json::Value| status["candidates"].as_array().map(Vec::len);
    while known(&agent.status()) != Some(names.len()) {
        assert!(Instant::now() < deadline, "{:#}", agent.status());
        std::thread::sleep(Duration::from_millis(50));
    }
    let requests = |agent: &Agent| agent.status()["counters"]["signalling_requests_sent"].clone();
    assert_eq!(requests(&agent), 0, "no address is held");
    let foreseen = names.iter().map(|name| resolve(&network, name)).collect();
    assert!(median("a name of the policy, looked up in advance", foreseen) < 1.3);
}
