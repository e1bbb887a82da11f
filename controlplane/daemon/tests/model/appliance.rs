//! The anchor that is tested: a worker on ports in memory and the control plane, with a clock that a test moves
//!
//! ```text
//!   mobile nodes behind fe80::a          correspondents, 2001:db8:c:1::/64
//!          │ core0 (port 0)                     │ cn0 (port 1)
//!        worker ── punt, inject ── Signalling ── journal
//!          │ dhp0 (port 2): the host kernel
//! ```

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use dhp_engine::{PuntRates, Worker, WorkerConfig};
use dhp_port_memory::{MemoryPort, MemoryWire};
use dhp_proto::anchor::{AnchorConfig, IdentifierSecret};
use dhp_proto::security_association::SecurityAssociation;
use dhp_proto::time::Now;
use dhp_segment::{Geometry, Reader, Segment};
use dhpd::journal::Journal;
use dhpd::metrics::Metrics;
use dhpd::mirror::{
    Change, KernelRoute, KernelState, Link, Neighbour, Reachability, RouteKind, Territory, plan,
};
use dhpd::signalling::Signalling;

use crate::memory_ports::ports;
use crate::reference::Restart;
use crate::site::{ANCHOR, CORRESPONDENT, COVERAGE, DHOA_POOLS, HOME_POOL, MOST_FLOWS, MOST_SPLIT};

/// Where the clocks begin.
const START: Now = Now {
    mono_ns: 1_000_000_000_000,
    ntp: 0xe5a1_b2c3 << 32,
};
const CORE: u32 = 2;
const CN: u32 = 3;
const MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 0xa, 0x86, 0xdd];
/// What a turn asks for when it has to be repeated at once.
const RETRY_NS: u64 = 500_000;
const MOST_TURNS: usize = 16;

/// The anchor's two clocks.
#[derive(Debug, Clone, Default)]
pub struct SimulatedClock {
    passed_ns: Arc<AtomicU64>,
    /// How far the time of day is off, as an NTP timestamp.
    stepped: Arc<AtomicU64>,
}

impl SimulatedClock {
    /// What the anchor takes the time for.
    pub fn now(&self) -> Now {
        let now = self.true_now();
        let stepped = self.stepped.load(Ordering::Relaxed);
        Now {
            ntp: now.ntp.wrapping_add(stepped),
            ..now
        }
    }

    /// What everybody else takes it for.
    pub fn true_now(&self) -> Now {
        START.plus_ns(self.passed_ns.load(Ordering::Relaxed))
    }

    pub fn pass_until(&self, mono_ns: u64) {
        let passed_ns = mono_ns.saturating_sub(START.mono_ns);
        self.passed_ns.fetch_max(passed_ns, Ordering::Relaxed);
    }

    /// The time of day steps; nothing that has a lifetime counts on it.
    pub fn step(&self, seconds: i32) {
        let stepped = i64::from(seconds) << 32;
        self.stepped
            .fetch_add(stepped.cast_unsigned(), Ordering::Relaxed);
    }
}

/// Both planes.
pub struct Appliance {
    pub signalling: Signalling,
    /// A worker that has no ports, and looks things up for the test.
    pub reader: Reader,
    worker: Worker<MemoryPort>,
    core: MemoryWire,
    cn: MemoryWire,
    _host: MemoryWire,
    clock: SimulatedClock,
    journal: PathBuf,
    /// Says when more has reached the disk.
    journal_progress: Receiver<()>,
}

impl Appliance {
    /// A start with the journal that the one before has left, if it has.
    pub fn start(config: AnchorConfig, clock: &SimulatedClock, path: &Path) -> Self {
        let segment = Segment::anonymous(&geometry()).expect("a segment");
        let seconds = Metrics::new(1).expect("metrics").signalling_seconds();
        // At the very first start there is nothing from before.
        let associations = match clock.true_now() == START {
            true => Vec::new(),
            false => config
                .security_associations
                .iter()
                .map(SecurityAssociation::spi)
                .collect(),
        };
        let (journal, mut restored) = Journal::open(path, &associations).expect("a journal");
        // The same addresses in every run.
        restored.secret = IdentifierSecret::new([7; 32]);
        // Another one at each start, the same in every run: cookies are made of it.
        let mut seed = [7; 32];
        let passed_ns = clock.true_now().mono_ns - START.mono_ns;
        seed[..8].copy_from_slice(&passed_ns.to_be_bytes());
        let (progress, journal_progress) = channel();
        journal.tell(move || {
            // Nobody asks any more at the end.
            let _ = progress.send(());
        });
        let ticks = clock.clone();
        let clock_of = Box::new(move || ticks.now());
        let mut signalling = Signalling::new(&segment, config, clock_of, Vec::new(), seed, seconds)
            .expect("a control plane");
        signalling.follow_network(&plan(&kernel(), &territory()));
        signalling.keep_state(journal, restored);
        let (ports, [core, cn, host]) = ports(2048, 512);
        let settings = WorkerConfig {
            anchor_addresses: vec![ANCHOR],
            punt_rates: PuntRates::UNLIMITED,
            reassembly_packets: 0,
            ..WorkerConfig::default()
        };
        let reader = segment.reader(0).expect("a reader");
        let worker = Worker::new(settings, ports, Some(2), reader).expect("a worker");
        let mut appliance = Self {
            signalling,
            reader: segment.reader(1).expect("a second reader"),
            worker,
            core,
            cn,
            _host: host,
            clock: clock.clone(),
            journal: path.to_owned(),
            journal_progress,
        };
        appliance.turn();
        appliance
    }

    /// The process ends, and starts anew after so many milliseconds.
    pub fn restart(&mut self, config: AnchorConfig, how: Restart, down_ms: u64) {
        // A journal is closed with what is taken apart here.
        let elsewhere = self.journal.with_extension("elsewhere");
        let stand_in = Self::start(config.clone(), &self.clock, &elsewhere);
        let before = std::mem::replace(self, stand_in);
        let (journal, clock) = (before.journal.clone(), before.clock.clone());
        drop(before);
        match how {
            Restart::Orderly => {}
            Restart::Sudden => crate::journal_file::without_the_end(&journal),
            Restart::WithoutJournal => std::fs::remove_file(&journal).expect("the journal"),
        }
        clock.pass_until(clock.now().mono_ns + down_ms * 1_000_000);
        *self = Self::start(config, &clock, &journal);
    }

    /// The worker's round.
    pub fn poll(&mut self) {
        self.worker.poll(self.clock.now().mono_ns);
        self.reader.quiescent();
    }

    /// Everything that there is to do now; when there is more, if by itself.
    pub fn turn(&mut self) -> Option<u64> {
        let now_ns = self.clock.now().mono_ns;
        for _ in 0..MOST_TURNS {
            self.journal_progress.try_iter().for_each(drop);
            let mut turn = self.signalling.turn();
            self.poll();
            while self.signalling.answers_wait() {
                self.journal_progress.recv().expect("a journal");
                turn = self.signalling.turn();
                self.poll();
            }
            let is_timer = turn.due_ns == self.signalling.anchor().poll_timeout();
            let is_retry = turn.due_ns == Some(now_ns + RETRY_NS) && !is_timer;
            if turn.due_ns != Some(now_ns) && !is_retry {
                return turn.due_ns;
            }
        }
        panic!("there is always more to do");
    }

    /// An IPv6 packet from the access networks' side.
    pub fn send_on_core(&mut self, packet: &[u8]) {
        let frame = [&ETHERNET, packet].concat();
        self.core.push(&frame).expect("room");
        self.poll();
    }

    /// One from the correspondents' side.
    pub fn send_on_cn(&mut self, packet: &[u8]) {
        let frame = [&ETHERNET, packet].concat();
        self.cn.push(&frame).expect("room");
        self.poll();
    }

    /// IPv6 packets that have come out towards the access networks. A round of the worker sends so many and no more.
    pub fn take_from_core(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let some = packets(&self.core);
            if some.is_empty() {
                return all;
            }
            all.extend(some);
            self.poll();
        }
    }

    /// Those that have come out towards correspondents.
    pub fn take_from_cn(&mut self) -> Vec<Vec<u8>> {
        packets(&self.cn)
    }
}

fn packets(wire: &MemoryWire) -> Vec<Vec<u8>> {
    let frames = std::iter::from_fn(|| wire.pop());
    frames
        .map(|frame| frame[ETHERNET.len()..].to_vec())
        .collect()
}

fn geometry() -> Geometry {
    Geometry {
        workers: 2,
        home_addresses: 512,
        templates: 1024,
        next_hops: 32,
        routes: 64,
        flow_sets: u32::try_from(MOST_SPLIT).expect("few"),
        flows: u32::try_from(MOST_SPLIT * MOST_FLOWS).expect("few"),
        // One for each DHoA while care-of addresses are tested.
        meters: 64,
        optimized_routes: 0,
        ring_slots: 2048,
    }
}

fn kernel() -> KernelState {
    let link = |index: u32, name: &str| {
        Change::Link(Link {
            index,
            name: name.to_owned(),
            mac: MAC,
            mtu: 1500,
            up: true,
        })
    };
    let route = |destination: &str, interface, gateway: Option<&str>| {
        Change::Route(KernelRoute {
            destination: destination.parse().expect("a prefix"),
            metric: 1024,
            kind: RouteKind::Unicast,
            interface: Some(interface),
            gateway: gateway.map(|text| text.parse().expect("an address")),
            mtu: None,
            encapsulated: false,
        })
    };
    let neighbour = |interface, address: Ipv6Addr, last: u8| {
        Change::Neighbour(Neighbour {
            interface,
            address,
            mac: Some([2, 0, 0, 0, 0, last]),
            reachability: Reachability::Confirmed,
        })
    };
    let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
    let mut state = KernelState::default();
    for change in [
        link(CORE, "core0"),
        link(CN, "cn0"),
        route("::/0", CORE, Some("fe80::a")),
        route("2001:db8:c:1::/64", CN, None),
        neighbour(CORE, router, 0xa),
        neighbour(CN, CORRESPONDENT, 0xc),
    ] {
        state.apply(change);
    }
    state
}

fn territory() -> Territory {
    Territory {
        ports: vec!["core0".to_owned(), "cn0".to_owned()],
        anchors: vec![ANCHOR],
        pools: DHOA_POOLS.into_iter().chain([HOME_POOL]).collect(),
        coverage: vec![COVERAGE],
    }
}
