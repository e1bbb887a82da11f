//! `dhpd run` as a router between two hosts, in network namespaces of its own

#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use support::daemon::Daemon;
use support::namespaces::Namespace;
use support::ping::Pinger;
use support::{End, is_root};

const ANCHOR: &str = "2001:db8:d::1";
const ROUTER: &str = "2001:db8:a::1";
const SERVER: &str = "2001:db8:c:1::80";
const OTHER_SERVER: &str = "2001:db8:c:1::81";

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// Client, router and server.
struct Network {
    client: Namespace,
    router: Namespace,
    server: Namespace,
}

impl Network {
    fn new() -> Self {
        let network = Self {
            client: Namespace::new("client"),
            router: Namespace::new("router"),
            server: Namespace::new("server"),
        };
        for (port, host) in [("core0", &network.client), ("cn0", &network.server)] {
            network.router.link(port, host);
            network.router.ip(&["link", "set", port, "up"]);
        }
        network.router.sysctl("net.ipv6.conf.all.forwarding=1");
        network.router.add_address(ROUTER, "core0");
        network.router.add_address("2001:db8:c:1::1", "cn0");
        network.router.ip(&["address", "add", ANCHOR, "dev", "lo"]);
        let client = &network.client;
        client.ip(&["link", "set", "eth0", "up"]);
        client.add_address("2001:db8:a::2", "eth0");
        client.ip(&["route", "add", "default", "via", ROUTER]);
        network.server_link_up();
        network
    }

    /// With all that the server's kernel forgets when the link is set down.
    fn server_link_up(&self) {
        self.server.ip(&["link", "set", "eth0", "up"]);
        self.server.add_address(SERVER, "eth0");
        self.server.add_address(OTHER_SERVER, "eth0");
        let gateway = "2001:db8:c:1::1";
        self.server.ip(&["route", "add", "default", "via", gateway]);
    }
}

/// What can change does so at once; what cannot is refused with all that came with it.
fn a_configuration_is_taken_over(network: &Network, daemon: &Daemon, pinger: &Pinger) {
    const RELOAD: &str = r#"{"command":"reload"}"#;
    let same = daemon.ask(RELOAD);
    assert!(same.contains(r#"{"changes":[],"released":[]}"#), "{same}");

    let pool = "[[pool]]\nprefix = \"2001:db8:d:2::/64\"\nkind = \"dhoa\"\n";
    daemon.edit("[api]", &format!("{pool}[api]"));
    let added = daemon.ask(RELOAD);
    let change = r#"{"what":"pool 2001:db8:d:2::/64","how":"added"}"#;
    assert!(added.contains(change), "{added}");
    let announced = || network.router.ip(&["route", "show", "proto", "80"]);
    assert!(announced().contains("2001:db8:d:2::/64"), "{}", announced());
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        answer.contains(r#""prefix":"2001:db8:d:2::/64","action":"pool""#)
    });
    assert_eq!(pinger.replies(address(SERVER), 5), [1; 5]);

    // Not one echo is lost or doubled while the pool goes and comes, over and over.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let echoes = scope.spawn(|| {
            // Once at least, if all else was over before this thread began.
            loop {
                assert_eq!(pinger.replies(address(SERVER), 10), [1; 10]);
                if done.load(Ordering::Acquire) {
                    return;
                }
            }
        });
        let end = End(&done);
        for _ in 0..10 {
            daemon.edit(pool, "");
            let removed = daemon.ask(RELOAD);
            assert!(removed.contains(r#""how":"removed""#), "{removed}");
            daemon.edit("[api]", &format!("{pool}[api]"));
            let added = daemon.ask(RELOAD);
            assert!(added.contains(r#""how":"added""#), "{added}");
        }
        drop(end);
        echoes.join().expect("every echo came back once");
    });

    daemon.edit("interface = \"cn0\"", "interface = \"lo\"");
    daemon.edit(pool, "");
    let refused = daemon.ask(RELOAD);
    assert!(
        refused.contains("only a restart can change [[port]]"),
        "{refused}"
    );
    assert!(announced().contains("2001:db8:d:2::/64"), "{}", announced());

    // A signal does the same as dhpctl, and of the same file.
    daemon.edit("interface = \"lo\"", "interface = \"cn0\"");
    daemon.hang_up();
    daemon.ask_until(r#"{"command":"routes"}"#, |answer| {
        !answer.contains("2001:db8:d:2::/64")
    });
    assert!(
        !announced().contains("2001:db8:d:2::/64"),
        "{}",
        announced()
    );
    assert_eq!(pinger.replies(address(SERVER), 5), [1; 5]);
}

/// Counts come from the kernel, and a link without carrier is told everywhere.
fn a_link_that_is_down_is_told(network: &Network, daemon: &Daemon) {
    const PORTS: &str = r#"{"command":"ports"}"#;
    let page = |path: &'static str| network.router.within(|| page(path));
    let cn = daemon.look_up("ports", "/ok/ports/1").expect("two ports");
    let text = |key: &str| cn.get(key).and_then(serde_json::Value::as_str);
    assert_eq!(
        (text("name"), text("driver"), text("link")),
        (Some("cn0"), Some("af-packet"), Some("up"))
    );
    let counted = cn.pointer("/counters/rx_packets");
    assert!(counted.is_some_and(|count| count.as_u64() > Some(26)));
    let metrics = page("/metrics");
    for line in [
        r#"dmip_port_link_up{port="cn0"} 1"#,
        r#"dmip_port_missed_total{port="cn0"} 0"#,
        r#"dmip_port_driver_total{counter="rx_errors",port="cn0"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }

    network.server.ip(&["link", "set", "eth0", "down"]);
    daemon.ask_until(PORTS, |answer| answer.contains(r#""link":"no carrier""#));
    let health = page("/healthz");
    assert!(
        health.contains("the link of cn0 is down: no carrier"),
        "{health}"
    );
    assert!(page("/metrics").contains(r#"dmip_port_link_up{port="cn0"} 0"#));
    network.server_link_up();
    daemon.ask_until(PORTS, |answer| !answer.contains("no carrier"));
    assert!(!page("/healthz").contains("the link of"));
}

/// What routing daemons read is the main table. The local table hands packets over, drained or not.
fn a_drained_pool_is_withdrawn_and_served(network: &Network, daemon: &Daemon) {
    let announced = || network.router.ip(&["route", "show", "proto", "80"]);
    let handed_over = || {
        network
            .router
            .ip(&["route", "show", "table", "local", "proto", "80"])
    };
    let way = || network.router.ip(&["route", "get", "2001:db8:d:1::7"]);
    let metrics = || network.router.within(|| page("/metrics"));
    let (pool, metric) = (
        "2001:db8:d:1::/64 dev dhp0",
        r#"dmip_pool_announced{pool="2001:db8:d:1::/64"}"#,
    );
    assert!(announced().contains(pool), "{}", announced());
    assert!(handed_over().contains(pool), "{}", handed_over());
    assert!(metrics().contains(&format!("{metric} 1")));

    let answer = daemon.ask(r#"{"command":"drain","on":true}"#);
    assert!(answer.contains("withdrawn"), "{answer}");
    assert_eq!(announced(), "");
    assert!(handed_over().contains(pool), "{}", handed_over());
    assert!(way().contains("dev dhp0"), "{}", way());
    let status = daemon.ask(r#"{"command":"status"}"#);
    assert!(
        status.contains(r#""draining":true,"announced":[]"#),
        "{status}"
    );
    assert!(metrics().contains(&format!("{metric} 0")));
    let health = network.router.within(|| page("/healthz"));
    assert!(health.contains("draining: new mobile nodes"), "{health}");
    // Once more changes nothing, nor does it fail.
    daemon.ask(r#"{"command":"drain","on":true}"#);

    daemon.ask(r#"{"command":"drain","on":false}"#);
    assert!(announced().contains(pool), "{}", announced());
    let status = daemon.ask(r#"{"command":"status"}"#);
    assert!(
        status.contains(r#""draining":false,"announced":["2001:db8:d:1::/64"]"#),
        "{status}"
    );
}

/// A page of the daemon's web server, with its headers; called within the namespace.
fn page(path: &str) -> String {
    let mut stream = TcpStream::connect("127.0.0.1:9105").expect("metrics are served");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: dhpd\r\nConnection: close\r\n\r\n"
    )
    .expect("written");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("an answer");
    page
}

#[test]
fn a_router_on_linux_interfaces() {
    if !is_root() {
        return;
    }
    let network = Network::new();
    let sections = format!(
        "[anchor]\naddress = \"{ANCHOR}\"\n[[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
         [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n[[coverage]]\nprefix = \"2001:db8:c::/48\"\n"
    );
    let daemon = Daemon::start_with_metrics(&network.router, &sections);
    let pinger = Pinger::new(&network.client);

    // Neighbour discovery on both sides, then forwarding, each echo answered once: the kernel does not forward it too.
    assert_eq!(pinger.replies(address(SERVER), 20), [1; 20]);
    // The box itself answers by its kernel, on a port's address and on the anchor's.
    assert_eq!(pinger.replies(address(ROUTER), 5), [1; 5]);
    assert_eq!(pinger.replies(address(ANCHOR), 5), [1; 5]);
    // A server that nobody has spoken with yet, and one that the kernel has forgotten.
    assert_eq!(pinger.replies(address(OTHER_SERVER), 3), [1; 3]);
    network.router.ip(&["neighbour", "flush", "all"]);
    assert_eq!(pinger.replies(address(SERVER), 3), [1; 3]);

    // 26 echoes to servers, both ways. The kernel, which is guarded against it, has forwarded none of them.
    let forwarded = daemon.forwarded();
    assert!(forwarded >= 52, "{forwarded}");

    // Routes are followed, from and to the kernel.
    let routes = r#"{"command":"routes"}"#;
    network
        .router
        .ip(&["route", "add", "2001:db8:99::/48", "via", SERVER]);
    daemon.ask_until(routes, |answer| answer.contains("2001:db8:99::/48"));
    network.router.ip(&["route", "delete", "2001:db8:99::/48"]);
    daemon.ask_until(routes, |answer| !answer.contains("2001:db8:99::/48"));
    let pools = network.router.ip(&["route", "show", "dev", "dhp0"]);
    assert!(pools.contains("2001:db8:d:1::/64"), "{pools}");
    a_drained_pool_is_withdrawn_and_served(&network, &daemon);
    a_configuration_is_taken_over(&network, &daemon, &pinger);
    a_link_that_is_down_is_told(&network, &daemon);

    // A gateway that is not resolved is resolved without any packet to it.
    network
        .router
        .ip(&["route", "add", "2001:db8:98::/48", "via", OTHER_SERVER]);
    daemon.ask_until(r#"{"command":"neighbours"}"#, |answer| {
        let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
        let rows = answer
            .pointer("/ok/neighbours")
            .and_then(serde_json::Value::as_array);
        let gateway = rows.into_iter().flatten().find(|row| {
            row.get("address")
                .is_some_and(|found| found == OTHER_SERVER)
        });
        gateway.is_some_and(|row| row.get("mac").is_some_and(serde_json::Value::is_string))
    });

    let page = network.router.within(|| page("/metrics"));
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("dmip_worker_forwarded_total"),
        "{page}"
    );

    let socket = daemon.socket().to_owned();
    assert!(daemon.terminate().success());
    assert!(!socket.exists(), "the socket is removed");
    let links = network.router.ip(&["-br", "link", "show"]);
    assert!(!links.contains("dhp0"), "{links}");
    // Without the daemon the kernel forwards again: the guard is gone.
    assert_eq!(pinger.replies(address(SERVER), 3), [1; 3]);
}
