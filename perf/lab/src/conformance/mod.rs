//! `dhp-lab conformance`: a mobile node of another making against the appliance, over real links.
//!
//! ```text
//!  mobile node  ── core0 ─┐
//!                         box (dhpd)
//!  correspondent ── cn0 ──┤
//!  home link    ── home0 ─┘
//! ```
//!
//! Mobile node, correspondent and the hosts of the home link are a script on scapy (`perf/lab/mobile-node`), which shares no code with the appliance: it
//! builds each message by itself, and checks each field of each answer against the RFCs.

mod script;
mod site;

use anyhow::Result;
use serde::Serialize;

use self::script::{Script, StepOutcome};
use self::site::Site;
use crate::lab::LabOptions;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct ConformanceReport {
    /// Each step, in its order.
    pub steps: Vec<StepOutcome>,
}

impl ConformanceReport {
    /// Whether all is as the RFCs say.
    pub fn holds(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(StepOutcome::holds)
    }

    /// As text: the steps have been told of already.
    pub fn render(&self) -> String {
        let good = self.steps.iter().filter(|step| step.holds()).count();
        format!("\n{good} of {} steps as the RFCs say\n", self.steps.len())
    }
}

/// Build the networks, start the appliance, and have the mobile node go through its steps.
pub fn run(options: LabOptions, stop: &Stop) -> Result<ConformanceReport> {
    let mut timeline = Timeline::start();
    let python = script::python()?;
    timeline.say(
        Tone::Act,
        "building the links, the appliance, and a mobile node on scapy",
    );
    let mut site = Site::build(options)?;
    site.start(stop)?;
    let mut script = Script::start(&site, python)?;
    let mut steps = Vec::new();
    while let Some(step) = script.next_step()? {
        stop.check()?;
        let tone = if step.holds() { Tone::Good } else { Tone::Bad };
        timeline.say(tone, &step.to_string());
        steps.push(step);
    }
    script.finish(stop)?;
    site.check()?;
    Ok(ConformanceReport { steps })
}
