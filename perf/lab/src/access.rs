//! The access networks: router advertisements, and the radio that moves between them.

use std::path::Path;
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

use crate::children::{Output, Program, Running, Starter};
use crate::clock::monotonic_ns;
use crate::namespace::{IpSession, Namespace};
use crate::stop::Stop;
use crate::topology::Topology;

/// An access network: a letter. Its router is `ara`, `arb` …, its prefix 2001:db8:a::/64, 2001:db8:b::/64 …
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    /// Behind `ara`.
    pub const A: Self = Self(0);
    /// Behind `arb`.
    pub const B: Self = Self(1);
    /// As many as there can be: a to e, since 2001:db8:f::/48 is for the links between routers.
    pub const MOST: u8 = 5;

    /// The first ones.
    pub fn first(count: u8) -> impl Iterator<Item = Self> {
        (0..count.min(Self::MOST)).map(Self)
    }

    fn letter(self) -> char {
        char::from(b'a'.saturating_add(self.0))
    }

    /// Its number, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The access router.
    pub fn router(self) -> String {
        format!("ar{}", self.letter())
    }

    /// The bridge in `air`.
    pub fn bridge(self) -> String {
        format!("access-{}", self.letter())
    }

    /// The other one of two.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            _ => Self::A,
        }
    }

    /// How its addresses begin.
    pub fn prefix(self) -> String {
        format!("2001:db8:{}:", self.letter())
    }

    /// The network that it advertises.
    pub fn network(self) -> String {
        format!("2001:db8:{}::/64", self.letter())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.letter().to_ascii_uppercase())
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

/// One of the mobile node's radio interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The first, which the lab starts with.
    Wlan0,
    /// The second, for moves that make the new link before they break the old one.
    Wwan0,
}

impl Interface {
    /// Its name on the mobile node.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wlan0 => "wlan0",
            Self::Wwan0 => "wwan0",
        }
    }

    /// Its far end, in `air`.
    fn far_end(self) -> &'static str {
        match self {
            Self::Wlan0 => "ap-wlan",
            Self::Wwan0 => "ap-wwan",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Wlan0 => Self::Wwan0,
            Self::Wwan0 => Self::Wlan0,
        }
    }
}

/// When the radio link was cut and when it was there again, monotonic nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Just before the cut.
    pub down_ns: u64,
    /// When the new link was up.
    pub up_ns: u64,
}

/// Starts the router advertisement daemons of the access networks.
pub fn start_advertising(
    topology: &Topology,
    starter: &Starter,
    directory: &Path,
) -> Result<Vec<Running>> {
    let mut daemons = Vec::new();
    for access in topology.accesses() {
        let router = access.router();
        let path = directory.join(format!("radvd-{router}.conf"));
        fs::write(&path, radvd_configuration(&access.network()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let pid_file = directory.join(format!("radvd-{router}.pid"));
        let command = ["radvd", "--nodaemon", "--logmethod", "stderr", "--config"]
            .map(String::from)
            .into_iter();
        let command = command.chain([
            path.display().to_string(),
            "--pidfile".to_owned(),
            pid_file.display().to_string(),
        ]);
        daemons.push(starter.start(Program {
            name: &format!("radvd-{router}"),
            namespace: topology.node(&router)?.name(),
            command: command.collect(),
            output: Output::Log,
        })?);
    }
    Ok(daemons)
}

/// RFC 6275 §7.5: "routers supporting mobility SHOULD be able to be configured with a smaller MinRtrAdvInterval value and
/// MaxRtrAdvInterval value to allow sending of unsolicited multicast Router Advertisements more often", 0.03 and 0.07 s.
fn radvd_configuration(prefix: &str) -> String {
    format!(
        "interface radio0 {{
    AdvSendAdvert on;
    MinRtrAdvInterval 0.03;
    MaxRtrAdvInterval 0.07;
    MinDelayBetweenRAs 0.03;
    AdvIntervalOpt on;
    AdvDefaultLifetime 60;
    prefix {prefix} {{
        AdvOnLink on;
        AdvAutonomous on;
        AdvValidLifetime 600;
        AdvPreferredLifetime 300;
    }};
}};
"
    )
}

/// The mobile node's two radios, moved by changing the bridge that the far end of their veth is a port of.
#[derive(Debug)]
pub struct Radio {
    air: IpSession,
    mn: Namespace,
}

impl Radio {
    /// The radios of a lab that runs.
    pub fn of_running_lab() -> Result<Self> {
        Ok(Self {
            air: Namespace::of_running_lab("air")?.ip_session()?,
            mn: Namespace::of_running_lab("mn")?,
        })
    }

    /// Brings an interface into reach of an access network. Gives the monotonic time when that was done.
    pub fn attach(&mut self, interface: Interface, access: Access) -> Result<u64> {
        let (far_end, bridge) = (interface.far_end(), access.bridge());
        self.air
            .run(&format!("link set {far_end} master {bridge} up"))?;
        Ok(monotonic_ns())
    }

    /// Break before make: cuts an interface, and after `gap` joins it to the access network given.
    pub fn change(
        &mut self,
        stop: &Stop,
        interface: Interface,
        to: Access,
        gap: Duration,
    ) -> Result<Cut> {
        let down_ns = self.cut(interface)?;
        stop.sleep(gap)?;
        let up_ns = self.attach(interface, to)?;
        Ok(Cut { down_ns, up_ns })
    }

    /// Puts an interface out of reach. Gives the monotonic time just before.
    pub fn cut(&mut self, interface: Interface) -> Result<u64> {
        let now = monotonic_ns();
        self.air
            .run(&format!("link set {} down", interface.far_end()))?;
        Ok(now)
    }

    /// Whether an interface of the mobile node has a global address of an access network that it may use.
    pub fn has_address(&self, interface: Interface, access: Access) -> Result<bool> {
        let name = interface.name();
        let arguments = [
            "-6", "-o", "address", "show", "dev", name, "scope", "global",
        ];
        let shown = self.mn.output("ip", &arguments)?;
        let prefix = access.prefix();
        // RFC 4429: an optimistic address may be used although it is tentative.
        let usable = |line: &str| {
            line.contains(&prefix) && (!line.contains("tentative") || line.contains("optimistic"))
        };
        Ok(shown.lines().any(usable))
    }
}
