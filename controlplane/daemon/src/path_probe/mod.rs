//! How far the correspondents are that this DHP covers, measured where `[[coverage]]` names a host that may be asked
//!
//! Echo requests leave by a socket of the kernel, whose routes the workers follow too, and their answers come back through the
//! workers as all packets for the box do. So the way is that of the correspondents' packets, and the time is a little longer.

mod echo;

use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_proto::anchor::PathOutcome;
use ipnet::Ipv6Net;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::{Config, Probe};
use crate::control::{ControlHandle, Stopped};

/// What comes later than this is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom to ask, for which prefixes.
pub type Probes = HashSet<(Ipv6Net, Probe)>;

/// What the configuration says.
pub fn probes(config: &Config) -> Probes {
    let coverage = config.coverage.iter().filter(|_| config.anchor.roles.dhp);
    let probes = coverage.filter_map(|coverage| Some((coverage.prefix, coverage.probe?)));
    probes.collect()
}

/// Ask those that are to be asked, from this address, until the control plane stops.
pub async fn follow(mut wanted: watch::Receiver<Probes>, source: Ipv6Addr, control: ControlHandle) {
    let mut running: HashMap<(Ipv6Net, Probe), JoinSet<()>> = HashMap::new();
    loop {
        let now = wanted.borrow_and_update().clone();
        let over: Vec<(Ipv6Net, Probe)> = running
            .keys()
            .filter(|known| !now.contains(known))
            .copied()
            .collect();
        for (prefix, probe) in over {
            if let Some(mut task) = running.remove(&(prefix, probe)) {
                // It may be about to tell something.
                task.shutdown().await;
            }
            if note(&control, prefix, PathOutcome::Unmeasured)
                .await
                .is_err()
            {
                return;
            }
        }
        for (prefix, probe) in now {
            running.entry((prefix, probe)).or_insert_with(|| {
                let mut task = JoinSet::new();
                task.spawn(measure(prefix, probe, source, control.clone()));
                task
            });
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Measure one path again and again, until the control plane stops.
async fn measure(prefix: Ipv6Net, probe: Probe, source: Ipv6Addr, control: ControlHandle) {
    let mut due = interval(probe.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_refused = false;
    loop {
        due.tick().await;
        let asked = timeout(
            PATIENCE.min(probe.interval),
            echo::ask(source, probe.address),
        );
        let outcome = match asked.await {
            Ok(Ok(round_trip)) => {
                is_refused = false;
                PathOutcome::Answered(round_trip)
            }
            Ok(Err(error)) => {
                if !is_refused {
                    tracing::warn!(probe = %probe.address, %error, "the path to {prefix} cannot be measured");
                }
                is_refused = true;
                PathOutcome::Lost
            }
            Err(_) => PathOutcome::Lost,
        };
        if note(&control, prefix, outcome).await.is_err() {
            return;
        }
    }
}

async fn note(
    control: &ControlHandle,
    prefix: Ipv6Net,
    outcome: PathOutcome,
) -> Result<(), Stopped> {
    control
        .ask(move |signalling| signalling.note_path(prefix, outcome))
        .await
}
