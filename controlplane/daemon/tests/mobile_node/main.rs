//! `dhpd run` as home agent and DHP of a mobile node, in network namespaces of its own
//!
//! ```text
//!   visited, 2001:db8:a::/64 ── core0 ─ router ─ cn0 ── 2001:db8:c:1::/64
//!     the mobile node                  (dhpd)             a correspondent
//! ```

mod node;
#[path = "../support/mod.rs"]
mod support;

use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::mobile_node::{
    FlowKey, HomeConfig, KeyMaterial, MnCommand, MnEvent, MobileNodeConfig, Session,
};
use dhp_proto::security_association::MnId;
use dhp_wire::codepoints::{CodePoints, DmipType, Status, binding_error_status};
use dhp_wire::mobility::{Builder, DmipHeader, Lifetime, Message, MobilityHeader};
use dhp_wire::packet::{MobilityPacket, compose};

use node::Node;
use support::daemon::Daemon;
use support::namespaces::Namespace;
use support::ping::Pinger;
use support::station::Station;
use support::{End, is_root};

const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 0x100);
const CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7);
const OTHER_CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 8);
/// SPIs, and the octets that the home keys repeat.
const OLD: (u32, u8) = (256, 0x42);
const NEW: (u32, u8) = (512, 0x77);
const RELOAD: &str = r#"{"command":"reload"}"#;
const MOBILE_NODES: &str = r#"{"command":"mobile-nodes"}"#;

struct Network {
    visited: Namespace,
    router: Namespace,
    correspondent: Namespace,
}

impl Network {
    /// Of a test.
    fn new(test: &str) -> Self {
        let namespace = |role| Namespace::new(&format!("{test}-{role}"));
        let network = Self {
            visited: namespace("visited"),
            router: namespace("router"),
            correspondent: namespace("cn"),
        };
        let (router, care_of) = (&network.router, CARE_OF.to_string());
        router.connect("core0", "2001:db8:a::1", &network.visited, &care_of);
        let (gateway, host) = ("2001:db8:c:1::1", &network.correspondent);
        router.connect("cn0", gateway, host, "2001:db8:c:1::80");
        let other = OTHER_CARE_OF.to_string();
        network.visited.add_address(&other, "eth0");
        router.sysctl("net.ipv6.conf.all.forwarding=1");
        router.ip(&["address", "add", &ANCHOR.to_string(), "dev", "lo"]);
        network
    }

    /// Home agent and DHP on the router.
    fn daemon(&self, sections: &str) -> Daemon {
        let sections = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n[[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n\
             [[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\n\
             [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
             [[coverage]]\nprefix = \"2001:db8:c::/48\"\n{sections}"
        );
        Daemon::start(&self.router, &sections)
    }
}

fn home_key((_, octet): (u32, u8)) -> Key {
    Key::new([octet; 32])
}

/// The section of the mobile node with a key, which stands in a file of this directory.
fn section(directory: &Path, (spi, octet): (u32, u8)) -> String {
    let file = directory.join(format!("mn1-{spi}.key"));
    std::fs::write(&file, format!("{octet:02x}").repeat(32)).expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode set");
    format!(
        "[[mobile-node]]\nid = \"mn1@example.net\"\nspi = {spi}\nhome-key-file = \"{}\"\nhome-address = \"{HOME}\"\n",
        file.display()
    )
}

fn node_config(code_points: CodePoints) -> MobileNodeConfig {
    MobileNodeConfig {
        mn_id: Some(MnId::nai("mn1@example.net")),
        spi: OLD.0,
        algorithm: Algorithm::HmacSha256_128,
        key: KeyMaterial::Home(home_key(OLD)),
        home: Some(HomeConfig {
            agent: Some(ANCHOR),
            address: HOME,
        }),
        locators: Vec::new(),
        code_points,
        lifetime: 150,
        check_interval_ns: None,
        idle_ns: MobileNodeConfig::DEFAULT_IDLE_NS,
    }
}

/// A mobile node with its home address bound, and a DHoA for the correspondent.
fn attached(network: &Network, code_points: CodePoints) -> (Node, Ipv6Addr) {
    let node = Node::start(&network.visited, node_config(code_points));
    node.wish(|engine, now| {
        engine.handle_command(now, MnCommand::SetCareOf(CARE_OF));
    });
    node.wait_for_bound(&[HOME], CARE_OF);
    node.wish(|engine, now| {
        let correspondent = "2001:db8:c:1::/64".parse().expect("a prefix");
        let flow = FlowKey::new(correspondent, Session::SessionLasting);
        engine.handle_command(now, MnCommand::Use(flow));
    });
    let dhoa = node.wait_for(|event| match event {
        MnEvent::AnchorReady { home_address, .. } if *home_address != HOME => Some(*home_address),
        _ => None,
    });
    node.wait_for_bound(&[dhoa], CARE_OF);
    (node, dhoa)
}

/// What `dhpctl show mobile-nodes` says of the only mobile node.
fn shown(daemon: &Daemon, key: &str) -> serde_json::Value {
    let place = format!("/ok/mobile-nodes/mobile_nodes/0/{key}");
    daemon
        .look_up("mobile-nodes", &place)
        .expect("a mobile node")
}

fn reload(daemon: &Daemon, change: &str) {
    let answer = daemon.ask(RELOAD);
    let changes = format!(r#"{{"changes":[{change}],"released":[]}}"#);
    assert!(answer.contains(&changes), "{answer}");
}

/// DMIPv6 profile 1, section 4.1: each association has its own numbers, and the order is that of one association.
#[test]
fn a_key_is_changed_without_a_break() {
    if !is_root() {
        return;
    }
    let network = Network::new("key");
    let keys = tempfile::tempdir().expect("a directory");
    let [old, new] = [OLD, NEW].map(|key| section(keys.path(), key));
    let daemon = network.daemon(&old);
    let (node, dhoa) = attached(&network, CodePoints::default());
    assert_eq!(shown(&daemon, "last_used_spi"), OLD.0);
    assert_eq!(shown(&daemon, "dhoas"), 1);

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Not one echo is lost or doubled, whatever happens.
        let echoes = [HOME, dhoa].map(|home| {
            let pinger = Pinger::new(&network.correspondent);
            let done = &done;
            scope.spawn(move || {
                let mut echoes = 0;
                while !done.load(Ordering::Acquire) {
                    assert_eq!(pinger.replies(home, 5), [1; 5]);
                    echoes += 5;
                }
                echoes
            })
        });
        let end = End(&done);
        change_the_key(&daemon, &node, dhoa, [&old, &new]);
        drop(end);
        for echoes in echoes {
            assert!(echoes.join().expect("every echo came back once") > 0);
        }
    });
}

/// The procedure of SECURITY.md: the anchor learns of the new key, the mobile node uses it, the anchor forgets the old one.
fn change_the_key(daemon: &Daemon, node: &Node, dhoa: Ipv6Addr, [old, new]: [&str; 2]) {
    daemon.edit(old, &format!("{old}{new}"));
    reload(
        daemon,
        r#"{"what":"mobile node mn1@example.net with SPI 512","how":"added"}"#,
    );
    assert_eq!(shown(daemon, "last_used_spi"), OLD.0, "not yet");

    node.wish(|engine, now| {
        let key = KeyMaterial::Home(home_key(NEW));
        let changed = engine.change_key(now, NEW.0, Algorithm::HmacSha256_128, key);
        changed.expect("a key that fits");
    });
    node.wait_for_bound(&[HOME, dhoa], CARE_OF);
    assert_eq!(shown(daemon, "last_used_spi"), NEW.0);
    assert_eq!(shown(daemon, "associations/1/window"), "known");

    daemon.edit(old, "");
    reload(
        daemon,
        r#"{"what":"mobile node mn1@example.net with SPI 256","how":"removed"}"#,
    );
    assert_eq!(
        shown(daemon, "associations").as_array().map(Vec::len),
        Some(1)
    );

    // What was bound is the same, and moves as before.
    node.wish(|engine, now| {
        engine.handle_command(now, MnCommand::SetCareOf(OTHER_CARE_OF));
    });
    node.wait_for_bound(&[HOME, dhoa], OTHER_CARE_OF);
    daemon.ask_until(MOBILE_NODES, |answer| {
        answer.contains(&format!(r#""care_of_addresses":["{OTHER_CARE_OF}"]"#))
    });
    assert_eq!(shown(daemon, "dhoas"), 1);
    assert_eq!(shown(daemon, "quarantined"), 0);
    assert!(node.has_lost_nothing());
}

/// RFC 5096 has the experimental numbers for experiments alone, so that others can be configured: the workers, the control plane
/// and the mobile node all go by them.
#[test]
fn messages_have_the_configured_code_points() {
    if !is_root() {
        return;
    }
    let network = Network::new("points");
    let keys = tempfile::tempdir().expect("a directory");
    let code_points = CodePoints {
        mh_type: 220,
        option: 230,
    };
    let sections = section(keys.path(), OLD) + "[signalling]\nmh-type = 220\noption-type = 230\n";
    let daemon = network.daemon(&sections);
    let health = daemon.look_up("status", "/ok/status/health/reasons");
    let health = health.expect("a status").to_string();
    assert!(!health.contains("RFC 5096"), "{health}");

    let (node, dhoa) = attached(&network, code_points);
    let pinger = Pinger::new(&network.correspondent);
    assert_eq!(pinger.replies(dhoa, 3), [1; 3]);
    let flow = |key: &str| daemon.look_up("flows", &format!("/ok/flows/flows/0/{key}"));
    assert_eq!(flow("home_address"), Some(dhoa.to_string().into()));
    assert_eq!(flow("mode"), Some("proxy".into()));
    drop(node);

    // Whoever speaks with the numbers of before is told that they are unknown here, and which.
    let station = Station::new(&network.visited);
    let header = DmipHeader {
        kind: DmipType::DhpQuery,
        sequence: 1,
        lifetime: Lifetime(0),
        flags: 0,
        status: Status(0),
    };
    let mh = Builder::dmip(&CodePoints::default(), header).finish(&CARE_OF, &ANCHOR);
    let question = compose(&CARE_OF, &ANCHOR, None, None, &mh);
    let status = station.ask(&question, |packet| {
        let parsed = MobilityPacket::parse(packet).ok()?;
        let header = MobilityHeader::parse(parsed.mh).ok()?;
        match header.message(&code_points).ok()? {
            Message::BindingError { status, .. } if parsed.source == ANCHOR => Some(status),
            _ => None,
        }
    });
    assert_eq!(status, binding_error_status::UNRECOGNIZED_MH_TYPE);
}
