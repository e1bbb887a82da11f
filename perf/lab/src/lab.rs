//! The whole lab: networks, access routers, anchors, the correspondent's server and the mobile node's agent.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::access::{self, Access, Interface, Radio};
use crate::children::{Output, Program, Running, Starter};
use crate::configuration::{self, AgentPlan};
use crate::namespace::{self, Namespace};
use crate::network_plan::NetworkPlan;
use crate::ping;
use crate::port_driver::PortDriver;
use crate::signalling_options::SignallingOptions;
use crate::state::State;
use crate::stop::Stop;
use crate::topology::Topology;

/// How long a daemon may take until it answers.
const READY: Duration = Duration::from_secs(15);

/// Where things are that the lab does not make.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Directory of `dhpd`, `dhpctl` and `dhp-mn`.
    pub binaries: PathBuf,
    /// Directory for the logs of all programs.
    pub logs: PathBuf,
    /// What drives the anchors' ports.
    pub ports: PortDriver,
    /// What of the anchors' signalling is switched on.
    pub signalling: SignallingOptions,
}

/// A running lab; everything ends and goes when it is dropped.
#[derive(Debug)]
pub struct Lab {
    options: LabOptions,
    programs: Vec<Running>,
    topology: Option<Topology>,
    starter: Starter,
    state: Arc<State>,
}

impl Lab {
    /// Builds the networks, with router advertisements and the mobile node attached to access network A.
    pub fn build(options: LabOptions, plan: NetworkPlan) -> Result<Self> {
        namespace::check_available()?;
        check_programs(&["ip", "setpriv", "setsid", "radvd", "tcpdump", "curl"])?;
        let state = Arc::new(State::acquire(Path::new(crate::state::DIRECTORY))?);
        let starter = Starter::new(Arc::clone(&state), &options.logs)?;
        let mut lab = Self {
            options,
            programs: Vec::new(),
            topology: None,
            starter,
            state,
        };
        lab.topology = Some(Topology::build(&lab.state, plan, lab.options.ports)?);
        let advertising =
            access::start_advertising(lab.topology()?, &lab.starter, lab.state.directory())?;
        lab.programs.extend(advertising);
        lab.radio()?.attach(Interface::Wlan0, Access::A)?;
        Ok(lab)
    }

    /// The networks.
    pub fn topology(&self) -> Result<&Topology> {
        self.topology
            .as_ref()
            .context("the lab's networks are gone")
    }

    /// A node's namespace.
    pub fn node(&self, node: &str) -> Result<&Namespace> {
        self.topology()?.node(node)
    }

    /// The mobile node's radios.
    pub fn radio(&self) -> Result<Radio> {
        Radio::of_running_lab()
    }

    /// What drives the anchors' ports, and what of their signalling is on.
    pub fn options(&self) -> &LabOptions {
        &self.options
    }

    /// Starts programs with logs in the lab's log directory.
    pub fn starter(&self) -> &Starter {
        &self.starter
    }

    /// Starts a web server on a node; `rate` in octets per second limits each download that asks for no other.
    pub fn start_server(&mut self, node: &str, rate: Option<u64>) -> Result<()> {
        let mut command = vec![own_executable()?];
        command.extend(["serve", "--listen", "[::]:80"].map(String::from));
        command.extend(rate.map(|rate| format!("--rate={rate}")));
        self.start_in(node, &format!("http-server-{node}"), command)
    }

    /// Starts `dhpd` on nodes, with a configuration each, and waits until all answer.
    pub fn start_dhpd(&mut self, anchors: &[(&str, String)], stop: &Stop) -> Result<()> {
        let ports = self.options.ports;
        for (node, text) in anchors {
            let path = self.write_configuration(node, text)?;
            let mut command = ports.environment(self.state.directory());
            command.extend([self.binary("dhpd")?, "run".into(), "--config".into(), path]);
            self.start_in(node, &dhpd_on(node), command)?;
        }
        for (node, _) in anchors {
            stop.wait_for(&format!("dhpd on {node} answers"), READY, || {
                self.check()?;
                Ok((!self.counters(node).is_null()).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Kills the `dhpd` of a node, as a crash does: it gets no chance to say farewell.
    pub fn kill_dhpd(&mut self, node: &str) -> Result<()> {
        let name = dhpd_on(node);
        let position = self.programs.iter().position(|one| one.name() == name);
        let position = position.with_context(|| format!("{name} does not run"))?;
        self.programs.remove(position).kill();
        Ok(())
    }

    /// Edits the configuration of the `dhpd` of a node, and has it taken over.
    pub fn reconfigure_dhpd(&self, node: &str, text: &str) -> Result<()> {
        self.write_configuration(node, text)?;
        let socket = self.socket(node).display().to_string();
        let arguments = ["--socket", &socket, "reload"];
        self.node(node)?
            .output(&self.binary("dhpctl")?, &arguments)
            .map(drop)
    }

    /// Has a node find its neighbours on the way to addresses, as those of a network in use have: else the first packets
    /// through an access network would wait for neighbour discovery on the wires, which is no part of a handoff.
    pub fn warm_up(&self, node: &str, to: &[impl AsRef<str>], stop: &Stop) -> Result<()> {
        for address in to.iter().map(AsRef::as_ref) {
            // What finds no neighbour yet is lost.
            stop.wait_for(&format!("{address} answers {node}"), READY, || {
                Ok(ping::round_trip_ns(self.node(node)?, address, 2).ok())
            })?;
        }
        Ok(())
    }

    /// Starts the mobile node's agent and waits until it answers.
    pub fn start_agent(&mut self, plan: &AgentPlan, stop: &Stop) -> Result<()> {
        let text = configuration::mobile_node(&self.socket("mn"), plan);
        let path = self.write_configuration("mn", &text)?;
        let command = vec![
            self.binary("dhp-mn")?,
            "run".into(),
            "--config".into(),
            path,
        ];
        self.start_in("mn", "dhp-mn", command)?;
        let socket = self.socket("mn");
        stop.wait_for("dhp-mn answers", READY, || {
            self.check()?;
            Ok(UnixStream::connect(&socket).ok().map(drop))
        })
    }

    /// The API socket of the daemon on a node.
    pub fn socket(&self, node: &str) -> PathBuf {
        self.state.directory().join(format!("{node}.sock"))
    }

    /// What the daemon on a node has counted; null if it does not say.
    pub fn counters(&self, node: &str) -> Value {
        let ask = || -> Result<Value> {
            let socket = self.socket(node).display().to_string();
            let arguments = ["--socket", &socket, "--json", "show", "counters"];
            let text = self
                .node(node)?
                .output(&self.binary("dhpctl")?, &arguments)?;
            Ok(serde_json::from_str(&text)?)
        };
        ask().unwrap_or(Value::Null)
    }

    /// The path of one of the project's programs.
    pub fn binary(&self, name: &str) -> Result<String> {
        let path = self.options.binaries.join(name);
        if !path.is_file() {
            bail!(
                "there is no {}: build it (cargo build --workspace), or say where it is with --bin-dir",
                path.display()
            );
        }
        Ok(path.display().to_string())
    }

    /// An error, with the log's end, if a program that should run has ended.
    pub fn check(&mut self) -> Result<()> {
        self.programs.iter_mut().try_for_each(Running::check)
    }

    /// Starts a program that runs as long as the lab.
    pub fn start_in(&mut self, node: &str, name: &str, command: Vec<String>) -> Result<()> {
        let namespace = self.node(node)?.name();
        let running = self.starter.start(Program {
            name,
            namespace,
            command,
            output: Output::Log,
        })?;
        self.programs.push(running);
        Ok(())
    }

    fn write_configuration(&self, node: &str, text: &str) -> Result<String> {
        let path = self.state.directory().join(format!("{node}.toml"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The agent was started last and ends first: it releases its bindings while the anchors still listen.
        while let Some(mut program) = self.programs.pop() {
            program.stop();
        }
        self.topology = None;
        if let Err(error) = self.state.release() {
            eprintln!("{error:#}");
        }
    }
}

fn dhpd_on(node: &str) -> String {
    format!("dhpd-{node}")
}

/// This program's path, to run parts of it inside namespaces.
pub fn own_executable() -> Result<String> {
    Ok(std::env::current_exe()
        .context("cannot find the own executable")?
        .display()
        .to_string())
}

fn check_programs(names: &[&str]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !is_there(name))
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed: {}; on Debian: apt install iproute2 util-linux radvd tcpdump curl",
            missing.join(", ")
        );
    }
    Ok(())
}
