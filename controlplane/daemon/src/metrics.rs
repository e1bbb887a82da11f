//! Prometheus metrics
//!
//! The workers and the protocol engine count for themselves; a scrape takes over what they have counted. Handles are kept:
//! the only labels looked up by name are those of the engine's messages, once a scrape.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dhp_proto::anchor::{CounterSample, DirectoryView, PoolKind};
use dhp_segment::{Counter, DropReason};
use ipnet::Ipv6Net;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::ports::PortView;
use crate::snapshot::{CORRESPONDENT, Snapshot, kind_name, pool_states};

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
    /// Families of the engine by name, made when they are first seen.
    engine: Mutex<HashMap<&'static str, IntCounterVec>>,
}

/// The handles of one worker.
struct WorkerMetrics {
    counters: Vec<(Counter, IntCounter)>,
    drops: Vec<(DropReason, IntCounter)>,
    punt_ring: IntGauge,
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
        let maker = Maker(&registry);
        let worker_families = Counter::ALL
            .iter()
            .map(|counter| {
                let name = format!("dmip_worker_{}_total", counter.name());
                Ok((
                    *counter,
                    maker.counters(&name, counter.help(), &["worker"])?,
                ))
            })
            .collect::<Result<Vec<_>, prometheus::Error>>()?;
        let drops = maker.counters(
            "dmip_drops_total",
            "Packets dropped by a worker",
            &["worker", "reason"],
        )?;
        let punt_rings = maker.gauges(
            "dmip_punt_ring_packets",
            "Packets that wait in a punt ring",
            &["worker"],
        )?;
        let workers = (0..workers)
            .map(|worker| {
                let label = worker.to_string();
                let worker_label = [label.as_str()];
                let counter = |(counter, family): &(Counter, IntCounterVec)| {
                    (*counter, family.with_label_values(&worker_label))
                };
                let drop = |reason: &DropReason| {
                    (
                        *reason,
                        drops.with_label_values(&[label.as_str(), reason.name()]),
                    )
                };
                WorkerMetrics {
                    counters: worker_families.iter().map(counter).collect(),
                    drops: DropReason::ALL.iter().map(drop).collect(),
                    punt_ring: punt_rings.with_label_values(&worker_label),
                }
            })
            .collect();
        let build = maker.gauges(
            "dmip_build_info",
            "1, with the program's version",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let seconds = HistogramOpts::new(
            "dmip_signalling_seconds",
            "Time from a signalling packet's punt to its answer's inject",
        )
        .buckets(SIGNALLING_BUCKETS.to_vec());
        Ok(Self {
            workers,
            bindings: maker.gauges(
                "dmip_bindings",
                "Home addresses that are bound; of kind correspondent: elsewhere, and told here where they are",
                &["kind"],
            )?,
            pool_addresses: maker.gauges(
                "dmip_pool_addresses",
                "Addresses of a pool by state",
                &["pool", "state"],
            )?,
            announced: maker.gauges(
                "dmip_pool_announced",
                "1 while routing daemons are to announce the pool, 0 while it is withdrawn",
                &["pool"],
            )?,
            directory_loads: maker.gauges(
                "dmip_directory_load",
                "How much of this DHP is in use, as DHP Queries for the prefix are answered: 0 idle to 255 full",
                &["prefix"],
            )?,
            path_rtts: maker.register(GaugeVec::new(
                Opts::new(
                    "dmip_path_rtt_seconds",
                    "Round-trip time to a prefix that this DHP covers, while it is known",
                ),
                &["prefix"],
            )?)?,
            tables: maker.gauges(
                "dmip_table_entries",
                "Entries of a forwarding table",
                &["table"],
            )?,
            table_capacities: maker.gauges(
                "dmip_table_capacity",
                "Entries that fit a forwarding table",
                &["table"],
            )?,
            associations: maker.gauge(
                "dmip_security_associations",
                "Security associations with mobile nodes",
            )?,
            draining: maker.gauge("dmip_draining", "1 while new mobile nodes are refused")?,
            degraded: maker.gauge(
                "dmip_degraded_reasons",
                "Things that /healthz finds not well",
            )?,
            punted: maker.counter(
                "dmip_punted_total",
                "Signalling packets taken from the workers",
            )?,
            injected: maker.counter(
                "dmip_injected_total",
                "Packets given to the workers to send",
            )?,
            lost: maker.counter(
                "dmip_inject_lost_total",
                "Packets lost because a worker did not take them",
            )?,
            unplaced: maker.counter(
                "dmip_unplaced_bindings_total",
                "Bindings that the forwarding tables did not take",
            )?,
            links_up: maker.gauges(
                "dmip_port_link_up",
                "1 while frames pass the port's link, 0 while it is down",
                &["port"],
            )?,
            missed: maker.counters(
                "dmip_port_missed_total",
                "Frames lost before they reached a worker, because a ring was full or there was no buffer",
                &["port"],
            )?,
            port_counters: maker.counters(
                "dmip_port_driver_total",
                "What the kernel or the DPDK driver counts of a port, by the driver's own names",
                &["port", "counter"],
            )?,
            signalling_seconds: maker.register(Histogram::with_opts(seconds)?)?,
            engine: Mutex::default(),
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
            for (counter, metric) in &metrics.counters {
                advance(metric, worker.counters.get(*counter));
            }
            for (reason, metric) in &metrics.drops {
                advance(metric, worker.counters.drops(*reason));
            }
            metrics.punt_ring.set(worker.punts_waiting.into());
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
            self.update_engine(sample);
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

    fn update_engine(&self, sample: &CounterSample) {
        let mut families = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if !families.contains_key(sample.name) {
            let labels: Vec<&str> = sample.labels.iter().map(|(name, _)| *name).collect();
            match Maker(&self.registry).counters(&engine_name(sample.name), sample.help, &labels) {
                Ok(family) => families.insert(sample.name, family),
                Err(error) => {
                    tracing::error!(%error, metric = sample.name, "a metric cannot be exported");
                    return;
                }
            };
        }
        let values: Vec<&str> = sample
            .labels
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        let metric = families
            .get(sample.name)
            .map(|family| family.get_metric_with_label_values(&values));
        match metric {
            Some(Ok(metric)) => advance(&metric, sample.value),
            Some(Err(error)) => {
                tracing::error!(%error, metric = sample.name, "a metric cannot be exported")
            }
            None => {}
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

/// The name of an engine's counter among those of the daemon.
fn engine_name(name: &str) -> String {
    format!("dmip_{}", name.strip_prefix("dhp_").unwrap_or(name))
}

/// Counters of the workers only rise; what a counter already shows is taken off.
fn advance(metric: &IntCounter, value: u64) {
    metric.inc_by(value.saturating_sub(metric.get()));
}

fn set(metric: &IntGauge, value: u64) {
    metric.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Makes and registers.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register<T: Collector + Clone + 'static>(&self, metric: T) -> Result<T, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(Opts::new(name, help))?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(Opts::new(name, help))?)
    }
}
