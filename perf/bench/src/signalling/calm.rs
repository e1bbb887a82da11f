//! How long a Binding Update takes through `dhpd` while little else happens, from the punt ring to the inject ring
//!
//! Both planes are on threads of their own as in the daemon, a worker on a port in memory, and the control thread, and both
//! sleep in between. Every update is a handoff: it names the other one of two care-of addresses, so that each changes the
//! forwarding tables. What is measured is what `dhpd` itself reports as `dmip_signalling_seconds`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use dhp_wire::mobility::Lifetime;
use serde::Serialize;

use super::appliance::Appliance;
use super::latency::Percentiles;
use super::mobile_nodes::MobileNodes;

/// Ten minutes: no binding ends while it is measured.
const LIFETIME: Lifetime = Lifetime(150);
/// Mobile nodes that take turns.
const MOBILE_NODES: u16 = 1_000;
/// Binding Updates per second.
const RATE: u32 = 1_000;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub rate_per_second: u32,
    pub mobile_nodes: u16,
    /// Binding Updates sent, and all of them acknowledged.
    pub updates: u64,
    #[serde(flatten)]
    pub latency: Percentiles,
}

/// Measure so many windows, after one to warm up.
///
/// # Errors
/// An update is not acknowledged.
pub fn measure(
    windows: u16,
    window: Duration,
    journals: Option<&Path>,
) -> anyhow::Result<Measured> {
    let mut nodes = MobileNodes::new(MOBILE_NODES, LIFETIME)?;
    let appliance = Appliance::start(nodes.security_associations(), journals)?;
    offer(&appliance, &mut nodes, window)?;
    let (mut latencies, mut updates) = (Vec::new(), 0);
    for _ in 0..windows {
        let before = appliance.latencies();
        updates += offer(&appliance, &mut nodes, window)?;
        latencies.push(appliance.latencies().since(&before));
    }
    appliance.stop()?;
    Ok(Measured {
        rate_per_second: RATE,
        mobile_nodes: MOBILE_NODES,
        updates,
        latency: Percentiles::of(&latencies)?,
    })
}

/// Send updates at an even rate for `window`, and wait for their acknowledgements. Says how many.
fn offer(appliance: &Appliance, nodes: &mut MobileNodes, window: Duration) -> anyhow::Result<u64> {
    let started = Instant::now();
    let between = Duration::from_secs(1) / RATE;
    let mut sent = 0_u64;
    let mut acknowledged = 0_u64;
    while started.elapsed() < window {
        let due = started + between * u32::try_from(sent)?;
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(early);
        }
        appliance.send(&nodes.next_update())?;
        sent += 1;
        acknowledged += appliance.acknowledgements(nodes)?;
    }
    let patience = Instant::now() + Duration::from_secs(5);
    while acknowledged < sent {
        ensure!(
            Instant::now() < patience,
            "{sent} Binding Updates sent, only {acknowledged} acknowledged"
        );
        std::thread::yield_now();
        acknowledged += appliance.acknowledgements(nodes)?;
    }
    Ok(sent)
}
