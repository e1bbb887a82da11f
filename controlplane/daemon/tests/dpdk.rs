//! `dhpd run` with ports by DPDK, as a router between two hosts in network namespaces of its own
//!
//! ```text
//!  client ═ veth ═ core0-dev ─ net_af_packet ─ dhpd ─ net_af_packet ─ cn0-dev ═ veth ═ server
//!                                               │ │
//!                              core0 (TAP), cn0 (TAP): the router's kernel has its addresses there
//! ```
#![cfg(feature = "dpdk")]

#[path = "support/mod.rs"]
mod support;

use std::net::Ipv6Addr;
use std::path::Path;

use support::daemon::Daemon;
use support::namespaces::Namespace;
use support::ping::Pinger;

const ANCHOR: &str = "2001:db8:d::1";
const ROUTER: &str = "2001:db8:a::1";
const SERVER: &str = "2001:db8:c:1::80";

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// Removes what DPDK has left behind.
struct Leftovers;

impl Drop for Leftovers {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new("/var/run/dpdk").join(prefix()));
    }
}

fn start(namespace: &Namespace) -> Daemon {
    let port = |name: &str| {
        format!(
            "[[port]]\ndriver = \"dpdk\"\ndevice = \"net_af_packet_{name},iface={name}-dev\"\ntap = \"{name}\"\n"
        )
    };
    let sections = format!(
        "[anchor]\naddress = \"{ANCHOR}\"\n{}{}[dpdk]\neal = [\"--no-huge\", \"--no-shconf\", \"--no-telemetry\", \"-m\", \"128\", \
         \"--file-prefix={}\"]\nmbufs = 4095\n[[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n",
        port("core0"),
        port("cn0"),
        prefix(),
    );
    Daemon::start(namespace, &sections)
}

/// Of the files that DPDK makes.
fn prefix() -> String {
    format!("dhpd_test_{}", std::process::id())
}

#[test]
fn packets_are_forwarded_and_the_kernel_answers_for_itself() {
    if !support::is_root() {
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
        router.link(&device, host);
        // The kernel has no business on it: it is DPDK's.
        router.sysctl(&format!("net.ipv6.conf.{device}.disable_ipv6=1"));
        router.ip(&["link", "set", &device, "up"]);
        host.ip(&["link", "set", "eth0", "up"]);
        host.add_address(own, "eth0");
        host.ip(&["route", "add", "default", "via", gateway]);
    }
    let _leftovers = Leftovers;
    let daemon = start(&router);
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
