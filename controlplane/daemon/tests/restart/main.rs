//! `dhpd run` that is killed and started again, in network namespaces of its own
//!
//! ```text
//!   visited, 2001:db8:a::/64 ── core0 ─ router ─ cn0 ── 2001:db8:c:1::/64
//!     the mobile node                   (dhpd)            a correspondent
//! ```

mod mobile_node;
#[path = "../support/namespaces.rs"]
mod namespaces;

use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mobile_node::MobileNode;
use namespaces::{Namespace, ip};

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
const KEY: [u8; 32] = [0x42; 32];

struct Network {
    visited: Namespace,
    router: Namespace,
    correspondent: Namespace,
}

impl Network {
    fn new() -> Self {
        let network = Self {
            visited: Namespace::new("rs-visited"),
            router: Namespace::new("rs-router"),
            correspondent: Namespace::new("rs-cn"),
        };
        let links = [
            ("core0", &network.visited, "2001:db8:a::1", CARE_OF),
            (
                "cn0",
                &network.correspondent,
                "2001:db8:c:1::1",
                CORRESPONDENT,
            ),
        ];
        for (port, end, gateway, address) in links {
            let (router, end_name) = (network.router.name(), end.name());
            ip(&[
                "link", "add", port, "netns", router, "type", "veth", "peer", "name", "eth0",
                "netns", end_name,
            ]);
            network.router.ip(&["link", "set", port, "up"]);
            network.router.add_address(gateway, port);
            end.ip(&["link", "set", "eth0", "up"]);
            end.add_address(&address.to_string(), "eth0");
            end.ip(&["route", "add", "default", "via", gateway]);
        }
        network.router.sysctl("net.ipv6.conf.all.forwarding=1");
        let anchor = ANCHOR.to_string();
        network.router.ip(&["address", "add", &anchor, "dev", "lo"]);
        network
    }

    /// Where the correspondent sends from.
    fn sender(&self) -> UdpSocket {
        self.correspondent
            .within(|| UdpSocket::bind((CORRESPONDENT, 0)).expect("a socket"))
    }
}

/// A running daemon, killed in any case.
struct Daemon(Child);

impl Daemon {
    /// With everything that it leaves in this directory.
    fn start(namespace: &Namespace, directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        let key: String = KEY.iter().map(|octet| format!("{octet:02x}")).collect();
        let text = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n\
             [[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
             [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
             [[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\n\
             [[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
             [[mobile-node]]\nid = \"mn1@example.net\"\nspi = 256\nhome-key = \"{key}\"\nhome-address = \"{HOME}\"\n\
             [signalling]\njournal = \"{}\"\n[api]\nsocket = \"{}\"\nmetrics = \"off\"\n",
            path("journal").display(),
            path("dhpd.sock").display()
        );
        let config = path("dhpd.toml");
        std::fs::write(&config, text).expect("written");
        let dhpd = env!("CARGO_BIN_EXE_dhpd");
        let mut process = Command::new("ip")
            .args(["netns", "exec", namespace.name(), dhpd, "run", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let log = process.stderr.take().expect("piped");
        let daemon = Self(process);
        let mut log = BufReader::new(log).lines();
        let ready = log.by_ref().map_while(Result::ok).any(|line| {
            eprintln!("dhpd: {line}");
            line.contains("dhpd runs")
        });
        // The pipe must not fill up.
        std::thread::spawn(move || {
            log.map_while(Result::ok)
                .for_each(|line| eprintln!("dhpd: {line}"))
        });
        assert!(ready, "dhpd has ended");
        daemon
    }

    /// By SIGKILL, without a word.
    fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Only what a failed test has left.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_killed_daemon_serves_its_bindings_again() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: network namespaces cannot be made, nothing was tested");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let network = Network::new();
    let mobile_node = MobileNode::new(&network.visited);
    let sender = network.sender();

    let daemon = Daemon::start(&network.router, directory.path());
    assert_eq!(mobile_node.register(10), (0, 10));
    // When this is answered, the disk has all that was before.
    let dhoa = mobile_node.ask_for_dhoa(1);
    daemon.kill();

    let daemon = Daemon::start(&network.router, directory.path());
    for home_address in [HOME, dhoa] {
        mobile_node.receives(home_address, || {
            // Before the routers know each other's MAC addresses it may be refused.
            let _ = sender.send_to(b"still here?", (home_address, 9));
        });
    }
    // What was recorded is refused, and the mobile node goes on.
    let (status, last) = mobile_node.register(10);
    assert_eq!(status, 135);
    assert_eq!(mobile_node.register(last + 1), (0, last + 1));
    assert_eq!(mobile_node.ask_for_dhoa(200), dhoa);
    daemon.kill();
}
