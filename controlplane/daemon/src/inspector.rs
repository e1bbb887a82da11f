//! Answers the questions of `dhpctl` and of monitoring

mod answer;
mod commands;
mod counted;
mod listing;
mod packets;
mod status;

use std::time::Instant;

use dhpctl::{Health, Reloaded};

use crate::control::Stopped;
use crate::health::HealthMonitor;
use crate::metrics::Metrics;
use crate::operator::{Operator, ReloadError};
use crate::ports::PortMonitor;
use crate::snapshot::Snapshot;

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

    fn port_name(&self, port: u16) -> String {
        let config = self.operator.config();
        let port = config.ports.get(usize::from(port));
        port.map_or_else(|| "?".to_owned(), |port| port.interface.clone())
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
