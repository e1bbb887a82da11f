//! The configuration files of the lab's daemons.

use std::path::Path;

use crate::addresses::{HA, HOME_ADDRESS, HOME_PREFIX};
use crate::port_driver::PortDriver;
use crate::signalling_options::SignallingOptions;

/// The key that the mobile node shares with its home; of the lab only.
const HOME_KEY: &str = "6c61622d6f6e6c792d686f6d652d6b65792d646f2d6e6f742d7573652d697421";
const MN_ID: &str = "mn1@example.net";
const SPI: u32 = 256;

/// A DHP in the directory: its address, and the prefix that it covers.
pub type DirectoryEntry = (String, String);

fn directory_sections(directory: &[DirectoryEntry]) -> String {
    let section = |(dhp, prefix): &DirectoryEntry| {
        format!("[[directory]]\ndhp = \"{dhp}\"\nprefix = \"{prefix}\"\npreference = 100\n\n")
    };
    directory.iter().map(section).collect()
}

/// `dhpd` as home agent, and as locator that knows of the DHPs.
pub fn home_agent(
    api_socket: &Path,
    ports: PortDriver,
    signalling: SignallingOptions,
    directory: &[DirectoryEntry],
) -> String {
    let signalling = signalling.section(&api_socket.with_extension("journal"));
    format!(
        r#"# dhpd as home agent of the lab
[anchor]
address = "{HA}"
roles = ["home-agent", "locator"]

{core}
{dpdk}[[pool]]
prefix = "{HOME_PREFIX}"
kind = "home"

{directory}[[mobile-node]]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha256-128"
home-key = "{HOME_KEY}"
home-address = "{HOME_ADDRESS}"

{signalling}[api]
socket = "{socket}"
metrics = "127.0.0.1:9105"
"#,
        core = ports.port_section("core0"),
        dpdk = ports.section("ha"),
        directory = directory_sections(directory),
        socket = api_socket.display()
    )
}

/// A DHP.
#[derive(Clone, Debug)]
pub struct HomeProxy<'a> {
    /// Its node.
    pub node: &'a str,
    /// Its own address.
    pub address: &'a str,
    /// Its ports.
    pub interfaces: &'a [&'a str],
    /// The addresses that it assigns.
    pub pool: &'a str,
    /// The correspondents that it covers.
    pub coverage: &'a str,
    /// How long tunnel packets may be, if it is told; it lowers TCP's MSS accordingly.
    pub path_mtu: Option<u32>,
    /// Whether its mobile node may have routes optimized.
    pub permits_route_optimization: bool,
}

impl HomeProxy<'_> {
    /// Its configuration.
    pub fn render(
        &self,
        api_socket: &Path,
        ports: PortDriver,
        signalling: SignallingOptions,
    ) -> String {
        let Self {
            address,
            pool,
            coverage,
            ..
        } = self;
        let signalling = signalling.section(&api_socket.with_extension("journal"));
        let path = path_mtu_line(self.path_mtu);
        let permission = match self.permits_route_optimization {
            true => "route-optimization = true\n",
            false => "",
        };
        let clamp = self
            .path_mtu
            .map_or("", |_| "[workers]\ntcp-mss-clamp = true\n\n");
        let interfaces = self.interfaces.iter();
        let port_sections: Vec<String> = interfaces
            .map(|interface| ports.port_section(interface))
            .collect();
        format!(
            r#"# dhpd as Distributed Home-Proxy of the lab
[anchor]
address = "{address}"
roles = ["dhp", "locator"]
{path}
{ports}
{dpdk}[[pool]]
prefix = "{pool}"
kind = "dhoa"

[[coverage]]
prefix = "{coverage}"

{directory}[[mobile-node]]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha256-128"
home-key = "{HOME_KEY}"
{permission}
{clamp}{signalling}[api]
socket = "{socket}"
metrics = "127.0.0.1:9105"
"#,
            ports = port_sections.join("\n"),
            dpdk = ports.section(self.node),
            directory = directory_sections(&[((*address).to_owned(), (*coverage).to_owned())]),
            socket = api_socket.display()
        )
    }
}

fn path_mtu_line(path_mtu: Option<u32>) -> String {
    path_mtu.map_or_else(String::new, |octets| format!("path-mtu = {octets}\n"))
}

/// A flow that names its accesses.
#[derive(Clone, Debug)]
pub struct SteeredFlow {
    /// The correspondents.
    pub prefix: String,
    /// IP protocol by name.
    pub protocol: &'static str,
    /// The correspondents' port.
    pub port: u16,
    /// Session type.
    pub session: &'static str,
    /// Interfaces, the best first.
    pub interfaces: Vec<&'static str>,
    /// How much may be lost, in 1/10 %; 0 is no limit.
    pub max_loss_permille: u16,
}

impl SteeredFlow {
    fn section(&self) -> String {
        let Self {
            prefix,
            protocol,
            port,
            session,
            interfaces,
            max_loss_permille,
        } = self;
        let limit = match max_loss_permille {
            0 => String::new(),
            limit => format!("max-loss-permille = {limit}\n"),
        };
        format!(
            "[[flow]]\nprefix = \"{prefix}\"\nprotocol = \"{protocol}\"\nports = [\"{port}\"]\nsession = \"{session}\"\n\
             prepare = true\naccess = {interfaces:?}\n{limit}\n"
        )
    }
}

/// What the agent on the mobile node is to do.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Correspondents' prefix and session type, the first that matches decides.
    pub flows: Vec<(String, &'static str)>,
    /// Flows with accesses of their own; they go before the others.
    pub steered: Vec<SteeredFlow>,
    /// Whether it asks for DHPs at all.
    pub asks_for_dhps: bool,
    /// How often the way to DHPs in use is measured.
    pub check_interval: String,
    /// The longest tunnel packet, if it is told.
    pub path_mtu: Option<u32>,
    /// Whether it has the routes to correspondents optimized.
    pub optimizes_routes: bool,
}

/// `dhp-mn`, the agent on the mobile node.
pub fn mobile_node(api_socket: &Path, plan: &AgentPlan) -> String {
    let path = path_mtu_line(plan.path_mtu);
    let routes = match plan.optimizes_routes {
        true => "route-optimization = \"on\"\n",
        false => "",
    };
    let locator = match plan.asks_for_dhps {
        true => format!("[[locator]]\naddress = \"{HA}\"\n\n"),
        false => String::new(),
    };
    let flow = |(prefix, session): &(String, &str)| {
        format!("[[flow]]\nprefix = \"{prefix}\"\nsession = \"{session}\"\n\n")
    };
    let flows: String = plan.flows.iter().map(flow).collect();
    let steered: String = plan.steered.iter().map(SteeredFlow::section).collect();
    format!(
        r#"# dhp-mn of the lab
[mobile-node]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha256-128"
home-key = "{HOME_KEY}"
interfaces = ["wlan0", "wwan0"]
tun = "dhpmn0"
{routes}{path}
[home]
agent = "{HA}"
address = "{HOME_ADDRESS}"

{locator}{steered}{flows}[dhp]
check-interval = "{check}"

[api]
socket = "{socket}"
"#,
        check = plan.check_interval,
        socket = api_socket.display()
    )
}

/// `dhpd` in the role of a correspondent, on behalf of the hosts behind it, which know nothing of mobility.
#[derive(Clone, Debug)]
pub struct Correspondent<'a> {
    /// Its node.
    pub node: &'a str,
    /// Its own address.
    pub address: &'a str,
    /// Its ports.
    pub interfaces: &'a [&'a str],
    /// The hosts behind it.
    pub hosts: &'a [String],
}

impl Correspondent<'_> {
    /// Its configuration.
    pub fn render(&self, api_socket: &Path, ports: PortDriver) -> String {
        let port = |interface: &&str| ports.port_section(interface);
        let sections: Vec<String> = self.interfaces.iter().map(port).collect();
        let host = |prefix: &String| format!("[[correspondent]]\nprefix = \"{prefix}\"\n\n");
        let hosts: String = self.hosts.iter().map(host).collect();
        format!(
            r#"# dhpd as correspondent of the lab
[anchor]
address = "{address}"
roles = ["correspondent"]

{ports}
{dpdk}{hosts}[api]
socket = "{socket}"
metrics = "off"
"#,
            address = self.address,
            ports = sections.join("\n"),
            dpdk = ports.section(self.node),
            socket = api_socket.display()
        )
    }
}
