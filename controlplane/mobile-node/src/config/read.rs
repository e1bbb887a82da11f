//! From the sections of the file to a [`Config`]

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dhp_config::{InlineKeys, KeySource, Problem, Section};
use dhp_proto::auth::Algorithm;
use dhp_proto::mobile_node::{HomeConfig, KeyMaterial, MobileNodeConfig};
use dhp_proto::security_association::MnId;
use dhp_wire::codepoints::CodePoints;
use tracing::level_filters::LevelFilter;

use super::accesses::links;
use super::dns::dns;
use super::flows::flows;
use super::provisioned::provisioned;
use super::{Config, DEFAULT_SOCKET, DEFAULT_STATE, LogFormat};

/// 10 minutes, in units of 4 seconds.
const DEFAULT_LIFETIME: u16 = 150;
/// 2 minutes.
const DEFAULT_CHECK_NS: u64 = 120_000_000_000;
/// A second: RFC 6275 §11.8 has no more than three messages a second to one anchor.
const DEFAULT_PROBE_NS: u64 = 1_000_000_000;

/// Everything is looked at before anything is given up, so that all problems are reported at once.
pub(super) fn read(
    root: &Section<'_>,
    text: &str,
    directory: &Path,
) -> Option<(Config, InlineKeys)> {
    let node = mobile_node(root.section("mobile-node"), directory);
    let home = match root.has("home") {
        true => home(root.section("home")).map(Some),
        false => Some(None),
    };
    let locators: Vec<Ipv6Addr> = root
        .sections("locator")
        .into_iter()
        .filter_map(locator)
        .collect();
    let provisioned = provisioned(root.sections("provisioned-dhp"));
    let interfaces = node.as_ref().map_or(&[][..], |node| &node.interfaces);
    let (policy, policy_lines, flow_accesses) = flows(
        root.sections("flow"),
        root.has("home"),
        node.as_ref().is_some_and(|node| node.optimize),
        text,
        interfaces,
    );
    let links = links(root.sections("interface"), interfaces);
    let Upkeep {
        check_interval_ns,
        idle_ns,
        probe_interval_ns,
        prefetch,
    } = upkeep(root.section("dhp"));
    let dns = root.has("dns").then(|| dns(root.section("dns")));
    let code_points = code_points(root.section("signalling"));
    let socket = socket(root.section("api"));
    let state = root.has("state").then(|| state(root.section("state")));
    let metrics = root
        .has("metrics")
        .then(|| metrics(root.section("metrics")));
    let (log_level, log_format) = log(root.section("log"));
    let node = node?;
    let config = Config {
        engine: MobileNodeConfig {
            mn_id: Some(MnId::nai(&node.id)),
            spi: node.spi,
            algorithm: node.algorithm,
            key: node.key,
            home: home?,
            locators,
            code_points,
            lifetime: node.lifetime,
            check_interval_ns: Some(check_interval_ns),
            idle_ns,
        },
        provisioned,
        prefetch,
        interfaces: node.interfaces,
        tun: node.tun,
        optimistic_dad: node.optimistic_dad,
        path_mtu: node.path_mtu,
        optimize: node.optimize,
        socket_preferences: node.socket_preferences,
        policy,
        policy_lines,
        flow_accesses,
        links,
        probe_interval_ns,
        dns: dns.flatten(),
        socket,
        state,
        metrics,
        log_level,
        log_format,
    };
    Some((config, node.inline_keys))
}

/// What `[mobile-node]` says.
struct Node {
    id: String,
    spi: u32,
    algorithm: Algorithm,
    key: KeyMaterial,
    interfaces: Vec<String>,
    tun: String,
    lifetime: u16,
    optimistic_dad: bool,
    path_mtu: u16,
    optimize: bool,
    socket_preferences: bool,
    inline_keys: InlineKeys,
}

fn mobile_node(section: Section<'_>, directory: &Path) -> Option<Node> {
    let association = section.association(directory);
    let interfaces = interfaces(&section);
    let tun = section.interface("tun");
    let lifetime = section
        .lifetime("lifetime")
        .map_or(DEFAULT_LIFETIME, |time| {
            // In units of 4 seconds; the section has refused what is longer.
            u16::try_from(time.value.as_secs() / 4).unwrap_or(DEFAULT_LIFETIME)
        });
    let optimistic_dad = section.boolean("optimistic-dad").unwrap_or(true);
    let path_mtu = section.integer("path-mtu", 1280..=65_535);
    let optimize = route_optimization(&section);
    let socket_preferences = on_or_off(&section, "socket-preferences");
    section.finish();
    let mut inline_keys = InlineKeys::default();
    inline_keys.note(association.inline_key.as_ref());
    Some(Node {
        id: association.id?,
        spi: association.spi?.value,
        algorithm: association.algorithm?,
        key: match association.key? {
            KeySource::Home(key) => KeyMaterial::Home(key),
            KeySource::Exact(key) => KeyMaterial::Fixed(key),
        },
        interfaces: interfaces?,
        tun: tun.map_or_else(|| "dhpmn0".to_owned(), |tun| tun.value),
        lifetime,
        optimistic_dad,
        path_mtu: path_mtu
            .and_then(|octets| u16::try_from(octets.value).ok())
            .unwrap_or(u16::MAX),
        // It tells correspondents where the node is, and a DHP near them is as good: who wants it says so.
        optimize: optimize.unwrap_or(false),
        socket_preferences: socket_preferences.unwrap_or(true),
        inline_keys,
    })
}

/// Whether correspondents may be told the care-of address.
pub(super) fn route_optimization(section: &Section<'_>) -> Option<bool> {
    on_or_off(section, "route-optimization")
}

fn on_or_off(section: &Section<'_>, key: &'static str) -> Option<bool> {
    let word = section.word(key, &[("on", true), ("off", false)]);
    word.map(|word| word.value)
}

/// Access interfaces, each once.
fn interfaces(section: &Section<'_>) -> Option<Vec<String>> {
    let found = section.interfaces("interfaces");
    let mut names: Vec<String> = Vec::new();
    for interface in section.require("interfaces", found, "[\"wlan0\"]")? {
        if names.contains(&interface.value) {
            section.problem(Problem::new(
                interface.span,
                format!("\"{}\" stands twice", interface.value),
                "each interface once",
            ));
        } else {
            names.push(interface.value);
        }
    }
    if names.is_empty() {
        section.problem(Problem::new(
            section.span.clone(),
            "`interfaces` names none",
            "at least one access interface",
        ));
        return None;
    }
    Some(names)
}

fn home(section: Section<'_>) -> Option<HomeConfig> {
    // Left out, it is discovered.
    let agent = section.node("agent").map(|agent| agent.value);
    let address = section.require("address", section.node("address"), "\"2001:db8:1:1::100\"");
    let length = section.integer("prefix-length", 1..=128);
    section.finish();
    let mut home = HomeConfig::new(agent, address?.value);
    if let Some(Ok(bits)) = length.map(|bits| u8::try_from(bits.value)) {
        home.prefix_len = bits;
    }
    Some(home)
}

fn locator(section: Section<'_>) -> Option<Ipv6Addr> {
    let address = section.require("address", section.node("address"), "\"2001:db8:1::1\"");
    section.finish();
    address.map(|address| address.value)
}

/// How DHPs and accesses are looked after, and how long idle ones are kept, in nanoseconds; and whether they are looked for in advance.
struct Upkeep {
    check_interval_ns: u64,
    idle_ns: u64,
    probe_interval_ns: u64,
    prefetch: bool,
}

fn upkeep(section: Section<'_>) -> Upkeep {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let least = Duration::from_secs(10);
    let interval = section.duration_from("check-interval", least);
    let idle = section.duration_from("idle", least);
    let probe = section.duration_from("probe-interval", Duration::from_secs(1));
    let prefetch = on_or_off(&section, "prefetch");
    section.finish();
    Upkeep {
        check_interval_ns: interval.map_or(DEFAULT_CHECK_NS, |time| nanos(time.value)),
        idle_ns: idle.map_or(MobileNodeConfig::DEFAULT_IDLE_NS, |time| nanos(time.value)),
        probe_interval_ns: probe.map_or(DEFAULT_PROBE_NS, |time| nanos(time.value)),
        // Networks and resolvers would learn whom the node may talk to: who wants it says so.
        prefetch: prefetch.unwrap_or(false),
    }
}

fn code_points(section: Section<'_>) -> CodePoints {
    let default = CodePoints::default();
    let mh_type = section.octet("mh-type");
    let option = section.octet("option-type");
    let code_points = CodePoints {
        mh_type: mh_type
            .as_ref()
            .map_or(default.mh_type, |octet| octet.value),
        option: option.as_ref().map_or(default.option, |octet| octet.value),
    };
    if code_points.collides() {
        let span = mh_type.or(option).map(|octet| octet.span);
        section.problem(Problem::new(
            span.unwrap_or_else(|| section.span.clone()),
            "a code point of the RFCs that this agent speaks",
            "an MH type above 7 and an option type of no other option",
        ));
    }
    section.finish();
    code_points
}

fn socket(section: Section<'_>) -> PathBuf {
    let socket = section.path("socket", "a path such as \"/run/dhp-mn/dhp-mn.sock\"");
    section.finish();
    socket.map_or_else(|| DEFAULT_SOCKET.into(), |path| path.value)
}

fn state(section: Section<'_>) -> PathBuf {
    let file = section.path("file", "a path such as \"/var/lib/dhp-mn/state.json\"");
    section.finish();
    file.map_or_else(|| DEFAULT_STATE.into(), |path| path.value)
}

fn metrics(section: Section<'_>) -> SocketAddr {
    let listen = section.text(
        "listen",
        "an address and port such as \"127.0.0.1:9106\" or \"[::1]:9106\"",
        |text| text.parse::<SocketAddr>(),
    );
    section.finish();
    listen.map_or(SocketAddr::from(([127, 0, 0, 1], 9106)), |listen| {
        listen.value
    })
}

fn log(section: Section<'_>) -> (LevelFilter, LogFormat) {
    let levels = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let level = section.word("level", &levels);
    let format = section.word("format", &formats);
    section.finish();
    (
        level.map_or(LevelFilter::INFO, |level| level.value),
        format.map_or(LogFormat::Text, |format| format.value),
    )
}
