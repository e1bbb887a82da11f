//! The device under test: a process at the server's end of the pair

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

use super::child::Conversation;
use super::setup::{Link, Role, RuntimeDirectory, Setup};
use super::testpmd::Testpmd;
use super::worker::READY;

/// Which device is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The appliance's worker.
    Worker,
    /// testpmd, which sends back what it receives and looks at none of it.
    Testpmd,
}

impl Subject {
    pub const BOTH: [Self; 2] = [Self::Worker, Self::Testpmd];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Testpmd => "testpmd io",
        }
    }
}

/// A running device, connected or waiting to be. Whoever is at the other end stops polling before this stops, and lets go of the
/// pair afterwards: DPDK frees the rings of a pair when one end goes, under whoever polls the other.
#[derive(Debug)]
pub struct Device {
    process: Process,
    _directory: RuntimeDirectory,
}

#[derive(Debug)]
enum Process {
    Worker(Conversation),
    Testpmd(Testpmd),
}

impl Device {
    /// Start it and wait until it forwards. `directory` is that of this process' DPDK.
    pub fn start(
        subject: Subject,
        setup: &Setup,
        link: &Link,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let directory = RuntimeDirectory::beside(directory, &link.file_prefix(Role::Server));
        let process = match subject {
            Subject::Worker => Process::Worker(start_worker(setup, link)?),
            Subject::Testpmd => {
                let mut testpmd = Testpmd::forwarder(setup, link)?;
                testpmd.ask("start")?;
                Process::Testpmd(testpmd)
            }
        };
        Ok(Self {
            process,
            _directory: directory,
        })
    }

    /// End it.
    pub fn stop(self) -> anyhow::Result<()> {
        match self.process {
            Process::Worker(worker) => worker.finish(),
            Process::Testpmd(mut testpmd) => {
                testpmd.stop()?;
                testpmd.quit()
            }
        }
    }
}

fn start_worker(setup: &Setup, link: &Link) -> anyhow::Result<Conversation> {
    let program = std::env::current_exe().context("find this program")?;
    let mut command = Command::new(program);
    command.arg("forward-worker");
    command.arg(format!("--device={}", link.device(Role::Server)));
    command.arg(format!("--core={}", setup.device_core));
    command.arg(format!("--bindings={}", setup.bindings));
    let prefix = format!("--file-prefix={}", link.file_prefix(Role::Server));
    for option in setup.eal.iter().chain([&prefix]) {
        command.arg(format!("--eal={option}"));
    }
    let mut worker = Conversation::start("the worker", &mut command)?;
    worker.wait_for(READY)?;
    Ok(worker)
}
