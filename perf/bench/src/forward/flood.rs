//! As much as there is: testpmd sends, and counts what comes back

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::device::{Device, Subject};
use super::distance;
use super::setup::{Link, Setup};
use super::testpmd::Testpmd;
use crate::statistics::Spread;

const WARM_UP: Duration = Duration::from_millis(300);

/// Times as many rounds as are wanted, at most.
const PATIENCE: u16 = 3;
/// The cores of a round have not moved if their distances differ by less than this factor.
const SAME_DISTANCE: f64 = 1.6;

/// What came back in several rounds, the devices taking turns. The host of a virtual machine may move its cores, which can make
/// threefold; so rounds count only if the cores were as far from each other before, between and after both devices.
#[derive(Debug, Serialize)]
pub struct Flooded {
    pub worker: Throughput,
    pub testpmd: Throughput,
    /// What the worker sent back of what testpmd did in the same round.
    pub times_testpmd: Spread,
    /// What a changed cache line takes from core to core.
    pub core_to_core_ns: Spread,
    /// Rounds in which the cores moved.
    pub discarded: u16,
}

/// Of one device.
#[derive(Debug, Serialize)]
pub struct Throughput {
    /// Millions of packets in a second that came back.
    pub mpps: Spread,
    /// The share of what the generator had to send that found the ring full. Near 0, it was the slower one.
    pub refused: Spread,
}

/// Of one device in one round.
struct Round {
    pps: f64,
    refused: f64,
}

/// Measure each device `rounds` times, for `window` each. `None`: in no round the cores stayed where they were.
pub fn measure(
    setup: &Setup,
    recording: &Path,
    rounds: u16,
    window: Duration,
) -> anyhow::Result<Option<Flooded>> {
    let (mut worker, mut testpmd, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    let mut discarded = 0;
    for _ in 0..rounds.saturating_mul(PATIENCE) {
        let before = distance::nanoseconds(setup.device_core)?;
        let ours = once(Subject::Worker, setup, recording, window)?;
        let between = distance::nanoseconds(setup.device_core)?;
        let theirs = once(Subject::Testpmd, setup, recording, window)?;
        let after = distance::nanoseconds(setup.device_core)?;
        let least = before.min(between).min(after);
        if before.max(between).max(after) > least * SAME_DISTANCE {
            discarded += 1;
            continue;
        }
        worker.push(ours);
        testpmd.push(theirs);
        distances.push(least);
        if worker.len() >= rounds.into() {
            break;
        }
    }
    let rounds = worker.iter().zip(&testpmd);
    let ratios: Vec<_> = rounds.map(|(ours, theirs)| ours.pps / theirs.pps).collect();
    let flooded = || {
        Some(Flooded {
            worker: throughput(&worker)?,
            testpmd: throughput(&testpmd)?,
            times_testpmd: Spread::of(&ratios)?,
            core_to_core_ns: Spread::of(&distances)?,
            discarded,
        })
    };
    Ok(flooded())
}

fn throughput(rounds: &[Round]) -> Option<Throughput> {
    let spread = |of: fn(&Round) -> f64| Spread::of(&rounds.iter().map(of).collect::<Vec<_>>());
    Some(Throughput {
        mpps: spread(|round| round.pps / 1e6)?,
        refused: spread(|round| round.refused)?,
    })
}

fn once(
    subject: Subject,
    setup: &Setup,
    recording: &Path,
    window: Duration,
) -> anyhow::Result<Round> {
    let link = Link::new(setup);
    let device = Device::start(subject, setup, &link)?;
    let mut generator = Testpmd::generator(setup, &link, recording)?;
    generator.ask("start")?;
    thread::sleep(WARM_UP);
    generator.returned_pps()?;
    thread::sleep(window);
    let pps = generator.returned_pps()?;
    let refused = generator.stop()?;
    device.stop()?;
    generator.quit()?;
    Ok(Round { pps, refused })
}
