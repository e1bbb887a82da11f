//! `dhpd run` as a correspondent node, for itself and for a plain host behind it, in network namespaces of its own
//! (RFC 6275 §5.2, §9)
//!
//! ```text
//!   visited, 2001:db8:a::/64 ── core0 ─ router ─ cn0 ── 2001:db8:c:1::/64
//!     the mobile node, and          (dhpd)              a host whose kernel knows nothing of mobility
//!     the way to its home
//! ```

mod mobile_node;
#[path = "../support/mod.rs"]
mod support;

use std::net::Ipv6Addr;

use mobile_node::MobileNode;
use support::daemon::Daemon;
use support::namespaces::Namespace;
use support::{is_root, until_so};

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 1, 0, 0, 0, 0x80);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
/// The mobile node's home address, which is routed by way of the visited network.
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1);

struct Network {
    visited: Namespace,
    router: Namespace,
    host: Namespace,
}

impl Network {
    fn new() -> Self {
        let network = Self {
            visited: Namespace::new("cn-visited"),
            router: Namespace::new("cn-router"),
            host: Namespace::new("cn-host"),
        };
        let (care_of, host) = (CARE_OF.to_string(), HOST.to_string());
        for (port, gateway, end, address) in [
            ("core0", "2001:db8:a::1", &network.visited, &care_of),
            ("cn0", "2001:db8:c:1::1", &network.host, &host),
        ] {
            network.router.connect(port, gateway, end, address);
        }
        network.router.sysctl("net.ipv6.conf.all.forwarding=1");
        let anchor = ANCHOR.to_string();
        network.router.ip(&["address", "add", &anchor, "dev", "lo"]);
        let home = format!("{HOME}/64");
        network.router.ip(&["route", "add", &home, "via", &care_of]);
        network
    }

    /// The interface by which the router's kernel sends to the home address.
    fn way_home(&self) -> String {
        self.router.ip(&["route", "get", &HOME.to_string()])
    }
}

#[test]
fn a_correspondent_for_itself_and_for_a_host() {
    if !is_root() {
        return;
    }
    let network = Network::new();
    // The role is one of the defaults.
    let sections = format!(
        "[anchor]\naddress = \"{ANCHOR}\"\n\
         [[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
         [[correspondent]]\nprefix = \"2001:db8:c:1::/64\"\n"
    );
    let daemon = Daemon::start(&network.router, &sections);
    let mobile_node = MobileNode::new(&network.visited);

    // Before there is a binding nobody knows where it is: RFC 6275 §9.3.1.
    for correspondent in [HOST, ANCHOR] {
        assert_eq!(mobile_node.binding_error(correspondent), (1, HOME));
    }
    for correspondent in [HOST, ANCHOR] {
        let key = mobile_node.prove(correspondent);
        assert_eq!(mobile_node.register(correspondent, &key, 1), 0);
        let listed = format!(
            r#""role":"correspondent","kind":"foreign","mobile_node":null,"correspondent":"{correspondent}""#
        );
        daemon.ask_until(r#"{"command":"bindings"}"#, |answer| {
            answer.contains(&listed)
        });
        if correspondent == ANCHOR {
            until_so("the kernel's packets are handed over", || {
                network.way_home().contains("dev dhp0 ")
            });
        }
        // The kernel of the correspondent answers the home address; its answer comes directly.
        mobile_node.echo(correspondent);
    }
    // At home again: the box's kernel sends as it did, and the host's packets go by the home agent.
    for correspondent in [HOST, ANCHOR] {
        assert_eq!(mobile_node.deregister(correspondent, 2), 0);
    }
    until_so("the kernel's packets are its own", || {
        network.way_home().contains("dev core0 ")
    });
    daemon.ask_until(r#"{"command":"bindings"}"#, |answer| {
        !answer.contains("correspondent\",\"kind")
    });
    assert_eq!(mobile_node.binding_error(HOST), (1, HOME));
}
