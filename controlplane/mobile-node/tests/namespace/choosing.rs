//! The agent chooses: per flow, on demand, by port and by name, and says why.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dhp_wire::checksum;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

use super::agent::{Agent, PATIENCE, address};
use super::internet::{DHP, HOME_ADDRESS, Internet, packet};
use super::network::{Network, inside};
use super::{CN, PREFIX_A, Program, network};

const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xcc, 0, 0, 0, 0, 0x80);
const HOME: &str = r#"
    [home]
    agent = "2001:db8:d::1"
    address = "2001:db8:1:1::100"
    "#;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn is_care_of(address: Ipv6Addr) -> bool {
    address.segments()[..4] == PREFIX_A.segments()[..4]
}

#[test]
fn the_first_flow_to_a_correspondent_goes_without_and_the_next_by_its_dhp() {
    let Some(network) = network() else { return };
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    for correspondent in [CN, ELSEWHERE] {
        answer_without_tunnel(&network, correspondent);
    }
    let flows = r#"
        [[flow]]
        prefix = "2001:db8::/32"
        session = "session-lasting"
        "#;
    let agent = Agent::start_with(&network.node(), directory(), flows);
    while agent.wait_for("flow_source")["source"].is_null() {}

    let explained = agent.ask(&["explain", &CN.to_string(), "--json"]);
    assert_eq!(explained["mode"], "direct");
    assert_eq!(explained["why"], "nobody has talked to it yet");
    assert!(
        explained["rule"]["place"]
            .as_str()
            .is_some_and(|place| place.ends_with("dhp-mn.toml:8")),
        "{explained}"
    );

    let first = Program::start(&network.node());
    assert!(is_care_of(first.talk()), "there is no home agent");
    let ready = agent.wait_for("anchor_ready");
    assert_eq!(ready["serves"], "2001:db8:c::/48");
    let dhoa = address(&ready, "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let next = Program::start(&network.node());
    assert_eq!(next.talk(), dhoa);
    assert!(is_care_of(first.talk()), "the first goes on as it began");

    let explained = agent.ask(&["explain", &CN.to_string(), "--json"]);
    assert_eq!(explained["mode"], "proxy");
    assert_eq!(explained["source"], dhoa.to_string());
    assert_eq!(explained["candidates"][0]["dhp"], DHP.to_string());
    let elsewhere = Program::start_to(&network.node(), SocketAddrV6::new(ELSEWHERE, 7, 0, 0));
    assert!(is_care_of(elsewhere.talk()), "the DHP does not cover it");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

/// A correspondent that can be reached without a tunnel; it ends with its namespace's network.
pub fn answer_without_tunnel(network: &Network, correspondent: Ipv6Addr) {
    let address = format!("{correspondent}/128");
    network.ip(
        &network.rest(),
        &["addr", "add", &address, "dev", "lo", "nodad"],
    );
    let socket = inside(&network.rest(), move || {
        UdpSocket::bind((correspondent, 7)).expect("an address of its own")
    });
    std::thread::spawn(move || {
        let mut datagram = [0; 16];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    });
}

#[test]
fn ports_and_protocols_decide_before_the_socket_has_an_address() {
    let Some(network) = network() else { return };
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let flows = r#"
        [[flow]]
        protocol = "udp"
        ports = ["53", "5000-5999"]
        duration = "short"
        [[flow]]
        protocol = "udp"
        ports = ["22"]
        session = "fixed"
        [[flow]]
        dscp = 46
        session = "fixed"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        "#;
    let sections = format!("{HOME}{flows}");
    let agent = Agent::start_with(&network.node(), directory(), &sections);
    let ready = agent.wait_for_field("anchor_ready", "kind", "dhoa");
    let dhoa = address(&ready, "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let source = |port, dscp: i32| {
        let to = SocketAddrV6::new(CN, port, 0, 0);
        inside(&network.node(), move || {
            let socket = UdpSocket::bind("[::]:0").expect("a socket");
            setsockopt(&socket, sockopt::Ipv6TClass, &(dscp << 2)).expect("a class");
            socket.connect(to).expect("a route");
            match socket.local_addr().expect("an address") {
                SocketAddr::V6(local) => *local.ip(),
                SocketAddr::V4(_) => panic!("an IPv6 socket"),
            }
        })
    };
    assert!(is_care_of(source(53, 0)) && is_care_of(source(5500, 46)));
    assert_eq!(source(22, 0), HOME_ADDRESS);
    assert_eq!(source(7, 46), HOME_ADDRESS);
    assert_eq!(source(7, 0), dhoa);
}

/// RFC 6275: who connects to the home address stays there, whatever the policy gives to flows that begin here.
#[test]
fn who_connects_to_the_home_address_stays_there() {
    let Some(network) = network() else { return };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let flows = r#"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        [[flow]]
        prefix = "::/0"
        session = "session-lasting"
        "#;
    let agent = Agent::start_with(&network.node(), directory(), &format!("{HOME}{flows}"));
    let mut by_home_agent = false;
    let mut by_dhp = false;
    while !(by_home_agent && by_dhp) {
        let event = agent.wait_for("flow_source");
        by_home_agent |= event["prefix"] == "::/0" && event["source"] == HOME_ADDRESS.to_string();
        let source = event["source"].as_str().unwrap_or_default();
        by_dhp |= source.starts_with("2001:db8:d:1:");
    }
    let namespace = network.node();
    let server = inside(&namespace, || {
        TcpListener::bind("[::]:7000").expect("a server")
    });
    for (correspondent, has_dhp) in [(CN, true), (ELSEWHERE, false)] {
        let answered = || internet.shared.answered.lock().expect("the lock").clone();
        let before = answered().len();
        let connection = packet(6, correspondent, HOME_ADDRESS, &syn(&correspondent));
        let deadline = Instant::now() + PATIENCE;
        while answered().len() == before {
            assert!(
                Instant::now() < deadline,
                "the server does not answer {correspondent}"
            );
            let mut inbound = internet.shared.inbound.lock().expect("the lock");
            if inbound.is_empty() {
                inbound.push(connection.clone());
            }
            drop(inbound);
            std::thread::yield_now();
        }
        let sources = answered().split_off(before);
        assert!(
            sources.iter().all(|source| *source == HOME_ADDRESS),
            "{sources:?}"
        );
        let known = agent.status()["correspondents"].as_array().map(Vec::len);
        assert_eq!(
            known,
            Some(0),
            "nothing is looked for, DHP or not: {has_dhp}"
        );
    }
    drop(server);
}

/// The first segment of a connection to port 7000.
fn syn(from: &Ipv6Addr) -> [u8; 20] {
    let mut segment = [0; 20];
    segment[..4].copy_from_slice(&[0x9c, 0x40, 0x1b, 0x58]);
    segment[12..14].copy_from_slice(&[0x50, 0x02]);
    segment[14] = 0x40;
    let checksum = checksum::upper_layer_checksum(from, &HOME_ADDRESS, 6, &segment);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    segment
}

#[test]
fn a_name_that_is_resolved_has_its_dhp_before_the_program_knows_the_address() {
    let Some(network) = network() else { return };
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let namespace = network.node();
    let upstream = inside(&namespace, || {
        UdpSocket::bind("[::1]:0").expect("a resolver")
    });
    let knows = upstream.local_addr().expect("its address");
    let resolver = std::thread::spawn(move || answer_questions(&upstream));
    let sections = format!(
        r#"
        [[flow]]
        name = "video.example"
        session = "session-lasting"
        [dns]
        listen = "[::1]:5353"
        upstream = ["{knows}"]
        "#
    );
    let agent = Agent::start_with(&namespace, directory(), &sections);
    agent.wait_for("care_of");
    let (first, first_took) = inside(&namespace, || resolve_and_connect("www.video.example"));
    let ready = agent.wait_for("anchor_ready");
    assert_eq!(
        first,
        address(&ready, "home_address"),
        "its very first connection"
    );
    let (again, again_took) = inside(&namespace, || resolve_and_connect("www.video.example"));
    assert_eq!(again, first);
    let (other, _) = inside(&namespace, || resolve_and_connect("www.example"));
    assert_eq!(
        other, first,
        "the address is the same, whatever name it has"
    );
    eprintln!("resolved in {first_took:?}, and again in {again_took:?}");
    let program = Program::start(&namespace);
    assert_eq!(program.talk(), first);
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
    inside(&namespace, move || {
        let socket = UdpSocket::bind("[::1]:0").expect("a socket");
        socket.send_to(b"", knows).expect("the resolver ends");
    });
    resolver.join().expect("the resolver has ended");
}

/// Answers every question with the correspondent's address; an empty datagram ends it.
fn answer_questions(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        if length == 0 {
            break;
        }
        let mut answer = question[..length].to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]);
        answer.extend(CN.octets());
        socket.send_to(&answer, from).expect("sent");
    }
}

/// Asks the stub resolver for a name and connects to the address: the source, and how long the answer took.
fn resolve_and_connect(name: &str) -> (Ipv6Addr, Duration) {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label"));
        question.extend(label.bytes());
    }
    question.extend([0, 0, 28, 0, 1]);
    let socket = UdpSocket::bind("[::1]:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let asked = Instant::now();
    socket.send_to(&question, "[::1]:5353").expect("sent");
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer");
    let took = asked.elapsed();
    assert!(answer[..length].ends_with(&CN.octets()));
    let socket = UdpSocket::bind("[::]:0").expect("a socket");
    socket.connect((CN, 7)).expect("a route");
    match socket.local_addr().expect("an address") {
        SocketAddr::V6(local) => (*local.ip(), took),
        SocketAddr::V4(_) => panic!("an IPv6 socket"),
    }
}

/// The program is a shell: it connects a socket, and the kernel's table tells from where.
#[test]
fn one_command_can_have_a_session_type_of_its_own() {
    let Some(network) = network() else { return };
    let Some(groups) = control_groups() else {
        eprintln!("skipped: no cgroup2 file system is mounted");
        return;
    };
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let flows = r#"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        "#;
    let agent = Agent::start_with(&network.node(), directory(), &format!("{HOME}{flows}"));
    let dhoa = loop {
        let source = agent.wait_for("flow_source")["source"].clone();
        if let Some(dhoa) = source
            .as_str()
            .filter(|source| source.starts_with("2001:db8:d:1:"))
        {
            break dhoa.parse::<Ipv6Addr>().expect("an address");
        }
    };
    let source = |session: &str| {
        let script = format!("exec 3<>/dev/udp/{CN}/7; cat /proc/net/udp6");
        let socket = agent.socket();
        let arguments = ["exec", "--session", session, "--socket"].map(str::to_owned);
        let (id, output) = inside(&network.node(), move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dhp-mn"));
            command.args(arguments).arg(socket);
            command.args(["--", "bash", "-c", &script]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().expect("it starts");
            (child.id(), child.wait_with_output().expect("it ends"))
        });
        let group = groups.join(format!("dhp-mn-exec-{id}"));
        assert!(!group.exists(), "its control group is gone");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        local_address(&String::from_utf8_lossy(&output.stdout))
    };
    assert_eq!(source("fixed"), HOME_ADDRESS);
    assert!(is_care_of(source("non-persistent")));
    assert_eq!(
        source("session-lasting"),
        dhoa,
        "it is ready for the policy's flow"
    );
}

/// RFC 5014: what a socket prefers goes before the policy.
#[test]
fn a_socket_that_prefers_a_kind_of_address_has_it() {
    let Some(network) = network() else { return };
    if control_groups().is_none() {
        eprintln!("skipped: no cgroup2 file system is mounted");
        return;
    }
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let flows = r#"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        "#;
    let agent = Agent::start_with(&network.node(), directory(), &format!("{HOME}{flows}"));
    let dhoa = address(
        &agent.wait_for_field("anchor_ready", "kind", "dhoa"),
        "home_address",
    );
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    // IPV6_ADDR_PREFERENCES is 72 of IPPROTO_IPV6, SO_MARK 36 of SOL_SOCKET.
    let source = |before: &str| {
        let script = format!(
            r#"use Socket qw(:all); socket(S, AF_INET6, SOCK_DGRAM, 0) or die "socket: $!";
            sub prefer {{ setsockopt(S, 41, 72, pack("i", $_[0])) or die "prefer: $!" }}
            {before};
            connect(S, pack_sockaddr_in6(7, inet_pton(AF_INET6, "{CN}"))) or die "connect: $!";
            my ($port, $source) = unpack_sockaddr_in6(getsockname(S));
            print inet_ntop(AF_INET6, $source);"#
        );
        let output = inside(&network.node(), move || {
            let mut command = Command::new("perl");
            command.args(["-e", &script]).output().expect("it ends")
        });
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let source = said.parse::<Ipv6Addr>();
        source.map_err(|_| errors)
    };
    let (care_of, home) = ("prefer(0x4)", "prefer(0x400)");
    assert_eq!(source(""), Ok(dhoa), "it prefers nothing");
    assert!(is_care_of(source(care_of).expect("a source")));
    assert_eq!(source(home), Ok(HOME_ADDRESS));
    assert_eq!(
        source(&format!("{care_of}; {home}")),
        Ok(HOME_ADDRESS),
        "the last word counts"
    );
    assert_eq!(source("prefer(0x2)"), Ok(dhoa), "about something else");
    let somebodys = "setsockopt(S, 1, 36, pack('i', 7)) or die";
    assert_eq!(
        source(&format!("{somebodys}; {care_of}")),
        Ok(dhoa),
        "a mark of somebody else's stays"
    );
    let both = source("prefer(0x404)").expect_err("the kernel refuses both");
    assert!(both.contains("prefer:"), "{both}");
    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}

/// Where control groups of version 2 are mounted.
fn control_groups() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let mut columns = mounts.lines().map(|line| line.split(' '));
    columns.find_map(|mut columns| {
        let place = columns.nth(1)?;
        (columns.next() == Some("cgroup2")).then(|| place.into())
    })
}

/// The local address of the socket that is connected to the correspondent, in a table of the kernel's: four words each in the
/// host's order.
fn local_address(table: &str) -> Ipv6Addr {
    let words = |hexadecimal: &str| {
        let mut octets = [0; 16];
        for (word, digits) in octets
            .chunks_exact_mut(4)
            .zip(hexadecimal.as_bytes().chunks_exact(8))
        {
            let digits = std::str::from_utf8(digits).expect("digits");
            let value = u32::from_str_radix(digits, 16).expect("a number");
            word.copy_from_slice(&value.to_ne_bytes());
        }
        Ipv6Addr::from(octets)
    };
    let mut sockets = table.lines().skip(1).map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let mut address = || columns.next().and_then(|column| column.split(':').next());
        (address().map(words), address().map(words))
    });
    let socket = sockets.find(|(_, remote)| *remote == Some(CN));
    socket
        .and_then(|(local, _)| local)
        .expect("a connected socket")
}

/// Queries are sent after 10 s, and for 7 s until they count as unanswered.
#[test]
fn a_dhp_that_fails_is_left_and_its_sessions_are_named() {
    let Some(network) = network() else { return };
    let internet = Internet::start(&network.rest(), PREFIX_A);
    let sections = r#"
        [[flow]]
        prefix = "2001:db8:c:1::/64"
        session = "session-lasting"
        [dhp]
        check-interval = "10s"
        "#;
    let agent = Agent::start_with(&network.node(), directory(), sections);
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let program = Program::start(&network.node());
    assert_eq!(program.talk(), dhoa);
    internet.shared.is_silent.store(true, Ordering::Relaxed);
    let silent = agent.wait_for("anchor_silent");
    assert_eq!(silent["home_addresses"][0], dhoa.to_string());
    let session = &silent["sessions"][0];
    assert_eq!(session["remote"], format!("[{CN}]:7"), "{silent}");
    assert_eq!(session["protocol"], "udp");
    let status = agent.status();
    assert_eq!(status["anchors"][0]["silent"], true);
    assert_eq!(status["anchors"][0]["bindings"][0]["sessions"], 1);
    assert_ne!(
        status["flows"][0]["source"],
        dhoa.to_string(),
        "new ones go elsewhere"
    );
    assert_eq!(program.talk(), dhoa, "it has only stopped to answer");
}

/// A control group; removed with this.
struct Group(PathBuf);

impl Group {
    fn create(path: PathBuf) -> Self {
        std::fs::create_dir(&path).expect("a control group");
        Self(path)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A shell under two names, and under its own in a control group, talk to the same correspondent.
#[test]
fn programs_have_the_session_types_that_the_policy_gives_to_their_names() {
    let Some(network) = network() else { return };
    let Some(groups) = control_groups() else {
        eprintln!("skipped: no cgroup2 file system is mounted");
        return;
    };
    let _internet = Internet::start(&network.rest(), PREFIX_A);
    let id = std::process::id();
    let group = format!("dhp-mn-test-{id}");
    let _group = Group::create(groups.join(&group));
    let flows = format!(
        r#"
        [[flow]]
        command = "bulk{id}"
        prefix = "2001:db8:c:1::/64"
        prepare = true
        session = "session-lasting"
        [[flow]]
        command = "talk{id}"
        session = "fixed"
        [[flow]]
        cgroup = "{group}"
        session = "fixed"
        "#
    );
    let agent = Agent::start_with(&network.node(), directory(), &format!("{HOME}{flows}"));
    let dhoa = address(
        &agent.wait_for_field("anchor_ready", "kind", "dhoa"),
        "home_address",
    );
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let programs = directory();
    let source = |name: &str, before: &str| {
        let program = programs.path().join(name);
        std::fs::copy("/bin/bash", &program).expect("a shell");
        let script = format!("{before} exec 3<>/dev/udp/{CN}/7; cat /proc/net/udp6");
        let output = inside(&network.node(), move || {
            let mut command = Command::new(program);
            command.args(["-c", &script]).output().expect("it ends")
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        local_address(&String::from_utf8_lossy(&output.stdout))
    };
    let enter = format!("echo $$ > {}/cgroup.procs;", groups.join(&group).display());
    assert_eq!(source(&format!("bulk{id}"), ""), dhoa);
    assert_eq!(source(&format!("talk{id}"), ""), HOME_ADDRESS);
    assert!(is_care_of(source(&format!("else{id}"), "")));
    assert_eq!(source(&format!("else{id}"), &enter), HOME_ADDRESS);
    assert_eq!(
        source(&format!("bulk{id}"), &enter),
        HOME_ADDRESS,
        "the group's rule holds, whatever the name"
    );
    let explained = agent.ask(&["explain", &CN.to_string(), "--json"]);
    let perhaps = explained["undecided"].as_array().map(Vec::len);
    assert_eq!(perhaps, Some(3), "{explained}");
}
