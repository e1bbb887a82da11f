//! The access networks: router advertisements, and the radio that moves between them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::children::{Output, Program, Running, Starter};
use crate::clock::monotonic_ns;
use crate::namespace::{IpSession, Namespace};
use crate::stop::Stop;
use crate::topology::Topology;

/// An access network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Access {
    /// Behind `ara`, 2001:db8:a::/64.
    A,
    /// Behind `arb`, 2001:db8:b::/64.
    B,
}

impl Access {
    /// The bridge in `air`.
    fn bridge(self) -> &'static str {
        match self {
            Self::A => "access-a",
            Self::B => "access-b",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// How its addresses begin.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::A => "2001:db8:a:",
            Self::B => "2001:db8:b:",
        }
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

/// Starts the router advertisement daemons of both access networks.
pub fn start_advertising(
    topology: &Topology,
    starter: &Starter,
    directory: &Path,
) -> Result<Vec<Running>> {
    let mut daemons = Vec::new();
    for (router, prefix) in [("ara", "2001:db8:a::/64"), ("arb", "2001:db8:b::/64")] {
        let path = directory.join(format!("radvd-{router}.conf"));
        fs::write(&path, radvd_configuration(prefix))
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
            namespace: topology.node(router)?.name(),
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

    /// Break before make: cuts the first interface, and after `gap` joins it to the access network given.
    pub fn change(&mut self, stop: &Stop, to: Access, gap: Duration) -> Result<Cut> {
        let down_ns = self.cut(Interface::Wlan0)?;
        stop.sleep(gap)?;
        let up_ns = self.attach(Interface::Wlan0, to)?;
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
        // RFC 4429: an optimistic address may be used although it is tentative.
        let usable = |line: &str| {
            line.contains(access.prefix())
                && (!line.contains("tentative") || line.contains("optimistic"))
        };
        Ok(shown.lines().any(usable))
    }
}
