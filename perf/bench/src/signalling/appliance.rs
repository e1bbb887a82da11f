//! The daemon's two planes, on a port in memory

use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use dhp_engine::{FramePool, Link, PortInfo, RunError, WakeFd, Worker, WorkerConfig};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_proto::security_association::SecurityAssociation;
use dhp_segment::{Geometry, Segment};
use dhpd::bell::Bell;
use dhpd::clock::system_clock;
use dhpd::control::{self, ControlHandle};
use dhpd::signalling::Signalling;
use prometheus::Histogram;
use tempfile::TempDir;

use super::latency::{Latencies, histogram};
use super::mobile_nodes::MobileNodes;
use super::network;
use super::setting::keep_journal;

/// The anchor's address.
pub const ANCHOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);
/// The header of every frame towards the worker.
pub const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];

const FRAMES: usize = 4096;

/// The home address of a mobile node.
pub fn home_address(number: u16) -> Ipv6Addr {
    let mut segments = network::HOMES.network().segments();
    segments[7] = number;
    segments[6] = 1;
    segments.into()
}

/// A worker and a control plane that run.
pub struct Appliance {
    wire: MemoryWire,
    histogram: Histogram,
    wake: WakeFd,
    stop: Arc<AtomicBool>,
    worker: JoinHandle<Result<(), RunError>>,
    control: ControlHandle,
    control_thread: JoinHandle<()>,
    /// Where the journal is, if there is one.
    _journal: Option<TempDir>,
}

impl Appliance {
    /// Start both planes as the home agent of `security_associations`, with a journal below a directory, if there is one.
    pub fn start(
        security_associations: Vec<SecurityAssociation>,
        journals: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let segment = Segment::anonymous(&Geometry::default())?;
        let histogram = histogram()?;
        let wake = WakeFd::new()?;
        let bell = Bell::new()?;
        let config = network::anchor(security_associations);
        let mut signalling = Signalling::new(
            &segment,
            config,
            system_clock(),
            vec![wake.clone()],
            [7; 32],
            histogram.clone(),
        )?;
        signalling.follow_network(&network::plan());
        let journal = keep_journal(&mut signalling, &bell, journals)?;
        let (control, control_thread) = control::spawn(signalling, bell.clone())?;

        let info = PortInfo {
            name: "memory0".to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            link: Link::Ethernet,
            host_has_copy: true,
        };
        let (port, wire) = MemoryPort::new(info, FramePool::new(FRAMES, 2048), FRAMES / 2);
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            ..WorkerConfig::default()
        };
        let mut worker = Worker::new(config, vec![port], None, segment.reader(0)?)?
            .with_punt_signal(move || bell.ring());
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, woken) = (Arc::clone(&stop), wake.clone());
        let worker = std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || worker.run(&stopped, &woken))?;
        Ok(Self {
            wire,
            histogram,
            wake,
            stop,
            worker,
            control,
            control_thread,
            _journal: journal,
        })
    }

    /// Put a frame on the wire.
    pub fn send(&self, frame: &[u8]) -> anyhow::Result<()> {
        self.wire.push(frame).context("the worker does not keep up")
    }

    /// Take off what has been answered, and count it.
    pub fn acknowledgements(&self, nodes: &MobileNodes) -> anyhow::Result<u64> {
        let mut count = 0;
        while let Some(frame) = self.wire.pop() {
            nodes.check_acknowledgement(&frame)?;
            count += 1;
        }
        Ok(count)
    }

    /// The times from punt to inject so far.
    pub fn latencies(&self) -> Latencies {
        Latencies::of(&self.histogram)
    }

    /// End both planes.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.wake.wake();
        self.control.stop();
        let worker = self.worker.join();
        worker.map_err(|_| anyhow!("the worker panicked"))??;
        let control = self.control_thread.join();
        control.map_err(|_| anyhow!("the control plane panicked"))
    }
}
