//! What is counted of ports, pools, workers and messages, as rows

use std::collections::BTreeMap;

use dhp_segment::{Counter, DropReason};
use dhpctl::{Counters, Pool, Port, WorkerCounters};

use crate::ports::PortView;
use crate::snapshot::{Snapshot, kind_name, pool_states};

pub(super) fn ports(views: &[PortView]) -> Vec<Port> {
    let row = |view: &PortView| Port {
        name: view.name.clone(),
        driver: view.driver.to_owned(),
        link_up: view.link_up,
        link: view.link.clone(),
        mtu: view.mtu,
        mac: dhp_wire::ethernet::MacAddr(view.mac).to_string(),
        rx_packets: view.stats.rx_packets,
        rx_missed: view.stats.rx_missed,
        tx_packets: view.stats.tx_packets,
        tx_failed: view.stats.tx_failed,
        counters: view.counters.iter().cloned().collect(),
    };
    views.iter().map(row).collect()
}

pub(super) fn pools(snapshot: &Snapshot) -> Vec<Pool> {
    let row = |pool: &dhp_proto::anchor::PoolView| Pool {
        prefix: pool.prefix.to_string(),
        kind: kind_name(pool.kind).to_owned(),
        addresses: pool_states(pool)
            .map(|(state, count)| (state.to_owned(), count))
            .into(),
    };
    snapshot.pools.iter().map(row).collect()
}

pub(super) fn counters(snapshot: &Snapshot) -> Counters {
    let mut engine = BTreeMap::new();
    for sample in &snapshot.engine {
        let labels: Vec<String> = sample
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = match labels.is_empty() {
            true => sample.name.to_owned(),
            false => format!("{}{{{}}}", sample.name, labels.join(",")),
        };
        engine.insert(name, sample.value);
    }
    let workers = (0..)
        .zip(&snapshot.workers)
        .map(|(worker, counted)| WorkerCounters {
            worker,
            counters: Counter::ALL
                .iter()
                .map(|counter| (counter.name().to_owned(), counted.counters.get(*counter)))
                .collect(),
            drops: DropReason::ALL
                .iter()
                .map(|reason| (reason.name().to_owned(), counted.counters.drops(*reason)))
                .collect(),
        });
    Counters {
        workers: workers.collect(),
        engine,
    }
}
