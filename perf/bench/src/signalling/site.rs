//! Both planes of `dhpd`, and the wire between them and whoever measures

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use core_affinity::CoreId;
use dhp_engine::{FrameBuf, PacketBuf, PuntRates, WakeFd, monotonic_ns};
use dhp_proto::security_association::SecurityAssociation;
use dhp_segment::{Counter, DropReason, Geometry, Segment};
use dhpd::bell::Bell;
use dhpd::clock::system_clock;
use dhpd::control::{self, ControlHandle};
use dhpd::signalling::Signalling;
use nix::time::{ClockId, clock_gettime};
use prometheus::Histogram;
use tempfile::TempDir;

use super::appliance::ETHERNET;
use super::in_memory::InMemory;
use super::latency::{Latencies, histogram};
use super::network;
use super::setting::{Setting, keep_journal};

/// Where the planes run.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub measuring: CoreId,
    pub control: CoreId,
}

impl Cores {
    /// The last two: the first has the interrupts, mostly.
    ///
    /// # Errors
    /// There is only one.
    pub fn choose() -> anyhow::Result<Self> {
        let all = core_affinity::get_core_ids().unwrap_or_default();
        match all[..] {
            [.., measuring, control] => Ok(Self { measuring, control }),
            _ => Err(anyhow!("two cores are needed")),
        }
    }

    /// Has the calling thread, and those that it starts from now on, on the core that measures.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn measure_here(self) -> anyhow::Result<()> {
        run_on(self.measuring)
    }
}

/// A worker, and the wire to it, on the side of whoever measures.
pub trait Wire {
    /// Put a packet on the wire, at the latest with the next [`poll`](Self::poll). `false`: there is no room now.
    fn push(&mut self, packet: &[u8]) -> bool;

    /// Have things go on, at this time: what was put on the wire leaves, what has come can be taken.
    fn poll(&mut self, now_ns: u64);

    /// A packet that the worker has sent.
    fn pop(&mut self) -> Option<Packet>;

    /// Frames that were lost before the worker saw them.
    fn missed(&self) -> u64;

    /// The worker does nothing until the next [`poll`](Self::poll), or goes on by itself: nobody waits for it.
    fn let_go(&mut self) {}

    /// End the worker.
    ///
    /// # Errors
    /// It has ended already, and why.
    fn stop(self) -> anyhow::Result<()>;
}

/// Both planes at work.
pub struct Site<W = InMemory> {
    segment: Segment,
    wire: W,
    histogram: Histogram,
    control: ControlHandle,
    control_thread: JoinHandle<()>,
    /// Where the journal is, if there is one.
    _journal: Option<TempDir>,
}

impl Site {
    /// Start them, for these mobile nodes with one binding each, the worker in the hand of whoever measures. The calling thread is
    /// the measuring one from now on.
    ///
    /// # Errors
    /// A core, memory or a thread is not to be had.
    pub fn start(
        security_associations: Vec<SecurityAssociation>,
        rates: PuntRates,
        setting: Setting<'_>,
    ) -> anyhow::Result<Self> {
        // A worker that is polled sees answers without being woken.
        Self::with_wire(
            security_associations,
            setting,
            Vec::new(),
            |segment, bell| InMemory::new(segment, rates, bell),
        )
    }
}

impl<W: Wire> Site<W> {
    /// Start them with a worker of the caller's, which sleeps where there is a `wake` for it.
    ///
    /// # Errors
    /// As [`start`](Site::start), and those of `connect`.
    pub fn with_wire(
        security_associations: Vec<SecurityAssociation>,
        setting: Setting<'_>,
        wakes: Vec<WakeFd>,
        connect: impl FnOnce(&Segment, Bell) -> anyhow::Result<W>,
    ) -> anyhow::Result<Self> {
        let segment = Segment::anonymous(&Geometry {
            home_addresses: u32::try_from(security_associations.len())?,
            ..Geometry::default()
        })?;
        let histogram = histogram()?;
        let bell = Bell::new()?;
        let config = network::anchor(security_associations);
        let mut signalling = Signalling::new(
            &segment,
            config,
            system_clock(),
            wakes,
            [7; 32],
            histogram.clone(),
        )?;
        signalling.follow_network(&network::plan());
        // What is measured is the control thread, which shares its core with no thread of ours.
        setting.cores.measure_here()?;
        let journal = keep_journal(&mut signalling, &bell, setting.journals)?;
        run_on(setting.cores.control)?;
        let (control, control_thread) = control::spawn(signalling, bell.clone())?;
        setting.cores.measure_here()?;
        let wire = connect(&segment, bell)?;
        Ok(Self {
            segment,
            wire,
            histogram,
            control,
            control_thread,
            _journal: journal,
        })
    }

    /// Put a packet on the wire. `false`: there is no room now.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        self.wire.push(packet)
    }

    /// Have things go on, at the time that it is.
    pub fn poll(&mut self) -> u64 {
        let now_ns = monotonic_ns();
        self.wire.poll(now_ns);
        now_ns
    }

    /// A packet that the worker has sent.
    pub fn pop(&mut self) -> Option<Packet> {
        self.wire.pop()
    }

    /// The times from punt to inject so far.
    pub fn latencies(&self) -> Latencies {
        Latencies::of(&self.histogram)
    }

    /// Packets that the worker has dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.segment.counters(0).drops(reason)
    }

    /// Frames that were lost before the worker saw them.
    pub fn missed(&self) -> u64 {
        self.wire.missed()
    }

    /// Packets that it has given to the control plane.
    pub fn punted(&self) -> u64 {
        let counters = self.segment.counters(0);
        counters.get(Counter::PuntedMobility) + counters.get(Counter::PuntedQuery)
    }

    /// Octets of memory that the segment has at most.
    pub fn segment_octets(&self) -> usize {
        self.segment.len_bytes()
    }

    /// Ask the control plane, between two of its turns.
    ///
    /// # Errors
    /// It has stopped.
    pub fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&mut Signalling) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        self.wire.let_go();
        Ok(futures::executor::block_on(self.control.ask(question))?)
    }

    /// How long the control thread has worked.
    ///
    /// # Errors
    /// It has stopped.
    pub fn control_time(&mut self) -> anyhow::Result<Duration> {
        let worked = self.ask(|_| clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID))??;
        Ok(worked.into())
    }

    /// End both planes.
    ///
    /// # Errors
    /// One of them has ended before.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.wire.let_go();
        self.control.stop();
        let ended = self.control_thread.join();
        ended.map_err(|_| anyhow!("the control plane panicked"))?;
        self.wire.stop()
    }
}

/// A packet that left the worker.
pub struct Packet(pub(super) FrameBuf);

impl Packet {
    /// From its IPv6 header on.
    pub fn octets(&self) -> &[u8] {
        self.0.bytes().get(ETHERNET.len()..).unwrap_or_default()
    }
}

/// Has the calling thread on a core.
///
/// # Errors
/// The system does not allow it.
pub fn run_on(core: CoreId) -> anyhow::Result<()> {
    core_affinity::set_for_current(core)
        .then_some(())
        .with_context(|| format!("cannot run on core {}", core.id))
}
