//! Threads of the lab that the kernel runs before ordinary ones.

use std::process::{Command, Stdio};

/// Which of two such threads goes first.
#[derive(Clone, Copy, Debug)]
pub enum Priority {
    /// A wire: its delay must not depend on what else the machine does.
    Wire,
    /// The stall meter: before the wires, so that it sees nothing of the lab's own load.
    Meter,
}

/// Gives this thread a real-time priority. Where that is not allowed the lab still works, with more jitter.
pub fn prefer_this_thread(priority: Priority) {
    let level = match priority {
        Priority::Wire => "1",
        Priority::Meter => "2",
    };
    let thread = nix::unistd::gettid().to_string();
    let _ = Command::new("chrt")
        .args(["--rr", "--pid", level, &thread])
        .stderr(Stdio::null())
        .status();
}
