//! `dhpd run` measures how far its correspondents are, in network namespaces of its own
//!
//! ```text
//!   router (dhpd) ─ cn0 ── 2001:db8:c:1::/64, a host that answers echo requests late
//! ```

mod directory;
mod late_host;
#[path = "../support/mod.rs"]
mod support;

use std::net::Ipv6Addr;
use std::time::Duration;

use directory::{path_rtt, path_rtt_when, reload};
use late_host::LateHost;
use support::daemon::Daemon;
use support::is_root;
use support::namespaces::Namespace;

const ANCHOR: &str = "2001:db8:d::1";
const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
/// How late it answers.
const DELAY: Duration = Duration::from_millis(30);
const SECTIONS: &str = "[anchor]\naddress = \"2001:db8:d::1\"\n[[port]]\ninterface = \"cn0\"\n\
    [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
    [[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
    [[directory]]\ndhp = \"2001:db8:e::1\"\nprefix = \"2001:db8:f::/48\"\nload = 200\npath-rtt = \"1500us\"\n";
const PROBE: &str = "probe = \"2001:db8:c:1::80\"\nprobe-interval = \"1s\"\n";

/// The router and the host behind it. What the host sends to the anchor goes through the port, and so through a worker.
fn network() -> (Namespace, Namespace) {
    let (router, host) = (Namespace::new("probe-router"), Namespace::new("probe-host"));
    router.sysctl("net.ipv6.conf.all.forwarding=1");
    router.connect("cn0", "2001:db8:c:1::1", &host, &HOST.to_string());
    router.ip(&["address", "add", ANCHOR, "dev", "lo"]);
    // Its kernel would answer at once.
    host.sysctl("net.ipv6.icmp.echo_ignore_all=1");
    (router, host)
}

#[test]
fn the_path_to_a_covered_prefix_is_measured_where_the_operator_allows_it() {
    if !is_root() {
        return;
    }
    let (router, host) = network();
    let mut late_host = LateHost::start(&host, HOST, DELAY);
    let daemon = Daemon::start(&router, SECTIONS);
    assert_eq!(path_rtt(&daemon), None, "nobody is asked unless configured");

    daemon.edit("\n[[directory]]", &format!("\n{PROBE}[[directory]]"));
    reload(&daemon);
    let measured = path_rtt_when(&daemon, |rtt| rtt.is_some());
    let measured = measured.expect("measured");
    assert!(measured >= DELAY, "{measured:?}");
    // The least of them is near to the truth, even where the machine is busy.
    path_rtt_when(&daemon, |rtt| {
        rtt.is_some_and(|rtt| (DELAY..2 * DELAY).contains(&rtt))
    });

    daemon.edit(PROBE, "");
    reload(&daemon);
    path_rtt_when(&daemon, |rtt| rtt.is_none());

    daemon.edit("\n[[directory]]", &format!("\n{PROBE}[[directory]]"));
    reload(&daemon);
    path_rtt_when(&daemon, |rtt| rtt.is_some());
    late_host.stop();
    path_rtt_when(&daemon, |rtt| rtt.is_none());
}
