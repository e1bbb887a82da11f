//! What the control plane tells about itself, taken between two of its turns

use dhp_proto::anchor::{CounterSample, DirectoryView, PoolKind, PoolView};
use dhp_segment::CounterSnapshot;

use crate::signalling::{Signalling, SignallingCounters};

/// One worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerSnapshot {
    /// What it has counted.
    pub counters: CounterSnapshot,
    /// Packets in its punt ring.
    pub punts_waiting: u32,
}

/// How full a table of the segment is.
#[derive(Clone, Copy, Debug)]
pub struct TableSnapshot {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub entries: u64,
    /// What fits in.
    pub capacity: u64,
}

/// Everything that is counted, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The workers, by number.
    pub workers: Vec<WorkerSnapshot>,
    /// The protocol engine.
    pub engine: Vec<CounterSample>,
    /// The pools.
    pub pools: Vec<PoolView>,
    /// What this DHP covers.
    pub coverage: Vec<DirectoryView>,
    /// Mobile nodes whose home is elsewhere, with the correspondents that they have told where they are.
    pub correspondents: u64,
    /// The rings' side of signalling.
    pub signalling: SignallingCounters,
    /// The tables of the segment.
    pub tables: Vec<TableSnapshot>,
    /// Security associations.
    pub associations: usize,
    /// Whether new mobile nodes are refused.
    pub draining: bool,
    /// Why the workers do not forward by the kernel's routes, if so.
    pub network_error: Option<String>,
    /// Whether there is a journal that the disk does not take.
    pub journal_is_failing: bool,
}

impl Snapshot {
    /// Take it, of so many workers.
    pub fn take(signalling: &mut Signalling, workers: u32) -> Self {
        let now = signalling.now();
        let signalling = &*signalling;
        let worker = |worker| WorkerSnapshot {
            counters: signalling.worker_counters(worker),
            punts_waiting: signalling.punts_waiting(worker),
        };
        let table = |(name, entries, capacity)| TableSnapshot {
            name,
            entries,
            capacity,
        };
        let anchor = signalling.anchor();
        Self {
            workers: (0..workers).map(worker).collect(),
            engine: anchor.counters().samples(),
            pools: anchor.pools().collect(),
            coverage: anchor.own_coverage(now).collect(),
            correspondents: u64::try_from(signalling.forwarding().optimized_len())
                .unwrap_or(u64::MAX),
            signalling: signalling.counters(),
            tables: signalling
                .forwarding()
                .pressure()
                .into_iter()
                .map(table)
                .collect(),
            associations: anchor.security_association_count(),
            draining: anchor.is_draining(),
            network_error: signalling.network_error().map(str::to_owned),
            journal_is_failing: signalling.journal_is_failing(),
        }
    }

    /// Bound addresses of the pools of a kind.
    pub fn bindings(&self, kind: PoolKind) -> u64 {
        let pools = self.pools.iter().filter(|pool| pool.kind == kind);
        pools
            .map(|pool| u64::try_from(pool.used).unwrap_or(u64::MAX))
            .sum()
    }
}

/// What stands beside the kinds of home addresses for bindings of correspondents.
pub const CORRESPONDENT: &str = "correspondent";

/// As in the configuration file and in metric labels.
pub fn kind_name(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Dhoa => "dhoa",
        PoolKind::Home => "home",
    }
}

/// Addresses of a pool by state.
pub fn pool_states(pool: &PoolView) -> [(&'static str, u64); 3] {
    let count = |addresses: usize| u64::try_from(addresses).unwrap_or(u64::MAX);
    let (bound, quarantined) = (count(pool.used), count(pool.quarantined));
    let free = pool.size.saturating_sub(bound).saturating_sub(quarantined);
    [
        ("bound", bound),
        ("quarantined", quarantined),
        ("free", free),
    ]
}
