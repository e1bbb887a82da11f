//! Ten times as many first requests as the anchor can take, from everywhere, while mobile nodes refresh their bindings and move

use std::time::{Duration, Instant};

use dhp_engine::PuntRates;
use dhp_segment::DropReason;
use dhp_wire::mobility::Lifetime;
use serde::Serialize;

use super::memory;
use super::scene::Scene;
use super::setting::Setting;
use super::site::Wire;
use super::strangers::Strangers;
use crate::statistics::percentile;

/// One mobile node of so many moves during the storm.
const MOVING: u32 = 5;
/// Home addresses that strangers know.
const KNOWN: usize = 8;
/// What was begun in the last moment is answered by then.
const GRACE: Duration = Duration::from_secs(4);
/// When mobile nodes that have not registered never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mobile_nodes: u32,
    /// Of a binding, which is refreshed after five to six eighths of it.
    pub lifetime: Lifetime,
    pub duration: Duration,
    /// First requests in a second.
    pub rate: u32,
    /// What the worker gives to the control plane.
    pub punt_rates: PuntRates,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub mobile_nodes: u32,
    pub seconds: f64,
    pub requests_per_second: f64,
    /// What the worker gave to the control plane in a second, of the requests and of what the mobile nodes sent.
    pub punted_per_second: f64,
    /// Packets beyond the limits: those that name no bound home address, and those that do, forged ones among them.
    pub dropped_strangers: u64,
    pub dropped_updates: u64,
    pub dropped_by_full_ring: u64,
    /// Packets that were lost before the worker saw them.
    pub missed: u64,
    pub refreshes: u64,
    pub refreshed: u64,
    pub refreshed_at_once: u64,
    pub handoffs: u64,
    pub handoffs_unfinished: u64,
    /// From the new care-of address to the acknowledgement, of those that were finished: what 0, 1, … 100 of a hundred did not exceed.
    pub handoff_percentiles_ms: Vec<f64>,
    /// Bindings that ended, as their mobile nodes saw it.
    pub bindings_ended: u64,
    /// Bindings that the tables do not have, or not where the mobile node is.
    pub bindings_misplaced: u64,
    pub octets_before: u64,
    pub octets_after: u64,
}

impl Measured {
    /// Refreshes that were answered, of a hundred.
    pub fn refreshed_percent(&self) -> f64 {
        self.refreshed as f64 / self.refreshes as f64 * 100.0
    }

    /// What so many of a hundred handoffs did not exceed, in milliseconds.
    pub fn handoff_ms(&self, percent: usize) -> f64 {
        let found = self.handoff_percentiles_ms.get(percent);
        found.copied().unwrap_or_default()
    }

    /// Bindings that are not as they have to be.
    pub fn bindings_lost(&self) -> u64 {
        self.bindings_ended.max(self.bindings_misplaced)
    }
}

/// Measure.
///
/// # Errors
/// The mobile nodes cannot register before the storm.
pub fn measure(plan: Plan, setting: Setting<'_>) -> anyhow::Result<Measured> {
    let crew = (plan.mobile_nodes, 1, plan.lifetime);
    let mut scene = Scene::start(crew, plan.punt_rates, setting, PATIENCE)?;
    let measured = endure(&mut scene, plan.lifetime, plan.rate, plan.duration)?;
    scene.site.stop()?;
    Ok(measured)
}

/// Have registered mobile nodes refresh and move among so many strangers a second, who know the home addresses of a few that do not
/// move: a handoff of theirs might not be told from a forged one, but their refreshes are.
///
/// # Errors
/// The control plane has stopped.
pub fn endure<W: Wire>(
    scene: &mut Scene<W>,
    lifetime: Lifetime,
    rate: u32,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let mobile_nodes = scene.crew.len();
    let staying = (0..mobile_nodes).filter(|number| !number.is_multiple_of(MOVING));
    let addresses = staying.filter_map(|number| scene.crew.addresses(number));
    let known: Vec<_> = addresses.map(|(home, _)| home).take(KNOWN).collect();
    let mut strangers = Strangers::new(mobile_nodes, lifetime, rate, &known);
    scene.crew.forget_tally();
    let before = Counts::of(scene);
    let octets_before = memory::resident(scene.site.segment_octets())?;

    let started = Instant::now();
    let mut moved = 0;
    while started.elapsed() < duration {
        // Before the strangers, who would otherwise have all the room of a wire that is full: on a link each packet has its chance.
        scene.speak();
        strangers.send(started, |packet| scene.site.push(packet));
        let share = started.elapsed().as_secs_f64() / duration.as_secs_f64();
        if f64::from(moved) < share * f64::from(mobile_nodes / MOVING) {
            scene.crew.move_one(moved * MOVING);
            moved += 1;
        }
        scene.round(|_, _| ());
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = Counts::of(scene);
    let octets_after = memory::resident(scene.site.segment_octets())?;
    let in_time = scene.crew.tally();
    let until = Instant::now() + GRACE;
    while Instant::now() < until && scene.crew.tally().moved < in_time.handoffs {
        scene.round(|_, _| ());
    }
    let tally = scene.crew.tally();
    let handoffs_ms = scene.crew.handoffs_ms();
    let percents = (0..=100).map(f64::from);
    Ok(Measured {
        mobile_nodes,
        seconds,
        requests_per_second: strangers.sent() as f64 / seconds,
        punted_per_second: (after.punted - before.punted) as f64 / seconds,
        dropped_strangers: after.strangers - before.strangers,
        dropped_updates: after.updates - before.updates,
        dropped_by_full_ring: after.full_ring - before.full_ring,
        missed: after.missed - before.missed,
        refreshes: in_time.refreshes,
        refreshed: in_time.refreshed,
        refreshed_at_once: in_time.refreshed_at_once,
        handoffs: in_time.handoffs,
        handoffs_unfinished: in_time.handoffs.saturating_sub(tally.moved),
        handoff_percentiles_ms: percents
            .map(|percent| percentile(&handoffs_ms, percent / 100.0))
            .collect(),
        bindings_ended: tally.lost,
        bindings_misplaced: scene.misplaced()?,
        octets_before,
        octets_after,
    })
}

/// What the worker has counted so far.
struct Counts {
    punted: u64,
    strangers: u64,
    updates: u64,
    full_ring: u64,
    missed: u64,
}

impl Counts {
    fn of<W: Wire>(scene: &Scene<W>) -> Self {
        let site = &scene.site;
        let dropped = |one, other| site.dropped(one) + site.dropped(other);
        Self {
            punted: site.punted(),
            strangers: dropped(DropReason::PuntRateLimited, DropReason::PuntKnownLimited),
            updates: dropped(DropReason::PuntHandoffLimited, DropReason::PuntBoundLimited),
            full_ring: site.dropped(DropReason::RingFull),
            missed: site.missed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Cores;
    use super::*;

    #[test]
    fn in_a_light_rain_nothing_is_lost() {
        let plan = Plan {
            mobile_nodes: 10,
            lifetime: Lifetime(150),
            duration: Duration::from_millis(300),
            rate: 1_000,
            punt_rates: PuntRates::default(),
        };
        let measured = measure(plan, Cores::choose().expect("cores").into()).expect("a storm");
        assert!(measured.requests_per_second > 0.0);
        assert!(measured.handoffs > 0);
        let lost = measured.handoffs_unfinished + measured.bindings_ended;
        assert_eq!((lost, measured.bindings_misplaced), (0, 0));
    }

    #[test]
    fn handoffs_come_through_when_strangers_have_used_up_their_limit() {
        let plan = Plan {
            mobile_nodes: 20,
            lifetime: Lifetime(150),
            duration: Duration::from_secs(1),
            rate: 5_000,
            // Enough for all to register.
            punt_rates: PuntRates {
                unknown: 100,
                known: 100,
                ..PuntRates::default()
            },
        };
        let measured = measure(plan, Cores::choose().expect("cores").into()).expect("a storm");
        assert!(measured.dropped_strangers > 0 && measured.handoffs > 0);
        assert_eq!(measured.dropped_updates, 0);
        assert_eq!(measured.handoffs_unfinished + measured.bindings_lost(), 0);
    }
}
