//! DPDK's own forwarder, which does nothing but rewrite MAC addresses

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::run_directory::RunDirectory;

const PROGRAM: &str = "dpdk-testpmd";
/// From the start of the program, until it forwards, and until it has told what it did.
const STEPS: [(&str, Duration); 3] = [
    ("start tx_first 16\n", Duration::from_millis(2_000)),
    ("stop\n", Duration::from_millis(300)),
    ("quit\n", Duration::ZERO),
];

/// Whether it is installed.
pub fn is_installed() -> bool {
    let found = Command::new(PROGRAM).arg("--version").output();
    // Its exit status is that of a program without ports.
    found.is_ok()
}

/// Forward between two rings for two seconds on a core. Cycles of a packet; `None`: it does not say.
///
/// # Errors
/// It does not start.
pub fn run(core: usize, memory: &[&str]) -> anyhow::Result<Option<f64>> {
    let run = RunDirectory::new("testpmd");
    let mut child = Command::new(PROGRAM)
        // It wants a core for its prompt, which sleeps.
        .args(["--lcores", &format!("0@{core},1@{core}")])
        .args(memory)
        .args(["--no-pci", "--no-telemetry", "--file-prefix", run.prefix()])
        .args(["--vdev", "net_ring0", "--vdev", "net_ring1", "--"])
        .args(["-i", "--record-core-cycles", "--total-num-mbufs=16384"])
        .arg("--forward-mode=mac")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {PROGRAM}"))?;
    if let Some(mut prompt) = child.stdin.take() {
        for (command, then) in STEPS {
            if prompt.write_all(command.as_bytes()).is_err() {
                // It has ended, and says why not in numbers.
                break;
            }
            std::thread::sleep(then);
        }
    }
    let output = child.wait_with_output()?;
    Ok(cycles(&String::from_utf8_lossy(&output.stdout)))
}

fn cycles(text: &str) -> Option<f64> {
    let (_, behind) = text.split_once("CPU cycles/packet=")?;
    behind.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_in_what_it_says() {
        let text = "  CPU cycles/packet=21.07 (total cycles=4583619546 / total mac packets=217491648) at 2600 MHz Clock\n";
        assert_eq!(cycles(text), Some(21.07));
        assert_eq!(cycles("Bye..."), None);
    }
}
