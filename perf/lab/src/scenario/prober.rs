//! Round trips to several addresses, measured again and again while the mobile node roams.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use crate::clock::monotonic_ns;
use crate::namespace::Namespace;
use crate::ping;

/// From the end of one measurement to the beginning of the next.
const PAUSE: Duration = Duration::from_millis(250);
/// Echoes of one; the least counts.
const ECHOES: u16 = 2;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// When it began.
    pub begun_ns: u64,
    /// When it was over.
    pub ended_ns: u64,
    /// The least round trip; `None` if nothing came back.
    pub round_trip_ns: Option<u64>,
}

/// The measurements of one address, in the order of the addresses given.
type Probes = Arc<Mutex<Vec<Probe>>>;

/// Measures until it is dropped.
#[derive(Debug)]
pub struct Prober {
    stop: Arc<AtomicBool>,
    threads: Vec<(Probes, JoinHandle<()>)>,
}

impl Prober {
    /// Begins. Each measurement opens a socket of its own, so that it has the source address of the moment.
    pub fn start(from: &Namespace, addresses: &[String]) -> Result<Self> {
        let mut prober = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for address in addresses {
            let (address, from) = (address.clone(), from.clone());
            let (stop, probes) = (Arc::clone(&prober.stop), Probes::default());
            let sink = Arc::clone(&probes);
            let thread = thread::Builder::new()
                .name("prober".into())
                .spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let begun_ns = monotonic_ns();
                        let round_trip_ns = ping::round_trip_ns(&from, &address, ECHOES).ok();
                        let probe = Probe {
                            begun_ns,
                            ended_ns: monotonic_ns(),
                            round_trip_ns,
                        };
                        sink.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(probe);
                        thread::sleep(PAUSE);
                    }
                })?;
            prober.threads.push((probes, thread));
        }
        Ok(prober)
    }

    /// Ends, and gives the measurements of each address.
    pub fn finish(mut self) -> Vec<Vec<Probe>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for (probes, thread) in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a prober had stopped by a panic");
            }
            all.push(std::mem::take(
                &mut *probes.lock().unwrap_or_else(PoisonError::into_inner),
            ));
        }
        all
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
