//! What the lab made, written down before it is made, so that the next run can remove what a killed run left.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

use crate::namespace;
use crate::process_id::ProcessId;

/// Where the lab keeps its lock, journal, configuration files and sockets.
pub const DIRECTORY: &str = "/run/dhp-lab";

/// The lab's journal, under an exclusive lock as long as it lives.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    journal: Mutex<File>,
    _lock: Flock<File>,
}

impl State {
    /// Takes the lock, removes what a killed run left, and starts a new journal.
    pub fn acquire(directory: &Path) -> Result<Self> {
        let lock = lock_or_wait_for_dying_owner(directory)?;
        clean(directory)?;
        let journal =
            File::create(journal_path(directory)).context("cannot write the lab's journal")?;
        let state = Self {
            directory: directory.to_owned(),
            journal: Mutex::new(journal),
            _lock: lock,
        };
        if let Some(own) = ProcessId::own() {
            state.append(&format!("lab {} {}", own.pid, own.start_ticks))?;
        }
        Ok(state)
    }

    /// The directory for configuration files and sockets.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Notes a namespace that is about to be made.
    pub fn record_namespace(&self, name: &str) -> Result<()> {
        self.append(&format!("namespace {name}"))
    }

    /// Notes a process that was started.
    pub fn record_process(&self, process: ProcessId) -> Result<()> {
        self.append(&format!("process {} {}", process.pid, process.start_ticks))
    }

    /// Removes all that was noted and the directory's contents.
    pub fn release(&self) -> Result<()> {
        clean(&self.directory)
    }

    fn append(&self, line: &str) -> Result<()> {
        let mut journal = self
            .journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(journal, "{line}").context("cannot write the lab's journal")
    }
}

/// Ends a running lab, if there is one, and removes what any lab left. Says whether one was running.
pub fn bring_down(directory: &Path, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let mut was_running = false;
    loop {
        if let Some(_lock) = try_lock(directory)? {
            clean(directory)?;
            return Ok(was_running);
        }
        // A killed one holds the lock a little longer, while the kernel takes its interfaces apart; one that ends has removed its
        // journal before it lets the lock go.
        let owner = owner(directory);
        if !was_running
            && let Some(owner) = owner
            && owner.is_alive()
        {
            owner.signal(Signal::SIGTERM);
            was_running = true;
        }
        if Instant::now() >= deadline {
            let owner = owner.map_or_else(String::new, |owner| format!(" (pid {})", owner.pid));
            bail!(
                "the running lab{owner} did not end within {} s",
                limit.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A killed lab keeps its lock while the kernel still takes its interfaces apart; a living one is left alone.
fn lock_or_wait_for_dying_owner(directory: &Path) -> Result<Flock<File>> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(lock) = try_lock(directory)? {
            return Ok(lock);
        }
        let owner = owner(directory);
        if Instant::now() >= deadline || owner.is_some_and(|owner| owner.is_alive()) {
            let owner = owner.map_or_else(String::new, |owner| format!(" (pid {})", owner.pid));
            bail!(
                "another lab is running{owner}; end it with Ctrl-C there, or with `dhp-lab down`"
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn try_lock(directory: &Path) -> Result<Option<Flock<File>>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("lock"))
        .context("cannot open the lab's lock")?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

fn journal_path(directory: &Path) -> PathBuf {
    directory.join("journal")
}

fn owner(directory: &Path) -> Option<ProcessId> {
    let journal = fs::read_to_string(journal_path(directory)).ok()?;
    journal
        .lines()
        .find_map(|line| parse_process(line.strip_prefix("lab ")?))
}

fn parse_process(text: &str) -> Option<ProcessId> {
    let (pid, start) = text.split_once(' ')?;
    Some(ProcessId {
        pid: pid.parse().ok()?,
        start_ticks: start.parse().ok()?,
    })
}

/// Removes what the journal names, and only that.
fn clean(directory: &Path) -> Result<()> {
    let journal = fs::read_to_string(journal_path(directory)).unwrap_or_default();
    for process in journal
        .lines()
        .filter_map(|line| parse_process(line.strip_prefix("process ")?))
    {
        process.signal(Signal::SIGKILL);
    }
    for name in journal
        .lines()
        .filter_map(|line| line.strip_prefix("namespace "))
    {
        if Path::new(namespace::DIRECTORY).join(name).exists() {
            let output = Command::new("ip")
                .args(["netns", "delete", name])
                .output()
                .context("cannot run ip")?;
            if !output.status.success() {
                bail!(
                    "cannot delete namespace {name}: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "lock") {
            continue;
        }
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn the_next_run_ends_recorded_processes_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let mut ours = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut other = Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let id = |child: &std::process::Child| {
            ProcessId::of(i32::try_from(child.id()).unwrap()).unwrap()
        };
        {
            let state = State::acquire(directory.path()).unwrap();
            state.record_process(id(&ours)).unwrap();
            // The number of another process, with a start time that is not its own.
            state
                .record_process(ProcessId {
                    start_ticks: 1,
                    ..id(&other)
                })
                .unwrap();
            assert!(
                State::acquire(directory.path()).is_err(),
                "one lab at a time"
            );
        }
        let _next = State::acquire(directory.path()).unwrap();
        assert!(
            !ours.wait().unwrap().success(),
            "the recorded process was killed"
        );
        assert!(other.try_wait().unwrap().is_none(), "the other one lives");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
