//! Two namespaces and three wires: outside, where mobile nodes, correspondent and the hosts of a home link are, and the
//! appliance.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::children::{Output, Program, Running, Starter};
use crate::lab::LabOptions;
use crate::namespace::{self, Namespace};
use crate::state::State;
use crate::stop::Stop;

/// The appliance's anchor address.
const ANCHOR: &str = "2001:db8:d::1";
const HOME_PREFIX: &str = "2001:db8:1:1::/64";
/// RFC 2526: the home-agents anycast address of that prefix.
const HOME_AGENTS: &str = "2001:db8:1:1:fdff:ffff:ffff:fffe";
const HOME: &str = "2001:db8:1:1::100";
/// Another mobile node's, and one of a prefix that the appliance does not serve.
const OTHER_HOME: &str = "2001:db8:1:1::200";
const FOREIGN_HOME: &str = "2001:db8:77::100";
/// The DHoAs of the appliance, and how they begin.
const DHOA_PREFIX: &str = "2001:db8:d:1::/64";
const DHOA_START: &str = "2001:db8:d:1:";
const CARE_OF: [&str; 2] = ["2001:db8:a::100", "2001:db8:b::100"];
/// A home prefix that is on a link, the appliance's address there, and its hosts: a mobile node, another that stays away, a
/// neighbour.
const LINK_PREFIX: &str = "2001:db8:1:2::/64";
const LINK_HOME_AGENTS: &str = "2001:db8:1:2:fdff:ffff:ffff:fffe";
const ON_LINK: &str = "2001:db8:1:2::1";
/// Another home agent's.
const OTHER_ON_LINK: &str = "2001:db8:1:2::2";
const RESIDENT: (&str, &str) = ("2001:db8:1:2::100", "fe80::100");
const BYSTANDER: (&str, &str) = ("2001:db8:1:2::200", "fe80::200");
const NEIGHBOUR: (&str, &str) = ("2001:db8:1:2::50", "02:d5:00:00:03:50");
const RESIDENT_MAC: &str = "02:d5:00:00:03:10";
const CORRESPONDENT: &str = "2001:db8:c::80";
const COVERAGE: &str = "2001:db8:c::/48";
/// Of a mobile node that has no home here.
const NOWHERE: (&str, &str) = ("::", "::");
/// A home agent to switch to; nobody is there.
const OTHER_AGENT: &str = "2001:db8:e::1";
const MN_ID: &str = "mn1@example.net";
const SPI: u32 = 256;
const RESIDENT_SPI: u32 = 258;
const BYSTANDER_SPI: u32 = 259;
const ROAMER_SPI: u32 = 260;
const KEY: &str = "6c61622d6f6e6c792d7365637265742e";
const OTHER_KEY: &str = "6c61622d6f6e6c792d6f746865722d2e";
/// The appliance's ports, with the MAC address of each.
const CORE: (&str, &str) = ("core0", "02:d5:00:00:01:02");
const CN: (&str, &str) = ("cn0", "02:d5:00:00:02:02");
const HOME_PORT: (&str, &str) = ("home0", "02:d5:00:00:03:02");
/// The far ends of their wires.
const ACCESS: &str = "air0";
const CORRESPONDENT_LINK: &str = "net0";
const HOME_LINK: &str = "house0";
/// Lifetime to ask for, in units of 4 s.
const LIFETIME: u16 = 75;
const VALID_LIFETIME_S: u32 = 7200;
const PREFERRED_LIFETIME_S: u32 = 3600;
const READY: Duration = Duration::from_secs(15);

/// Both namespaces with all that runs there; everything ends and goes when it is dropped.
pub struct Site {
    options: LabOptions,
    programs: Vec<Running>,
    outside: Namespace,
    appliance: Namespace,
    starter: Starter,
    state: Arc<State>,
}

impl Site {
    /// Makes the namespaces, addresses and routes; no program yet.
    ///
    /// The kernel outside has the routers' addresses alone and forwards nothing: it finds and is found by neighbour
    /// discovery, and leaves all else to the script.
    pub fn build(options: LabOptions) -> Result<Self> {
        namespace::check_available()?;
        let state = Arc::new(State::acquire(Path::new(crate::state::DIRECTORY))?);
        let starter = Starter::new(Arc::clone(&state), &options.logs)?;
        let site = Self {
            options,
            programs: Vec::new(),
            outside: Namespace::create(&state, "outside")?,
            appliance: Namespace::create(&state, "box")?,
            starter,
            state,
        };
        for ((port, mac), far_end) in [
            (CORE, ACCESS),
            (CN, CORRESPONDENT_LINK),
            (HOME_PORT, HOME_LINK),
        ] {
            site.outside.ip(&format!(
                "link add {far_end} type veth peer name {port} address {mac} netns {}",
                site.appliance.name()
            ))?;
        }
        site.appliance.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        site.outside.ip_lines(&format!(
            "link set {ACCESS} up
             link set {CORRESPONDENT_LINK} up
             link set {HOME_LINK} up
             address add 2001:db8:f:1::2/64 dev {ACCESS}
             address add 2001:db8:f:2::2/64 dev {CORRESPONDENT_LINK}"
        ))?;
        site.appliance.ip_lines(&format!(
            "link set {core} up
             link set {cn} up
             link set {home} up
             address add 2001:db8:f:1::1/64 dev {core}
             address add 2001:db8:f:2::1/64 dev {cn}
             address add {ON_LINK}/64 dev {home} nodad
             address add {ANCHOR}/128 dev lo
             route add 2001:db8:c::/48 via 2001:db8:f:2::2
             route add default via 2001:db8:f:1::2",
            core = CORE.0,
            cn = CN.0,
            home = HOME_PORT.0,
        ))?;
        Ok(site)
    }

    /// Starts the appliance and waits until it answers.
    pub fn start(&mut self, stop: &Stop) -> Result<()> {
        let configuration = self.configuration();
        fs::write(&configuration, appliance(&self.socket()))?;
        let running = self.starter.start(Program {
            name: "dhpd-box",
            namespace: self.appliance.name(),
            command: vec![
                self.binary("dhpd")?,
                "run".into(),
                "--config".into(),
                configuration.display().to_string(),
            ],
            output: Output::Log,
        })?;
        self.programs.push(running);
        let dhpctl = self.dhpctl()?;
        let socket = self.socket().display().to_string();
        let question = ["--socket", socket.as_str(), "show", "status"];
        stop.wait_for("dhpd answers", READY, || {
            self.check()?;
            Ok(self.appliance.output(&dhpctl, &question).ok().map(drop))
        })
    }

    /// An error if a program has ended.
    pub fn check(&mut self) -> Result<()> {
        self.programs.iter_mut().try_for_each(Running::check)
    }

    /// Where mobile node and correspondent are.
    pub fn outside(&self) -> &Namespace {
        &self.outside
    }

    /// Starts programs with logs in the lab's log directory.
    pub fn starter(&self) -> &Starter {
        &self.starter
    }

    /// The directory for files that go with the lab.
    pub fn directory(&self) -> &Path {
        self.state.directory()
    }

    /// What the mobile node has to know, as its `world.py` reads it.
    pub fn world(&self) -> Result<Value> {
        let socket = self.socket().display().to_string();
        Ok(json!({
            "anchor": ANCHOR,
            "home": HOME,
            "other_home": OTHER_HOME,
            "foreign_home": FOREIGN_HOME,
            "home_prefix": HOME_PREFIX,
            "home_agents_anycast": HOME_AGENTS,
            "care_of": CARE_OF,
            "correspondent": CORRESPONDENT,
            "other_agent": OTHER_AGENT,
            "association": { "spi": SPI, "key": KEY, "identity": MN_ID },
            "dhoa_pool": DHOA_START,
            "roamer": identity(NOWHERE, ROAMER_SPI),
            "resident": identity(RESIDENT, RESIDENT_SPI),
            "home_link": {
                "interface": HOME_LINK,
                "gateway_mac": HOME_PORT.1,
                "neighbour": NEIGHBOUR.0,
                "neighbour_mac": NEIGHBOUR.1,
                "node_mac": RESIDENT_MAC,
                "home_agents_anycast": LINK_HOME_AGENTS,
                "other_agent": OTHER_ON_LINK,
                "bystander": identity(BYSTANDER, BYSTANDER_SPI),
            },
            "access": { "interface": ACCESS, "gateway_mac": CORE.1 },
            "correspondent_link": { "interface": CORRESPONDENT_LINK, "gateway_mac": CN.1 },
            "dhpctl": [self.dhpctl()?, "--socket", socket],
            "configuration": self.configuration().display().to_string(),
            "lifetime": LIFETIME,
            "valid_lifetime": VALID_LIFETIME_S,
            "preferred_lifetime": PREFERRED_LIFETIME_S,
        }))
    }

    fn dhpctl(&self) -> Result<String> {
        self.binary("dhpctl")
    }

    fn binary(&self, name: &str) -> Result<String> {
        let path = self.options.binaries.join(name);
        ensure!(
            path.is_file(),
            "there is no {}: build it (cargo build --workspace), or say where it is with --bin-dir",
            path.display()
        );
        Ok(path.display().to_string())
    }

    fn configuration(&self) -> PathBuf {
        self.state.directory().join("box.toml")
    }

    fn socket(&self) -> PathBuf {
        self.state.directory().join("box.sock")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        while let Some(mut program) = self.programs.pop() {
            program.stop();
        }
        if let Err(error) = self.state.release() {
            eprintln!("{error:#}");
        }
    }
}

/// A mobile node at home on the link, as `world.py` reads it.
fn identity((home, link_local): (&str, &str), spi: u32) -> Value {
    json!({
        "home": home,
        "link_local": link_local,
        "association": { "spi": spi, "key": OTHER_KEY, "identity": format!("mn{spi}@example.net") },
    })
}

/// The appliance's configuration.
fn appliance(api_socket: &Path) -> String {
    format!(
        r#"# dhpd as home agent and DHP of scripted mobile nodes
[anchor]
address = "{ANCHOR}"
roles = ["home-agent", "dhp"]

[[port]]
interface = "{core}"

[[port]]
interface = "{cn}"

[[port]]
interface = "{home}"

[signalling]
# The script changes this, to be told unasked.
prefix-advertisements = "solicited"
min-prefix-interval = "1s"
care-of-test = "on"

[[pool]]
prefix = "{LINK_PREFIX}"
kind = "home"
link = "{home}"

[[pool]]
prefix = "{HOME_PREFIX}"
kind = "home"
valid-lifetime = "{VALID_LIFETIME_S}s"
preferred-lifetime = "{PREFERRED_LIFETIME_S}s"

[[pool]]
prefix = "{DHOA_PREFIX}"
kind = "dhoa"

[[coverage]]
prefix = "{COVERAGE}"

[[mobile-node]]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha1-96"
key = "{KEY}"
home-address = "{HOME}"

[[mobile-node]]
id = "mn2@example.net"
spi = 257
algorithm = "hmac-sha1-96"
key = "{OTHER_KEY}"
home-address = "{OTHER_HOME}"

[[mobile-node]]
id = "mn{RESIDENT_SPI}@example.net"
spi = {RESIDENT_SPI}
algorithm = "hmac-sha1-96"
key = "{OTHER_KEY}"
home-address = "{resident}"

[[mobile-node]]
id = "mn{BYSTANDER_SPI}@example.net"
spi = {BYSTANDER_SPI}
algorithm = "hmac-sha1-96"
key = "{OTHER_KEY}"
home-address = "{bystander}"

[[mobile-node]]
id = "mn{ROAMER_SPI}@example.net"
spi = {ROAMER_SPI}
algorithm = "hmac-sha1-96"
key = "{OTHER_KEY}"

[api]
socket = "{socket}"
metrics = "off"
"#,
        core = CORE.0,
        cn = CN.0,
        home = HOME_PORT.0,
        resident = RESIDENT.0,
        bystander = BYSTANDER.0,
        socket = api_socket.display()
    )
}
