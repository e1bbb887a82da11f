//! `dhpd run` as the home agent of a real home link, in network namespaces of its own (RFC 6275 §10.3, §10.4.1)
//!
//! ```text
//!   visited, 2001:db8:a::/64 ── core0 ─ router ─ home0 ── home link, 2001:db8:1:1::/64
//!     a mobile node that is away       (dhpd)              another host, and whoever comes home
//! ```

mod daemon;
mod link_local;
mod mobile_node;
#[path = "../support/mod.rs"]
mod support;

use std::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use dhp_wire::mobility::Lifetime;

use mobile_node::{Identity, MobileNode};
use support::namespaces::Namespace;
use support::ping::Pinger;
use support::{is_root, until, until_so};

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
/// The mobile node's.
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
/// Another mobile node's, which somebody on the link has too.
const TAKEN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x200);
/// The solicited-node multicast address of [`HOME`] (RFC 4291 §2.7.1).
const GROUP: &str = "ff02::1:ff00:100";
const GRANTED: Lifetime = Lifetime(150);

/// The visited network, the router and the home link.
struct Network {
    visited: Namespace,
    router: Namespace,
    home: Namespace,
}

impl Network {
    /// Of a test.
    fn new(test: &str) -> Self {
        let namespace = |role| Namespace::new(&format!("{test}-{role}"));
        let network = Self {
            visited: namespace("visited"),
            router: namespace("router"),
            home: namespace("home"),
        };
        let router = &network.router;
        router.connect("core0", "2001:db8:a::1", &network.visited, "2001:db8:a::7");
        router.connect(
            "home0",
            "2001:db8:1:1::1",
            &network.home,
            "2001:db8:1:1::50",
        );
        network.router.sysctl("net.ipv6.conf.all.forwarding=1");
        let anchor = ANCHOR.to_string();
        network.router.ip(&["address", "add", &anchor, "dev", "lo"]);
        network.home.add_address(&TAKEN.to_string(), "eth0");
        network
    }

    /// The MAC address that the router has on the home link.
    fn router_mac(&self) -> String {
        let link = self.router.ip(&["-br", "link", "show", "home0"]);
        let mac = link.split_whitespace().nth(2).expect("name, state, MAC");
        mac.to_owned()
    }

    /// Another node on the home link takes the address, after Duplicate Address Detection. What the kernel says of it then.
    fn claim(&self, address: Ipv6Addr) -> String {
        let with_length = format!("{address}/64");
        self.home
            .ip(&["address", "add", &with_length, "dev", "eth0"]);
        let tested = |said: &str| !said.contains("tentative") || said.contains("dadfailed");
        let said = || {
            self.home
                .ip(&["address", "show", "to", &address.to_string()])
        };
        until("duplicate address detection", || {
            Some(said()).filter(|said| tested(said))
        })
    }

    fn give_up(&self, address: Ipv6Addr) {
        let with_length = format!("{address}/64");
        self.home
            .ip(&["address", "delete", &with_length, "dev", "eth0"]);
    }

    /// Wait until the router's kernel sends packets to the address by this interface.
    fn routed_by(&self, address: Ipv6Addr, interface: &str) {
        until_so("the kernel's route", || {
            let way = self.router.ip(&["route", "get", &address.to_string()]);
            way.contains(&format!("dev {interface} "))
        });
    }
}

/// What a host on the home link knows of an address.
fn neighbour(network: &Network, address: Ipv6Addr) -> String {
    let address = address.to_string();
    network.home.ip(&["neighbour", "show", "to", &address])
}

/// The echo requests that `pinger` sends are answered by the mobile node, through its tunnel.
fn pinged_through_the_tunnel(pinger: &Pinger, mobile_node: &MobileNode) {
    std::thread::scope(|scope| {
        // One more than is counted, see there.
        let answers = scope.spawn(|| mobile_node.answer_echoes(HOME, 6));
        assert_eq!(pinger.replies(HOME, 5), [1; 5]);
        answers.join().expect("every request came by the tunnel");
    });
}

#[test]
fn a_home_agent_on_a_real_link() {
    if !is_root() {
        return;
    }
    let network = Network::new("away");
    let daemon = daemon::start(&network.router);
    let away = MobileNode::new(&network.visited);
    let at_home = MobileNode::new(&network.home);
    let host = Pinger::new(&network.home);
    let identity = Identity::new(256, HOME);

    // RFC 6275 §10.3.1: the home address of another mobile node is in use on the link.
    let other = Identity::new(257, TAKEN);
    let refused = away.register(&other.update(1, CARE_OF, GRANTED));
    assert_eq!(refused, (status::DAD_FAILED, Lifetime::ZERO));

    // §10.4.1: who knew where the mobile node was learns where its packets go now.
    let old = ["lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "stale"];
    let home_address = HOME.to_string();
    let replace = ["neighbour", "replace", &home_address];
    network.home.ip(&[&replace[..], &old].concat());
    let (granted, lifetime) = away.register(&identity.update(1, CARE_OF, GRANTED));
    assert_eq!((granted, lifetime), (0, GRANTED));
    let router = network.router_mac();
    until_so("the gratuitous advertisement", || {
        neighbour(&network, HOME).contains(&router)
    });
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        answer.contains(r#""prefix":"2001:db8:1:1::100/128","action":"pool""#)
    });
    network.routed_by(HOME, "dhp0");
    let groups = || network.router.ip(&["maddress", "show", "dev", "home0"]);
    assert!(groups().contains(GROUP), "{}", groups());

    // By proxy: first as it was told, then as it is answered when asked.
    pinged_through_the_tunnel(&host, &away);
    network.home.ip(&["neighbour", "flush", "dev", "eth0"]);
    pinged_through_the_tunnel(&host, &away);
    // Others on the link are where they were.
    let visitor = Pinger::new(&network.visited);
    assert_eq!(visitor.replies(TAKEN, 3), [1; 3]);

    // Defended.
    let said = network.claim(HOME);
    assert!(said.contains("dadfailed"), "{said}");
    network.give_up(HOME);

    // §10.3.2: home again, and from the answer on nobody stands in for it.
    let (left, lifetime) = at_home.register(&identity.update(2, HOME, Lifetime::ZERO));
    assert_eq!((left, lifetime), (0, Lifetime::ZERO));
    let said = network.claim(HOME);
    assert!(!said.contains("dadfailed"), "{said}");
    assert!(!groups().contains(GROUP), "{}", groups());
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        !answer.contains(r#""prefix":"2001:db8:1:1::100/128","action":"pool""#)
    });
    network.routed_by(HOME, "home0");
    assert_eq!(visitor.replies(HOME, 5), [1; 5]);

    // Away again: the address has to be free before.
    let refused = away.register(&identity.update(3, CARE_OF, GRANTED));
    assert_eq!(refused, (status::DAD_FAILED, Lifetime::ZERO));
    network.give_up(HOME);
    let (granted, _) = away.register(&identity.update(4, CARE_OF, GRANTED));
    assert_eq!(granted, 0);
    pinged_through_the_tunnel(&host, &away);
}
