//! `dhpctl status`

use std::time::Instant;

use dhp_proto::anchor::PoolKind;
use dhp_segment::Counter;
use dhpctl::{Status, WorkerStatus};

use super::Inspector;
use crate::control::Stopped;
use crate::snapshot::{CORRESPONDENT, kind_name};

impl Inspector {
    pub(super) async fn status(&self) -> Result<Status, Stopped> {
        let snapshot = self.snapshot().await?;
        let entries = |name: &str| {
            let table = snapshot.tables.iter().find(|table| table.name == name);
            table.map_or(0, |table| {
                usize::try_from(table.entries).unwrap_or(usize::MAX)
            })
        };
        let kinds = [PoolKind::Dhoa, PoolKind::Home];
        let worker = |(number, worker): (u32, &crate::snapshot::WorkerSnapshot)| WorkerStatus {
            worker: number,
            core: usize::try_from(number)
                .ok()
                .and_then(|number| self.cores.get(number).copied().flatten()),
            rx_packets: worker.counters.get(Counter::RxPackets),
            tx_packets: worker.counters.get(Counter::TxPackets),
            drops: worker.counters.total_drops(),
        };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            anchor: self.operator.config().anchor.address,
            roles: self
                .operator
                .config()
                .anchor
                .roles
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            draining: snapshot.draining,
            announced: self
                .operator
                .announced()
                .await
                .iter()
                .map(ToString::to_string)
                .collect(),
            bindings: kinds
                .map(|kind| (kind_name(kind).to_owned(), snapshot.bindings(kind)))
                .into_iter()
                .chain([(CORRESPONDENT.to_owned(), snapshot.correspondents)])
                .collect(),
            routes: entries("routes"),
            next_hops: entries("next_hops"),
            workers: (0..).zip(&snapshot.workers).map(worker).collect(),
            health: self
                .health
                .health(&snapshot, &self.ports.look().await, Instant::now()),
        })
    }
}
