//! Answers the questions of `dhpctl` and of monitoring

mod listing;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Instant;

use dhp_proto::anchor::PoolKind;
use dhp_segment::{Counter, DropReason, TraceRequest};
use dhpctl::{
    Answer, Bindings, Counters, Health, LARGEST_PAGE, Neighbour, Pool, Port, Reloaded, Reply,
    Request, Route, Routes, Status, TracedPacket, WorkerCounters, WorkerStatus,
};
use ipnet::Ipv6Net;

use crate::binding_row::BindingRow;
use crate::control::Stopped;
use crate::health::HealthMonitor;
use crate::metrics::Metrics;
use crate::mirror::{NextHopFacts, NextHopKey, PlannedAction, PlannedRoute};
use crate::operator::{Operator, ReloadError};
use crate::packet_traces::{Calendar, TracedBy};
use crate::ports::{PortMonitor, PortView};
use crate::snapshot::{CORRESPONDENT, Snapshot, kind_name, pool_states};

/// Looks at a running daemon.
pub struct Inspector {
    operator: Operator,
    cores: Vec<Option<usize>>,
    metrics: Metrics,
    health: HealthMonitor,
    ports: PortMonitor,
    started: Instant,
}

impl Inspector {
    /// An inspector of the daemon that this operator changes. `cores` are those of its workers, by number.
    pub fn new(
        operator: Operator,
        cores: Vec<Option<usize>>,
        metrics: Metrics,
        health: HealthMonitor,
        ports: PortMonitor,
    ) -> Self {
        Self {
            operator,
            cores,
            metrics,
            health,
            ports,
            started: Instant::now(),
        }
    }

    /// What is known of the daemon's health beside its counters.
    pub fn health_monitor(&self) -> &HealthMonitor {
        &self.health
    }

    async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        let workers = self.operator.config().workers.count;
        self.operator
            .control()
            .ask(move |signalling| Snapshot::take(signalling, workers))
            .await
    }

    /// Whether all is well.
    ///
    /// # Errors
    /// The control plane has stopped.
    pub async fn health(&self, now: Instant) -> Result<Health, Stopped> {
        let snapshot = self.snapshot().await?;
        Ok(self.health.health(&snapshot, &self.ports.look().await, now))
    }

    /// The text for Prometheus.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    pub async fn metrics_text(&self) -> Result<String, String> {
        let snapshot = self
            .snapshot()
            .await
            .map_err(|stopped| stopped.to_string())?;
        let ports = self.ports.look().await;
        let health = self.health.health(&snapshot, &ports, Instant::now());
        self.metrics.update(&snapshot, health.reasons.len());
        self.metrics.update_ports(&ports);
        self.metrics.update_announced(
            &self.operator.config().pool_prefixes(),
            &self.operator.announced().await,
        );
        self.metrics.text().map_err(|error| error.to_string())
    }

    /// The answer to a question of `dhpctl`.
    pub async fn answer(&self, request: Request) -> Answer {
        let reply = match request {
            Request::Status => self.status().await.map(Reply::Status),
            Request::Bindings {
                after,
                after_correspondent,
                limit,
            } => self
                .bindings(after, after_correspondent, limit)
                .await
                .map(Reply::Bindings),
            Request::MobileNodes { node, from, limit } => self
                .mobile_nodes(node, from, limit)
                .await
                .map(Reply::MobileNodes),
            Request::Flows {
                node,
                home_address,
                after,
                limit,
            } => self
                .flows(node, home_address, after, limit)
                .await
                .map(Reply::Flows),
            Request::Ports => Ok(Reply::Ports(ports(&self.ports.look().await))),
            Request::Pools => self
                .snapshot()
                .await
                .map(|snapshot| Reply::Pools(pools(&snapshot))),
            Request::Counters => self
                .snapshot()
                .await
                .map(|snapshot| Reply::Counters(counters(&snapshot))),
            Request::Routes { after, limit } => self.routes(after, limit).await.map(Reply::Routes),
            Request::Neighbours => self.neighbours().await.map(Reply::Neighbours),
            Request::Trace {
                address,
                drops_only,
            } => self.trace(address, drops_only).await.map(Reply::Trace),
            Request::Config => Ok(Reply::Config(self.operator.config().summary())),
            Request::Release { home_address } => return self.release(home_address).await,
            Request::Revoke { home_address } => return self.revoke(home_address).await,
            Request::Switch {
                home_address,
                home_agent,
            } => return self.switch(home_address, home_agent).await,
            Request::Drain { on } => return self.drain(on).await,
            Request::Reload => {
                return match self.reload().await {
                    Ok(reloaded) => Answer::Ok(Reply::Reloaded(reloaded)),
                    Err(error) => Answer::Error(error.to_string()),
                };
            }
        };
        match reply {
            Ok(reply) => Answer::Ok(reply),
            Err(stopped) => Answer::Error(stopped.to_string()),
        }
    }

    async fn status(&self) -> Result<Status, Stopped> {
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

    fn port_name(&self, port: u16) -> String {
        let config = self.operator.config();
        let port = config.ports.get(usize::from(port));
        port.map_or_else(|| "?".to_owned(), |port| port.interface.clone())
    }

    async fn bindings(
        &self,
        after: Option<Ipv6Addr>,
        after_correspondent: Option<Ipv6Addr>,
        limit: usize,
    ) -> Result<Bindings, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let (rows, more) = self
            .operator
            .control()
            .ask(move |signalling| BindingRow::page(signalling, after, after_correspondent, limit))
            .await?;
        let rows = rows.iter();
        Ok(Bindings {
            bindings: rows
                .map(|row| row.describe(|port| self.port_name(port)))
                .collect(),
            more,
        })
    }

    async fn routes(&self, after: Option<Ipv6Net>, limit: usize) -> Result<Routes, Stopped> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let page: Vec<PlannedRoute> = self
            .operator
            .control()
            .ask(move |signalling| {
                let routes = signalling.forwarding().routes_after(after);
                routes.take(limit.saturating_add(1)).copied().collect()
            })
            .await?;
        Ok(Routes {
            routes: page
                .iter()
                .take(limit)
                .map(|route| self.route(route))
                .collect(),
            more: page.len() > limit,
        })
    }

    fn route(&self, route: &PlannedRoute) -> Route {
        let (action, next_hop, port) = match route.action {
            PlannedAction::Via(NextHopKey { port, address }) => ("via", Some(address), Some(port)),
            PlannedAction::Connected { port } => ("connected", None, Some(port)),
            PlannedAction::ByKernel => ("kernel", None, None),
            PlannedAction::Local => ("local", None, None),
            PlannedAction::Anchor => ("anchor", None, None),
            PlannedAction::Pool => ("pool", None, None),
            PlannedAction::Unreachable => ("unreachable", None, None),
            PlannedAction::Prohibited => ("prohibited", None, None),
            PlannedAction::Blackhole => ("blackhole", None, None),
        };
        Route {
            prefix: route.prefix,
            action: action.to_owned(),
            next_hop,
            port: port.map(|port| self.port_name(port)),
        }
    }

    async fn neighbours(&self) -> Result<Vec<Neighbour>, Stopped> {
        let next_hops: Vec<(NextHopKey, NextHopFacts)> = self
            .operator
            .control()
            .ask(|signalling| signalling.forwarding().next_hops().collect())
            .await?;
        let rows = next_hops.iter().map(|(key, facts)| Neighbour {
            address: key.address,
            port: self.port_name(key.port),
            mac: facts
                .mac
                .map(|mac| dhp_wire::ethernet::MacAddr(mac).to_string()),
            mtu: facts.mtu,
        });
        Ok(rows.collect())
    }

    async fn trace(
        &self,
        address: Option<Ipv6Addr>,
        drops_only: bool,
    ) -> Result<Vec<TracedPacket>, Stopped> {
        let request = TraceRequest {
            address,
            drops_only,
        };
        let traces = self
            .operator
            .control()
            .ask(move |signalling| signalling.take_traces(request))
            .await?;
        let config = self.operator.config();
        let calendar = Calendar::now();
        let describe = |trace: &TracedBy| {
            let port = usize::from(trace.traced.meta.port);
            let name = match config.ports.get(port) {
                Some(port) => Some(port.interface.clone()),
                // The last port of each worker leads to the host kernel.
                None => (port == config.ports.len()).then(|| config.host_interface.clone()),
            };
            trace.describe(name, calendar)
        };
        Ok(traces.iter().map(describe).collect())
    }

    async fn release(&self, home_address: Ipv6Addr) -> Answer {
        let sentence = format!("released {home_address}");
        told(
            home_address,
            sentence,
            self.operator.release(home_address).await,
        )
    }

    async fn revoke(&self, home_address: Ipv6Addr) -> Answer {
        let sentence = format!(
            "{home_address} is asked to leave: its binding ends when it has answered, or in 3 s"
        );
        told(
            home_address,
            sentence,
            self.operator.revoke(home_address).await,
        )
    }

    async fn switch(&self, home_address: Ipv6Addr, home_agent: Option<Ipv6Addr>) -> Answer {
        let sentence = match home_agent {
            Some(home_agent) => format!("{home_address} is asked to go to {home_agent}"),
            None => format!("{home_address} is asked to find another home agent"),
        };
        let asked = self.operator.switch(home_address, home_agent).await;
        told(home_address, sentence, asked)
    }

    async fn drain(&self, on: bool) -> Answer {
        let sentence = if on {
            "draining: new mobile nodes are refused, those that are bound stay; the routes of the DHoA pools are withdrawn"
        } else {
            "not draining: new mobile nodes are taken; the routes of all pools are announced"
        };
        match self.operator.drain(on).await {
            Ok(()) => Answer::Ok(Reply::Done(sentence.to_owned())),
            Err(sentence) => Answer::Error(sentence),
        }
    }

    /// Read the configuration again.
    ///
    /// # Errors
    /// [`ReloadError`]: why the one in force stays.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let outcome = self.operator.reload().await;
        self.health.follow_config(&self.operator.config());
        outcome
    }
}

fn ports(views: &[PortView]) -> Vec<Port> {
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

fn pools(snapshot: &Snapshot) -> Vec<Pool> {
    let row = |pool: &dhp_proto::anchor::PoolView| Pool {
        prefix: pool.prefix.to_string(),
        kind: kind_name(pool.kind).to_owned(),
        addresses: pool_states(pool)
            .map(|(state, count)| (state.to_owned(), count))
            .into(),
    };
    snapshot.pools.iter().map(row).collect()
}

fn counters(snapshot: &Snapshot) -> Counters {
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

/// The answer to a command for one mobile node.
fn told(home_address: Ipv6Addr, sentence: String, was_bound: Result<bool, Stopped>) -> Answer {
    match was_bound {
        Ok(true) => Answer::Ok(Reply::Done(sentence)),
        Ok(false) => Answer::Error(format!("{home_address} is not bound")),
        Err(stopped) => Answer::Error(stopped.to_string()),
    }
}
