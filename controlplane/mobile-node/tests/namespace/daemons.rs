//! Route optimization with `dhpd` at both ends: as the DHP, and as the correspondent, whose own kernel has the socket
//!
//! ```text
//!   node ── wlan0 ─ rest ─ dhp0 ── dhpd as DHP
//!                     └─── cn0 ─── dhpd in the role of correspondent, and a program that echoes
//! ```
//!
//! Needs `dhpd` beside `dhp-mn`, as a build of the workspace leaves it; without, it says so and passes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dhp_port_afpacket::Interface;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::advertiser::Advertiser;
use super::agent::{Agent, PATIENCE, address};
use super::internet::{CAPABLE, DHP};
use super::network::{Network, inside};
use super::routes::roam_with;
use super::{PREFIX_A, PREFIX_B, Program, network};

const AGENT: &str = r#"
    [[locator]]
    address = "2001:db8:d::1"
    [[flow]]
    prefix = "2001:db8:c:1::/64"
    session = "session-lasting"
    route-optimization = "on"
    "#;

pub fn dhp_sections() -> String {
    format!(
        r#"
        [anchor]
        address = "{DHP}"
        roles = ["dhp", "locator"]
        [[port]]
        interface = "eth0"
        [[pool]]
        prefix = "2001:db8:d:1::/64"
        kind = "dhoa"
        [[coverage]]
        prefix = "2001:db8:c::/48"
        [[directory]]
        dhp = "{DHP}"
        prefix = "2001:db8:c::/48"
        [[mobile-node]]
        id = "mn1@example.net"
        spi = 256
        home-key = "{key}"
        route-optimization = true
        "#,
        key = "42".repeat(32)
    )
}

fn correspondent_sections() -> String {
    format!(
        r#"
        [anchor]
        address = "{CAPABLE}"
        roles = ["correspondent"]
        [[port]]
        interface = "eth0"
        "#
    )
}

/// `dhpd` beside `dhp-mn`, if it has been built.
pub fn dhpd() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_dhp-mn")).with_file_name("dhpd");
    if !program.is_file() {
        eprintln!("skipped: there is no {}", program.display());
        return None;
    }
    Some(program)
}

/// A namespace behind the router, removed with this.
pub struct Site<'a> {
    network: &'a Network,
    pub name: String,
}

impl<'a> Site<'a> {
    /// `own` is an address of its loopback interface, and `routed` what the router sends there.
    pub fn new(network: &'a Network, port: &str, link: u8, own: Ipv6Addr, routed: &str) -> Self {
        let name = format!("{}{port}", network.rest());
        let site = Self { network, name };
        let rest = network.rest();
        let all = |arguments: &str| {
            let words: Vec<&str> = arguments.split_whitespace().collect();
            let done = Command::new("ip").args(&words).output().expect("ip works");
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "ip {arguments}: {said}");
        };
        let name = &site.name;
        all(&format!("netns add {name}"));
        all(&format!(
            "link add {port} netns {rest} type veth peer name eth0 netns {name}"
        ));
        all(&format!("-n {rest} link set {port} up"));
        all(&format!("-n {name} link set lo up"));
        all(&format!("-n {name} link set eth0 up"));
        let gateway = format!("2001:db8:f:{link}::1");
        let near = format!("2001:db8:f:{link}::2");
        all(&format!(
            "-n {rest} address add {gateway}/64 dev {port} nodad"
        ));
        all(&format!("-n {name} address add {near}/64 dev eth0 nodad"));
        all(&format!("-n {name} address add {own}/128 dev lo nodad"));
        all(&format!(
            "-n {name} route add default via {gateway} src {own}"
        ));
        all(&format!("-n {rest} route add {routed} via {near}"));
        site
    }

    /// Packets that have arrived at its interface.
    fn received(&self) -> u64 {
        let links = self
            .network
            .ip(&self.name, &["-s", "-j", "link", "show", "eth0"]);
        let links: serde_json::Value = serde_json::from_str(&links).expect("JSON");
        links[0]["stats64"]["rx"]["packets"]
            .as_u64()
            .expect("a number")
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        // Nothing to be done if it fails.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// A running `dhpd`; killed with this.
pub struct Daemon {
    child: Child,
    config: PathBuf,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Daemon {
    pub fn start(program: &Path, site: &Site<'_>, sections: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (config, socket) = (path("dhpd.toml"), path("dhpd.sock"));
        let api = format!(
            "[api]\nsocket = \"{}\"\nmetrics = \"off\"\n",
            socket.display()
        );
        std::fs::write(&config, format!("{sections}{api}")).expect("written");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &site.name]).arg(program);
        command.args(["run", "--config"]).arg(&config);
        let child = command.spawn().expect("dhpd starts");
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "dhpd does not answer");
            std::thread::yield_now();
        }
        Self {
            child,
            config,
            socket,
            _directory: directory,
        }
    }

    /// What it answers to a command.
    pub fn ask(&self, command: &str) -> serde_json::Value {
        let stream = UnixStream::connect(&self.socket).expect("dhpd runs");
        writeln!(&stream, r#"{{"command":"{command}"}}"#).expect("a question");
        let mut answer = String::new();
        let read = BufReader::new(&stream).read_line(&mut answer);
        read.expect("an answer");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// Changes the configuration, and has it read.
    pub fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).expect("readable");
        std::fs::write(&self.config, text.replace(from, to)).expect("written");
        let id = i32::try_from(self.child.id()).expect("an identifier");
        kill(Pid::from_raw(id), Signal::SIGHUP).expect("a signal");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).expect("an identifier");
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// The router's advertisements and the correspondent's echo; ended with this.
pub struct Services {
    pub prefix: Arc<Mutex<Option<Ipv6Addr>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Services {
    pub fn start(network: &Network, correspondent: &str) -> Self {
        let prefix = Arc::new(Mutex::new(Some(PREFIX_A)));
        let stop = Arc::new(AtomicBool::new(false));
        let (rest, advertised, end) = (network.rest(), prefix.clone(), stop.clone());
        let router = std::thread::spawn(move || {
            inside(&rest, move || {
                let advertiser = Advertiser::new(&Interface::find("r0").expect("the interface"));
                while !end.load(Ordering::Relaxed) {
                    advertiser.answer(*advertised.lock().expect("the lock"));
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        });
        let (name, end) = (correspondent.to_owned(), stop.clone());
        let echo = std::thread::spawn(move || {
            inside(&name, move || {
                let own = SocketAddrV6::new(CAPABLE, 7, 0, 0);
                let socket = UdpSocket::bind(own).expect("a socket");
                let short = Duration::from_millis(50);
                socket.set_read_timeout(Some(short)).expect("a timeout");
                let mut datagram = [0; 1500];
                while !end.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                        let _ = socket.send_to(&datagram[..length], from);
                    }
                }
            });
        });
        Self {
            prefix,
            stop,
            threads: vec![router, echo],
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

#[test]
fn dhpd_as_correspondent_takes_packets_that_do_not_go_by_the_dhp() {
    const TALKS: u64 = 50;
    let (Some(program), Some(network)) = (dhpd(), network()) else {
        return;
    };
    let dhp_site = Site::new(&network, "dhp0", 3, DHP, "2001:db8:d::/48");
    let cn_site = Site::new(&network, "cn0", 4, CAPABLE, &format!("{CAPABLE}/128"));
    let dhp = Daemon::start(&program, &dhp_site, &dhp_sections());
    let _correspondent = Daemon::start(&program, &cn_site, &correspondent_sections());
    let services = Services::start(&network, &cn_site.name);
    let directory = tempfile::tempdir().expect("a directory");
    let agent = Agent::start_with(&network.node(), directory, AGENT);
    let dhoa = address(&agent.wait_for("anchor_ready"), "home_address");
    agent.wait_for_field("flow_source", "source", &dhoa.to_string());
    let program = Program::start_to(&network.node(), SocketAddrV6::new(CAPABLE, 7, 0, 0));
    // What arrives at the DHP while the program talks.
    let by_the_dhp = || {
        let before = dhp_site.received();
        for _ in 0..TALKS {
            assert_eq!(program.talk(), dhoa, "on the same socket");
        }
        dhp_site.received() - before
    };
    program.talk();
    agent.wait_for("route_optimized");
    // Neighbour discovery and signalling go there now and then; data are two packets for each talk.
    assert!(by_the_dhp() < TALKS / 2);

    roam_with(&network, &services.prefix, &agent, PREFIX_B);
    agent.wait_for("route_optimized");
    assert!(by_the_dhp() < TALKS / 2);

    dhp.change("route-optimization = true", "route-optimization = false");
    // It is read by now, or by the next movement's time.
    let proxied = (0..5).any(|round| {
        let prefix = [PREFIX_A, PREFIX_B][round % 2];
        roam_with(&network, &services.prefix, &agent, prefix);
        by_the_dhp() >= 2 * TALKS && agent.status()["routes"][0]["mode"] == "proxy"
    });
    assert!(proxied, "the DHP's permission is gone");

    let (status, _directory) = agent.end(Signal::SIGTERM);
    assert!(status.success());
}
