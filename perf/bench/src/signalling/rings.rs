//! Authenticated updates per second through both planes, and how long they take at half of what is asked for

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dhp_engine::PuntRates;
use dhpd::priority::Priority;
use serde::Serialize;

use super::absence::Absences;
use super::fleet::{Fleet, is_accepted};
use super::latency::Percentiles;
use super::pace::Pace;
use super::setting::Setting;
use super::site::Site;
use crate::statistics::Spread;

/// What has been sent and not been answered, when it goes as fast as it can: half a punt ring, so that none is lost.
const UNANSWERED: u64 = 512;
/// Frames between two rounds of the worker.
const BURST: u64 = 32;
/// The same at a rate, which is even: in a round that is interrupted, all of them wait.
const PACED_BURST: u64 = 4;
/// When updates count as lost: nothing has been answered for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Latencies are measured so many times in a window, for half of it each: a host that stops a core for some milliseconds, now and
/// then, spoils a long measurement more often than a short one.
const SLICES: u16 = 3;
/// How long the control thread reads the clock at most: what the kernel leaves to a real-time thread of a second.
const IDLE: Duration = Duration::from_millis(900);

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub bindings: u32,
    pub windows: u16,
    pub window: Duration,
    /// Updates per second of the windows of which the latency is measured.
    pub rate: u32,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub bindings: u32,
    pub updates_per_second: Spread,
    /// What the control thread worked for each of them, however much of its core others had.
    pub control_ns_per_update: Spread,
    /// The latencies are those at this rate.
    pub rate_per_second: u32,
    /// What the source came to: it does not make up for the time that it did not run.
    pub sent_per_second: Spread,
    /// Whether the control thread had `priority = "real-time"` there, where the system allows it.
    pub is_real_time: bool,
    /// Of the updates at that rate, from punt ring to inject ring.
    pub latency: Percentiles,
    /// What the control thread makes whoever comes wait for it at most, of 1,000 moments in 999, when all that it does is read the
    /// clock: in turn with that.
    pub idle_p999_us: Spread,
    /// Updates at that rate that were not answered: no ring had room for them.
    pub lost: u64,
}

/// How it went.
struct Run {
    /// Updates answered.
    answered: u64,
    per_second: f64,
    lost: u64,
}

/// Measure.
///
/// # Errors
/// An update is refused.
pub fn measure(plan: Plan, setting: Setting<'_>) -> anyhow::Result<Measured> {
    let mut fleet = Fleet::new(plan.bindings);
    // What limits here is not the worker's caution.
    let rates = PuntRates::UNLIMITED;
    let mut site = Site::start(fleet.security_associations()?, rates, setting)?;
    let mut registering = Traffic::of(&mut fleet, plan.bindings as usize);
    registering.run(&mut site, None, Duration::MAX)?;
    let mut most = 2.0 * f64::from(plan.rate);
    let (mut rates, mut works) = (Vec::new(), Vec::new());
    for _ in 0..plan.windows {
        let enough = (most * 2.0 * plan.window.as_secs_f64()) as usize;
        let mut traffic = Traffic::of(&mut fleet, enough);
        let before = site.control_time()?;
        let run = traffic.run(&mut site, None, plan.window)?;
        let worked = site.control_time()?.saturating_sub(before);
        works.push(worked.as_nanos() as f64 / run.answered.max(1) as f64);
        most = most.max(run.per_second);
        rates.push(run.per_second);
    }

    // Only now: while a real-time thread had all of its core, work would pile up there that takes the core later.
    let is_real_time = site.ask(|_| Priority::RealTime.take().is_ok())?;
    let (mut latencies, mut idle) = (Vec::new(), Vec::new());
    let (mut paced, mut lost) = (Vec::new(), 0);
    for _ in 0..plan.windows * SLICES {
        let at_rate = f64::from(plan.rate) * (plan.window / 2).as_secs_f64();
        let mut traffic = Traffic::of(&mut fleet, at_rate as usize);
        let before = site.latencies();
        let run = traffic.run(&mut site, Some(plan.rate), Duration::MAX)?;
        paced.push(run.per_second);
        lost += run.lost;
        latencies.push(site.latencies().since(&before));
        let idle_for = (plan.window / 2).min(IDLE);
        let absences = site.ask(move |_| Absences::observe(idle_for))?;
        idle.push(absences.percentile_us(0.999));
    }
    site.stop()?;
    Ok(Measured {
        bindings: plan.bindings,
        updates_per_second: Spread::of(&rates).context("no windows")?,
        control_ns_per_update: Spread::of(&works).context("no windows")?,
        rate_per_second: plan.rate,
        sent_per_second: Spread::of(&paced).context("no windows")?,
        is_real_time,
        latency: Percentiles::of(&latencies)?,
        idle_p999_us: Spread::of(&idle).context("no windows")?,
        lost,
    })
}

/// Updates that are ready to be sent.
struct Traffic {
    packets: Vec<Vec<u8>>,
}

impl Traffic {
    fn of(fleet: &mut Fleet, count: usize) -> Self {
        let packets = (0..count).map(|_| fleet.next_update());
        Self {
            packets: packets.collect(),
        }
    }

    /// Send them, at this rate or as fast as they are answered, for at most so long; then wait for what is unanswered.
    fn run(
        &mut self,
        site: &mut Site,
        rate: Option<u32>,
        at_most: Duration,
    ) -> anyhow::Result<Run> {
        let started = Instant::now();
        let (mut sent, mut answered) = (0_u64, 0_u64);
        let mut packets = self.packets.iter().peekable();
        let mut progress = started;
        let mut pace = rate.map(|rate| Pace::new(rate, PACED_BURST));
        loop {
            let elapsed = started.elapsed();
            let due = match &mut pace {
                Some(pace) => pace.due(elapsed),
                None => (answered + UNANSWERED - sent).min(BURST),
            };
            for _ in 0..due {
                let ready = packets.next_if(|packet| elapsed < at_most && site.push(packet));
                if ready.is_some() {
                    sent += 1;
                    pace.iter_mut().for_each(Pace::sent);
                }
            }
            site.poll();
            while let Some(packet) = site.pop() {
                ensure!(is_accepted(packet.octets()), "an update was not accepted");
                answered += 1;
                progress = Instant::now();
            }
            let is_all_sent = elapsed >= at_most || packets.peek().is_none();
            if (is_all_sent && answered == sent) || progress.elapsed() > PATIENCE {
                let seconds = progress.duration_since(started).as_secs_f64();
                return Ok(Run {
                    answered,
                    per_second: answered as f64 / seconds,
                    lost: sent - answered,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Cores;
    use super::*;

    #[test]
    fn each_update_is_answered_through_the_rings() {
        let plan = Plan {
            bindings: 100,
            windows: 1,
            window: Duration::from_millis(100),
            rate: 2_000,
        };
        let measured = measure(plan, Cores::choose().expect("cores").into()).expect("answers");
        assert!(measured.updates_per_second.min > 0.0);
    }
}
