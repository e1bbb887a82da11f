//! The result as lines of text

use super::rings::Work;
use super::samples::Samples;
use crate::statistics::Spread;

/// Medians, with the least and the greatest of the rounds.
pub fn print(bindings: &[u32], samples: &Samples) {
    let show = |name: &str| match samples.spread(name) {
        Some(Spread { min, median, max }) => format!("{median:.1} ({min:.1} to {max:.1})"),
        None => "–".to_owned(),
    };
    let times = |name: &str| match samples.spread(name) {
        Some(Spread { min, median, max }) => format!("{median:.2} ({min:.2} to {max:.2})"),
        None => "–".to_owned(),
    };
    println!("cycles of a packet, median (least to greatest) of the rounds");
    println!("testpmd macfwd {}", show("testpmd.macfwd.cycles"));
    println!("limit, swap    {}", show("limit.swap.cycles"));
    for n in bindings {
        println!("{n} bindings: swap {}", show(&format!("swap.{n}.cycles")));
        for work in Work::OF_WORKERS {
            let of = |what: &str| format!("{}.{n}.{what}", work.name());
            println!(
                "  {:<6} {:<24} times the limit: {}, with changes: {} times",
                work.name(),
                show(&of("cycles")),
                times(&of("times_limit")),
                times(&of("times_unchanged")),
            );
        }
        let changes = match samples.median(&format!("changes.{n}.per_second")) {
            Some(changes) => format!("{changes:.0} a second"),
            None => "–".to_owned(),
        };
        println!(
            "  changes while forwarding: {changes}; two workers: {} times one",
            times(&format!("workers.2.mixed.{n}.times_one")),
        );
    }
}
