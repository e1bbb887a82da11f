//! One worker: all packets of its ports, from receive to send, on one core

use dhp_segment::{Counter, DropReason, Landmarks, Reader};
use thiserror::Error;

use crate::classify::{Ingress, classify, classify_reassembled};
use crate::config::WorkerConfig;
use crate::correspondent_hosts::CorrespondentHosts;
use crate::exception::Exceptions;
use crate::express::{Express, Lane};
use crate::flow_expect::{expect_flows, plan_flows};
use crate::flow_memory::FlowMemory;
use crate::icmp::ErrorLimits;
use crate::lookup::Lookup;
use crate::origin::Origin;
use crate::outer_fragment::Identifications;
use crate::path::{Path, count_oversized};
use crate::plan::Plan;
use crate::punt_limits::PuntLimits;
use crate::reassembly::Reassembly;
use crate::trace::Beginning;
use crate::{BATCH_SIZE, Batch, Link, PacketBuf, Port};

/// The most ports that one worker serves.
pub const MAX_PORTS: usize = 32;

/// Why a worker cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WorkerError {
    /// A worker without a port has nothing to do.
    #[error("a worker needs at least one port")]
    NoPorts,
    /// More ports than [`MAX_PORTS`].
    #[error("{0} ports given, a worker serves at most {MAX_PORTS}")]
    TooManyPorts(usize),
    /// The host port is none of the worker's ports.
    #[error("host port {0} is not one of the worker's ports")]
    HostPort(usize),
    /// An exception port, or the port that it belongs to, is none of the worker's Ethernet ports, or has another role already.
    #[error(
        "port {exception} cannot be the exception port of port {port}: both must be Ethernet ports without another role"
    )]
    ExceptionPort {
        /// The port.
        port: usize,
        /// What was to be its exception port.
        exception: usize,
    },
}

/// A run-to-completion worker. It owns its ports and its view of the segment; nothing it does waits for anybody.
///
/// Call [`poll`](Self::poll) for one round, or [`run`](Self::run) for rounds until told to stop. `port` numbers in the segment's
/// next hops and routes are positions in the list of ports given here.
pub struct Worker<P: Port> {
    pub(crate) path: Path<P>,
    pub(crate) config: WorkerConfig,
    batch: Batch<P::Buf>,
    express: Express,
    /// Of the packets that go the long way, each at the position of its packet.
    plans: [Plan; BATCH_SIZE],
    lookup: Lookup,
    /// The bindings of one packet that was put together while the batch was worked on.
    late_lookup: Lookup,
    landmarks: Landmarks,
    punt_signal: Option<Box<dyn FnMut() + Send>>,
    /// The segment's writer waits for this worker's quiescent points.
    awake: bool,
}

impl<P: Port> Worker<P> {
    /// A worker for `ports`. `host_port` is the position of the one that leads to the host kernel: what is sent there reaches
    /// it, what it routes there (packets to home addresses) arrives there.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn new(
        config: WorkerConfig,
        ports: Vec<P>,
        host_port: Option<usize>,
        reader: Reader,
    ) -> Result<Self, WorkerError> {
        if ports.is_empty() {
            return Err(WorkerError::NoPorts);
        }
        if ports.len() > MAX_PORTS {
            return Err(WorkerError::TooManyPorts(ports.len()));
        }
        if let Some(host_port) = host_port
            && host_port >= ports.len()
        {
            return Err(WorkerError::HostPort(host_port));
        }
        let path = Path {
            ports,
            host_port,
            exceptions: Exceptions::none(),
            error_source: config.anchor_addresses.first().copied(),
            error_limits: ErrorLimits::new(&config.icmp_errors),
            hosts: CorrespondentHosts::new(&config.correspondents),
            optimizes: false,
            is_correspondent: false,
            transit: config.transit,
            tcp_mss_clamp: config.tcp_mss_clamp,
            identifications: Identifications::new(config.fragment_key, reader.worker()),
            flow_memory: FlowMemory::new(),
            punt_limits: PuntLimits::new(&config.punt_rates),
            code_points: config.code_points,
            reassembly: Reassembly::new(config.reassembly_packets),
            reader,
            spare: None,
            last_hop: None,
            trace: None,
            beginning: Beginning::new(),
            now_ns: 0,
            punted: false,
        };
        // The writer need not wait for a worker that has not begun.
        path.reader.park();
        Ok(Self {
            path,
            config,
            batch: Batch::new(),
            express: Express::new(),
            plans: [Plan::Drop(DropReason::MalformedIpv6); BATCH_SIZE],
            lookup: Lookup::new(),
            late_lookup: Lookup::new(),
            landmarks: Landmarks::none(),
            punt_signal: None,
            awake: false,
        })
    }

    /// The host kernel has no other way to the link of `port` than through the port `exception`, as where a device is not the
    /// kernel's: what is for the kernel goes out there as it was received, and what comes in there goes out at `port` as it is.
    ///
    /// # Errors
    /// [`WorkerError::ExceptionPort`].
    pub fn with_exception_port(
        mut self,
        port: usize,
        exception: usize,
    ) -> Result<Self, WorkerError> {
        let is_free = |number: usize| {
            self.path.host_port != Some(number)
                && self.path.ports.get(number).is_some_and(|port| {
                    let info = port.info();
                    info.link == Link::Ethernet && !info.host_has_copy
                })
        };
        if is_free(port) && is_free(exception) && self.path.exceptions.add(port, exception) {
            Ok(self)
        } else {
            Err(WorkerError::ExceptionPort { port, exception })
        }
    }

    /// Have `signal` called at the end of each round that punted anything, at most once per round. It must not block.
    #[must_use]
    pub fn with_punt_signal(mut self, signal: impl FnMut() + Send + 'static) -> Self {
        self.punt_signal = Some(Box::new(signal));
        self
    }

    /// The worker's ports, in the order given.
    pub fn ports(&self) -> &[P] {
        &self.path.ports
    }

    /// The worker's ports, for whoever calls [`poll`](Self::poll) and plays the other end of their links.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.path.ports
    }

    /// One round: a batch from every port, what the control plane wants sent, one flush per port, one quiescent point.
    /// `now_ns` is monotonic time, on the clock of the segment's `previous_until_ns`. Says how many packets there were.
    pub fn poll(&mut self, now_ns: u64) -> usize {
        if !self.awake {
            self.path.reader.unpark();
            self.awake = true;
        }
        self.path.now_ns = now_ns;
        self.path.last_hop = None;
        self.path.trace = self.path.reader.trace_request();
        self.path.reader.renew(&mut self.landmarks);
        self.path.look_for_correspondents();
        self.path.abandon_old_fragments();
        let mut packets = 0_usize;
        for port in 0..self.path.ports.len() {
            packets = packets.saturating_add(self.poll_port(port));
        }
        packets = packets.saturating_add(self.path.inject());
        self.path.flush();
        self.path.reader.count(Counter::Polls, 1);
        if packets == 0 {
            self.path.reader.count(Counter::IdlePolls, 1);
        }
        self.path.reader.quiescent();
        if std::mem::take(&mut self.path.punted)
            && let Some(signal) = &mut self.punt_signal
        {
            signal();
        }
        packets
    }

    /// Hold nothing of the segment until the next [`poll`](Self::poll), however late it comes. For a worker that is not
    /// polled for a while: the segment's writer cannot reuse anything while an awake worker stands still.
    pub fn park(&mut self) {
        self.path.reader.park();
        self.awake = false;
    }

    fn poll_port(&mut self, number: usize) -> usize {
        let Self {
            path,
            batch,
            express,
            plans,
            lookup,
            late_lookup,
            landmarks,
            ..
        } = self;
        let Some(port) = path.ports.get_mut(number) else {
            return 0;
        };
        port.rx_burst(batch);
        let oversized = port.take_oversized();
        count_oversized(&path.reader, oversized);
        let received = batch.len();
        if received == 0 {
            return 0;
        }
        if let Some(port) = path.exceptions.leads_to(number) {
            path.pass_on(batch, port);
            return received;
        }
        let info = port.info();
        let is_host = path.host_port == Some(number);
        let ingress = Ingress {
            link: info.link,
            host_has_copy: info.host_has_copy,
            has_exception: path.exceptions.of(number).is_some(),
            is_host,
        };
        // A traced packet is told of step by step.
        let is_express = ingress.link == Link::Ethernet && !is_host && path.trace.is_none();
        let octets = batch.iter().map(|frame| frame.bytes().len() as u64).sum();
        let homes = path.reader.homes();
        match is_express {
            true => express.sort(batch, landmarks, homes),
            false => express.close(),
        }
        lookup.clear();
        if express.has_long() {
            let long = batch
                .iter_mut()
                .zip(express.progresses())
                .zip(plans.iter_mut());
            for ((frame, progress), plan) in long {
                if progress.lane == Lane::Long {
                    *plan = classify(frame, ingress, &path.reader, lookup);
                }
            }
        }
        if is_express {
            express.expect(received, homes);
        }
        if path.reader.has_flow_sets() {
            plan_flows(batch, express, plans, ingress, &path.reader, lookup);
        }
        if express.has_long() {
            lookup.resolve(&path.reader);
            if lookup.has_flows() {
                expect_flows(batch, express, plans, &path.reader, lookup);
            }
        }
        path.reader.count(Counter::RxPackets, received as u64);
        path.reader.count(Counter::RxBytes, octets);
        let origin = if is_host {
            Origin::Host
        } else {
            Origin::Port(number)
        };
        match path.trace {
            None => {
                let (only_port, tally) = express.rewrite(path, homes, batch);
                path.count_express(tally);
                if let Some(port) = only_port {
                    path.send_batch(batch, port);
                    return received;
                }
                let packets = batch.drain().zip(express.progresses());
                for ((packet, progress), plan) in packets.zip(plans.iter()) {
                    if let Some(port) = progress.port() {
                        path.send_frame(packet, port);
                    } else if progress.lane != Lane::Long {
                        take_long_way(path, packet, ingress, late_lookup, origin);
                    } else {
                        work_apart(path, packet, plan, lookup, late_lookup, origin);
                    }
                }
            }
            Some(request) => {
                let port = u16::try_from(number).ok();
                for (packet, plan) in batch.drain().zip(plans.iter()) {
                    let watched = path.watch(&request, packet.bytes());
                    work_apart(path, packet, plan, lookup, late_lookup, origin);
                    path.tell(&request, watched, port);
                }
            }
        }
        received
    }

    /// Fragments that wait for the rest of their packets.
    pub fn fragments_held(&self) -> u64 {
        self.path.reassembly.held()
    }
}

/// Carry out the plan for one packet of a batch.
#[inline(always)]
fn work<P: Port>(
    path: &mut Path<P>,
    packet: P::Buf,
    plan: &Plan,
    lookup: &Lookup,
    late_lookup: &mut Lookup,
    origin: Origin,
) {
    match plan {
        Plan::Reassemble => work_on_piece(path, packet, late_lookup, origin),
        plan => path.carry_out(packet, plan, lookup, origin),
    }
}

/// [`work`], where the registers of the loop are not its own.
#[inline(never)]
fn work_apart<P: Port>(
    path: &mut Path<P>,
    packet: P::Buf,
    plan: &Plan,
    lookup: &Lookup,
    late_lookup: &mut Lookup,
    origin: Origin,
) {
    work(path, packet, plan, lookup, late_lookup, origin);
}

/// What could not be done for an express packet, as if nobody had tried.
#[cold]
#[inline(never)]
fn take_long_way<P: Port>(
    path: &mut Path<P>,
    mut packet: P::Buf,
    ingress: Ingress,
    late_lookup: &mut Lookup,
    origin: Origin,
) {
    late_lookup.clear();
    let plan = classify(&mut packet, ingress, &path.reader, late_lookup);
    late_lookup.resolve(&path.reader);
    path.carry_out(packet, &plan, late_lookup, origin);
}

/// Keep a piece of a packet, or carry out what is planned for the packet that it completes.
#[cold]
#[inline(never)]
fn work_on_piece<P: Port>(
    path: &mut Path<P>,
    packet: P::Buf,
    late_lookup: &mut Lookup,
    origin: Origin,
) {
    let Some(whole) = path.reassemble(packet, origin) else {
        return;
    };
    late_lookup.clear();
    let plan = classify_reassembled(whole.bytes(), &path.reader, late_lookup);
    late_lookup.resolve(&path.reader);
    let origin = path.origin_of_whole(origin);
    path.carry_out(whole, &plan, late_lookup, origin);
}
