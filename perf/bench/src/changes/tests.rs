//! A worker on a port in memory, and a writer that never rests

use std::sync::Arc;

use dhp_engine::{BATCH_SIZE, FramePool, Link, PortInfo, Worker, WorkerConfig, monotonic_ns};
use dhp_port_memory::{MemoryPort, MemoryWire};

use super::{HandedOver, Ledger, Pace, WriterThread};
use crate::bindings::{ANCHOR, CORRESPONDENT, Frames, Plan, Random, destination};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FRAMES: usize = BATCH_SIZE;
/// Few, so that each is changed all the time.
const BINDINGS: u32 = 50;
const CHANGES: u64 = 500_000;
const ROUNDS: u32 = 10_000;

struct Bench {
    plan: Plan,
    ledger: Arc<Ledger>,
    worker: Worker<MemoryPort>,
    wire: MemoryWire,
    frames: Frames,
    random: Random,
    handed: HandedOver,
}

impl Bench {
    fn new() -> (Self, WriterThread) {
        let plan = Plan::new(BINDINGS, 64);
        let bound = plan.bind(1, MAC).expect("a segment");
        let info = PortInfo {
            name: "memory0".to_owned(),
            mac: MAC,
            mtu: 1500,
            link: Link::Ethernet,
            host_has_copy: false,
        };
        let pool = FramePool::new(4 * FRAMES, 2048);
        let (port, wire) = MemoryPort::new(info, pool, 2 * FRAMES);
        let config = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            ..WorkerConfig::default()
        };
        let reader = bound.segment.reader(0).expect("the reader");
        let worker = Worker::new(config, vec![port], None, reader).expect("a worker");
        let ledger = Arc::new(Ledger::new(BINDINGS));
        let writer = WriterThread::start(plan, bound, Arc::clone(&ledger), None);
        let bench = Self {
            plan,
            ledger,
            worker,
            wire,
            frames: Frames::new(MAC, plan.size),
            random: Random::new(),
            handed: HandedOver::default(),
        };
        (bench, writer)
    }

    /// A batch through the worker, by turns to home addresses and from care-of addresses. What came out, with the destination of
    /// each frame.
    fn round(&mut self) -> Vec<(usize, std::net::Ipv6Addr)> {
        self.handed.clear();
        for index in 0..FRAMES {
            let number = self.random.below(BINDINGS);
            let frame = if index % 2 == 0 {
                self.handed.downlink(&self.ledger, number);
                self.frames.downlink(&self.plan, number)
            } else {
                let generation = self.handed.uplink(&self.ledger, number);
                self.frames.uplink(&self.plan, number, generation)
            };
            self.wire.push(frame).expect("room");
        }
        assert_eq!(self.worker.poll(monotonic_ns()), FRAMES);
        std::iter::from_fn(|| self.wire.pop())
            .map(|frame| (frame.len(), destination(&frame).expect("an IPv6 packet")))
            .collect()
    }
}

#[test]
fn no_packet_leaves_to_a_care_of_address_that_is_not_current() {
    let (mut bench, writer) = Bench::new();
    writer.set(Pace::Unbounded);
    let (mut rounds, mut moved) = (0, 0_u64);
    while rounds < ROUNDS || writer.changes() < CHANGES {
        let came = bench.round();
        let (tunnelled, inner): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|(length, _)| *length == 64 + 40);
        assert_eq!(tunnelled.len(), bench.handed.tunnels_due());
        for (_, care_of) in tunnelled {
            let (plan, ledger) = (&bench.plan, &bench.ledger);
            assert!(bench.handed.is_current(plan, ledger, care_of), "{care_of}");
            let (_, generation) = plan.read_care_of(care_of).expect("one of the plan's");
            moved += u64::from(generation > 0);
        }
        assert!(inner.iter().all(|(_, to)| *to == CORRESPONDENT));
        let refused = bench.handed.inner_due() - inner.len();
        assert!(refused <= bench.handed.may_be_refused(&bench.ledger));
        rounds += 1;
    }
    writer.stop().expect("no handoff is refused");
    assert!(moved > 0, "packets followed the handoffs");
}

#[test]
fn a_paused_writer_changes_nothing_and_goes_on_when_told() {
    let (mut bench, writer) = Bench::new();
    let came = bench.round();
    assert_eq!(came.len(), FRAMES);
    assert_eq!(writer.changes(), 0);
    writer.set(Pace::PerSecond(1_000_000));
    while writer.changes() < 1_000 {
        assert!(!bench.round().is_empty());
    }
    writer.stop().expect("no handoff is refused");
}
