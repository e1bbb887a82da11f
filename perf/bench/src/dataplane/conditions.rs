//! Cores and memory, the same for all that is compared

use anyhow::Context;
use core_affinity::CoreId;

/// Free hugepages of 2 MiB that all of it needs.
const HUGEPAGES: u64 = 96;

/// Where the first worker runs, and then the others; the writer is on the second.
///
/// # Errors
/// There are fewer cores than `wanted`, or the `first` is none of them.
pub fn cores(first: Option<usize>, wanted: usize) -> anyhow::Result<Vec<CoreId>> {
    let all = core_affinity::get_core_ids().unwrap_or_default();
    let first = match first {
        Some(wanted) => all.iter().find(|core| core.id == wanted),
        // The first one has the interrupts, mostly.
        None => all.last(),
    };
    let first = *first.context("no such core")?;
    let others = all.into_iter().filter(|core| *core != first);
    let cores: Vec<_> = std::iter::once(first).chain(others).take(wanted).collect();
    anyhow::ensure!(
        cores.len() == wanted,
        "{wanted} cores are needed, and there are {}",
        cores.len()
    );
    Ok(cores)
}

/// DPDK's options of memory: hugepages where there are some free.
pub fn memory() -> &'static [&'static str] {
    let free = std::fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free = free.ok().and_then(|free| free.trim().parse::<u64>().ok());
    if free.is_some_and(|free| free >= HUGEPAGES) {
        &["--in-memory"]
    } else {
        &["--no-huge", "--no-shconf", "-m", "256"]
    }
}
