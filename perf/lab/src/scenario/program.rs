//! Unmodified programs as flows, watched through what they print: OpenSSH, and curl with parallel connections.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use crate::children::{Output, Program, Running};
use crate::clock::monotonic_ns;
use crate::lab::Lab;

use super::model::{Flow, Kind};

/// How many objects `web` asks for at most; it is ended long before.
const OBJECTS: u32 = 2_000;
/// Lines per second of both kinds of SSH session.
const LINES_A_SECOND: u64 = 10;
const TYPING_INTERVAL: Duration = Duration::from_millis(100);

/// A line that a program printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was read.
    pub at_ns: u64,
    /// Octets of the session's data that it stands for.
    pub octets: u64,
    /// Whether it says what it should.
    pub is_right: bool,
}

/// A running program.
#[derive(Debug)]
pub struct Session {
    program: Running,
    lines: Arc<Mutex<Vec<Line>>>,
    reader: JoinHandle<()>,
}

impl Session {
    /// Starts the program of a flow on the mobile node. SSH keys are in `directory`.
    pub fn start(lab: &Lab, flow: &Flow, address: &str, directory: &Path) -> Result<Self> {
        let command = match flow.kind {
            Kind::Web => browse(flow, address, directory)?,
            _ => secure_shell(flow, address, directory),
        };
        let mut program = lab.starter().start(Program {
            name: &format!("flow-{}", flow.name),
            namespace: lab.node("mn")?.name(),
            command,
            output: match flow.kind {
                Kind::Ssh => Output::Dialogue,
                _ => Output::Pipe,
            },
        })?;
        if flow.kind == Kind::Ssh {
            let input = program.take_input()?;
            thread::Builder::new()
                .name("typist".into())
                .spawn(move || type_lines(input))?;
        }
        let output = program.take_output()?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let kind = flow.kind;
        let reader = thread::Builder::new()
            .name("session".into())
            .spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                for (number, text) in (1_u64..).zip(lines) {
                    let (octets, is_right) = match kind {
                        Kind::Web => transfer(&text),
                        _ => (text.len() as u64 + 1, text.trim().parse() == Ok(number)),
                    };
                    sink.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Line {
                            at_ns: monotonic_ns(),
                            octets,
                            is_right,
                        });
                }
            })?;
        Ok(Self {
            program,
            lines,
            reader,
        })
    }

    /// Ends it. Gives whether it still ran, and what it had printed by then.
    pub fn finish(mut self) -> Result<(bool, Vec<Line>)> {
        let ran = self.program.ended()?.is_none();
        // What it prints while it is ended is not the network's doing.
        let lines = self
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.program.stop();
        self.reader
            .join()
            .map_err(|_| anyhow!("a session's reader panicked"))?;
        Ok((ran, lines))
    }
}

/// Starts an OpenSSH server on a node, with keys of its own in `directory`.
pub fn start_ssh_server(lab: &mut Lab, node: &str, directory: &Path) -> Result<()> {
    for name in ["host-key", "client-key"] {
        let path = directory.join(name);
        if !path.exists() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&path)
                .status()
                .context("cannot run ssh-keygen (apt install openssh-client openssh-server)")?;
            ensure!(made.success(), "ssh-keygen made no key");
        }
    }
    // sshd(8) wants this directory for its unprivileged part, and to be called by its whole path.
    fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
    let keys = directory.display();
    let mut command: Vec<String> = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null"]
        .map(String::from)
        .to_vec();
    for option in [
        format!("HostKey={keys}/host-key"),
        format!("AuthorizedKeysFile={keys}/client-key.pub"),
        "StrictModes=no".to_owned(),
        "PermitRootLogin=prohibit-password".to_owned(),
        "PasswordAuthentication=no".to_owned(),
        "PidFile=none".to_owned(),
        "UsePAM=no".to_owned(),
        // The sessions of a killed lab end by themselves.
        "ClientAliveInterval=5".to_owned(),
        "ClientAliveCountMax=3".to_owned(),
    ] {
        command.extend(["-o".to_owned(), option]);
    }
    lab.start_in(node, &format!("sshd-{node}"), command)
}

/// The client as it is, with no shell around it: what the lab ends has no children that would live on.
fn secure_shell(flow: &Flow, address: &str, directory: &Path) -> Vec<String> {
    let key = directory.join("client-key").display().to_string();
    let remote = match flow.kind {
        Kind::SshBulk => {
            let width = flow.rate_kbytes.saturating_mul(1000) / LINES_A_SECOND;
            format!("i=0; while i=$((i+1)); do printf '%{width}d\\n' $i || exit; sleep 0.1; done")
        }
        _ => "cat".to_owned(),
    };
    let user = format!("root@{address}");
    let command = [
        "ssh",
        "-F",
        "none",
        "-i",
        &key,
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "BatchMode=yes",
        &user,
        &remote,
    ];
    command.map(String::from).to_vec()
}

/// Types a number a line until the program no longer listens.
fn type_lines(mut input: ChildStdin) {
    for number in 1_u64.. {
        if writeln!(input, "{number}").is_err() {
            return;
        }
        thread::sleep(TYPING_INTERVAL);
    }
}

fn browse(flow: &Flow, address: &str, directory: &Path) -> Result<Vec<String>> {
    let octets = flow.object_kbytes.saturating_mul(1000);
    let rate = flow.rate_kbytes.saturating_mul(1000);
    let objects: String = (0..OBJECTS)
        .map(|number| {
            format!("url = \"http://[{address}]/{octets}?rate={rate}&object={number}\"\noutput = \"/dev/null\"\n")
        })
        .collect();
    let path = directory.join(format!("{}.curl", flow.name));
    fs::write(&path, objects).with_context(|| format!("cannot write {}", path.display()))?;
    let command = [
        // Else curl would keep its lines until it has some thousand octets of them.
        "stdbuf",
        "-oL",
        "curl",
        "--silent",
        "--fail",
        "--globoff",
        "--noproxy",
        "*",
        "--parallel",
        "--parallel-max",
        &flow.connections.to_string(),
        "--write-out",
        "%{exitcode} %{size_download}\\n",
        "--config",
        &path.display().to_string(),
    ];
    Ok(command.map(String::from).to_vec())
}

/// Octets of a transfer, and whether curl was content.
fn transfer(line: &str) -> (u64, bool) {
    let mut words = line.split_whitespace();
    let code = words.next();
    let octets = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (octets, code == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_failed_is_wrong() {
        assert_eq!(transfer("0 100000"), (100_000, true));
        assert_eq!(transfer("56 70"), (70, false));
        assert_eq!(transfer(""), (0, false));
    }
}
