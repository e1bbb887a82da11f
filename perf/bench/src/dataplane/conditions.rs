//! Cores and memory, the same for all that is compared, and what others took of them

use anyhow::Context;
use core_affinity::CoreId;
use serde::Serialize;

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

/// Whether the compiler was allowed what this processor can do beyond the first of its kind: a worker takes a twentieth less then.
pub fn is_compiled_for_this_processor() -> bool {
    cfg!(target_feature = "avx2") || !has_avx2()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_avx2() -> bool {
    false
}

/// What others took from a core: by how much a run was disturbed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Disturbance {
    /// Times that the calling thread had to give way to another one.
    preemptions: u64,
    /// Hundredths of a second that the host of this virtual machine gave to others.
    stolen_ticks: u64,
}

impl Disturbance {
    /// Since the machine, and the thread, started.
    pub fn so_far(core: usize) -> Self {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        // cpuN user nice system idle iowait irq softirq steal
        let steal = column(&stat, &format!("cpu{core}"), 8);
        Self {
            preemptions: column(&status, "nonvoluntary_ctxt_switches:", 1),
            stolen_ticks: steal,
        }
    }

    pub const fn since(self, before: Self) -> Self {
        Self {
            preemptions: self.preemptions.saturating_sub(before.preemptions),
            stolen_ticks: self.stolen_ticks.saturating_sub(before.stolen_ticks),
        }
    }
}

impl std::fmt::Display for Disturbance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "preempted {} times, and {} ms of it were stolen by the host",
            self.preemptions,
            self.stolen_ticks * 10
        )
    }
}

/// A number in the line that begins with `name`, which is column 0.
fn column(text: &str, name: &str, column: usize) -> u64 {
    text.lines()
        .map(str::split_whitespace)
        .find(|columns| columns.clone().next() == Some(name))
        .and_then(|mut columns| columns.nth(column)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_their_line_and_column() {
        let text = "cpu  9 9 9 9 9 9 9 9\ncpu1 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(column(text, "cpu1", 8), 8);
        assert_eq!(column(text, "cpu10", 8), 0);
    }
}
