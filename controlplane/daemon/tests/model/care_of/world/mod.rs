//! The anchor and its reference, step by step

mod check;
mod hearing;
mod packets;
mod restart;
mod sending;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::AnchorConfig;

use super::answer::Answer;
use super::reference::Model;
use super::step::Step;
use crate::appliance::{Appliance, SimulatedClock};
use crate::message::Read;
use crate::site::{Node, PLACES, anchor_config, care_of, nodes};
use crate::world::{Difference, ensure};

/// The mobile nodes that take part: each may have at least three DHoAs, and none has one for good. The last two are neighbours,
/// so that one of them can name a care-of address that is the other's.
pub const NODES: [usize; 4] = [3, 10, 6, 7];
/// Every step takes so long at least, so that no two things end at the same moment.
const STEP_NS: u64 = 137;
/// Longer than any lifetime and quarantine together, and a start that distrusts the journal.
const LONG_ENOUGH_MS: u64 = 1_500_000;

/// How often what has happened.
pub type Seen = BTreeMap<&'static str, u64>;

/// Everything.
pub struct World<'s> {
    clock: SimulatedClock,
    appliance: Appliance,
    model: Model,
    nodes: Vec<Node>,
    /// The next number of each mobile node.
    next: [u16; NODES.len()],
    /// Which of them give the time in their messages, as the anchor has asked for.
    is_dated: [bool; NODES.len()],
    /// Of classic Binding Updates.
    next_classic: u16,
    /// Mobile node and DHoA, in the order of their first assignment.
    assigned: Vec<(usize, Ipv6Addr)>,
    /// Mobile node, care-of address and cookie, the newest last.
    cookies: Vec<(usize, Ipv6Addr, Vec<u8>)>,
    sent: Vec<Vec<u8>>,
    late: Vec<Vec<u8>>,
    /// When each DHoA could last send from a care-of address.
    there_ns: BTreeMap<(Ipv6Addr, Ipv6Addr), u64>,
    due_ns: Option<u64>,
    seen: &'s mut Seen,
    _directory: tempfile::TempDir,
}

impl<'s> World<'s> {
    pub fn new(seen: &'s mut Seen) -> Self {
        let nodes = nodes();
        let clock = SimulatedClock::default();
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory");
        let journal = directory.path().join("journal");
        Self {
            appliance: Appliance::start(config(&nodes), &clock, &journal),
            model: Model::new(nodes.clone(), clock.now()),
            nodes,
            clock,
            next: [1; NODES.len()],
            is_dated: [false; NODES.len()],
            next_classic: 1,
            assigned: Vec::new(),
            cookies: Vec::new(),
            sent: Vec::new(),
            late: Vec::new(),
            there_ns: BTreeMap::new(),
            due_ns: None,
            seen,
            _directory: directory,
        }
    }

    /// Takes all steps, and then time passes until nothing is bound.
    ///
    /// # Errors
    /// The first difference.
    pub fn run(mut self, steps: &[Step]) -> Result<(), Difference> {
        for (number, step) in steps.iter().enumerate() {
            let at = |Difference(what)| Difference(format!("step {number}, {step:?}: {what}"));
            self.take(step).map_err(at)?;
            self.note("step");
        }
        self.wait(LONG_ENOUGH_MS)?;
        self.note_counts();
        let is_empty = self.model.bindings().is_empty() && self.model.in_quarantine() == 0;
        ensure(is_empty, || "something has no end".to_owned())
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn note_counts(&mut self) {
        let counts = self.model.counts;
        for (name, count) in [
            ("begun", counts.begun),
            ("passed", counts.passed),
            ("failed", counts.failed),
            ("abandoned", counts.abandoned),
        ] {
            *self.seen.entry(name).or_default() += count;
        }
    }

    fn now_ns(&self) -> u64 {
        self.clock.now().mono_ns
    }

    fn take(&mut self, step: &Step) -> Result<(), Difference> {
        self.clock.pass_until(self.now_ns() + STEP_NS);
        match step {
            Step::Request { by, fid, lifetime } => self.request(*by, *fid, *lifetime)?,
            Step::Update(by, update) => self.update(*by, update)?,
            Step::Classic {
                node,
                dhoa,
                place,
                lifetime,
            } => self.classic(*node, *dhoa, *place, *lifetime)?,
            Step::Late(which) => {
                if !self.late.is_empty() {
                    self.note("message late");
                    let packet = self.late.remove(which % self.late.len());
                    self.deliver(&packet)?;
                }
            }
            Step::Again(ago) => {
                let packet = self.sent.iter().rev().nth(*ago).cloned();
                if let Some(packet) = packet {
                    self.note("message again");
                    self.deliver(&packet)?;
                }
            }
            Step::Down(dhoa, packets) => {
                if let Some((_, address)) = self.nth(*dhoa) {
                    for _ in 0..*packets {
                        self.send_down(address)?;
                    }
                }
            }
            Step::Up(dhoa, place) => {
                if let Some((node, address)) = self.nth(*dhoa) {
                    self.send_up(address, care_of_address(node, *place))?;
                }
            }
            Step::Wait(milliseconds) => self.wait(*milliseconds)?,
            Step::Restart(how, down_ms) => self.restart(*how, *down_ms)?,
        }
        self.wait(0)
    }

    fn nth(&self, number: usize) -> Option<(usize, Ipv6Addr)> {
        let count = self.assigned.len().max(1);
        self.assigned.get(number % count).copied()
    }

    /// Lets time pass, from end to end.
    fn wait(&mut self, milliseconds: u64) -> Result<(), Difference> {
        let until_ns = self.now_ns() + milliseconds * 1_000_000;
        while let Some(at_ns) = self.due_ns.filter(|at| *at <= until_ns) {
            self.clock.pass_until(at_ns);
            self.turn(None)?;
        }
        self.clock.pass_until(until_ns);
        Ok(())
    }

    /// A message comes to the anchor.
    fn deliver(&mut self, packet: &[u8]) -> Result<(), Difference> {
        let read = Read::packet(packet).expect("what is sent here is sound");
        self.appliance.send_on_core(packet);
        self.turn(Some(&read))
    }

    /// The control plane's turn, and the reference's.
    fn turn(&mut self, message: Option<&Read>) -> Result<(), Difference> {
        self.note_places();
        self.due_ns = self.appliance.turn();
        self.model.pass(self.clock.now());
        let packets = self.appliance.take_from_core();
        let observed: Vec<Read> = packets
            .iter()
            .filter_map(|packet| Read::packet(packet))
            .collect();
        let expected = message.map(|read| self.model.receive(read, &observed));
        let expected = Answer::sorted(expected.unwrap_or_default());
        let actual = Answer::sorted(observed.iter().map(Answer::of).collect());
        ensure(expected == actual && packets.len() == actual.len(), || {
            format!("to {message:?}\nexpected {expected:#?}\nobserved {actual:#?}")
        })?;
        for (read, answer) in observed.iter().zip(observed.iter().map(Answer::of)) {
            self.hear(message, read, answer)?;
        }
        self.check()
    }
}

fn config(nodes: &[Node]) -> AnchorConfig {
    let mut config = anchor_config(nodes);
    config.care_of_test = true;
    config
}

/// The care-of address of a mobile node at a place.
fn care_of_address(node: usize, place: usize) -> Ipv6Addr {
    match place {
        PLACES => care_of(NODES[node] + 1, 0),
        place => care_of(NODES[node], place),
    }
}
