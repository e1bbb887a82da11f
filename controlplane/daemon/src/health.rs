//! Whether all is well, and if not, why

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dhp_segment::Counter;
use dhpctl::{Health, HealthState};

use crate::config::{Config, kernel_forwards};
use crate::ports::PortView;
use crate::snapshot::Snapshot;

/// A worker polls at least ten times a second, asleep or not.
const WORKER_PATIENCE: Duration = Duration::from_secs(2);

/// What is known beside what the control plane counts.
#[derive(Debug, Default)]
pub struct HealthMonitor {
    /// Known by the configuration.
    standing: Mutex<Vec<String>>,
    workers: Mutex<Vec<LastPolls>>,
    mirror: Mutex<Option<String>>,
}

#[derive(Clone, Copy, Debug)]
struct LastPolls {
    polls: u64,
    seen: Instant,
}

impl HealthMonitor {
    /// A monitor of a daemon with this configuration.
    pub fn new(config: &Config) -> Self {
        let monitor = Self::default();
        monitor.follow_config(config);
        monitor
    }

    /// Another configuration is in force.
    pub fn follow_config(&self, config: &Config) {
        let mut standing = Vec::new();
        let code_points = config.signalling.code_points;
        if code_points.is_experimental() {
            standing.push(format!(
                "experimental code points are in use (MH type {}, option type {}): RFC 5096 forbids to deploy them",
                code_points.mh_type, code_points.option
            ));
        }
        if config.signalling.allow_unauthenticated {
            standing.push(
                "Binding Updates without authentication are accepted: anyone can bind the home addresses of [[mobile-node]]"
                    .to_owned(),
            );
        }
        if config.mobile_nodes.is_empty()
            && (config.anchor.roles.dhp || config.anchor.roles.home_agent)
        {
            standing.push("there is no [[mobile-node]]: nobody can bind".to_owned());
        }
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// What is wrong with following the kernel; `None` when it works again.
    pub fn set_mirror_error(&self, error: Option<String>) {
        *self.mirror.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// The verdict.
    pub fn health(&self, snapshot: &Snapshot, ports: &[PortView], now: Instant) -> Health {
        let standing = self.standing.lock();
        let mut reasons = standing.unwrap_or_else(PoisonError::into_inner).clone();
        if !kernel_forwards() {
            reasons.push(
                "the kernel does not forward IPv6, so that neighbours are not found for forwarded packets: sysctl -w \
                 net.ipv6.conf.all.forwarding=1"
                    .to_owned(),
            );
        }
        reasons.extend(
            self.mirror
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        );
        if snapshot.draining {
            reasons.push(
                "draining: new mobile nodes are refused and the routes of the DHoA pools are withdrawn: dhpctl drain off"
                    .to_owned(),
            );
        }
        reasons.extend(snapshot.network_error.clone());
        if snapshot.journal_is_failing {
            reasons.push(
                "the journal cannot be written, see the log: new DHoAs are not confirmed, and what changes is lost with a restart"
                    .to_owned(),
            );
        }
        let down = ports.iter().filter(|port| !port.link_up);
        reasons
            .extend(down.map(|port| format!("the link of {} is down: {}", port.name, port.link)));
        for table in &snapshot.tables {
            // Nine tenths.
            if table.entries.saturating_mul(10) >= table.capacity.saturating_mul(9) {
                reasons.push(format!(
                    "the table of {} is nearly full: {} of {} ([limits] of the configuration)",
                    table.name, table.entries, table.capacity
                ));
            }
        }
        if snapshot.signalling.unplaced > 0 {
            reasons.push(format!(
                "{} bindings are not in the forwarding tables, see the log",
                snapshot.signalling.unplaced
            ));
        }
        reasons.extend(self.stalled_workers(snapshot, now));
        Health {
            status: if reasons.is_empty() {
                HealthState::Ok
            } else {
                HealthState::Degraded
            },
            reasons,
        }
    }

    fn stalled_workers(&self, snapshot: &Snapshot, now: Instant) -> Vec<String> {
        let mut last = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stalled = Vec::new();
        for (number, worker) in snapshot.workers.iter().enumerate() {
            let current = LastPolls {
                polls: worker.counters.get(Counter::Polls),
                seen: now,
            };
            match last.get_mut(number) {
                Some(known) if known.polls == current.polls => {
                    let since = now.saturating_duration_since(known.seen);
                    if since >= WORKER_PATIENCE {
                        stalled.push(format!(
                            "worker {number} has not polled for {} s",
                            since.as_secs()
                        ));
                    }
                }
                Some(known) => *known = current,
                None => last.push(current),
            }
        }
        stalled
    }
}
