//! `dhpd run` with ports by DPDK, as a router between two hosts in network namespaces of its own
//!
//! ```text
//!  client ═ veth ═ core0-dev ─ net_af_packet ─ dhpd ─ net_af_packet ─ cn0-dev ═ veth ═ server
//!                                               │ │
//!                              core0 (TAP), cn0 (TAP): the router's kernel has its addresses there
//! ```
#![cfg(feature = "dpdk")]

#[path = "linux/namespaces.rs"]
#[allow(dead_code, reason = "another test's too")]
mod namespaces;
#[path = "linux/ping.rs"]
#[allow(dead_code, reason = "another test's too")]
mod ping;

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use namespaces::{Namespace, ip};
use ping::Pinger;

const ANCHOR: &str = "2001:db8:d::1";
const ROUTER: &str = "2001:db8:a::1";
const SERVER: &str = "2001:db8:c:1::80";

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// A running daemon, killed if a test fails.
struct Daemon {
    process: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(namespace: &Namespace, directory: &Path) -> Self {
        let (config, socket) = (directory.join("dhpd.toml"), directory.join("dhpd.sock"));
        let port = |name: &str| {
            format!(
                "[[port]]\ndriver = \"dpdk\"\ndevice = \"net_af_packet_{name},iface={name}-dev\"\ntap = \"{name}\"\n"
            )
        };
        let text = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n{}{}[dpdk]\neal = [\"--no-huge\", \"--no-shconf\", \"--no-telemetry\", \"-m\", \"128\", \
             \"--file-prefix={}\"]\nmbufs = 4095\n[[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n[api]\nsocket = \"{}\"\nmetrics \
             = \"off\"\n",
            port("core0"),
            port("cn0"),
            prefix(),
            socket.display()
        );
        std::fs::write(&config, text).expect("written");
        let mut process = Command::new("ip")
            .args([
                "netns",
                "exec",
                namespace.name(),
                env!("CARGO_BIN_EXE_dhpd"),
                "run",
                "--config",
            ])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
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
        Self { process, socket }
    }

    /// Ask until the answer satisfies: what the kernel tells takes its milliseconds.
    fn ask_until(&self, request: &str, satisfied: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut stream = BufReader::new(UnixStream::connect(&self.socket).expect("the socket"));
            writeln!(stream.get_mut(), "{request}").expect("written");
            let mut answer = String::new();
            stream.read_line(&mut answer).expect("an answer");
            if satisfied(&answer) {
                return;
            }
            assert!(Instant::now() < deadline, "{request}: {answer}");
            std::thread::yield_now();
        }
    }

    fn terminate(mut self) -> std::process::ExitStatus {
        let pid = i32::try_from(self.process.id()).expect("a process number");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
        self.process.wait().expect("it ends")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Only what a failed test has left.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(Path::new("/var/run/dpdk").join(prefix()));
    }
}

/// Of the files that DPDK makes.
fn prefix() -> String {
    format!("dhpd_test_{}", std::process::id())
}

#[test]
fn packets_are_forwarded_and_the_kernel_answers_for_itself() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: network namespaces need root");
        return;
    }
    let [client, router, server] =
        ["dpdk-client", "dpdk-router", "dpdk-server"].map(Namespace::new);
    router.sysctl("net.ipv6.conf.all.forwarding=1");
    router.ip(&["address", "add", ANCHOR, "dev", "lo"]);
    for (port, host, own, gateway) in [
        ("core0", &client, "2001:db8:a::2", ROUTER),
        ("cn0", &server, SERVER, "2001:db8:c:1::1"),
    ] {
        let device = format!("{port}-dev");
        ip(&[
            "link",
            "add",
            &device,
            "netns",
            router.name(),
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            host.name(),
        ]);
        // The kernel has no business on it: it is DPDK's.
        router.sysctl(&format!("net.ipv6.conf.{device}.disable_ipv6=1"));
        router.ip(&["link", "set", &device, "up"]);
        host.ip(&["link", "set", "eth0", "up"]);
        host.add_address(own, "eth0");
        host.ip(&["route", "add", "default", "via", gateway]);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let daemon = Daemon::start(&router, directory.path());
    router.add_address(ROUTER, "core0");
    router.add_address("2001:db8:c:1::1", "cn0");
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        answer.contains(r#""prefix":"2001:db8:c:1::/64""#)
            && answer.contains(r#""prefix":"2001:db8:a::/64""#)
    });

    let pinger = Pinger::new(&client);
    pinger.wait_for(address(ROUTER));
    pinger.wait_for(address(SERVER));
    // The kernel's own: neighbour discovery and echo, on the TAP interface.
    assert_eq!(pinger.replies(address(ROUTER), 3), [1; 3]);
    assert_eq!(pinger.replies(address(ANCHOR), 3), [1; 3]);
    // Transit; the first goes through the kernel, which finds the neighbour.
    assert_eq!(pinger.replies(address(SERVER), 20), [1; 20]);
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        answer.contains(&format!("{SERVER}/128"))
    });
    assert_eq!(pinger.replies(address(SERVER), 20), [1; 20]);

    // The drivers' counts, read while the workers work.
    daemon.ask_until(r#"{"command":"ports"}"#, |answer| {
        let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
        let ports = answer.pointer("/ok/ports");
        let ports = ports.and_then(serde_json::Value::as_array);
        let is_well = |port: &serde_json::Value| {
            let received = port.pointer("/counters/rx_good_packets");
            port.get("driver").is_some_and(|driver| driver == "dpdk")
                && port.get("link_up").is_some_and(|up| up == true)
                && received.is_some_and(|count| count.as_u64() >= Some(40))
        };
        ports.is_some_and(|ports| ports.len() == 2 && ports.iter().all(is_well))
    });

    assert!(daemon.terminate().success());
    let left = router.ip(&["link", "show"]);
    assert!(
        !left.contains(" core0:") && !left.contains("dhp0"),
        "{left}"
    );
}
