//! A child process that is talked to by lines, and that never outlives this one

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// For whatever a child is asked for; DPDK starts within a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Octets of a child's last words that an error repeats.
const LAST_WORDS: usize = 600;

/// A running program. Both it and we end with the pipe between us: it when its input ends, we when its output does.
#[derive(Debug)]
pub struct Conversation {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// What it has said and nobody has asked for yet.
    unread: String,
}

impl Conversation {
    /// Start a program.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let (said, output) = channel();
        if let Some(pipe) = child.stdout.take() {
            listen(pipe, said.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            listen(pipe, said);
        }
        let input = child.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            child,
            input,
            output,
            unread: String::new(),
        })
    }

    /// What it says until it says `text`, that included.
    ///
    /// # Errors
    /// It ends before, or says something else for too long.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.find(text) {
                let rest = self.unread.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(octets) => self.unread += &String::from_utf8_lossy(&octets),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} does not answer:\n{}", self.name, self.last_words())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} has ended:\n{}", self.name, self.last_words())
                }
            }
        }
    }

    /// Write a line to its input.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{line}").with_context(|| format!("say {line} to {}", self.name))
    }

    /// Close its input and wait for its end.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.input = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(octets) => self.unread += &String::from_utf8_lossy(&octets),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} does not end:\n{}", self.name, self.last_words())
                }
            }
        }
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "{}: {status}:\n{}",
            self.name,
            self.last_words()
        );
        Ok(())
    }

    fn last_words(&self) -> &str {
        let all = self.unread.trim();
        let from = all.len().saturating_sub(LAST_WORDS);
        let from = (from..all.len()).find(|at| all.is_char_boundary(*at));
        all.get(from.unwrap_or(0)..).unwrap_or_default()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Of one that has ended, both fail or do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut pipe: impl Read + Send + 'static, said: Sender<Vec<u8>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = pipe.read(&mut buffer) {
            let octets = buffer.get(..count).unwrap_or_default();
            if octets.is_empty() || said.send(octets.to_vec()).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_answers_until_its_input_ends() {
        let mut child = Conversation::start("cat", &mut Command::new("cat")).expect("cat");
        child.say("one").expect("a pipe");
        assert_eq!(child.wait_for("\n").expect("an answer"), "one\n");
        child.say("two three").expect("a pipe");
        assert_eq!(child.wait_for("two").expect("an answer"), "two");
        assert_eq!(child.wait_for("e\n").expect("an answer"), " three\n");
        child.finish().expect("a good end");
    }

    #[test]
    fn an_error_repeats_the_last_words_of_a_child() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no memory >&2; exit 3"]);
        let mut child = Conversation::start("sh", &mut command).expect("a shell");
        let error = child.wait_for("ready").expect_err("it never is");
        assert_eq!(error.to_string(), "sh has ended:\nno memory");
        assert!(child.finish().is_err());
    }
}
