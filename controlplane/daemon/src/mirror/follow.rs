//! The task that has the workers follow the kernel

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::plan::{Territory, changes, changes_of_territory};
use super::solicit::Solicitor;
use super::watch::{MirrorError, Watcher};
use crate::control::{ControlHandle, Stopped};
use crate::health::HealthMonitor;

/// Between two plans, so that a burst of notifications makes one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// How often unanswered solicitations are looked at again.
const SOLICIT_EVERY: Duration = Duration::from_secs(1);
/// Before a netlink socket is opened again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Why a mirror came to its end.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Follow the kernel, and the configuration by `territories`, until the control plane stops. `watcher` and `territory` are what
/// the daemon started with: their plan is in force already.
pub async fn follow(
    mut territories: watch::Receiver<Territory>,
    mut watcher: Watcher,
    mut territory: Territory,
    control: &ControlHandle,
    monitor: &HealthMonitor,
) {
    loop {
        match follow_watcher(&mut territories, &mut watcher, &mut territory, control).await {
            FollowError::Stopped(_) => return,
            FollowError::Mirror(error) => {
                tracing::error!(%error, "the kernel's routes are not followed");
                monitor.set_mirror_error(Some(format!(
                    "the kernel's routes are not followed: {error}"
                )));
            }
        }
        watcher = loop {
            tokio::time::sleep(RESTART_PAUSE).await;
            match Watcher::start_from(watcher.state().clone()).await {
                Ok(watcher) => break watcher,
                Err(error) => tracing::warn!(%error, "the kernel's routes are still not followed"),
            }
        };
        monitor.set_mirror_error(None);
        tracing::info!("the kernel's routes are followed again");
    }
}

async fn follow_watcher(
    territories: &mut watch::Receiver<Territory>,
    watcher: &mut Watcher,
    territory: &mut Territory,
    control: &ControlHandle,
) -> FollowError {
    let mut solicitor = Solicitor::default();
    let mut tick = tokio::time::interval(SOLICIT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Err(stopped) = tell(territories, watcher, territory, control) {
            return stopped.into();
        }
        for solicitation in solicitor.due(watcher.state(), territory, Instant::now()) {
            if let Err(error) = watcher.solicit(&solicitation).await {
                tracing::debug!(%error, ?solicitation, "a neighbour was not solicited");
            }
        }
        tokio::select! {
            changed = watcher.changed() => {
                if let Err(error) = changed {
                    return error.into();
                }
                tokio::time::sleep(SHORTEST_PAUSE).await;
            }
            Ok(()) = territories.changed() => {}
            _ = tick.tick() => {}
        }
    }
}

/// Tell the control plane what is different.
fn tell(
    territories: &mut watch::Receiver<Territory>,
    watcher: &mut Watcher,
    territory: &mut Territory,
    control: &ControlHandle,
) -> Result<(), Stopped> {
    let touched = watcher.take_touched();
    if !touched.is_empty() {
        control.follow_network(changes(watcher.state(), territory, touched))?;
    }
    let now = territories.borrow_and_update().clone();
    if now != *territory {
        let before = std::mem::replace(territory, now);
        control.follow_network(changes_of_territory(watcher.state(), territory, &before))?;
    }
    Ok(())
}
