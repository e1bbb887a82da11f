//! The programs that the lab runs inside its namespaces: started with a log each, ended in reverse order.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getsid};

use crate::process_id::ProcessId;
use crate::state::State;

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// Where a program's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To its log, together with standard error.
    Log,
    /// To the lab, by a pipe; only standard error goes to the log.
    Pipe,
    /// The same, and its standard input comes from the lab.
    Dialogue,
}

/// A program to run.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its name in messages and of its log.
    pub name: &'a str,
    /// The namespace's full name.
    pub namespace: &'a str,
    /// The executable and its arguments.
    pub command: Vec<String>,
    /// Where its standard output goes.
    pub output: Output,
}

/// A running program of the lab; ended when dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    log: PathBuf,
    child: Child,
    id: Option<ProcessId>,
}

/// Starts programs, journals them, keeps their logs in one directory.
#[derive(Clone, Debug)]
pub struct Starter {
    state: Arc<State>,
    log_directory: PathBuf,
}

impl Starter {
    /// Makes the log directory; logs of an earlier run with the same names are overwritten.
    pub fn new(state: Arc<State>, log_directory: &Path) -> Result<Self> {
        fs::create_dir_all(log_directory)
            .with_context(|| format!("cannot make {}", log_directory.display()))?;
        Ok(Self {
            state,
            log_directory: log_directory.to_owned(),
        })
    }

    /// Where the logs are.
    pub fn log_directory(&self) -> &Path {
        &self.log_directory
    }

    /// Starts a program in its namespace, in a session of its own, so that Ctrl-C reaches the lab alone.
    ///
    /// It gets SIGKILL when the calling thread ends (prctl(2), `PR_SET_PDEATHSIG`): call this from a thread that
    /// lives as long as the lab.
    pub fn start(&self, program: Program<'_>) -> Result<Running> {
        let log = self.log_directory.join(format!("{}.log", program.name));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "KILL",
                "setsid",
                "ip",
                "netns",
                "exec",
                program.namespace,
            ])
            .args(&program.command);
        command.stderr(file.try_clone()?);
        match program.output {
            Output::Dialogue => command.stdin(Stdio::piped()),
            Output::Log | Output::Pipe => command.stdin(Stdio::null()),
        };
        match program.output {
            Output::Log => command.stdout(file),
            Output::Pipe | Output::Dialogue => command.stdout(Stdio::piped()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.name))?;
        let id = i32::try_from(child.id()).ok().and_then(ProcessId::of);
        let running = Running {
            name: program.name.to_owned(),
            log,
            child,
            id,
        };
        if let Some(id) = id {
            self.state.record_process(id)?;
            prefer(id.pid);
        }
        Ok(running)
    }
}

impl Running {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's standard output, if it was asked for as a pipe and not taken yet.
    pub fn take_output(&mut self) -> Result<ChildStdout> {
        self.child
            .stdout
            .take()
            .with_context(|| format!("{} has no output pipe", self.name))
    }

    /// The program's standard input, if it was asked for and not taken yet.
    pub fn take_input(&mut self) -> Result<ChildStdin> {
        self.child
            .stdin
            .take()
            .with_context(|| format!("{} has no input pipe", self.name))
    }

    /// An error with the log's last lines if the program has ended.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended ({status}){}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// The exit status if the program has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look after {}", self.name))
    }

    /// Which log to read, and its last lines, as a text to append to a message.
    pub fn log_tail(&self) -> String {
        let tail = tail(&self.log, 12);
        if tail.is_empty() {
            return format!("; its log {} is empty", self.log.display());
        }
        format!("; the end of {}:\n{tail}", self.log.display())
    }

    /// Ends the program: SIGTERM, then SIGKILL when it does not listen.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() >= deadline {
                eprintln!("{} did not end on SIGTERM; killing it", self.name);
                // Already ended is fine: the wait below then returns at once.
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the program by SIGKILL.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        // It has ended when this returns, whatever its status is.
        let _ = self.child.wait();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            id.signal(signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What else the machine does must not look like an interruption of a flow: the kernel is to prefer the lab's programs,
/// as far as it lets itself be told (sched(7), "The autogroup feature": a session is a group with a nice value).
fn prefer(pid: i32) {
    let child = Some(Pid::from_raw(pid));
    let deadline = Instant::now() + Duration::from_millis(200);
    // Until setsid(1) has run, the group would be that of the user's terminal.
    while getsid(child).is_ok_and(|session| Some(session) != child) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    if getsid(child).ok() == child {
        // Without the feature the lab still works, with more jitter.
        let _ = fs::write(format!("/proc/{pid}/autogroup"), "-10");
    }
}

/// The last lines of a file, indented.
fn tail(path: &Path, lines: usize) -> String {
    const WINDOW: i64 = 8192;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() > WINDOW.unsigned_abs() {
            file.seek(SeekFrom::End(-WINDOW))?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let start = all.len().saturating_sub(lines);
    all.iter()
        .skip(start)
        .map(|line| format!("    {line}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for line in 0..10_000 {
            writeln!(file, "line {line}").unwrap();
        }
        assert_eq!(tail(file.path(), 2), "    line 9998\n    line 9999");
    }
}
