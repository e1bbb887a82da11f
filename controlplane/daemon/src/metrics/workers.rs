//! What workers count

use dhp_segment::{Counter, DropReason};
use prometheus::{
    IntCounter, IntGauge, Registry, register_int_counter_vec_with_registry,
    register_int_gauge_vec_with_registry,
};

use super::advance;
use crate::snapshot::WorkerSnapshot;

/// The handles of one worker.
pub(super) struct WorkerMetrics {
    counters: Vec<(Counter, IntCounter)>,
    drops: Vec<(DropReason, IntCounter)>,
    punt_ring: IntGauge,
}

impl WorkerMetrics {
    /// Those of so many workers, in their order.
    ///
    /// # Errors
    /// Two metrics of the same name, which a test finds.
    pub(super) fn of_all(count: u32, registry: &Registry) -> Result<Vec<Self>, prometheus::Error> {
        let drops = register_int_counter_vec_with_registry!(
            "dmip_drops_total",
            "Packets dropped by a worker",
            &["worker", "reason"],
            registry
        )?;
        let punt_rings = register_int_gauge_vec_with_registry!(
            "dmip_punt_ring_packets",
            "Packets that wait in a punt ring",
            &["worker"],
            registry
        )?;
        let mut workers: Vec<Self> = (0..count)
            .map(|worker| {
                let label = worker.to_string();
                let drop = |reason: &DropReason| {
                    let labels = [label.as_str(), reason.name()];
                    (*reason, drops.with_label_values(&labels))
                };
                Self {
                    counters: Vec::new(),
                    drops: DropReason::ALL.iter().map(drop).collect(),
                    punt_ring: punt_rings.with_label_values(&[label.as_str()]),
                }
            })
            .collect();
        for counter in Counter::ALL {
            let family = register_int_counter_vec_with_registry!(
                format!("dmip_worker_{}_total", counter.name()),
                counter.help(),
                &["worker"],
                registry
            )?;
            for (number, worker) in workers.iter_mut().enumerate() {
                let label = number.to_string();
                let metric = family.with_label_values(&[label.as_str()]);
                worker.counters.push((*counter, metric));
            }
        }
        Ok(workers)
    }

    /// Take over what the worker has counted.
    pub(super) fn update(&self, worker: &WorkerSnapshot) {
        for (counter, metric) in &self.counters {
            advance(metric, worker.counters.get(*counter));
        }
        for (reason, metric) in &self.drops {
            advance(metric, worker.counters.drops(*reason));
        }
        self.punt_ring.set(worker.punts_waiting.into());
    }
}
