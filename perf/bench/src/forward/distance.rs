//! How far the two cores are from each other: what decides how fast shared memory is between them

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use super::setup::pin;

/// Ways there and back of one measurement.
const RETURNS: u32 = 200;
/// The best counts: in the others somebody else had a core.
const MEASUREMENTS: u32 = 50;

/// Nanoseconds that a changed cache line takes from the calling thread's core to `other`. Some 30 where both share caches, 100 and
/// more where they do not; the cores of a virtual machine may move from one to the other.
///
/// # Errors
/// There is no such core.
pub fn nanoseconds(other: usize) -> anyhow::Result<f64> {
    let ball = AtomicU32::new(0);
    let last = 2 * RETURNS * MEASUREMENTS;
    thread::scope(|scope| {
        let partner = scope.spawn(|| {
            let pinned = pin(other);
            for turn in (0..last).step_by(2) {
                while ball.load(Ordering::Acquire) != turn + 1 {
                    std::hint::spin_loop();
                }
                ball.store(turn + 2, Ordering::Release);
            }
            pinned
        });
        let mut best = f64::INFINITY;
        for measurement in 0..MEASUREMENTS {
            let started = Instant::now();
            for number in 0..RETURNS {
                let turn = 2 * (measurement * RETURNS + number);
                ball.store(turn + 1, Ordering::Release);
                while ball.load(Ordering::Acquire) != turn + 2 {
                    std::hint::spin_loop();
                }
            }
            let ns = started.elapsed().as_secs_f64() * 1e9;
            best = best.min(ns / f64::from(2 * RETURNS));
        }
        match partner.join() {
            Ok(pinned) => pinned.map(|()| best),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
