//! A mobile node on its way: the lab, what the agent reports, the radio, and every handoff as it was made.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::access::{Access, Interface, Radio};
use crate::agent_events::{AgentEvent, AgentEvents};
use crate::clock::monotonic_ns;
use crate::handoff::{Handoff, Manner, SETTLED_NS};
use crate::lab::Lab;
use crate::stall_meter::StallMeter;
use crate::stop::Stop;
use crate::timeline::{Timeline, Tone};

/// How long a second interface may take until it has an address.
const SECOND_ADDRESS: Duration = Duration::from_secs(10);

/// The shortest interruption of a handoff with a break: what stands still for as long afterwards is taken for one.
const SILENCE_NS: u64 = 50_000_000;

/// What goes on while the mobile node roams.
pub trait Watched {
    /// Looks after it: an error ends the run.
    fn look(&mut self, timeline: &mut Timeline) -> Result<()>;
}

/// The lab and the mobile node in it.
#[derive(Debug)]
pub struct Roaming<'a> {
    /// The lab.
    pub lab: Lab,
    /// Asks for the end.
    pub stop: &'a Stop,
    /// What is told.
    pub timeline: Timeline,
    /// What the agent reports.
    pub events: AgentEvents,
    /// Whether each report of the agent is told.
    pub tells_events: bool,
    /// The handoffs made.
    pub handoffs: Vec<Handoff>,
    shown: usize,
    radio: Radio,
    at: Access,
    on: Interface,
    meter: StallMeter,
}

impl<'a> Roaming<'a> {
    /// A mobile node with its first interface in access network A.
    pub fn begin(lab: Lab, timeline: Timeline, stop: &'a Stop) -> Result<Self> {
        Ok(Self {
            events: AgentEvents::follow(&lab)?,
            radio: lab.radio()?,
            lab,
            stop,
            timeline,
            tells_events: true,
            handoffs: Vec::new(),
            shown: 0,
            at: Access::A,
            on: Interface::Wlan0,
            meter: StallMeter::start()?,
        })
    }

    /// Where it is.
    pub fn at(&self) -> Access {
        self.at
    }

    /// Whether the agent has reported such a thing.
    pub fn has_reported(&self, such: impl Fn(&AgentEvent) -> bool) -> bool {
        self.events.since(0).iter().any(such)
    }

    /// Lets time pass, and tells what happens in it.
    pub fn pump(&mut self, duration: Duration, watched: &mut impl Watched) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            self.stop.sleep(Duration::from_millis(100).min(left))?;
            self.look(watched)?;
        }
        Ok(())
    }

    fn look(&mut self, watched: &mut impl Watched) -> Result<()> {
        self.lab.check()?;
        self.events.check()?;
        let mut events = self.events.since(self.shown);
        events.sort_by_key(|event| event.at_ns);
        for event in events {
            if self.tells_events {
                let text = format!("mn: {}", event.describe());
                self.timeline.say_at(event.at_ns, Tone::Agent, &text);
            }
            self.shown += 1;
        }
        watched.look(&mut self.timeline)
    }

    /// Break before make: cuts the interface, joins it to another access network after `gap`.
    pub fn break_before_make(&mut self, to: Access, gap: Duration) -> Result<Made> {
        let cut = self.radio.change(self.stop, self.on, to, gap)?;
        if self.tells_events {
            let (number, from) = (self.handoffs.len() + 1, self.at);
            let text = format!("move {number}, {from:?}→{to:?}, one interface: the radio is cut");
            self.timeline.say_at(cut.down_ns, Tone::Act, &text);
            let text = format!("the radio is in access network {to:?}");
            self.timeline.say_at(cut.up_ns, Tone::Act, &text);
        }
        Ok(Made {
            manner: Manner::BreakBeforeMake,
            to,
            begun_ns: cut.down_ns,
            radio_up_ns: cut.up_ns,
        })
    }

    /// Brings the other interface into reach of an access network, and waits until it has an address.
    pub fn reach_with_other_interface(&mut self, to: Access) -> Result<()> {
        let new = self.on.other();
        if self.tells_events {
            let text = format!(
                "the other interface, {}, reaches access network {to:?}",
                new.name()
            );
            self.timeline.say(Tone::Act, &text);
        }
        self.radio.attach(new, to)?;
        let radio = &self.radio;
        self.stop
            .wait_for("the other interface has an address", SECOND_ADDRESS, || {
                Ok(radio.has_address(new, to)?.then_some(()))
            })
    }

    /// Puts an interface out of reach, and leaves the rest to the agent.
    pub fn cut(&mut self, interface: Interface) -> Result<()> {
        self.radio.cut(interface).map(drop)
    }

    /// Brings an interface into reach of an access network, and leaves the rest to the agent.
    pub fn attach(&mut self, interface: Interface, access: Access) -> Result<()> {
        self.radio.attach(interface, access).map(drop)
    }

    /// Make before break, once the other interface has been brought into reach: the agent is told to move, and after `overlap`
    /// the old interface goes out of reach.
    pub fn make_before_break(
        &mut self,
        to: Access,
        overlap: Duration,
        watched: &mut impl Watched,
    ) -> Result<Made> {
        let (old, new_name) = (self.on, self.on.other().name());
        if self.tells_events {
            let text = format!(
                "move {}, {:?}→{to:?}, two interfaces: dhp-mn move --to {new_name}",
                self.handoffs.len() + 1,
                self.at
            );
            self.timeline.say(Tone::Act, &text);
        }
        let begun_ns = monotonic_ns();
        let socket = self.lab.socket("mn").display().to_string();
        let arguments = ["move", "--to", new_name, "--socket", &socket];
        self.lab
            .node("mn")?
            .output(&self.lab.binary("dhp-mn")?, &arguments)?;
        self.pump(overlap, watched)?;
        let cut_ns = self.radio.cut(old)?;
        if self.tells_events {
            let text = format!("{} goes out of reach", old.name());
            self.timeline.say_at(cut_ns, Tone::Act, &text);
        }
        self.on = old.other();
        Ok(Made {
            manner: Manner::MakeBeforeBreak,
            to,
            begun_ns,
            radio_up_ns: begun_ns,
        })
    }

    /// Lets a handoff run until the next one is due, `spacing` after it began, and notes it.
    pub fn settle(
        &mut self,
        made: &Made,
        spacing: Duration,
        watched: &mut impl Watched,
    ) -> Result<()> {
        let gone = Duration::from_nanos(monotonic_ns().saturating_sub(made.begun_ns));
        self.pump(spacing.saturating_sub(gone), watched)?;
        self.note(made);
        Ok(())
    }

    /// For how long the machine stood still: its cores, or, where something else has their time, the wire that was held up longest.
    fn stalled_ns(&self, from_ns: u64, until_ns: u64) -> u64 {
        let wires = self.lab.topology().map_or(&[][..], |all| all.wires());
        let held_up = wires.iter().map(|wire| wire.held_up_ns(from_ns, until_ns));
        let held_up = held_up.max().unwrap_or_default();
        self.meter.stalled_ns(from_ns, until_ns).max(held_up)
    }

    /// What the machine stood still in a handoff: while it went on, or so long after it that this is a silence of its own.
    fn spoiled_ns(&self, made: &Made) -> u64 {
        let until_ns = |window_ns: u64| made.begun_ns.saturating_add(window_ns);
        let meanwhile = self.stalled_ns(made.begun_ns, until_ns(made.manner.stall_window_ns()));
        let in_all = self.stalled_ns(made.begun_ns, until_ns(SETTLED_NS));
        if in_all >= SILENCE_NS {
            in_all
        } else {
            meanwhile
        }
    }

    /// Notes a handoff. The time that is looked at ends now.
    pub fn note(&mut self, made: &Made) {
        self.handoffs.push(Handoff {
            number: self.handoffs.len() + 1,
            manner: made.manner,
            from: self.at,
            to: made.to,
            begun_ns: made.begun_ns,
            radio_up_ns: made.radio_up_ns,
            until_ns: monotonic_ns(),
            stalled_ns: self.spoiled_ns(made),
        });
        self.at = made.to;
    }
}

/// A handoff that was just made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    manner: Manner,
    to: Access,
    begun_ns: u64,
    radio_up_ns: u64,
}
