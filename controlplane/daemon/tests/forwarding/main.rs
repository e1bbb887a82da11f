//! Transit by the workers held against transit by the kernel: the same packets through both, and the same comes out
//!
//! ```text
//!   left ──── core0 router cn0 ──── right
//! ```
//!
//! Once the router is the kernel, once `dhpd` on the same interfaces. Behind each packet come two sentinels on the same way,
//! one that is forwarded and one that is answered; what has come out when both are back is what the packet led to.

mod cases;
mod daemon;
mod differences;
mod outcome;
mod packets;
mod router;
#[path = "../support/mod.rs"]
mod support;

use cases::{Case, mutations, table};
use differences::{DIFFERENCES, Difference};
use outcome::Outcome;
use router::{By, Router};

/// Random packets beside the table's.
const MUTATIONS: usize = 600;

fn shown(outcome: &Outcome) -> String {
    let lines = outcome
        .iter()
        .map(|(side, packet)| format!("\n    {side:?} {packet:02x?}"));
    lines.collect()
}

#[test]
fn the_workers_forward_as_the_kernel_does() {
    if !support::is_root() {
        return;
    }
    let cases: Vec<Case> = table().into_iter().chain(mutations(MUTATIONS)).collect();
    let by_kernel = Router::new(By::Kernel).treat(&cases);
    let by_workers = Router::new(By::Workers).treat(&cases);

    let mut used = vec![0_usize; DIFFERENCES.len()];
    let mut wrong = Vec::new();
    for ((case, kernel), workers) in cases.iter().zip(&by_kernel).zip(&by_workers) {
        if kernel == workers {
            continue;
        }
        let concerns =
            |known: &Difference| case.packet.len() >= 40 && (known.concerns)(&case.packet);
        match DIFFERENCES.iter().position(concerns) {
            Some(known) => used[known] += 1,
            None => wrong.push(format!(
                "{}: {:02x?}\n  kernel:{}\n  workers:{}",
                case.what,
                case.packet,
                shown(kernel),
                shown(workers)
            )),
        }
    }
    for (known, times) in DIFFERENCES.iter().zip(&used) {
        println!("{times:4} cases: {}", known.reason);
        assert!(
            *times > 0,
            "no case differs for this any more: {}",
            known.reason
        );
    }
    let same = cases.len() - used.iter().sum::<usize>() - wrong.len();
    println!("{same:4} of {} cases: the same", cases.len());
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} cases differ:\n{}",
        wrong.join("\n")
    );
}
