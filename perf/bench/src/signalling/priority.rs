//! Threads that the kernel runs before ordinary ones

use std::process::{Command, Stdio};

use nix::unistd::Pid;

/// Which of two such threads goes first.
#[derive(Clone, Copy, Debug)]
pub enum Priority {
    /// The control thread: what else the machine does is not measured.
    Control,
    /// Who watches the cores: nothing of ours delays it.
    Watch,
}

/// Gives a thread a real-time priority. `false`: that is not permitted here.
pub fn prefer(thread: Pid, priority: Priority) -> bool {
    let level = match priority {
        Priority::Control => "1",
        Priority::Watch => "2",
    };
    run_chrt(&["--rr", "--pid", level], thread)
}

/// Makes it an ordinary one again.
pub fn prefer_no_more(thread: Pid) {
    run_chrt(&["--other", "--pid", "0"], thread);
}

fn run_chrt(arguments: &[&str], thread: Pid) -> bool {
    let mut chrt = Command::new("chrt");
    chrt.args(arguments).arg(thread.to_string());
    let status = chrt.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
