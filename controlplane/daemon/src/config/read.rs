//! From the text of the file to a [`Config`]

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dhp_config::{Located, Problem, Section, parse_duration};
use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;

use super::check;
use super::directory::{coverage, directory_entry};
use super::draft::Draft;
use super::mobile_nodes::mobile_node;
use super::ports::{dpdk, port};
use super::prefix_advertisements;
use super::rates;
use super::{
    Anchor, Api, Config, Idle, Limits, Log, LogFormat, Places, Pool, PoolKind, Roles, Signalling,
    Workers,
};
use crate::priority::Priority;

/// Read everything, then check how it fits together; all problems of both at once.
pub(super) fn read(path: &Path, text: &str) -> Result<(Config, Places), Vec<Problem>> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let (draft, mut problems) = dhp_config::read(text, |root| read_sections(root, directory))?;
    problems.extend(check::problems(&draft));
    match draft.into_config() {
        Some(complete) if problems.is_empty() => Ok(complete),
        _ => Err(problems),
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
        correspondents: root
            .sections("correspondent")
            .into_iter()
            .filter_map(correspondent)
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

fn anchor(section: Section<'_>) -> (Option<(Located<Ipv6Addr>, Anchor)>, std::ops::Range<usize>) {
    let span = section.span.clone();
    let own = section.require("address", section.address("address"), "\"2001:db8:d::1\"");
    let names = section.texts(
        "roles",
        "\"dhp\", \"home-agent\", \"locator\" or \"correspondent\"",
        |text| match text {
            "dhp" | "home-agent" | "locator" | "correspondent" => Ok(text.to_owned()),
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
        correspondent: has("correspondent"),
    };
    let preference = octet(&section, "preference", 100);
    let short = |number: Option<Located<u64>>, otherwise| {
        let number = number.and_then(|number| u16::try_from(number.value).ok());
        number.unwrap_or(otherwise)
    };
    let home_agent_preference = section.integer("home-agent-preference", 0..=65_535);
    let home_agent_preference = short(home_agent_preference, 0);
    let path_mtu = short(section.integer("path-mtu", 1280..=65_535), u16::MAX);
    section.finish();
    let anchor = own.map(|own| {
        let anchor = Anchor {
            address: own.value,
            roles,
            preference,
            home_agent_preference,
            path_mtu,
        };
        (own, anchor)
    });
    (anchor, span)
}

fn host_interface(section: Section<'_>) -> Located<String> {
    let name = section.interface("interface");
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
    let idle = section.word("idle", &[("poll", Idle::Poll), ("sleep", Idle::Sleep)]);
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
    let prefix = section.require("prefix", section.prefix("prefix"), "\"2001:db8:d:1::/64\"");
    let kind = section.word(
        "kind",
        &[("dhoa", PoolKind::Dhoa), ("home", PoolKind::Home)],
    );
    let kind = section.require("kind", kind, "\"dhoa\" or \"home\"");
    let quarantine = section.duration("quarantine");
    let lifetime = |key| {
        let expected = "a time such as \"30h\", or \"infinite\"";
        let read = section.text(key, expected, |text| match text {
            "infinite" => Ok(None),
            _ => parse_duration(text).map(Some),
        });
        read.and_then(|time| time.value)
    };
    let valid_lifetime = lifetime("valid-lifetime");
    let preferred_lifetime = lifetime("preferred-lifetime");
    let link = section.interface("link");
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

fn correspondent(section: Section<'_>) -> Option<Located<Ipv6Net>> {
    let example = "\"2001:db8:c:1::/64\"";
    let prefix = section.require("prefix", section.prefix("prefix"), example);
    section.finish();
    prefix
}

pub(super) fn octet(section: &Section<'_>, key: &'static str, otherwise: u8) -> u8 {
    section.octet(key).map_or(otherwise, |octet| octet.value)
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
    let few = |key, most: usize, otherwise| {
        let most_asked = u64::try_from(most).unwrap_or(u64::MAX);
        let number = section.integer(key, 0..=most_asked);
        number
            .and_then(|number| usize::try_from(number.value).ok())
            .unwrap_or(otherwise)
    };
    let care_of_addresses = few(
        "care-of-addresses",
        dhp_segment::MAX_CARE_OFS,
        default.care_of_addresses,
    );
    let most_flows = dhp_proto::anchor::Limits::MOST_FLOW_BINDINGS;
    let flow_bindings = few("flow-bindings", most_flows, default.flow_bindings);
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
        correspondents: size("correspondents", default.correspondents),
        routes: size("routes", default.routes),
        next_hops: size("next-hops", default.next_hops),
        flow_sets,
        care_of_addresses,
        flow_bindings,
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
        mh_type: octet(&section, "mh-type", default.mh_type),
        option: octet(&section, "option-type", default.option),
    };
    let longest = section.lifetime("max-lifetime");
    let time_or_off = |key| {
        let read = section.text(
            key,
            "a time such as \"30s\", or \"off\"",
            |text| match text {
                "off" => Ok(None),
                _ => parse_duration(text).map(Some),
            },
        );
        read.and_then(|time| time.value)
    };
    let refresh_advice = time_or_off("refresh-advice");
    let refresh_request = time_or_off("refresh-request");
    let prefix_advertisements = prefix_advertisements::read(&section);
    let cookies_above = section.integer("cookies-above", 0..=u64::from(u32::MAX));
    let care_of_test = section.word("care-of-test", &[("on", true), ("off", false)]);
    let priorities = [Priority::Ordinary, Priority::RealTime].map(|one| (one.name(), one));
    let priority = section.word("priority", &priorities);
    let peers = section.texts(
        "peers",
        "IPv6 addresses such as \"2001:db8:e::1\"",
        str::parse,
    );
    let allow_unauthenticated = section.boolean("allow-unauthenticated").unwrap_or(false);
    let journal = section.path(
        "journal",
        "a path such as \"/var/lib/dhpd/journal\", or \"off\"",
    );
    section.finish();
    let value = Signalling {
        code_points,
        refresh_advice,
        refresh_request,
        cookies_above: cookies_above
            .and_then(|rate| u32::try_from(rate.value).ok())
            .unwrap_or(10_000),
        care_of_test: care_of_test.is_some_and(|test| test.value),
        priority: priority.map_or_else(Priority::default, |one| one.value),
        prefix_advertisements,
        peers: peers
            .unwrap_or_default()
            .into_iter()
            .map(|peer| peer.value)
            .collect(),
        allow_unauthenticated,
        journal: journal
            .filter(|path| path.value.as_os_str() != "off")
            .map(|path| path.value),
        max_lifetime: longest.map_or(Duration::from_secs(600), |time| time.value),
    };
    Located { value, span }
}

fn api(section: Section<'_>) -> Api {
    let socket = section.path("socket", "a path such as \"/run/dhpd/dhpd.sock\"");
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
        socket: socket.map_or_else(|| PathBuf::from("/run/dhpd/dhpd.sock"), |path| path.value),
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
    let format = section.word(
        "format",
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    );
    section.finish();
    Log {
        level: level.map_or_else(|| "info".to_owned(), |level| level.value),
        format: format.map_or(LogFormat::Text, |format| format.value),
    }
}
