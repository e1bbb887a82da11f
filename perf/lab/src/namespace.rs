//! Network namespaces by `ip netns`, entered by threads of this process or by children.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

use crate::state::State;

/// Where `ip netns` keeps its namespaces, ip-netns(8).
pub const DIRECTORY: &str = "/run/netns";
/// Prefix of the names of all namespaces that the lab makes.
pub const PREFIX: &str = "dhplab-";

/// A network namespace of the lab, known to `ip netns`. The lab's journal knows it too, and removes it.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace of a node, with its loopback up and IPv6 set for infrastructure:
    /// no autoconfiguration, no wait for duplicate address detection (the lab's addresses are unique by plan).
    pub fn create(state: &State, node: &str) -> Result<Self> {
        let name = full_name(node);
        state.record_namespace(&name)?;
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        namespace.sysctl("net/ipv6/conf/default/accept_ra", "0")?;
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        Ok(namespace)
    }

    /// The namespace of a node of a lab that runs already.
    pub fn of_running_lab(node: &str) -> Result<Self> {
        let name = full_name(node);
        if !Path::new(DIRECTORY).join(&name).exists() {
            bail!(
                "there is no namespace {name}: no lab is running (start one with `dhp-lab up`), or no such node"
            );
        }
        Ok(Self { name })
    }

    /// The name as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these words inside the namespace.
    pub fn ip(&self, words: &str) -> Result<()> {
        run(Command::new("ip")
            .args(["-n", &self.name])
            .args(words.split_whitespace()))
    }

    /// Runs several `ip` commands inside the namespace, one a line.
    pub fn ip_lines(&self, lines: &str) -> Result<()> {
        lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .try_for_each(|line| self.ip(line))
    }

    /// An `ip` that waits inside the namespace for commands.
    pub fn ip_session(&self) -> Result<IpSession> {
        let mut command = Command::new("ip");
        command
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped());
        Ok(IpSession {
            child: command.spawn().context("cannot run ip")?,
        })
    }

    /// Runs a program to its end inside the namespace and gives its standard output, whatever its exit status.
    pub fn output_anyway(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.run_to_end(program, arguments)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn run_to_end(&self, program: &str, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, program])
            .args(arguments)
            .stdin(Stdio::null());
        command
            .output()
            .with_context(|| format!("cannot run {program}"))
    }

    /// Runs a program to its end inside the namespace and gives its standard output.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.run_to_end(program, arguments)?;
        if !output.status.success() {
            bail!(
                "{program} {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a kernel setting of the namespace, named by its path below `/proc/sys`.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{path}");
        self.inside(|| fs::write(&path, value))?
            .with_context(|| format!("cannot write {path} in {}", self.name))
    }

    /// Runs a function in a thread that has joined the namespace. What it opens stays in the namespace.
    pub fn inside<T: Send>(&self, function: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(Path::new(DIRECTORY).join(&self.name))
            .with_context(|| format!("cannot open namespace {}", self.name))?;
        thread::scope(|scope| {
            let joined = scope.spawn(|| -> Result<T> {
                setns(&file, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("cannot enter {}", self.name))?;
                Ok(function())
            });
            joined
                .join()
                .map_err(|_| anyhow!("a thread in {} panicked", self.name))?
        })
    }
}

/// A running `ip -batch`: a command takes effect within a millisecond, with no program to be started first.
/// It ends with its standard input, so also when the lab is killed.
#[derive(Debug)]
pub struct IpSession {
    child: Child,
}

impl IpSession {
    /// Has a command carried out.
    pub fn run(&mut self, words: &str) -> Result<()> {
        let input = self
            .child
            .stdin
            .as_mut()
            .context("ip takes no commands any more")?;
        // ip ends at the first command that fails, and has said why; the next write then fails.
        input
            .write_all(format!("{words}\n").as_bytes())
            .context("ip has ended")?;
        input.flush().context("ip has ended")
    }
}

impl Drop for IpSession {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if self.child.wait().is_ok_and(|status| !status.success()) {
            eprintln!("an ip command failed");
        }
    }
}

/// The name that `ip netns` knows a node's namespace by.
pub fn full_name(node: &str) -> String {
    format!("{PREFIX}{node}")
}

/// Says in a clear sentence why namespaces cannot be used here, if so.
pub fn check_available() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab makes network namespaces, which needs root: run it with sudo");
    }
    let probe = Command::new("unshare")
        .args(["--net", "true"])
        .output()
        .context("cannot run unshare")?;
    if !probe.status.success() {
        let reason = String::from_utf8_lossy(&probe.stderr).trim().to_owned();
        bail!("this machine gives no network namespaces ({reason})");
    }
    if File::open("/dev/net/tun").is_err() {
        bail!("this machine has no /dev/net/tun, which the lab's links need (modprobe tun)");
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
