//! Authenticated updates per second through both planes, and how long they take at half of what is asked for

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dhp_engine::{PuntRates, monotonic_ns};
use serde::Serialize;

use super::fleet::{Fleet, is_accepted};
use super::latency::{Latencies, Percentiles};
use super::setting::Setting;
use super::site::Site;
use super::stalls::Stalls;
use crate::statistics::Spread;

/// What has been sent and not been answered, when it goes as fast as it can: half a punt ring, so that none is lost.
const UNANSWERED: u64 = 512;
/// Frames between two rounds of the worker.
const BURST: u64 = 32;
/// Updates between two looks at whether the machine stood still; each slice ends when all are answered.
const SLICE: usize = 1_000;
/// Who measures had its core taken away: what was to be sent meanwhile goes all at once.
const AWAY: Duration = Duration::from_micros(500);
/// When updates count as lost: nothing has been answered for so long.
const PATIENCE: Duration = Duration::from_secs(2);

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
    pub rate_per_second: u32,
    /// Whether the kernel ran the control thread before ordinary ones at that rate.
    pub is_preferred: bool,
    /// Of the updates at that rate, from punt ring to inject ring: of all of them.
    pub latency: Percentiles,
    /// The same without those of slices in which a core of the machine stood still, or who measures had none. `None`: there is no other.
    pub undisturbed: Option<Percentiles>,
    /// How much of the time those slices are.
    pub disturbed_percent: f64,
    /// Updates at that rate that were not answered: no ring had room for them.
    pub lost: u64,
}

/// How it went.
struct Run {
    /// Updates answered.
    answered: u64,
    per_second: f64,
    lost: u64,
    /// The longest time from one round of the worker to the next, which takes some tens of microseconds.
    longest_round: Duration,
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
    let (mut latencies, mut undisturbed, mut lost) = (Vec::new(), Vec::new(), 0);
    let (mut all, mut disturbed, mut is_preferred) = (0_u32, 0_u32, false);
    let stalls = Stalls::watch(&[setting.cores.measuring, setting.cores.control])?;
    for _ in 0..plan.windows {
        let enough = (most * 2.0 * plan.window.as_secs_f64()) as usize;
        let mut traffic = Traffic::of(&mut fleet, enough);
        let before = site.control_time()?;
        let run = traffic.run(&mut site, None, plan.window)?;
        let worked = site.control_time()?.saturating_sub(before);
        works.push(worked.as_nanos() as f64 / run.answered.max(1) as f64);
        most = most.max(run.per_second);
        rates.push(run.per_second);
        let slices = (f64::from(plan.rate) * plan.window.as_secs_f64() / SLICE as f64).ceil();
        let slices = (0..slices as usize).map(|_| Traffic::of(&mut fleet, SLICE));
        let slices: Vec<_> = slices.collect();
        is_preferred = site.prefer_control(true)?;
        let start = site.latencies();
        let mut before = start.clone();
        let mut calm: Option<Latencies> = None;
        for mut slice in slices {
            let begun_ns = monotonic_ns();
            let run = slice.run(&mut site, Some(plan.rate), Duration::MAX)?;
            lost += run.lost;
            let now = site.latencies();
            all += 1;
            if run.longest_round > AWAY || stalls.were_between(begun_ns, monotonic_ns()) {
                disturbed += 1;
            } else {
                let slice = now.since(&before);
                calm = Some(calm.map_or(slice.clone(), |calm| calm.and(&slice)));
            }
            before = now;
        }
        site.prefer_control(false)?;
        latencies.push(before.since(&start));
        undisturbed.extend(calm);
    }
    stalls.stop()?;
    site.stop()?;
    Ok(Measured {
        bindings: plan.bindings,
        updates_per_second: Spread::of(&rates).context("no windows")?,
        control_ns_per_update: Spread::of(&works).context("no windows")?,
        rate_per_second: plan.rate,
        is_preferred,
        latency: Percentiles::of(&latencies)?,
        undisturbed: Percentiles::of(&undisturbed).ok(),
        disturbed_percent: f64::from(disturbed) / f64::from(all.max(1)) * 100.0,
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
        let (mut round, mut longest_round) = (Duration::ZERO, Duration::ZERO);
        loop {
            let elapsed = started.elapsed();
            longest_round = longest_round.max(elapsed - round);
            round = elapsed;
            let due = match rate {
                Some(rate) => (elapsed.as_secs_f64() * f64::from(rate)) as u64,
                None => answered + UNANSWERED,
            };
            let some = due.saturating_sub(sent).min(BURST);
            for _ in 0..some {
                let ready = packets.next_if(|packet| elapsed < at_most && site.push(packet));
                sent += u64::from(ready.is_some());
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
                    longest_round,
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
