//! The configuration files of the lab's daemons.

use std::path::Path;

use crate::addresses::{
    CN_DHP, CN_DIRECT, CN_HA, COVERAGE, DHOA_PREFIX, DHP, HA, HOME_ADDRESS, HOME_PREFIX,
};
use crate::port_driver::PortDriver;
use crate::signalling_options::SignallingOptions;

/// The key that the mobile node shares with its home; of the lab only.
const HOME_KEY: &str = "6c61622d6f6e6c792d686f6d652d6b65792d646f2d6e6f742d7573652d697421";
const MN_ID: &str = "mn1@example.net";
const SPI: u32 = 256;

/// `dhpd` as home agent, and as locator that knows of the DHP.
pub fn home_agent(api_socket: &Path, ports: PortDriver, signalling: SignallingOptions) -> String {
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

[[directory]]
dhp = "{DHP}"
prefix = "{COVERAGE}"
preference = 100

[[mobile-node]]
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
        socket = api_socket.display()
    )
}

/// `dhpd` as the DHP in front of the correspondent.
///
/// With `path_mtu` it is told how long tunnel packets may be, and to lower TCP's MSS accordingly.
pub fn home_proxy(
    api_socket: &Path,
    ports: PortDriver,
    signalling: SignallingOptions,
    path_mtu: Option<u32>,
) -> String {
    let signalling = signalling.section(&api_socket.with_extension("journal"));
    let path = path_mtu_line(path_mtu);
    let clamp = path_mtu.map_or("", |_| "[workers]\ntcp-mss-clamp = true\n\n");
    format!(
        r#"# dhpd as the lab's Distributed Home-Proxy
[anchor]
address = "{DHP}"
roles = ["dhp", "locator"]
{path}
{core}
{cn}
{dpdk}[[pool]]
prefix = "{DHOA_PREFIX}"
kind = "dhoa"

[[coverage]]
prefix = "{COVERAGE}"

[[directory]]
dhp = "{DHP}"
prefix = "{COVERAGE}"
preference = 100

[[mobile-node]]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha256-128"
home-key = "{HOME_KEY}"

{clamp}{signalling}[api]
socket = "{socket}"
metrics = "127.0.0.1:9105"
"#,
        core = ports.port_section("core0"),
        cn = ports.port_section("cn0"),
        dpdk = ports.section("dhp"),
        socket = api_socket.display()
    )
}

fn path_mtu_line(path_mtu: Option<u32>) -> String {
    path_mtu.map_or_else(String::new, |octets| format!("path-mtu = {octets}\n"))
}

/// `dhp-mn`, the agent on the mobile node.
pub fn mobile_node(api_socket: &Path, path_mtu: Option<u32>) -> String {
    let path = path_mtu_line(path_mtu);
    let host = |address: &str| address.replace("::80", "::/64");
    format!(
        r#"# dhp-mn of the lab
[mobile-node]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha256-128"
home-key = "{HOME_KEY}"
interfaces = ["wlan0", "wwan0"]
tun = "dhpmn0"
{path}
[home]
agent = "{HA}"
address = "{HOME_ADDRESS}"

[[locator]]
address = "{HA}"

[[flow]]
prefix = "{session_lasting}"
session = "session-lasting"

[[flow]]
prefix = "{fixed}"
session = "fixed"

[[flow]]
prefix = "{non_persistent}"
session = "non-persistent"

# Nothing beside the handoffs is to be measured.
[dhp]
check-interval = "1h"

[api]
socket = "{socket}"
"#,
        session_lasting = host(CN_DHP),
        fixed = host(CN_HA),
        non_persistent = host(CN_DIRECT),
        socket = api_socket.display()
    )
}

/// `dhpd` on the correspondent, in the role of one.
pub fn correspondent(api_socket: &Path, ports: PortDriver) -> String {
    format!(
        r#"# dhpd as the lab's correspondent
[anchor]
address = "{CN_DHP}"
roles = ["correspondent"]

{net}
[api]
socket = "{socket}"
metrics = "off"
"#,
        net = ports.port_section("net0"),
        socket = api_socket.display()
    )
}

/// `dhp-mn` with route optimization: echoes to the correspondent have the home address, all else a DHoA.
pub fn mobile_node_with_routes(api_socket: &Path) -> String {
    let echoes = format!(
        "[[flow]]\nprefix = \"{CN_DHP}/128\"\nprotocol = \"icmpv6\"\nsession = \"fixed\"\n\n[[flow]]\n"
    );
    mobile_node(api_socket, None)
        .replacen("[[flow]]\n", &echoes, 1)
        .replace(
            "tun = \"dhpmn0\"\n",
            "tun = \"dhpmn0\"\nroute-optimization = \"on\"\n",
        )
}
