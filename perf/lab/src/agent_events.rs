//! What the mobile node's agent reports while it runs: the lines of `dhp-mn events`.

use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::children::{Output, Program, Running};
use crate::clock::realtime_minus_monotonic_ns;
use crate::lab::Lab;

/// One report of the agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentEvent {
    /// When it happened, monotonic nanoseconds.
    pub at_ns: u64,
    /// What happened: `link_down`, `address_configured`, `bound` …
    pub name: String,
    /// Its particulars.
    pub fields: Map<String, Value>,
}

impl AgentEvent {
    /// `realtime_offset_ns` is what the agent's time of day is ahead of monotonic time.
    fn parse(line: &str, realtime_offset_ns: u64) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_str(line).ok()? else {
            return None;
        };
        let Value::String(name) = fields.remove("event")? else {
            return None;
        };
        let time_ns = fields.remove("time_ns")?.as_u64()?;
        Some(Self {
            at_ns: time_ns.saturating_sub(realtime_offset_ns),
            name,
            fields,
        })
    }

    /// A particular as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let mut line = self.name.replace('_', " ");
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) => text.clone(),
                // What has particulars of its own is only counted.
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    items.len().to_string()
                }
                _ => value.to_string(),
            };
            line.push_str(&format!("  {name}={value}"));
        }
        line
    }
}

/// The stream of events, read in the background.
#[derive(Debug)]
pub struct AgentEvents {
    program: Running,
    events: Arc<Mutex<Vec<AgentEvent>>>,
}

impl AgentEvents {
    /// Begins to read.
    pub fn follow(lab: &Lab) -> Result<Self> {
        let socket = lab.socket("mn").display().to_string();
        let mut program = lab.starter().start(Program {
            name: "dhp-mn-events",
            namespace: lab.node("mn")?.name(),
            command: vec![
                lab.binary("dhp-mn")?,
                "events".into(),
                // What happened before the agent was asked counts too: it may be bound by then.
                "--replay".into(),
                "--socket".into(),
                socket,
            ],
            output: Output::Pipe,
        })?;
        let output = program.take_output()?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                let mut last_router = None;
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(event) = AgentEvent::parse(&line, realtime_minus_monotonic_ns()) {
                        // Routers advertise many times a second; news is only when it is another one.
                        if event.name == "router_advertised" {
                            let router = Some((
                                event.fields.get("interface").cloned(),
                                event.fields.get("router").cloned(),
                            ));
                            if router == last_router {
                                continue;
                            }
                            last_router = router;
                        }
                        sink.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(event);
                    }
                }
            })?;
        Ok(Self { program, events })
    }

    /// The events from this index on.
    pub fn since(&self, index: usize) -> Vec<AgentEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.get(index..).unwrap_or_default().to_vec()
    }

    /// An error if the reading program has ended.
    pub fn check(&mut self) -> Result<()> {
        self.program.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_an_event() {
        let line = r#"{"time_ns":105,"event":"bound","anchor":"2001:db8:d::1"}"#;
        let event = AgentEvent::parse(line, 100).unwrap();
        assert_eq!((event.at_ns, event.name.as_str()), (5, "bound"));
        assert_eq!(event.text("anchor"), Some("2001:db8:d::1"));
        assert_eq!(event.describe(), "bound  anchor=2001:db8:d::1");
        let line = r#"{"time_ns":105,"event":"anchor_silent","homes":["a"],"sessions":[{},{}]}"#;
        let event = AgentEvent::parse(line, 100).unwrap();
        assert_eq!(event.describe(), "anchor silent  homes=[\"a\"]  sessions=2");
        assert_eq!(AgentEvent::parse("not json", 9), None);
        assert_eq!(AgentEvent::parse(r#"{"no":"name"}"#, 9), None);
    }
}
