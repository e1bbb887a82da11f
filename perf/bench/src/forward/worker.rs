//! The appliance's worker in a process of its own, as `dhpd dataplane` runs it

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use dhp_engine::{IdlePolicy, WakeFd, Worker, WorkerConfig};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, Eal, Mempool};

use super::setup::pin;
use crate::bindings::{ANCHOR, Plan};

/// What is said once packets are forwarded.
pub const READY: &str = "forwarding\n";

/// What `dhpd` gives a worker unless it is told otherwise.
const MBUFS: u32 = 16_383;
const FRAME_OCTETS: u16 = 2_048;
const DESCRIPTORS: u16 = 1_024;

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// DPDK's name of the one port.
    #[arg(long)]
    device: String,
    #[arg(long)]
    core: usize,
    #[arg(long)]
    bindings: u32,
    #[arg(long, allow_hyphen_values = true)]
    eal: Vec<String>,
}

/// Forward until the standard input ends. All but the worker stays on the core of whoever has started this, and sleeps there.
///
/// # Errors
/// DPDK or the worker does not start.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let core = arguments.core;
    let eal = Eal::init(&arguments.eal)?;
    let settings = DeviceSettings {
        device: arguments.device.clone(),
        name: "memif".to_owned(),
        descriptors: DESCRIPTORS,
    };
    let device = DpdkDevice::attach(&eal, settings)?;
    let pool = Mempool::new(&eal, MBUFS, FRAME_OCTETS, device.numa_node())?;
    let mac = device.info().mac;
    let ports = device.start(&[pool])?;
    let bound = Plan::new(arguments.bindings, 0).bind(1, mac)?;
    let config = WorkerConfig {
        anchor_addresses: vec![ANCHOR],
        idle: IdlePolicy::Poll,
        ..WorkerConfig::default()
    };
    let mut worker = Worker::new(config, ports, None, bound.segment.reader(0)?)?;
    let stop = Arc::new(AtomicBool::new(false));
    let wake = WakeFd::new()?;
    let (stopped, bell) = (Arc::clone(&stop), wake.clone());
    let thread = std::thread::Builder::new()
        .name("worker0".to_owned())
        .spawn(move || {
            pin(core)?;
            Ok(worker.run(&stopped, &bell)?)
        })
        .context("start the worker")?;
    print!("{READY}");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("wait for the end of the input")?;
    stop.store(true, Ordering::Release);
    wake.wake();
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
