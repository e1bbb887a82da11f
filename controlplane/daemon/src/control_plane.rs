//! A control plane at work: segment, control thread, and what workers need to join

use std::thread::JoinHandle;

use dhp_engine::{Port, WakeFd, Worker, WorkerConfig, WorkerError};
use dhp_proto::anchor::AnchorConfig;
use dhp_segment::{Geometry, Segment, SegmentError};
use nix::errno::Errno;
use prometheus::Histogram;

use crate::bell::Bell;
use crate::clock::Clock;
use crate::control::{self, ControlHandle, Stopped};
use crate::forwarding::TunnelLimits;
use crate::journal::{Journal, Restored};
use crate::mirror::Plan;
use crate::signalling::{Signalling, SignallingError};

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The segment cannot be made.
    #[error("cannot make the forwarding tables: {0}")]
    Segment(#[from] SegmentError),
    /// The control plane does not take its configuration.
    #[error(transparent)]
    Signalling(#[from] SignallingError),
    /// No eventfd.
    #[error("cannot make an eventfd: {0}")]
    Event(#[from] Errno),
    /// No randomness.
    #[error("no randomness from the system: {0}")]
    Random(#[from] getrandom::Error),
    /// No thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a worker cannot join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The engine does not take its ports.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The segment has no such worker, or it has joined already.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// A running control plane. Dropping it ends its thread; end the workers first.
pub struct ControlPlane {
    segment: Segment,
    handle: ControlHandle,
    bell: Bell,
    wakes: Vec<WakeFd>,
    fragment_key: u32,
    thread: Option<JoinHandle<()>>,
}

impl ControlPlane {
    /// Start one in private memory. Workers that join find the routes of `plan`. `seconds` counts the time from the punt
    /// of a message to the inject of its answer.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        geometry: &Geometry,
        anchor: AnchorConfig,
        clock: Clock,
        plan: &Plan,
        seconds: Histogram,
        limits: TunnelLimits,
    ) -> Result<Self, StartError> {
        let segment = Segment::anonymous(geometry)?;
        let bell = Bell::new()?;
        let wakes = (0..geometry.workers)
            .map(|_| WakeFd::new())
            .collect::<Result<Vec<_>, _>>()?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let mut key = [0; 4];
        getrandom::fill(&mut key)?;
        let mut signalling =
            Signalling::new(&segment, anchor, clock, wakes.clone(), seed, seconds)?;
        signalling.limit_tunnels(limits);
        signalling.follow_network(plan);
        let (handle, thread) = control::spawn(signalling, bell.clone())?;
        Ok(Self {
            segment,
            handle,
            bell,
            wakes,
            fragment_key: u32::from_ne_bytes(key),
            thread: Some(thread),
        })
    }

    /// Have bindings and numbers kept in a journal, and those that it has in force when this returns. Home links have to be
    /// served by then, and no worker to have joined.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn keep_state(&self, journal: Journal, restored: Restored) -> Result<(), Stopped> {
        let bell = self.bell.clone();
        journal.tell(move || bell.ring());
        let restore = move |signalling: &mut Signalling| signalling.keep_state(journal, restored);
        self.handle.ask(restore).await.map(|_| ())
    }

    /// Speaks to the control thread.
    pub fn handle(&self) -> &ControlHandle {
        &self.handle
    }

    /// Rung to end a worker's sleep, after its stop flag has been set.
    pub fn wake(&self, worker: u32) -> Option<&WakeFd> {
        self.wakes.get(usize::try_from(worker).ok()?)
    }

    /// A worker on these ports, of which `host_port` leads to the host kernel. It signals to this control plane.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join<P: Port>(
        &self,
        mut settings: WorkerConfig,
        ports: Vec<P>,
        host_port: Option<usize>,
    ) -> Result<Worker<P>, JoinError> {
        settings.fragment_key = self.fragment_key;
        let reader = self.segment.reader(settings.worker)?;
        let bell = self.bell.clone();
        Ok(Worker::new(settings, ports, host_port, reader)?.with_punt_signal(move || bell.ring()))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // If it panicked, the log shows it.
            let _ = thread.join();
        }
    }
}
