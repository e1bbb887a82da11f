//! As much as there is: testpmd sends, and counts what comes back

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::device::{Device, Subject};
use super::setup::{Link, Role, RuntimeDirectory, Setup};
use super::testpmd::Testpmd;
use crate::statistics::Spread;

const WARM_UP: Duration = Duration::from_millis(300);

/// What came back in several rounds, the devices taking turns.
#[derive(Debug, Serialize)]
pub struct Flooded {
    /// Millions of packets in a second.
    pub worker_mpps: Spread,
    pub testpmd_mpps: Spread,
    /// The worker's of testpmd's of the same round.
    pub times_testpmd: Spread,
    /// The least share of what testpmd had to send that found the ring full. If it is 0, the generator was the slower one.
    pub refused: f64,
}

/// Measure each device `rounds` times, for `window` each.
pub fn measure(
    setup: &Setup,
    directory: &Path,
    recording: &Path,
    rounds: u16,
    window: Duration,
) -> anyhow::Result<Option<Flooded>> {
    let (mut worker, mut testpmd, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut least_refused = 1.0_f64;
    for _ in 0..rounds {
        let mut mpps = [0.0; 2];
        for (subject, mpps) in Subject::BOTH.into_iter().zip(&mut mpps) {
            let (pps, refused) = once(subject, setup, directory, recording, window)?;
            *mpps = pps / 1e6;
            least_refused = least_refused.min(refused);
        }
        let [ours, theirs] = mpps;
        worker.push(ours);
        testpmd.push(theirs);
        ratios.push(ours / theirs);
    }
    let spreads = (
        Spread::of(&worker),
        Spread::of(&testpmd),
        Spread::of(&ratios),
    );
    let (Some(worker_mpps), Some(testpmd_mpps), Some(times_testpmd)) = spreads else {
        return Ok(None);
    };
    Ok(Some(Flooded {
        worker_mpps,
        testpmd_mpps,
        times_testpmd,
        refused: least_refused,
    }))
}

/// Packets in a second that came back, and the share that found the ring full.
fn once(
    subject: Subject,
    setup: &Setup,
    directory: &Path,
    recording: &Path,
    window: Duration,
) -> anyhow::Result<(f64, f64)> {
    let link = Link::new(setup);
    let device = Device::start(subject, setup, &link, directory)?;
    let _directory = RuntimeDirectory::beside(directory, &link.file_prefix(Role::Client));
    let mut generator = Testpmd::generator(setup, &link, recording)?;
    generator.ask("start")?;
    thread::sleep(WARM_UP);
    generator.returned_pps()?;
    thread::sleep(window);
    let pps = generator.returned_pps()?;
    let refused = generator.stop()?;
    device.stop()?;
    generator.quit()?;
    Ok((pps, refused))
}
