//! Prometheus metrics
//!
//! The workers and the protocol engine count for themselves; a scrape takes over what they have counted. Handles are kept where
//! the labels stay what they are; those of messages, pools, tables and ports are looked up by name, once a scrape.

mod engine;
mod workers;

use std::collections::BTreeSet;
use std::time::Duration;

use dhp_proto::anchor::{DirectoryView, PoolKind};
use ipnet::Ipv6Net;
use prometheus::{
    GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
    histogram_opts, register_gauge_vec_with_registry, register_histogram_with_registry,
    register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_vec_with_registry, register_int_gauge_with_registry,
};

use crate::ports::PortView;
use crate::snapshot::{CORRESPONDENT, Snapshot, kind_name, pool_states};
use engine::EngineMetrics;
use workers::WorkerMetrics;

/// The metrics of one daemon.
pub struct Metrics {
    registry: Registry,
    workers: Vec<WorkerMetrics>,
    bindings: IntGaugeVec,
    pool_addresses: IntGaugeVec,
    announced: IntGaugeVec,
    directory_loads: IntGaugeVec,
    path_rtts: GaugeVec,
    tables: IntGaugeVec,
    table_capacities: IntGaugeVec,
    associations: IntGauge,
    draining: IntGauge,
    degraded: IntGauge,
    punted: IntCounter,
    injected: IntCounter,
    lost: IntCounter,
    unplaced: IntCounter,
    signalling_seconds: Histogram,
    links_up: IntGaugeVec,
    missed: IntCounterVec,
    port_counters: IntCounterVec,
    engine: EngineMetrics,
}

/// Seconds from punt to inject: the goal is 1 ms at the 99th percentile.
const SIGNALLING_BUCKETS: [f64; 12] = [
    20e-6, 50e-6, 100e-6, 200e-6, 300e-6, 500e-6, 700e-6, 1e-3, 2e-3, 5e-3, 20e-3, 100e-3,
];

impl Metrics {
    /// The metrics of a daemon with so many workers.
    ///
    /// # Errors
    /// Two metrics of the same name, which a test finds.
    pub fn new(workers: u32) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let build = register_int_gauge_vec_with_registry!(
            "dmip_build_info",
            "1, with the program's version",
            &["version"],
            &registry
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let seconds = histogram_opts!(
            "dmip_signalling_seconds",
            "Time from a signalling packet's punt to its answer's inject",
            SIGNALLING_BUCKETS.to_vec()
        );
        Ok(Self {
            workers: WorkerMetrics::of_all(workers, &registry)?,
            bindings: register_int_gauge_vec_with_registry!(
                "dmip_bindings",
                "Home addresses that are bound; of kind correspondent: elsewhere, and told here where they are",
                &["kind"],
                &registry
            )?,
            pool_addresses: register_int_gauge_vec_with_registry!(
                "dmip_pool_addresses",
                "Addresses of a pool by state",
                &["pool", "state"],
                &registry
            )?,
            announced: register_int_gauge_vec_with_registry!(
                "dmip_pool_announced",
                "1 while routing daemons are to announce the pool, 0 while it is withdrawn",
                &["pool"],
                &registry
            )?,
            directory_loads: register_int_gauge_vec_with_registry!(
                "dmip_directory_load",
                "How much of this DHP is in use, as DHP Queries for the prefix are answered: 0 idle to 255 full",
                &["prefix"],
                &registry
            )?,
            path_rtts: register_gauge_vec_with_registry!(
                "dmip_path_rtt_seconds",
                "Round-trip time to a prefix that this DHP covers, while it is known",
                &["prefix"],
                &registry
            )?,
            tables: register_int_gauge_vec_with_registry!(
                "dmip_table_entries",
                "Entries of a forwarding table",
                &["table"],
                &registry
            )?,
            table_capacities: register_int_gauge_vec_with_registry!(
                "dmip_table_capacity",
                "Entries that fit a forwarding table",
                &["table"],
                &registry
            )?,
            associations: register_int_gauge_with_registry!(
                "dmip_security_associations",
                "Security associations with mobile nodes",
                &registry
            )?,
            draining: register_int_gauge_with_registry!(
                "dmip_draining",
                "1 while new mobile nodes are refused",
                &registry
            )?,
            degraded: register_int_gauge_with_registry!(
                "dmip_degraded_reasons",
                "Things that /healthz finds not well",
                &registry
            )?,
            punted: register_int_counter_with_registry!(
                "dmip_punted_total",
                "Signalling packets taken from the workers",
                &registry
            )?,
            injected: register_int_counter_with_registry!(
                "dmip_injected_total",
                "Packets given to the workers to send",
                &registry
            )?,
            lost: register_int_counter_with_registry!(
                "dmip_inject_lost_total",
                "Packets lost because a worker did not take them",
                &registry
            )?,
            unplaced: register_int_counter_with_registry!(
                "dmip_unplaced_bindings_total",
                "Bindings that the forwarding tables did not take",
                &registry
            )?,
            links_up: register_int_gauge_vec_with_registry!(
                "dmip_port_link_up",
                "1 while frames pass the port's link, 0 while it is down",
                &["port"],
                &registry
            )?,
            missed: register_int_counter_vec_with_registry!(
                "dmip_port_missed_total",
                "Frames lost before they reached a worker, because a ring was full or there was no buffer",
                &["port"],
                &registry
            )?,
            port_counters: register_int_counter_vec_with_registry!(
                "dmip_port_driver_total",
                "What the kernel or the DPDK driver counts of a port, by the driver's own names",
                &["port", "counter"],
                &registry
            )?,
            signalling_seconds: register_histogram_with_registry!(seconds, &registry)?,
            engine: EngineMetrics::new(&registry),
            registry,
        })
    }

    /// The histogram of the time from punt to inject, for whoever measures it.
    pub fn signalling_seconds(&self) -> Histogram {
        self.signalling_seconds.clone()
    }

    /// Take over what has been counted, and how many things are not well.
    pub fn update(&self, snapshot: &Snapshot, degraded: usize) {
        for (metrics, worker) in self.workers.iter().zip(&snapshot.workers) {
            metrics.update(worker);
        }
        for kind in [PoolKind::Dhoa, PoolKind::Home] {
            set(
                &self.bindings.with_label_values(&[kind_name(kind)]),
                snapshot.bindings(kind),
            );
        }
        set(
            &self.bindings.with_label_values(&[CORRESPONDENT]),
            snapshot.correspondents,
        );
        for pool in &snapshot.pools {
            let prefix = pool.prefix.to_string();
            for (state, addresses) in pool_states(pool) {
                set(
                    &self
                        .pool_addresses
                        .with_label_values(&[prefix.as_str(), state]),
                    addresses,
                );
            }
        }
        self.update_coverage(&snapshot.coverage);
        for table in &snapshot.tables {
            set(&self.tables.with_label_values(&[table.name]), table.entries);
            set(
                &self.table_capacities.with_label_values(&[table.name]),
                table.capacity,
            );
        }
        set(
            &self.associations,
            u64::try_from(snapshot.associations).unwrap_or(u64::MAX),
        );
        self.draining.set(snapshot.draining.into());
        set(&self.degraded, u64::try_from(degraded).unwrap_or(u64::MAX));
        advance(&self.punted, snapshot.signalling.punted);
        advance(&self.injected, snapshot.signalling.injected);
        advance(&self.lost, snapshot.signalling.lost);
        advance(&self.unplaced, snapshot.signalling.unplaced);
        for sample in &snapshot.engine {
            self.engine.update(sample);
        }
    }

    fn update_coverage(&self, coverage: &[DirectoryView]) {
        // A prefix that is not covered any more has no load, and what is not measured no time.
        self.directory_loads.reset();
        self.path_rtts.reset();
        for DirectoryView { entry, .. } in coverage {
            let prefix = entry.prefix.to_string();
            let label = [prefix.as_str()];
            self.directory_loads
                .with_label_values(&label)
                .set(entry.load.into());
            if entry.path_rtt_us != 0 {
                let rtt = Duration::from_micros(entry.path_rtt_us.into());
                self.path_rtts
                    .with_label_values(&label)
                    .set(rtt.as_secs_f64());
            }
        }
    }

    /// Take over what the ports tell.
    pub fn update_ports(&self, ports: &[PortView]) {
        for port in ports {
            let name = port.name.as_str();
            self.links_up
                .with_label_values(&[name])
                .set(port.link_up.into());
            advance(
                &self.missed.with_label_values(&[name]),
                port.stats.rx_missed,
            );
            for (counter, value) in &port.counters {
                let labels = [name, counter.as_str()];
                advance(&self.port_counters.with_label_values(&labels), *value);
            }
        }
    }

    /// Take over which of the pools are announced.
    pub fn update_announced(&self, pools: &BTreeSet<Ipv6Net>, announced: &BTreeSet<Ipv6Net>) {
        // A pool that is gone has no state.
        self.announced.reset();
        for pool in pools {
            let label = pool.to_string();
            self.announced
                .with_label_values(&[label.as_str()])
                .set(announced.contains(pool).into());
        }
    }

    /// The text for Prometheus.
    ///
    /// # Errors
    /// A metric without a name or a value, which there is none.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Counters of the workers only rise; what a counter already shows is taken off.
fn advance(metric: &IntCounter, value: u64) {
    metric.inc_by(value.saturating_sub(metric.get()));
}

fn set(metric: &IntGauge, value: u64) {
    metric.set(i64::try_from(value).unwrap_or(i64::MAX));
}
