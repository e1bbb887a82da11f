//! Two namespaces and a wire: the peer with the mobile node's care-of addresses, and the appliance.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::{User, chown};

use super::mobile_node::{KEY, MN_ID, SPI};
use super::routing::{DAEMONS, Router, Session, configuration};
use crate::children::{Output, Program, Running, Starter};
use crate::lab::LabOptions;
use crate::namespace::{self, Namespace};
use crate::state::State;
use crate::stop::Stop;

/// The appliance's anchor address.
pub const ANCHOR: &str = "2001:db8:d::1";
/// The pools of its configuration, and the one that a reload adds.
pub const DHOA_POOL: &str = "2001:db8:d:1::/64";
pub const HOME_POOL: &str = "2001:db8:1:1::/64";
pub const ADDED_POOL: &str = "2001:db8:d:2::/64";
/// The mobile node's home address and care-of addresses.
pub const HOME: &str = "2001:db8:1:1::100";
pub const CARE_OF: [&str; 2] = ["2001:db8:a::100", "2001:db8:b::100"];
const BOX_LINK: &str = "2001:db8:f::1";
const PEER_LINK: &str = "2001:db8:f::2";
const READY: Duration = Duration::from_secs(15);

/// Both routers with all that runs on them; everything ends and goes when it is dropped.
pub struct Site {
    options: LabOptions,
    programs: Vec<Running>,
    peer: Namespace,
    appliance: Namespace,
    starter: Starter,
    state: Arc<State>,
}

impl Site {
    /// Makes the namespaces, addresses and routes; no program yet.
    pub fn build(options: LabOptions) -> Result<Self> {
        namespace::check_available()?;
        for daemon in ["zebra", "bgpd"] {
            ensure!(
                Path::new(DAEMONS).join(daemon).is_file(),
                "FRR is not installed (no {DAEMONS}/{daemon}); on Debian: apt install frr"
            );
        }
        let state = Arc::new(State::acquire(Path::new(crate::state::DIRECTORY))?);
        let starter = Starter::new(Arc::clone(&state), &options.logs)?;
        let site = Self {
            options,
            programs: Vec::new(),
            peer: Namespace::create(&state, "peer")?,
            appliance: Namespace::create(&state, "box")?,
            starter,
            state,
        };
        site.peer.ip(&format!(
            "link add box0 type veth peer name core0 netns {}",
            site.appliance.name()
        ))?;
        for router in [&site.peer, &site.appliance] {
            router.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        }
        let [first, second] = CARE_OF;
        site.peer.ip_lines(&format!(
            "link set box0 up
             address add {PEER_LINK}/64 dev box0
             address add {first}/128 dev lo
             address add {second}/128 dev lo
             route add {ANCHOR}/128 via {BOX_LINK}"
        ))?;
        site.appliance.ip_lines(&format!(
            "link set core0 up
             address add {BOX_LINK}/64 dev core0
             address add {ANCHOR}/128 dev lo
             route add default via {PEER_LINK}"
        ))?;
        Ok(site)
    }

    /// Starts the appliance, then FRR on both.
    pub fn start(&mut self, stop: &Stop) -> Result<()> {
        fs::write(self.dhpd_config(), appliance(&self.socket(), &[]))?;
        let command = vec![
            self.binary("dhpd"),
            "run".into(),
            "--config".into(),
            self.dhpd_config().display().to_string(),
        ];
        let appliance = self.appliance.clone();
        self.start_in(&appliance, "dhpd-box", command)?;
        stop.wait_for("dhpd answers", READY, || {
            self.check()?;
            Ok(self.dhpctl(&["show", "status"]).ok().map(drop))
        })?;
        let box_frr = configuration(&Router {
            name: "box",
            own_as: 65_001,
            id: "192.0.2.1",
            neighbour: PEER_LINK,
            neighbour_as: 65_002,
            redistribution: "redistribute kernel route-map dhp-pools",
        });
        let peer_frr = configuration(&Router {
            name: "peer",
            own_as: 65_002,
            id: "192.0.2.2",
            neighbour: BOX_LINK,
            neighbour_as: 65_001,
            redistribution: "",
        });
        self.start_frr(&appliance, "box", &box_frr, stop)?;
        let peer = self.peer.clone();
        self.start_frr(&peer, "peer", &peer_frr, stop)
    }

    /// `zebra` and `bgpd`, with all their files in a directory of their own: an FRR of the machine does not notice.
    fn start_frr(
        &mut self,
        namespace: &Namespace,
        node: &str,
        bgpd: &str,
        stop: &Stop,
    ) -> Result<()> {
        let directory = self.frr_directory(node);
        fs::create_dir_all(&directory)?;
        let user = User::from_name("frr")?.context("there is no user frr; apt install frr")?;
        chown(&directory, Some(user.uid), Some(user.gid))?;
        for (daemon, text) in [("zebra", ""), ("bgpd", bgpd)] {
            let file = |suffix: &str| {
                let path = directory.join(format!("{daemon}{suffix}"));
                path.display().to_string()
            };
            fs::write(file(".conf"), text)?;
            fs::set_permissions(file(".conf"), fs::Permissions::from_mode(0o644))?;
            let vty = directory.display().to_string();
            let zserv = directory.join("zserv.api").display().to_string();
            let command = [
                &format!("{DAEMONS}/{daemon}"),
                "-f",
                &file(".conf"),
                "-i",
                &file(".pid"),
                "--vty_socket",
                &vty,
                "-z",
                &zserv,
                "-P",
                "0",
                "--log",
                "stdout",
            ]
            .map(String::from);
            self.start_in(namespace, &format!("{daemon}-{node}"), command.into())?;
            stop.wait_for(&format!("{daemon} on {node} answers"), READY, || {
                self.check()?;
                Ok(Path::new(&file(".vty")).exists().then_some(()))
            })?;
        }
        Ok(())
    }

    /// An error if a program has ended.
    pub fn check(&mut self) -> Result<()> {
        self.programs.iter_mut().try_for_each(Running::check)
    }

    /// The peer's namespace.
    pub fn peer(&self) -> &Namespace {
        &self.peer
    }

    /// The session as the peer sees it.
    pub fn session(&self) -> Result<Session> {
        let directory = self.frr_directory("peer").display().to_string();
        let question = format!("show bgp neighbors {BOX_LINK} json");
        let arguments = ["--vty_socket", directory.as_str(), "-c", &question];
        Session::read(&self.peer.output("vtysh", &arguments)?, BOX_LINK)
    }

    /// Whether the peer's kernel has learned a route by BGP.
    pub fn peer_has_route(&self, prefix: &str) -> Result<bool> {
        let arguments = ["-6", "route", "show", prefix, "proto", "bgp"];
        Ok(!self.peer.output("ip", &arguments)?.trim().is_empty())
    }

    /// Asks the appliance.
    pub fn dhpctl(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.socket().display().to_string();
        let all = [&["--socket", socket.as_str()], arguments].concat();
        self.appliance.output(&self.binary("dhpctl"), &all)
    }

    /// Adds a pool to the configuration file and has it read. Gives what `dhpctl` says, in a line.
    pub fn reload_with_another_pool(&self) -> Result<String> {
        fs::write(self.dhpd_config(), appliance(&self.socket(), &[ADDED_POOL]))?;
        Ok(self.dhpctl(&["reload"])?.trim().replace('\n', ", "))
    }

    /// Ends the draining.
    pub fn undrain(&self) -> Result<()> {
        self.dhpctl(&["drain", "off"]).map(drop)
    }

    fn start_in(&mut self, namespace: &Namespace, name: &str, command: Vec<String>) -> Result<()> {
        let running = self.starter.start(Program {
            name,
            namespace: namespace.name(),
            command,
            output: Output::Log,
        })?;
        self.programs.push(running);
        Ok(())
    }

    fn binary(&self, name: &str) -> String {
        self.options.binaries.join(name).display().to_string()
    }

    fn socket(&self) -> PathBuf {
        self.state.directory().join("box.sock")
    }

    fn dhpd_config(&self) -> PathBuf {
        self.state.directory().join("box.toml")
    }

    fn frr_directory(&self, node: &str) -> PathBuf {
        self.state.directory().join(format!("frr-{node}"))
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

/// The appliance's configuration, with these DHoA pools beside its own.
fn appliance(api_socket: &Path, more_pools: &[&str]) -> String {
    let more: String = more_pools
        .iter()
        .map(|prefix| format!("[[pool]]\nprefix = \"{prefix}\"\nkind = \"dhoa\"\n"))
        .collect();
    format!(
        r#"# dhpd as anchor beside a BGP router
[anchor]
address = "{ANCHOR}"

[[port]]
interface = "core0"

[[pool]]
prefix = "{DHOA_POOL}"
kind = "dhoa"

[[pool]]
prefix = "{HOME_POOL}"
kind = "home"

{more}
[[mobile-node]]
id = "{MN_ID}"
spi = {SPI}
algorithm = "hmac-sha1-96"
key = "{KEY}"
home-address = "{HOME}"

[api]
socket = "{socket}"
"#,
        socket = api_socket.display()
    )
}
