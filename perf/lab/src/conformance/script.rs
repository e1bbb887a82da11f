//! The script on scapy: its files, its interpreter, and what it says.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::site::Site;
use crate::children::{Output, Program, Running};
use crate::stop::Stop;

/// The script's modules, so that the lab is one file to carry around.
const MODULES: [(&str, &str); 16] = [
    (MAIN, include_str!("../../mobile-node/scripted_mn.py")),
    ("checks.py", include_str!("../../mobile-node/checks.py")),
    ("dmip.py", include_str!("../../mobile-node/dmip.py")),
    (
        "home_link.py",
        include_str!("../../mobile-node/home_link.py"),
    ),
    ("leaving.py", include_str!("../../mobile-node/leaving.py")),
    ("link.py", include_str!("../../mobile-node/link.py")),
    ("messages.py", include_str!("../../mobile-node/messages.py")),
    ("node.py", include_str!("../../mobile-node/node.py")),
    ("record.py", include_str!("../../mobile-node/record.py")),
    ("refusing.py", include_str!("../../mobile-node/refusing.py")),
    (
        "returning.py",
        include_str!("../../mobile-node/returning.py"),
    ),
    ("roaming.py", include_str!("../../mobile-node/roaming.py")),
    ("serving.py", include_str!("../../mobile-node/serving.py")),
    (
        "spreading.py",
        include_str!("../../mobile-node/spreading.py"),
    ),
    ("steps.py", include_str!("../../mobile-node/steps.py")),
    ("world.py", include_str!("../../mobile-node/world.py")),
];
const MAIN: &str = "scripted_mn.py";
/// Debian's scapy is for its own Python, which need not be the first one in the PATH.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];
/// The script's exit status where a step has failed. Python's own errors have others.
const STEPS_FAILED: i32 = 3;
/// How long it may take to end behind its last step.
const END: Duration = Duration::from_secs(10);

/// Below the text of a line of the timeline.
const INDENT: &str = "               ";

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// The RFC and its section.
    pub section: String,
    /// What it says.
    pub title: String,
    /// What was expected to come, in its order.
    pub expected: Vec<String>,
    /// What came.
    pub seen: Vec<String>,
    /// What was not as the RFC says.
    pub wrong: Option<String>,
}

impl StepOutcome {
    /// Whether it was as the RFC says.
    pub fn holds(&self) -> bool {
        self.wrong.is_none()
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.section, self.title)?;
        if let Some(wrong) = &self.wrong {
            write!(f, ": {wrong}")?;
        }
        for (what, lines) in [("expected", &self.expected), ("seen", &self.seen)] {
            for line in lines {
                write!(f, "\n{INDENT}{what:8} {line}")?;
            }
        }
        Ok(())
    }
}

/// The first Python that has scapy.
pub fn python() -> Result<&'static str> {
    let has_scapy = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-c", "import scapy.layers.inet6"]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    PYTHONS
        .into_iter()
        .find(|python| has_scapy(python))
        .context("no Python with scapy; on Debian: apt install python3-scapy")
}

/// The running script.
pub struct Script {
    running: Running,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts it among the links' far ends.
    pub fn start(site: &Site, python: &str) -> Result<Self> {
        let directory = site.directory().join("mobile-node");
        fs::create_dir_all(&directory)?;
        for (name, text) in MODULES {
            fs::write(directory.join(name), text)?;
        }
        let world = directory.join("world.json");
        fs::write(&world, serde_json::to_vec(&site.world()?)?)?;
        let mut running = site.starter().start(Program {
            name: "scripted-mn",
            namespace: site.outside().name(),
            command: vec![
                python.to_owned(),
                "-B".to_owned(),
                directory.join(MAIN).display().to_string(),
                "--json".to_owned(),
                world.display().to_string(),
            ],
            output: Output::Pipe,
        })?;
        let lines = BufReader::new(running.take_output()?).lines();
        Ok(Self { running, lines })
    }

    /// The outcome of the next step; nothing when it has gone through all.
    pub fn next_step(&mut self) -> Result<Option<StepOutcome>> {
        let Some(line) = self.lines.next() else {
            return Ok(None);
        };
        let line = line.context("cannot read what the mobile node says")?;
        let outcome = serde_json::from_str(&line)
            .with_context(|| format!("the mobile node says what is no step: {line}"))?;
        Ok(Some(outcome))
    }

    /// Waits for its end. An error if it did not come to its last step.
    pub fn finish(mut self, stop: &Stop) -> Result<()> {
        let status = stop.wait_for("the mobile node ends", END, || self.running.ended())?;
        ensure!(
            matches!(status.code(), Some(0 | STEPS_FAILED)),
            "the mobile node stopped in the midst ({status}){}",
            self.running.log_tail()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_failed_says_what_is_wrong() {
        let line = r#"{"section": "RFC 6275 §9.2", "title": "silence", "expected": ["no answer"],
            "seen": ["Binding Error Status 2"], "wrong": "answered"}"#;
        let step: StepOutcome = serde_json::from_str(line).unwrap();
        assert!(!step.holds());
        let text = step.to_string();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let told = [
            "RFC 6275 §9.2: silence: answered",
            "expected no answer",
            "seen     Binding Error Status 2",
        ];
        assert_eq!(lines, told);
    }

    #[test]
    fn a_step_that_holds_has_nothing_wrong() {
        let line = r#"{"section": "RFC 6275 §9.2", "title": "silence", "expected": [], "seen": [], "wrong": null}"#;
        let step: StepOutcome = serde_json::from_str(line).unwrap();
        assert!(step.holds());
        assert_eq!(step.to_string(), "RFC 6275 §9.2: silence");
    }
}
