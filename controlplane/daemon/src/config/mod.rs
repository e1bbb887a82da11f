//! The configuration file of `dhpd`: reading, checking, explaining what is wrong

mod changes;
mod check;
mod directory;
mod draft;
mod host;
mod limits;
mod mobile_nodes;
mod ports;
mod prefix_advertisements;
mod rates;
mod read;
mod remarks;
mod summary;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dhp_config::InlineKeys;
use dhp_engine::{ErrorRates, PuntRates};
use dhp_proto::anchor::PrefixAdvertisements;
use dhp_proto::auth::Algorithm;
use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;

pub use changes::Change;
pub use dhp_config::{ConfigError, KeySource, LoadError, Problem, ProblemReport, Source, closest};
pub use directory::{Coverage, DirectoryEntry, Probe};
pub use host::{HostFacts, kernel_forwards};
pub use limits::Limits;
pub use workers::{Dpdk, Idle, Workers};

use crate::priority::Priority;

/// What this box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Assigns DHoAs and takes DHP Binding Updates.
    pub dhp: bool,
    /// RFC 6275 home agent for its home pools.
    pub home_agent: bool,
    /// Answers DHP Queries from its directory.
    pub locator: bool,
    /// RFC 6275 correspondent node, for itself and for the hosts of `[[correspondent]]`.
    pub correspondent: bool,
}

impl Roles {
    /// As they are written in the file.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.dhp, "dhp"),
            (self.home_agent, "home-agent"),
            (self.locator, "locator"),
            (self.correspondent, "correspondent"),
        ];
        all.into_iter()
            .filter(|(plays, _)| *plays)
            .map(|(_, name)| name)
            .collect()
    }
}

/// `[anchor]`
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The DHP's own address, tunnel endpoint and source of all signalling.
    pub address: Ipv6Addr,
    /// What this box is.
    pub roles: Roles,
    /// Its preference in answers to DHP Queries; higher is better.
    pub preference: u8,
    /// What it is worth among the home agents of its links (RFC 6275 §7.4); higher is better.
    pub home_agent_preference: u16,
    /// The longest packet that the paths to all mobile nodes take, in octets.
    pub path_mtu: u16,
}

/// What drives a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Packet sockets on a Linux interface.
    AfPacket,
    /// DPDK.
    Dpdk {
        /// A PCI address, or a virtual device with its arguments.
        device: String,
    },
}

impl Driver {
    /// As it is written in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AfPacket => "af-packet",
            Self::Dpdk { .. } => "dpdk",
        }
    }

    /// The DPDK device.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::AfPacket => None,
            Self::Dpdk { device } => Some(device),
        }
    }
}

/// `[[port]]`: a link whose packets the workers forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name of the Linux interface, which with DPDK is the TAP interface that stands for the device.
    pub interface: String,
    /// What drives it.
    pub driver: Driver,
}

/// What the addresses of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Distributed home addresses, assigned on request.
    Dhoa,
    /// Home addresses of the mobile nodes of this home agent.
    Home,
}

impl PoolKind {
    /// As it is written in the file and in metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dhoa => "dhoa",
            Self::Home => "home",
        }
    }
}

/// `[[pool]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The addresses.
    pub prefix: Ipv6Net,
    /// What they are.
    pub kind: PoolKind,
    /// How long a released address rests before another mobile node can get it.
    pub quarantine: Duration,
    /// How long the prefix is valid from the start, or the reload that changes this; `None`: for ever.
    pub valid_lifetime: Option<Duration>,
    /// How long it is preferred.
    pub preferred_lifetime: Option<Duration>,
    /// The port on whose link a home prefix is; `None`: on a virtual one.
    pub link: Option<String>,
}

/// `[[mobile-node]]`: a security association and what its owner may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobileNode {
    /// Network Access Identifier.
    pub id: String,
    /// Security parameter index, 256 or more.
    pub spi: u32,
    /// How messages are authenticated.
    pub algorithm: Algorithm,
    /// The key.
    pub key: KeySource,
    /// Its home address, where this box is its home agent.
    pub home_address: Option<Ipv6Addr>,
    /// How many DHoAs it may hold.
    pub max_dhoas: usize,
    /// Whether route optimization is permitted with its DHoAs.
    pub route_optimization: bool,
}

/// `[rates]`: what is limited in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// What may go to the control plane, of all workers together where it is a total.
    pub punts: PuntRates,
    /// ICMPv6 errors of one worker.
    pub icmp_errors: ErrorRates,
    /// Octets per second that one binding gets; `None`: as many as there are.
    pub binding: Option<u32>,
}

/// `[signalling]`
#[derive(Clone, Debug)]
pub struct Signalling {
    /// The configured code points.
    pub code_points: CodePoints,
    /// The longest lifetime that a binding is granted.
    pub max_lifetime: Duration,
    /// The interval of refreshes that mobile nodes are advised of; `None`: none.
    pub refresh_advice: Option<Duration>,
    /// How long before its binding ends a mobile node is asked to refresh it; `None`: never.
    pub refresh_request: Option<Duration>,
    /// DHP Queries and DHoA Requests a second, above which each needs a cookie.
    pub cookies_above: u32,
    /// Whether new care-of addresses are tested.
    pub care_of_test: bool,
    /// Of the control thread.
    pub priority: Priority,
    /// Which Mobile Prefix Advertisements mobile nodes get, and when.
    pub prefix_advertisements: PrefixAdvertisements,
    /// Other anchors, asked once a minute whether they live.
    pub peers: Vec<Ipv6Addr>,
    /// Whether Binding Updates without authentication are accepted.
    pub allow_unauthenticated: bool,
    /// Where bindings and sequence numbers are kept beyond a restart; `None`: nowhere.
    pub journal: Option<PathBuf>,
}

/// `[api]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Unix socket for `dhpctl`.
    pub socket: PathBuf,
    /// Where `/metrics` and `/healthz` are served; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter such as `info` or `dhpd=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// A configuration that is right in itself. Whether this machine can run it is [`LoadedConfig::check_host`]'s to say.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this box is.
    pub anchor: Anchor,
    /// Interfaces that the workers serve.
    pub ports: Vec<Port>,
    /// Name of the exception TUN towards the host kernel.
    pub host_interface: String,
    /// Forwarding threads.
    pub workers: Workers,
    /// DPDK, where a port has it for a driver.
    pub dpdk: Dpdk,
    /// Address pools.
    pub pools: Vec<Pool>,
    /// Prefixes of correspondents that this DHP is near to.
    pub coverage: Vec<Coverage>,
    /// Hosts behind the box that it is a correspondent node on behalf of.
    pub correspondents: Vec<Ipv6Net>,
    /// DHPs that this locator tells of.
    pub directory: Vec<DirectoryEntry>,
    /// Security associations.
    pub mobile_nodes: Vec<MobileNode>,
    /// How much there is room for.
    pub limits: Limits,
    /// `[rates]`
    pub rates: Rates,
    /// Protocol parameters.
    pub signalling: Signalling,
    /// Management interfaces.
    pub api: Api,
    /// Logging.
    pub log: Log,
}

/// Where the things stand that only the machine can tell right from wrong.
#[derive(Clone, Debug, Default)]
struct Places {
    anchor_address: Range<usize>,
    ports: Vec<Range<usize>>,
    workers: Range<usize>,
    cores: Option<Range<usize>>,
    /// Of each pool that has one, in their order.
    links: Vec<Range<usize>>,
    /// Of each mobile node.
    home_addresses: Vec<Option<Range<usize>>>,
    inline_keys: InlineKeys,
}

/// A configuration and the file that it was read from.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    source: Source,
    places: Places,
    warnings: Vec<Problem>,
}

impl Config {
    /// Interfaces that the host kernel receives on as well, so that it has to be kept from forwarding there.
    pub fn kernel_interfaces(&self) -> Vec<&str> {
        let kernel = self.ports.iter();
        let kernel = kernel.filter(|port| port.driver == Driver::AfPacket);
        kernel.map(|port| port.interface.as_str()).collect()
    }

    /// The pools that are this box's as a whole. On a real home link it has those addresses that are bound, and no more.
    pub fn pool_prefixes(&self) -> BTreeSet<Ipv6Net> {
        let whole = self.pools.iter().filter(|pool| pool.link.is_none());
        whole.map(|pool| pool.prefix).collect()
    }

    /// Those that stay announced while the box drains: home addresses have no other home than this.
    pub fn home_prefixes(&self) -> BTreeSet<Ipv6Net> {
        let home = |pool: &&Pool| pool.kind == PoolKind::Home && pool.link.is_none();
        let home = self.pools.iter().filter(home);
        home.map(|pool| pool.prefix).collect()
    }

    /// The real home links, each once. A place in this order is the link's number to the protocol engine: it stays as long as
    /// the links do.
    pub fn home_links(&self) -> Vec<&str> {
        let links = self.pools.iter().filter_map(|pool| pool.link.as_deref());
        links.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The home prefixes that are on real links, and their links.
    pub fn prefixes_on_links(&self) -> BTreeMap<Ipv6Net, &str> {
        let pools = self.pools.iter();
        pools
            .filter_map(|pool| Some((pool.prefix, pool.link.as_deref()?)))
            .collect()
    }
}

impl LoadedConfig {
    /// Read and check a file.
    ///
    /// # Errors
    /// All problems of the file at once.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let unreadable = |cause| LoadError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        let mut loaded = Self::from_text(path, &text)?;
        let exposed = loaded.places.inline_keys.exposed(&metadata);
        loaded.warnings.extend(exposed);
        Ok(loaded)
    }

    /// Check the text of a configuration; `path` is the name under which problems are shown, and key files are looked
    /// for relative to its directory.
    ///
    /// # Errors
    /// All problems of the text at once.
    pub fn from_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source::new(path, text);
        match read::read(path, text) {
            Ok((config, places)) => Ok(Self {
                config,
                source,
                places,
                warnings: Vec::new(),
            }),
            Err(problems) => Err(ConfigError::new(source, problems)),
        }
    }

    /// What stands in nobody's way, and an operator should know.
    pub fn warnings(&self) -> impl Iterator<Item = ProblemReport> {
        let warnings = self.warnings.iter();
        warnings.map(|warning| self.source.report(warning))
    }

    /// The same for a terminal: with colour, where it has any.
    pub fn render_warnings(&self, styled: bool) -> String {
        let warnings = self.warnings.iter();
        let rendered = warnings.map(|warning| self.source.render_warning(warning, styled) + "\n\n");
        rendered.collect()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Check against the machine it shall run on: interfaces, addresses, cores.
    ///
    /// # Errors
    /// Everything that this machine lacks.
    pub fn check_host(&self, facts: &HostFacts) -> Result<(), ConfigError> {
        let problems = host::problems(&self.config, &self.places, facts);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::new(self.source.clone(), problems))
        }
    }
}
