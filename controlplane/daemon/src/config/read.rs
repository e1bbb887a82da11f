//! From the text of the file to a [`Config`]

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;
use toml::de::DeTable;

use super::check::{self, Draft};
use super::mobile_nodes::mobile_node;
use super::ports::{dpdk, port};
use super::problem::Problem;
use super::rates;
use super::section::{Located, Problems, Section};
use super::{
    Anchor, Api, Config, DirectoryEntry, Idle, Limits, Log, LogFormat, Places, Pool, PoolKind,
    Roles, Signalling, Workers, duration,
};

const ADDRESS: &str = "an IPv6 address such as \"2001:db8:d::1\"";
const PREFIX: &str = "an IPv6 prefix such as \"2001:db8:d:1::/64\"";
const DURATION: &str = "a time such as \"240s\", \"10m\" or \"1h\"";

/// Read everything, then check how it fits together; all problems of both at once.
pub(super) fn read(path: &Path, text: &str) -> Result<(Config, Places), Vec<Problem>> {
    let problems = Problems::default();
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    for error in &syntax_errors {
        let span = error.span().unwrap_or(0..0);
        let mut message = error.message().lines();
        let what = message.next().unwrap_or("not TOML").to_owned();
        problems.push(Problem::new(
            span,
            format!("not TOML: {what}"),
            message.collect::<Vec<_>>().join(" "),
        ));
    }
    if !syntax_errors.is_empty() {
        // What could be recovered would be reported as missing or unknown.
        return Err(problems.into_inner());
    }
    let root = Section::root(&document, &problems);
    let draft = read_sections(&root, path.parent().unwrap_or(Path::new("")));
    root.finish();
    for problem in check::problems(&draft) {
        problems.push(problem);
    }
    let found = problems.into_inner();
    match draft.into_config() {
        Some(complete) if found.is_empty() => Ok(complete),
        _ => Err(found),
    }
}

fn read_sections(root: &Section<'_>, directory: &Path) -> Draft {
    let (anchor, anchor_span) = anchor(root.section("anchor"));
    let ports = root.sections("port").into_iter().enumerate();
    let ports = ports.filter_map(|(number, section)| port(number, section));
    let ports = ports.collect();
    if !root.has("port") {
        root.problem(Problem::new(
            0..0,
            "the file has no [[port]]",
            "at least one [[port]] with `interface = \"eth0\"`",
        ));
    }
    let (workers, places_workers, places_cores) = workers(root.section("workers"));
    let pools = root.sections("pool").into_iter().filter_map(pool);
    let (pools, links): (Vec<_>, Vec<_>) = pools.unzip();
    Draft {
        anchor,
        anchor_span,
        ports,
        host_interface: host_interface(root.section("host")),
        workers,
        places_workers,
        places_cores,
        dpdk: dpdk(root.section("dpdk")),
        pools,
        places_links: links.into_iter().flatten().collect(),
        coverage: root
            .sections("coverage")
            .into_iter()
            .filter_map(coverage)
            .collect(),
        directory: root
            .sections("directory")
            .into_iter()
            .filter_map(directory_entry)
            .collect(),
        mobile_nodes: root
            .sections("mobile-node")
            .into_iter()
            .filter_map(|section| mobile_node(section, directory))
            .collect(),
        limits: limits(root.section("limits")),
        rates: rates::read(root.section("rates")),
        signalling: signalling(root.section("signalling")),
        api: api(root.section("api")),
        log: log(root.section("log")),
    }
}

pub(super) fn address(section: &Section<'_>, name: &'static str) -> Option<Located<Ipv6Addr>> {
    section.text(name, ADDRESS, str::parse::<Ipv6Addr>)
}

/// A prefix whose host bits are zero: `2001:db8::1/64` is more likely a slip than meant.
fn prefix(section: &Section<'_>, name: &'static str) -> Option<Located<Ipv6Net>> {
    section.text(name, PREFIX, |text| {
        let prefix: Ipv6Net = text.parse().map_err(|_| "not an IPv6 prefix".to_owned())?;
        if prefix.trunc() == prefix {
            Ok(prefix)
        } else {
            Err(format!(
                "bits are set behind the prefix, which is {}",
                prefix.trunc()
            ))
        }
    })
}

fn string(section: &Section<'_>, name: &'static str, expected: &str) -> Option<Located<String>> {
    section.text(name, expected, |text| Ok::<_, Infallible>(text.to_owned()))
}

/// Linux: an interface name has 1 to 15 octets, neither blanks nor `/`.
pub(super) fn interface(section: &Section<'_>, name: &'static str) -> Option<Located<String>> {
    section.text(
        name,
        "the name of a network interface, at most 15 characters",
        |text| {
            let forbidden =
                |character: char| character == '/' || character == ':' || character.is_whitespace();
            if text.is_empty() || text.len() > 15 || text.contains(forbidden) {
                Err("no interface can have that name")
            } else {
                Ok(text.to_owned())
            }
        },
    )
}

fn anchor(section: Section<'_>) -> (Option<(Located<Ipv6Addr>, Anchor)>, std::ops::Range<usize>) {
    let span = section.span.clone();
    let own = section.require("address", address(&section, "address"), "\"2001:db8:d::1\"");
    let names = section.texts(
        "roles",
        "\"dhp\", \"home-agent\" or \"locator\"",
        |text| match text {
            "dhp" | "home-agent" | "locator" => Ok(text.to_owned()),
            _ => Err("not a role"),
        },
    );
    let has = |name: &str| match &names {
        None => true,
        Some(names) => names.iter().any(|role| role.value == name),
    };
    let roles = Roles {
        dhp: has("dhp"),
        home_agent: has("home-agent"),
        locator: has("locator"),
    };
    let preference = octet(section.integer("preference", 0..=255), 100);
    let path_mtu = section.integer("path-mtu", 1280..=65_535);
    let path_mtu = path_mtu.and_then(|octets| u16::try_from(octets.value).ok());
    let path_mtu = path_mtu.unwrap_or(u16::MAX);
    section.finish();
    let anchor = own.map(|own| {
        let anchor = Anchor {
            address: own.value,
            roles,
            preference,
            path_mtu,
        };
        (own, anchor)
    });
    (anchor, span)
}

fn host_interface(section: Section<'_>) -> Located<String> {
    let name = interface(&section, "interface");
    section.finish();
    name.unwrap_or(Located {
        value: "dhp0".to_owned(),
        span: 0..0,
    })
}

fn workers(
    section: Section<'_>,
) -> (
    Workers,
    std::ops::Range<usize>,
    Option<std::ops::Range<usize>>,
) {
    let count = section.integer("count", 1..=64);
    let cores = section.integers("cores", 0..=4095);
    let transit = section.boolean("transit").unwrap_or(true);
    let tcp_mss_clamp = section.boolean("tcp-mss-clamp").unwrap_or(false);
    let idle = section.text("idle", "\"poll\" or \"sleep\"", |text| match text {
        "poll" => Ok(Idle::Poll),
        "sleep" => Ok(Idle::Sleep),
        _ => Err("not one of them"),
    });
    let cores_span = cores.as_ref().map(|cores| cores.span.clone());
    let cores: Option<Vec<usize>> = cores.map(|cores| {
        let indices = cores
            .value
            .into_iter()
            .filter_map(|core| usize::try_from(core).ok());
        indices.collect()
    });
    let span = count
        .as_ref()
        .map_or(section.span.clone(), |count| count.span.clone());
    section.finish();
    let listed = cores
        .as_ref()
        .and_then(|cores| u64::try_from(cores.len()).ok());
    let count = count.map(|count| count.value).or(listed).unwrap_or(1);
    let workers = Workers {
        count: u32::try_from(count).unwrap_or(1),
        cores,
        transit,
        tcp_mss_clamp,
        idle: idle.map_or(Idle::Sleep, |idle| idle.value),
    };
    (workers, span, cores_span)
}

/// A pool, and where its link stands.
fn pool(section: Section<'_>) -> Option<(Located<Pool>, Option<std::ops::Range<usize>>)> {
    let prefix = section.require(
        "prefix",
        prefix(&section, "prefix"),
        "\"2001:db8:d:1::/64\"",
    );
    let kind = section.text("kind", "\"dhoa\" or \"home\"", |text| match text {
        "dhoa" => Ok(PoolKind::Dhoa),
        "home" => Ok(PoolKind::Home),
        _ => Err("not a kind of pool"),
    });
    let kind = section.require("kind", kind, "\"dhoa\" or \"home\"");
    let quarantine = section.text("quarantine", DURATION, duration::parse);
    let lifetime = |key| {
        let expected = "a time such as \"30h\", or \"infinite\"";
        let read = section.text(key, expected, |text| match text {
            "infinite" => Ok(None),
            _ => duration::parse(text).map(Some),
        });
        read.and_then(|time| time.value)
    };
    let valid_lifetime = lifetime("valid-lifetime");
    let preferred_lifetime = lifetime("preferred-lifetime");
    let link = interface(&section, "link");
    section.finish();
    let prefix = prefix?;
    let place = link.as_ref().map(|link| link.span.clone());
    let pool = Located {
        value: Pool {
            prefix: prefix.value,
            kind: kind?.value,
            quarantine: quarantine.map_or(Duration::from_secs(240), |time| time.value),
            valid_lifetime,
            preferred_lifetime,
            link: link.map(|link| link.value),
        },
        span: prefix.span,
    };
    Some((pool, place))
}

fn coverage(section: Section<'_>) -> Option<Located<Ipv6Net>> {
    let prefix = section.require("prefix", prefix(&section, "prefix"), "\"2001:db8:c::/48\"");
    section.finish();
    prefix
}

fn directory_entry(section: Section<'_>) -> Option<DirectoryEntry> {
    let dhp = section.require("dhp", address(&section, "dhp"), "\"2001:db8:d::1\"");
    let prefix = section.require("prefix", prefix(&section, "prefix"), "\"2001:db8:c::/48\"");
    let preference = section.integer("preference", 0..=255);
    section.finish();
    Some(DirectoryEntry {
        dhp: dhp?.value,
        prefix: prefix?.value,
        preference: octet(preference, 100),
    })
}

fn octet(number: Option<Located<u64>>, otherwise: u8) -> u8 {
    number
        .and_then(|number| u8::try_from(number.value).ok())
        .unwrap_or(otherwise)
}

fn limits(section: Section<'_>) -> Limits {
    let default = Limits::default();
    let size = |key, otherwise| {
        // A table entry has up to 300 octets: the largest table here is some 5 GB.
        let size = section.integer(key, 16..=1 << 24);
        size.and_then(|size| u32::try_from(size.value).ok())
            .unwrap_or(otherwise)
    };
    // One has some 5 KB: 5 GB again.
    let flow_sets = section
        .integer("flow-sets", 0..=1 << 20)
        .and_then(|size| u32::try_from(size.value).ok())
        .unwrap_or(default.flow_sets);
    // One has less than 100 octets.
    let flows = section
        .integer("flows", 0..=1 << 24)
        .and_then(|size| u32::try_from(size.value).ok())
        .unwrap_or(default.flows);
    // Each is a buffer.
    let reassembly = section
        .integer("reassembly", 0..=4096)
        .and_then(|size| u32::try_from(size.value).ok())
        .unwrap_or(default.reassembly);
    let limits = Limits {
        home_addresses: size("home-addresses", default.home_addresses),
        routes: size("routes", default.routes),
        next_hops: size("next-hops", default.next_hops),
        flow_sets,
        flows,
        reassembly,
    };
    section.finish();
    limits
}

fn signalling(section: Section<'_>) -> Located<Signalling> {
    let span = section.span.clone();
    let default = CodePoints::default();
    let code_points = CodePoints {
        mh_type: octet(section.integer("mh-type", 0..=255), default.mh_type),
        option: octet(section.integer("option-type", 0..=255), default.option),
    };
    let longest = section.text("max-lifetime", DURATION, |text| {
        let time = duration::parse(text)?;
        // RFC 6275 §6.1.7: units of 4 seconds in 16 bits.
        if (Duration::from_secs(4)..=Duration::from_secs(4 * 0xfffe)).contains(&time) {
            Ok(time)
        } else {
            Err("4s to 262136s are possible")
        }
    });
    let time_or_off = |key| {
        let read = section.text(
            key,
            "a time such as \"30s\", or \"off\"",
            |text| match text {
                "off" => Ok(None),
                _ => duration::parse(text).map(Some),
            },
        );
        read.and_then(|time| time.value)
    };
    let refresh_advice = time_or_off("refresh-advice");
    let refresh_request = time_or_off("refresh-request");
    let peers = section.texts(
        "peers",
        "IPv6 addresses such as \"2001:db8:e::1\"",
        str::parse,
    );
    let allow_unauthenticated = section.boolean("allow-unauthenticated").unwrap_or(false);
    let journal = string(
        &section,
        "journal",
        "a path such as \"/var/lib/dhpd/numbers\", or \"off\"",
    );
    section.finish();
    let value = Signalling {
        code_points,
        refresh_advice,
        refresh_request,
        peers: peers
            .unwrap_or_default()
            .into_iter()
            .map(|peer| peer.value)
            .collect(),
        allow_unauthenticated,
        journal: journal
            .filter(|path| path.value != "off")
            .map(|path| PathBuf::from(path.value)),
        max_lifetime: longest.map_or(Duration::from_secs(600), |time| time.value),
    };
    Located { value, span }
}

fn api(section: Section<'_>) -> Api {
    let socket = string(&section, "socket", "a path such as \"/run/dhpd/dhpd.sock\"");
    let metrics = section.text(
        "metrics",
        "an address and port such as \"127.0.0.1:9105\" or \"[::1]:9105\"",
        |text| match text {
            "off" => Ok(None),
            _ => text.parse::<SocketAddr>().map(Some),
        },
    );
    section.finish();
    Api {
        socket: socket.map_or_else(
            || PathBuf::from("/run/dhpd/dhpd.sock"),
            |path| PathBuf::from(path.value),
        ),
        metrics: metrics.map_or(Some(SocketAddr::from(([127, 0, 0, 1], 9105))), |metrics| {
            metrics.value
        }),
    }
}

fn log(section: Section<'_>) -> Log {
    let level = section.text(
        "level",
        "error, warn, info, debug, trace, or a filter such as \"info,dhpd=debug\"",
        |text| {
            tracing_subscriber::EnvFilter::builder()
                .parse(text)
                .map(|_| text.to_owned())
        },
    );
    let format = section.text("format", "\"text\" or \"json\"", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("not a format"),
    });
    section.finish();
    Log {
        level: level.map_or_else(|| "info".to_owned(), |level| level.value),
        format: format.map_or(LogFormat::Text, |format| format.value),
    }
}
