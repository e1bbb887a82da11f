//! `dhpd run` measures how far its correspondents are, in network namespaces of its own
//!
//! ```text
//!   router (dhpd) ─ cn0 ── 2001:db8:c:1::/64, a host that answers echo requests late
//! ```

mod daemon;
mod late_host;
#[path = "../support/namespaces.rs"]
mod namespaces;

use std::net::Ipv6Addr;
use std::time::Duration;

use daemon::Daemon;
use late_host::LateHost;
use namespaces::{Namespace, ip};

const ANCHOR: &str = "2001:db8:d::1";
const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
/// How late it answers.
const DELAY: Duration = Duration::from_millis(30);
const PROBE: &str = "probe = \"2001:db8:c:1::80\"\nprobe-interval = \"1s\"\n";

/// The router and the host behind it. What the host sends to the anchor goes through the port, and so through a worker.
fn network() -> (Namespace, Namespace) {
    let (router, host) = (Namespace::new("probe-router"), Namespace::new("probe-host"));
    ip(&[
        "link",
        "add",
        "cn0",
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
    router.ip(&["link", "set", "cn0", "up"]);
    host.ip(&["link", "set", "eth0", "up"]);
    router.sysctl("net.ipv6.conf.all.forwarding=1");
    router.add_address("2001:db8:c:1::1", "cn0");
    router.ip(&["address", "add", ANCHOR, "dev", "lo"]);
    host.add_address(&HOST.to_string(), "eth0");
    host.ip(&["route", "add", "default", "via", "2001:db8:c:1::1"]);
    // Its kernel would answer at once.
    host.sysctl("net.ipv6.icmp.echo_ignore_all=1");
    (router, host)
}

#[test]
fn the_path_to_a_covered_prefix_is_measured_where_the_operator_allows_it() {
    let (router, host) = network();
    let mut late_host = LateHost::start(&host, HOST, DELAY);
    let daemon = Daemon::start(&router);
    assert_eq!(daemon.path_rtt(), None, "nobody is asked unless configured");

    daemon.edit("\n[[directory]]", &format!("\n{PROBE}[[directory]]"));
    daemon.reload();
    let measured = daemon.path_rtt_when(|rtt| rtt.is_some());
    let measured = measured.expect("measured");
    assert!(measured >= DELAY, "{measured:?}");
    // The least of them is near to the truth, even where the machine is busy.
    daemon.path_rtt_when(|rtt| rtt.is_some_and(|rtt| (DELAY..2 * DELAY).contains(&rtt)));

    daemon.edit(PROBE, "");
    daemon.reload();
    daemon.path_rtt_when(|rtt| rtt.is_none());

    daemon.edit("\n[[directory]]", &format!("\n{PROBE}[[directory]]"));
    daemon.reload();
    daemon.path_rtt_when(|rtt| rtt.is_some());
    late_host.stop();
    daemon.path_rtt_when(|rtt| rtt.is_none());
}
