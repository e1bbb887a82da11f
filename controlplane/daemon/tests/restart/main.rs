//! `dhpd run` that is killed and started again, in network namespaces of its own
//!
//! ```text
//!   visited, 2001:db8:a::/64 ── core0 ─ router ─ cn0 ── 2001:db8:c:1::/64
//!     the mobile node                   (dhpd)            a correspondent
//! ```

mod mobile_node;
#[path = "../support/mod.rs"]
mod support;

use std::net::{Ipv6Addr, UdpSocket};
use std::path::Path;

use mobile_node::MobileNode;
use support::daemon::Daemon;
use support::is_root;
use support::namespaces::Namespace;

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
const KEY: [u8; 32] = [0x42; 32];

/// The mobile node's link, the router, and the correspondent's link.
fn network() -> [Namespace; 3] {
    let [visited, router, correspondent] = ["rs-visited", "rs-router", "rs-cn"].map(Namespace::new);
    router.sysctl("net.ipv6.conf.all.forwarding=1");
    router.connect("core0", "2001:db8:a::1", &visited, &CARE_OF.to_string());
    let at = CORRESPONDENT.to_string();
    router.connect("cn0", "2001:db8:c:1::1", &correspondent, &at);
    router.ip(&["address", "add", &ANCHOR.to_string(), "dev", "lo"]);
    [visited, router, correspondent]
}

/// All but where its socket is.
fn configuration(journal: &Path) -> String {
    let key: String = KEY.iter().map(|octet| format!("{octet:02x}")).collect();
    format!(
        "[anchor]\naddress = \"{ANCHOR}\"\n\
         [[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
         [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
         [[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\n\
         [[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
         [[mobile-node]]\nid = \"mn1@example.net\"\nspi = 256\nhome-key = \"{key}\"\nhome-address = \"{HOME}\"\n\
         [signalling]\njournal = \"{}\"\n",
        journal.display()
    )
}

#[test]
fn a_killed_daemon_serves_its_bindings_again() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let [visited, router, correspondent] = network();
    let mobile_node = MobileNode::new(&visited);
    let sender = correspondent.within(|| UdpSocket::bind((CORRESPONDENT, 0)).expect("a socket"));

    let configuration = configuration(&directory.path().join("journal"));
    let mut daemon = Daemon::start(&router, &configuration);
    assert_eq!(mobile_node.register(10), (0, 10));
    // When this is answered, the disk has all that was before.
    let dhoa = mobile_node.ask_for_dhoa(1);

    daemon.kill_and_start_again(&router);
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
}
