//! `dhp-bench signalling`: how long a Binding Update takes through `dhpd`, from the punt ring to the inject ring
//!
//! Both planes are the daemon's own, on threads of their own as in the daemon: a worker, here on a port in memory, and the
//! control thread. Every update is a handoff: it names the other one of two care-of addresses, so that each changes the
//! forwarding tables. What is measured is what `dhpd` itself reports as `dmip_signalling_seconds`.

pub mod appliance;
mod latency;
pub mod mobile_nodes;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dhp_wire::mobility::Lifetime;
use serde::Serialize;

use crate::statistics::Spread;
use appliance::Appliance;
use mobile_nodes::MobileNodes;

/// The limit that `--check` holds the median window to, in microseconds.
const LIMIT_P99_US: f64 = 1_000.0;

/// Ten minutes: no binding ends while it is measured.
const LIFETIME: Lifetime = Lifetime(150);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Authenticated Binding Updates per second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Mobile nodes that take turns.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..))]
    mobile_nodes: u16,
    /// Windows measured, after one to warm up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    windows: u16,
    /// Length of a window in milliseconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    window_ms: u64,
    /// Write the result to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail unless the 99th percentile stays within 1 ms in the median window.
    #[arg(long)]
    check: bool,
}

/// Everything that was measured, and how. Latencies in microseconds.
#[derive(Debug, Serialize)]
struct Report {
    benchmark: &'static str,
    rate_per_second: u32,
    mobile_nodes: u16,
    windows: u16,
    window_ms: u64,
    /// Binding Updates sent, and all of them acknowledged.
    updates: u64,
    p50_us: Spread,
    p99_us: Spread,
    p999_us: Spread,
}

/// Measure and print.
///
/// # Errors
/// When an update is not acknowledged, or with `--check` when the limit is missed.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut nodes = MobileNodes::new(arguments.mobile_nodes, LIFETIME)?;
    let appliance = Appliance::start(nodes.security_associations())?;
    let window = Duration::from_millis(arguments.window_ms);

    offer(&appliance, &mut nodes, arguments.rate, window)?;
    let mut percentiles = [Vec::new(), Vec::new(), Vec::new()];
    let mut updates = 0;
    for _ in 0..arguments.windows {
        let before = appliance.latencies();
        updates += offer(&appliance, &mut nodes, arguments.rate, window)?;
        let latencies = appliance.latencies().since(&before);
        for (values, share) in percentiles.iter_mut().zip([0.5, 0.99, 0.999]) {
            values.push(latencies.percentile_us(share));
        }
    }
    appliance.stop()?;

    let [p50, p99, p999] = percentiles.map(|values| Spread::of(&values));
    let (Some(p50_us), Some(p99_us), Some(p999_us)) = (p50, p99, p999) else {
        anyhow::bail!("nothing was measured");
    };
    let report = Report {
        benchmark: "signalling",
        rate_per_second: arguments.rate,
        mobile_nodes: arguments.mobile_nodes,
        windows: arguments.windows,
        window_ms: arguments.window_ms,
        updates,
        p50_us,
        p99_us,
        p999_us,
    };
    println!(
        "{updates} Binding Updates at {}/s, all acknowledged; punt to inject:",
        arguments.rate
    );
    for (name, spread) in [("p50", p50_us), ("p99", p99_us), ("p99.9", p999_us)] {
        let Spread { min, median, max } = spread;
        println!("{name:<6} {median:7.0} µs median ({min:.0} to {max:.0})");
    }
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        serde_json::to_writer_pretty(file, &report)
            .with_context(|| format!("write {}", path.display()))?;
    }
    ensure!(
        !arguments.check || report.p99_us.median <= LIMIT_P99_US,
        "p99 is {:.0} µs, the limit {LIMIT_P99_US:.0} µs",
        report.p99_us.median
    );
    Ok(())
}

/// Send updates at an even rate for `window`, and wait for their acknowledgements. Says how many.
fn offer(
    appliance: &Appliance,
    nodes: &mut MobileNodes,
    rate: u32,
    window: Duration,
) -> anyhow::Result<u64> {
    let started = Instant::now();
    let between = Duration::from_secs(1) / rate;
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
