//! The live story on the terminal: one line per thing that happened, and a progress line below while on a terminal.

use std::io::{IsTerminal, Write, stdout};

use crate::clock::monotonic_ns;

/// How a line is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something the lab does to the network.
    Act,
    /// Something the mobile node reports.
    Agent,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Everything else.
    Plain,
}

/// Prints the story, with times since its start.
#[derive(Debug)]
pub struct Timeline {
    start_ns: u64,
    is_terminal: bool,
    colour: bool,
    progress: String,
    last_progress_ns: u64,
}

/// How often the progress is printed where there is no terminal to redraw it on.
const PLAIN_PROGRESS_EVERY_NS: u64 = 5_000_000_000;

/// Colour only on a terminal, and not where `NO_COLOR` is set (no-color.org).
pub fn wants_colour() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Timeline {
    /// Starts at zero seconds.
    pub fn start() -> Self {
        let is_terminal = stdout().is_terminal();
        let colour =
            is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            start_ns: monotonic_ns(),
            is_terminal,
            colour,
            progress: String::new(),
            last_progress_ns: 0,
        }
    }

    /// The monotonic time of zero seconds.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// A line about now.
    pub fn say(&mut self, tone: Tone, text: &str) {
        self.say_at(monotonic_ns(), tone, text);
    }

    /// A line about a moment.
    pub fn say_at(&mut self, at_ns: u64, tone: Tone, text: &str) {
        let seconds = at_ns.saturating_sub(self.start_ns) as f64 / 1e9;
        let (mark, code) = match tone {
            Tone::Act => ("▶", "1;34"),
            Tone::Agent => ("·", "36"),
            Tone::Good => ("✔", "32"),
            Tone::Bad => ("✘", "1;31"),
            Tone::Plain => (" ", "0"),
        };
        let line = if self.colour {
            format!("\x1b[2m{seconds:8.3} s\x1b[0m \x1b[{code}m{mark} {text}\x1b[0m")
        } else {
            format!("{seconds:8.3} s {mark} {text}")
        };
        let erase = if self.is_terminal { "\r\x1b[K" } else { "" };
        self.write(&format!("{erase}{line}\n"));
        self.redraw();
    }

    /// The line that tells how far things are.
    pub fn progress(&mut self, text: String) {
        self.progress = text;
        if self.is_terminal {
            self.redraw();
            return;
        }
        let now = monotonic_ns();
        if now.saturating_sub(self.last_progress_ns) >= PLAIN_PROGRESS_EVERY_NS {
            self.last_progress_ns = now;
            let line = std::mem::take(&mut self.progress);
            self.say(Tone::Plain, &line);
        }
    }

    /// Takes the progress line away.
    pub fn end_progress(&mut self) {
        if self.is_terminal && !self.progress.is_empty() {
            self.write("\r\x1b[K");
        }
        self.progress.clear();
    }

    fn redraw(&self) {
        if self.is_terminal && !self.progress.is_empty() {
            self.write(&format!("\r\x1b[K{}", self.progress));
        }
    }

    fn write(&self, text: &str) {
        // A closed terminal is no reason to leave namespaces behind.
        let mut out = stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
