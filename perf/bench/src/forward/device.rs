//! The device under test: a process at the server's end of the pair

use std::process::Command;

use anyhow::Context;
use serde::Serialize;

use super::child::Conversation;
use super::setup::{Link, Role, Setup};
use super::testpmd::Testpmd;
use super::worker::READY;
use crate::run_directory::RunDirectory;

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
pub enum Device {
    /// A child, and what its DPDK leaves behind.
    Worker(Conversation, RunDirectory),
    /// A child too.
    Testpmd(Testpmd),
}

impl Device {
    /// Start it and wait until it forwards.
    pub fn start(subject: Subject, setup: &Setup, link: &Link) -> anyhow::Result<Self> {
        match subject {
            Subject::Worker => start_worker(setup, link),
            Subject::Testpmd => {
                let mut testpmd = Testpmd::forwarder(setup, link)?;
                testpmd.ask("start")?;
                Ok(Self::Testpmd(testpmd))
            }
        }
    }

    /// End it.
    pub fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Worker(worker, _run) => worker.finish(),
            Self::Testpmd(mut testpmd) => {
                testpmd.stop()?;
                testpmd.quit()
            }
        }
    }
}

fn start_worker(setup: &Setup, link: &Link) -> anyhow::Result<Device> {
    let run = link.run_directory(Role::Server);
    let program = std::env::current_exe().context("find this program")?;
    let mut command = Command::new(program);
    command.arg("forward-worker");
    command.arg(format!("--device={}", link.device(Role::Server)));
    command.arg(format!("--core={}", setup.device_core));
    command.arg(format!("--bindings={}", setup.bindings));
    let prefix = format!("--file-prefix={}", run.prefix());
    for option in setup.eal.iter().chain([&prefix]) {
        command.arg(format!("--eal={option}"));
    }
    let mut worker = Conversation::start("the worker", &mut command)?;
    worker.wait_for(READY)?;
    Ok(Device::Worker(worker, run))
}
