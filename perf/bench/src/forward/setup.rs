//! What all processes of a run agree on: cores, memory, and the pair of memif devices between them

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use core_affinity::CoreId;

use crate::run_directory::RunDirectory;

/// Both ends have it: what testpmd sends back unchanged has then the right destination, as has what the worker sends.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const MAC_TEXT: &str = "02:00:00:00:00:01";

/// Cores, memory and rings.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of the generator.
    pub generator_core: usize,
    /// Of the device under test.
    pub device_core: usize,
    /// DPDK's options for each process.
    pub eal: Vec<String>,
    pub bindings: u32,
    /// Places of each ring, as a power of two.
    pub ring_log2: u8,
}

/// Which end of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for the other: the device under test.
    Server,
    /// Connects, and owns the memory: the generator.
    Client,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// The name under which both ends find each other.
#[derive(Debug)]
pub struct Link {
    number: u32,
    ring_log2: u8,
}

impl Link {
    /// One that no other pair of this host has.
    pub fn new(setup: &Setup) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            ring_log2: setup.ring_log2,
        }
    }

    /// The device with its arguments, as DPDK takes them. The socket is in Linux' abstract namespace: no file is left of it.
    pub fn device(&self, role: Role) -> String {
        let Self { number, ring_log2 } = self;
        let role = role.name();
        let process = std::process::id();
        format!(
            "net_memif{number},role={role},id=0,socket=dhp-bench-{process}-{number},socket-abstract=yes,rsize={ring_log2},mac={MAC_TEXT}"
        )
    }

    /// For DPDK of the process that is at this end.
    pub fn run_directory(&self, role: Role) -> RunDirectory {
        RunDirectory::new(&format!("{}-{}", role.name(), self.number))
    }
}

/// The first or last core, unless one is wanted.
pub fn core(
    wanted: Option<usize>,
    default: impl Fn(&[CoreId]) -> Option<&CoreId>,
) -> anyhow::Result<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let chosen = match wanted {
        Some(wanted) => cores.iter().find(|core| core.id == wanted),
        None => default(&cores),
    };
    Ok(chosen.context("no such core")?.id)
}

/// Bind the calling thread to a core.
pub fn pin(core: usize) -> anyhow::Result<()> {
    anyhow::ensure!(
        core_affinity::set_for_current(CoreId { id: core }),
        "cannot run on core {core}"
    );
    Ok(())
}
