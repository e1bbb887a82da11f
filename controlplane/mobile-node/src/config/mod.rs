//! The configuration file: read, checked, every error with its place.

mod file;
mod problem;
#[cfg(test)]
mod tests;
mod value;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::mobile_node::{HomeConfig, KeyMaterial, MobileNodeConfig, Session};
use dhp_proto::security_association::MnId;
use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;
use toml::Spanned;
use tracing::level_filters::LevelFilter;

pub use problem::{ConfigError, Problem};
use value::Problems;

/// Where the agent listens unless the file says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/dhp-mn/dhp-mn.sock";

/// 10 minutes, in units of 4 seconds.
const DEFAULT_LIFETIME: u16 = 150;

/// What flows to a prefix get as source address. RFC 8653 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// An anchored address.
    Anchored(Session),
    /// The care-of address: no mobility.
    NonPersistent,
}

/// Policy for the correspondents of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowPolicy {
    /// The correspondents.
    pub prefix: Ipv6Net,
    /// What they get.
    pub treatment: Treatment,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// For the engine.
    pub engine: MobileNodeConfig,
    /// Access interfaces, preferred first.
    pub interfaces: Vec<String>,
    /// The tunnel interface.
    pub tun: String,
    /// Whether new care-of addresses are used before duplicate address detection is over (RFC 4429).
    pub optimistic_dad: bool,
    /// The longest packet that the paths to all anchors take, in octets.
    pub path_mtu: u16,
    /// Policy, the first match wins.
    pub flows: Vec<FlowPolicy>,
    /// The API socket.
    pub socket: PathBuf,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It cannot be read, or all that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|problems| ConfigError::Wrong {
            path: path.to_owned(),
            text,
            problems,
        })
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// All that is wrong with it; of what is not TOML, or has unknown keys, the first.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let file: file::File = toml::from_str(text).map_err(|error| {
            let message = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            let span = error.span().unwrap_or(0..0);
            vec![Problem::new(span, message, expected_of(error.message()))]
        })?;
        let mut problems = Problems::default();
        match check(&file, &mut problems) {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => {
                problems.0.sort_by_key(|problem| problem.span.start);
                Err(problems.0)
            }
        }
    }
}

/// What the parser's message says was expected.
fn expected_of(message: &str) -> String {
    message
        .find("expected ")
        .and_then(|at| message.get(at..))
        .unwrap_or("a key or value that belongs here")
        .to_owned()
}

/// Everything is looked at before anything is given up, so that all problems are reported at once.
fn check(file: &file::File, problems: &mut Problems) -> Option<Config> {
    let node = file.mobile_node.get_ref();
    let id = check_id(&node.id, problems);
    let spi = problems.integer("spi", &node.spi, 256..=i64::from(u32::MAX));
    let algorithm = node
        .algorithm
        .as_ref()
        .map_or(Some(Algorithm::HmacSha256_128), |name| {
            let algorithms = [Algorithm::HmacSha1_96, Algorithm::HmacSha256_128];
            problems.word(
                "algorithm",
                name,
                &algorithms.map(|known| (known.name(), known)),
            )
        });
    let key = check_key(&file.mobile_node, algorithm, problems);
    let interfaces = check_interfaces(&node.interfaces, problems);
    let tun = node.tun.as_ref().map_or_else(
        || Some("dhpmn0".to_owned()),
        |name| problems.interface("tun", name),
    );
    let lifetime = node
        .lifetime
        .as_ref()
        .map_or(Some(DEFAULT_LIFETIME), |value| {
            problems.lifetime("lifetime", value)
        });
    let path_mtu = match &node.path_mtu {
        None => Some(u16::MAX),
        Some(octets) => problems.integer("path-mtu", octets, 1280..=65_535),
    };
    let home = match &file.home {
        None => Some(None),
        Some(home) => {
            let agent = problems.address("agent", &home.agent);
            let address = problems.address("address", &home.address);
            agent
                .zip(address)
                .map(|(agent, address)| Some(HomeConfig { agent, address }))
        }
    };
    let locators: Vec<Ipv6Addr> = file
        .locator
        .iter()
        .filter_map(|locator| problems.address("address", &locator.address))
        .collect();
    let code_points = check_code_points(&file.signalling, problems);
    let flows = check_flows(&file.flow, file.home.is_some(), problems);
    let levels = ["error", "warn", "info", "debug", "trace"].map(|name| (name, name));
    let log_level = match &file.log.level {
        Some(level) => problems.word("level", level, &levels),
        None => Some("info"),
    };
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log_format = file
        .log
        .format
        .as_ref()
        .map_or(Some(LogFormat::Text), |format| {
            problems.word("format", format, &formats)
        });
    let socket = file.api.socket.as_ref();
    Some(Config {
        engine: MobileNodeConfig {
            mn_id: Some(MnId::nai(&id?)),
            spi: spi?,
            algorithm: algorithm?,
            key: key?,
            home: home?,
            locators,
            code_points: code_points?,
            lifetime: lifetime?,
        },
        interfaces: interfaces?,
        tun: tun?,
        optimistic_dad: node.optimistic_dad.unwrap_or(true),
        path_mtu: path_mtu?,
        flows,
        socket: socket.map_or_else(|| DEFAULT_SOCKET.into(), |path| path.get_ref().into()),
        log_level: log_level?.parse().ok()?,
        log_format: log_format?,
    })
}

fn check_id(id: &Spanned<String>, problems: &mut Problems) -> Option<String> {
    // The MN-ID option's length octet counts the subtype, too (RFC 4283 §3).
    if (1..=254).contains(&id.get_ref().len()) {
        return Some(id.get_ref().clone());
    }
    let message = format!("`id` has {} octets", id.get_ref().len());
    problems.add(
        id,
        message,
        "a Network Access Identifier such as \"mn1@example.net\"",
    );
    None
}

fn check_key(
    section: &Spanned<file::MobileNode>,
    algorithm: Option<Algorithm>,
    problems: &mut Problems,
) -> Option<KeyMaterial> {
    let node = section.get_ref();
    let given: Vec<(&str, &Spanned<String>)> = [
        ("home-key", &node.home_key),
        ("home-key-file", &node.home_key_file),
        ("key", &node.key),
        ("key-file", &node.key_file),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)))
    .collect();
    let &[(name, value)] = given.as_slice() else {
        let expected = "one of home-key, home-key-file, key, key-file";
        match given.get(1) {
            Some((name, value)) => {
                let first = given.first().map_or("", |(first, _)| *first);
                problems.add(value, format!("`{name}` besides `{first}`"), expected);
            }
            None => problems.add(section, "[mobile-node] has no key", expected),
        }
        return None;
    };
    let key: Key = if name.ends_with("-file") {
        problems.key_file(name, value)?
    } else {
        problems.key(name, value)?
    };
    if name.starts_with("home-") {
        return Some(KeyMaterial::Home(key));
    }
    let wanted = algorithm?.key_len();
    if key.octets().len() == wanted {
        return Some(KeyMaterial::Fixed(key));
    }
    let message = format!("`{name}` has {} octets", key.octets().len());
    problems.add(
        value,
        message,
        format!("{wanted} octets, as the algorithm has it"),
    );
    None
}

fn check_interfaces(
    value: &Spanned<Vec<Spanned<String>>>,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for interface in value.get_ref() {
        let name = problems.interface("interfaces", interface)?;
        if names.contains(&name) {
            problems.add(
                interface,
                format!("\"{name}\" stands twice"),
                "each interface once",
            );
            return None;
        }
        names.push(name);
    }
    if names.is_empty() {
        problems.add(
            value,
            "`interfaces` is empty",
            "at least one access interface",
        );
        return None;
    }
    Some(names)
}

fn check_code_points(section: &file::Signalling, problems: &mut Problems) -> Option<CodePoints> {
    let mut code_points = CodePoints::default();
    if let Some(value) = &section.mh_type {
        code_points.mh_type = problems.integer("mh-type", value, 0..=255)?;
    }
    if let Some(value) = &section.option_type {
        code_points.option = problems.integer("option-type", value, 0..=255)?;
    }
    if code_points.collides()
        && let Some(value) = section.mh_type.as_ref().or(section.option_type.as_ref())
    {
        let message = "a code point of the RFCs that this agent speaks";
        problems.add(
            value,
            message,
            "an MH type above 7 and an option type of no other option",
        );
        return None;
    }
    Some(code_points)
}

fn check_flows(flows: &[file::Flow], has_home: bool, problems: &mut Problems) -> Vec<FlowPolicy> {
    let sessions = [
        (
            "session-lasting",
            Treatment::Anchored(Session::SessionLasting),
        ),
        (
            "graceful-replacement",
            Treatment::Anchored(Session::GracefulReplacement),
        ),
        ("fixed", Treatment::Anchored(Session::Fixed)),
        ("non-persistent", Treatment::NonPersistent),
    ];
    let mut policies: Vec<FlowPolicy> = Vec::new();
    for flow in flows {
        let expected = "an IPv6 prefix such as 2001:db8:c:1::/64";
        let prefix = problems.parse::<Ipv6Net>("prefix", &flow.prefix, expected);
        let treatment = problems.word("session", &flow.session, &sessions);
        let Some((prefix, treatment)) = prefix.zip(treatment) else {
            continue;
        };
        let prefix = prefix.trunc();
        if treatment == Treatment::Anchored(Session::Fixed) && !has_home {
            let message = "a fixed session needs a home agent";
            problems.add(&flow.session, message, "a [home] section in this file");
        }
        if let Some(wider) = policies
            .iter()
            .find(|policy| policy.prefix.contains(&prefix))
        {
            let message = format!("{prefix} never matches: {} stands before it", wider.prefix);
            problems.add(&flow.prefix, message, "the narrower prefix first");
        }
        policies.push(FlowPolicy { prefix, treatment });
    }
    policies
}
