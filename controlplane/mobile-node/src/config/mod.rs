//! The configuration file: read, checked, every error with its place.

mod accesses;
mod changes;
mod dns;
mod flows;
mod provisioned;
mod read;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dhp_config::{ConfigError, InlineKeys, LoadError, Problem, ProblemReport, Source};
use dhp_proto::mobile_node::policy::Policy;
use dhp_proto::mobile_node::{MobileNodeConfig, ProvisionedDhp, Unmet};
use tracing::level_filters::LevelFilter;

/// Where the agent listens unless the file says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/dhp-mn/dhp-mn.sock";

/// Where the state is kept, if it is kept and the file does not say where.
const DEFAULT_STATE: &str = "/var/lib/dhp-mn/state.json";

/// A prefix at least as long as that of a site is looked after as a whole (RFC 6177); what is wider, one correspondent at a time.
pub const SITE: u8 = 48;

/// The stub resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsConfig {
    /// Where programs ask; a loopback address.
    pub listen: SocketAddr,
    /// Who knows the answers; the next one is asked when one does not answer.
    pub upstream: Vec<SocketAddr>,
}

/// What an access interface is like, where the kernel does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// What it carries in kbit/s.
    pub rate_kbps: Option<u32>,
    /// Whether what goes over it costs money.
    pub metered: bool,
}

/// What a rule of the policy asks of accesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowAccess {
    /// Interfaces that it may use, the best first; none: the one in use.
    pub interfaces: Vec<String>,
    /// Whether its packets may cost money.
    pub may_be_metered: bool,
    /// What becomes of it where no access is good enough.
    pub unmet: Unmet,
}

impl FlowAccess {
    /// It asks for nothing.
    pub const ANY: Self = Self {
        interfaces: Vec::new(),
        may_be_metered: true,
        unmet: Unmet::Wait,
    };
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
    /// DHPs that the subscription names.
    pub provisioned: Vec<ProvisionedDhp>,
    /// Whether it is asked in advance who covers the correspondents that the policy names.
    pub prefetch: bool,
    /// Access interfaces, preferred first.
    pub interfaces: Vec<String>,
    /// The tunnel interface.
    pub tun: String,
    /// Whether new care-of addresses are used before duplicate address detection is over (RFC 4429).
    pub optimistic_dad: bool,
    /// The longest packet that the paths to all anchors take, in octets.
    pub path_mtu: u16,
    /// Whether correspondents of flows that no rule is about may be told the care-of address.
    pub optimize: bool,
    /// Whether what a socket prefers (RFC 5014) goes before the policy.
    pub socket_preferences: bool,
    /// Which flows get which mobility.
    pub policy: Policy,
    /// For each rule of the policy, the line of the file where it begins.
    pub policy_lines: Vec<usize>,
    /// For each rule of the policy, what it asks of accesses.
    pub flow_accesses: Vec<FlowAccess>,
    /// What is known of interfaces.
    pub links: Vec<Link>,
    /// How often accesses are probed that flows have a choice about.
    pub probe_interval_ns: u64,
    /// The stub resolver, if there is one.
    pub dns: Option<DnsConfig>,
    /// The API socket.
    pub socket: PathBuf,
    /// Where the state is kept over a restart; `None`: nowhere.
    pub state: Option<PathBuf>,
    /// Where `/metrics` is served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// A configuration from a file.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What stands in nobody's way, and who runs the agent should know.
    pub warning: Option<ProblemReport>,
}

/// A warning in a line.
pub fn described(warning: &ProblemReport) -> String {
    let ProblemReport {
        file,
        line,
        message,
        help,
        ..
    } = warning;
    let help = help.as_deref().unwrap_or_default();
    format!("{}, line {line}: {message}; remedy: {help}", file.display())
}

impl Config {
    /// Reads and checks a file. Key files are looked for relative to its directory.
    ///
    /// # Errors
    /// It cannot be read, or all that is wrong with it.
    pub fn load(path: &Path) -> Result<Loaded, LoadError> {
        let unreadable = |cause| LoadError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let source = Source::new(path, &text);
        match Self::parse(&text, directory) {
            Ok((config, keys)) => Ok(Loaded {
                config,
                warning: keys
                    .exposed(&metadata)
                    .map(|problem| source.report(&problem)),
            }),
            Err(problems) => Err(ConfigError::new(source, problems).into()),
        }
    }

    /// Checks the text of a file.
    fn parse(text: &str, directory: &Path) -> Result<(Self, InlineKeys), Vec<Problem>> {
        match dhp_config::read(text, |root| read::read(root, text, directory))? {
            (Some(read), problems) if problems.is_empty() => Ok(read),
            (_, problems) => Err(problems),
        }
    }
}
