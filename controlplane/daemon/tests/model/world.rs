//! The anchor, the reference, the mobile nodes and the network between them, step by step

mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv6Addr;

use dhp_wire::codepoints::DmipType;
use dhp_wire::packet::MobilityPacket;

use crate::agents::Agents;
use crate::appliance::{Appliance, SimulatedClock};
use crate::coverage::Coverage;
use crate::ledger::Ledger;
use crate::message::{Head, Read};
use crate::network::{Network, Parcel};
use crate::reference::{Expected, Model, Reply, Restart};
use crate::site::{NODES, Node, anchor_config, care_of, nodes};
use crate::step::{Quality, Step};

/// Milliseconds between two mobile nodes of a crowd.
const CROWD_MS: u64 = 3;
/// Longer than any lifetime that is granted.
const LONG_ENOUGH_MS: u64 = 700_000;
/// What has just been sent, for who sends it again.
const RECORDED: usize = 400;

/// The anchor does not do what the reference does.
#[derive(Debug, Clone)]
pub struct Difference(pub String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Nothing, or the difference that it describes.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Difference> {
    if holds {
        Ok(())
    } else {
        Err(Difference(what()))
    }
}

/// What a mobile node that does what a test asks for knows.
#[derive(Debug, Default)]
struct Memory {
    /// The next sequence number of each security association.
    next: [u16; 2],
    /// The next of each home address.
    next_home: BTreeMap<Ipv6Addr, u16>,
    /// The DHoAs that it was granted, the newest last.
    held: Vec<Ipv6Addr>,
}

/// Everything.
pub struct World<'c> {
    pub clock: SimulatedClock,
    pub appliance: Appliance,
    pub model: Model,
    pub ledger: Ledger,
    pub coverage: &'c mut Coverage,
    nodes: Vec<Node>,
    memories: Vec<Memory>,
    agents: Agents,
    network: Network,
    /// Granted to anybody, or somebody's own.
    seen: Vec<Ipv6Addr>,
    recorded: Vec<Vec<u8>>,
    /// Punted, and not looked at yet.
    waiting: Vec<Read>,
    /// Turns of the control plane so far.
    pub turns: u64,
    /// Where each address was bound at the last look, and when it was last bound elsewhere.
    pub bound_at: BTreeMap<Ipv6Addr, BTreeSet<Ipv6Addr>>,
    pub left_ns: BTreeMap<(Ipv6Addr, Ipv6Addr), u64>,
    /// When the control plane wants to be called.
    due_ns: Option<u64>,
    stalled_until_ns: u64,
    _directory: tempfile::TempDir,
}

impl<'c> World<'c> {
    pub fn new(coverage: &'c mut Coverage) -> Self {
        let nodes = nodes();
        let clock = SimulatedClock::default();
        // In memory where that can be: what is tested is what the journal says, not the disk.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory = directory.expect("a directory");
        let journal = directory.path().join("journal");
        let own = nodes.iter().flat_map(|node| [node.home, node.own_dhoa]);
        Self {
            appliance: Appliance::start(anchor_config(&nodes), &clock, &journal),
            model: Model::new(nodes.clone(), clock.now()),
            ledger: Ledger::default(),
            coverage,
            memories: nodes.iter().map(|_| Memory::default()).collect(),
            agents: Agents::new(&nodes, clock.true_now()),
            network: Network::default(),
            seen: own.flatten().collect(),
            recorded: Vec::new(),
            waiting: Vec::new(),
            turns: 0,
            bound_at: BTreeMap::new(),
            left_ns: BTreeMap::new(),
            due_ns: None,
            stalled_until_ns: 0,
            _directory: directory,
            nodes,
            clock,
        }
    }

    /// Takes all steps, and what follows from them once the network is good and time passes.
    ///
    /// # Errors
    /// The first difference.
    pub fn run(mut self, steps: &[Step]) -> Result<(), Difference> {
        for (number, step) in steps.iter().enumerate() {
            let at = |Difference(what)| Difference(format!("step {number}, {step:?}: {what}"));
            self.take(step).map_err(at)?;
            self.coverage.steps += 1;
        }
        self.come_to_rest()
    }

    fn take(&mut self, step: &Step) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        match step {
            Step::Request(by, request) => self.send_request(by, request),
            Step::Update(by, update) => self.send_update(by, update),
            Step::Home(by, update) => self.send_home_update(by, update),
            Step::Crowd {
                first,
                count,
                place,
                lifetime,
            } => self.send_crowd(*first, *count, *place, *lifetime),
            Step::Agent(agent, command) => {
                self.coverage.operation("agent");
                self.agents.command(self.clock.true_now(), *agent, *command);
                self.post_of_agents();
            }
            Step::Replay(which, arrivals) => {
                self.coverage.operation("replay");
                let which = which % self.recorded.len().max(1);
                if let Some(packet) = self.recorded.get(which).cloned() {
                    self.send(&packet, arrivals);
                }
            }
            Step::Wait(milliseconds) => return self.wait(*milliseconds),
            Step::Stall(milliseconds) => {
                self.coverage.operation("stall");
                self.stalled_until_ns = now_ns + milliseconds * 1_000_000;
            }
            Step::Clock(seconds) => {
                self.coverage.operation("clock step");
                self.clock.step(*seconds);
            }
            Step::Network(quality) => self.network.quality = *quality,
            Step::Drain(draining) => {
                self.catch_up()?;
                self.coverage.operation("drain");
                self.appliance.signalling.set_draining(*draining);
                self.model.set_draining(*draining);
            }
            Step::Release(pick) => {
                self.catch_up()?;
                if let Some(address) = self.pick(0, *pick) {
                    self.coverage.operation("operator's release");
                    self.appliance.signalling.release(address);
                    self.model.end(&address);
                    self.check()?;
                }
            }
            Step::Restart(how, down_ms) => self.restart(*how, *down_ms)?,
        }
        self.wait(0)
    }

    /// The network gets good, and after the longest lifetime everybody's view is the same.
    fn come_to_rest(&mut self) -> Result<(), Difference> {
        self.network.quality = Quality {
            lost: 0,
            twice: 0,
            delay_ms: 20,
        };
        self.take(&Step::Drain(false))?;
        self.wait(LONG_ENOUGH_MS)?;
        for (home_address, care_of) in self.agents.believed() {
            self.coverage.probe("belief of an agent");
            let binding = self.model.bindings().get(&home_address);
            ensure(
                binding.is_some_and(|binding| binding.care_of == care_of),
                || format!("an agent takes {home_address} for bound at {care_of}: {binding:?}"),
            )?;
        }
        self.check_all()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now().mono_ns
    }

    /// Lets time pass, from event to event.
    fn wait(&mut self, milliseconds: u64) -> Result<(), Difference> {
        let until_ns = self.now_ns() + milliseconds * 1_000_000;
        loop {
            let turn = self.due_ns.map(|at| at.max(self.stalled_until_ns));
            let waiting = (!self.waiting.is_empty()).then_some(self.stalled_until_ns);
            let events = [
                turn,
                waiting,
                self.network.next_arrival_ns(),
                self.agents.due_ns(),
            ];
            let next = events.into_iter().flatten().min();
            let Some(at_ns) = next.filter(|at| *at <= until_ns) else {
                break;
            };
            self.clock.pass_until(at_ns);
            self.happen()?;
        }
        self.clock.pass_until(until_ns);
        Ok(())
    }

    /// What happens now.
    fn happen(&mut self) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        self.agents.let_time_pass(self.clock.true_now());
        self.post_of_agents();
        match self.network.arrived(now_ns) {
            Some(Parcel::ToAnchor(packet)) => self.arrive(&packet)?,
            Some(Parcel::FromAnchor(packet)) => self.hear(&packet),
            None => {}
        }
        let is_stalled = now_ns < self.stalled_until_ns;
        let is_due = self.due_ns.is_some_and(|at| at <= now_ns);
        if !is_stalled && (is_due || !self.waiting.is_empty()) {
            self.catch_up()?;
        }
        Ok(())
    }

    /// A message comes to the worker, which hands it to the control plane.
    fn arrive(&mut self, packet: &[u8]) -> Result<(), Difference> {
        let read = Read::packet(packet).expect("what is sent here is sound");
        self.appliance.send_on_core(packet);
        self.waiting.push(read);
        let punted = self.appliance.signalling.punts_waiting(0) as usize;
        ensure(punted == self.waiting.len(), || {
            format!("{punted} punted of {} messages", self.waiting.len())
        })
    }

    /// The control plane's turn, and the reference's.
    fn catch_up(&mut self) -> Result<(), Difference> {
        self.due_ns = self.appliance.turn();
        self.model.pass(self.clock.now());
        let mut answers = self.appliance.take_from_core();
        for read in std::mem::take(&mut self.waiting) {
            // Answers that wait for the journal are overtaken by others, but not on the way to the same place.
            let place = answers
                .iter()
                .position(|packet| destination(packet) == read.source);
            let observed = place.map(|place| {
                let packet = &answers[place];
                Read::packet(packet).ok_or_else(|| Difference(format!("no answer: {packet:?}")))
            });
            let observed = observed.transpose()?;
            let expected = self.model.receive(&read, observed.as_ref());
            self.coverage.expected(&expected);
            if self.is_as_expected(&read, &expected, observed.as_ref())?
                && let Some(place) = place
            {
                let answer = Parcel::FromAnchor(answers.remove(place));
                self.network.send(self.now_ns(), answer);
            }
        }
        ensure(answers.is_empty(), || {
            format!("answers to nothing: {answers:?}")
        })?;
        self.check()
    }

    /// Whether what was observed is the answer to the message; an error, if there is a wrong one, or none.
    fn is_as_expected(
        &self,
        read: &Read,
        expected: &Expected,
        observed: Option<&Read>,
    ) -> Result<bool, Difference> {
        let (reply, care_of, home) = match expected {
            Expected::Silence(_) => return Ok(false),
            Expected::Anything => {
                let is_reply = |read: &Read| {
                    matches!(
                        read.head,
                        Head::Dmip {
                            kind: DmipType::DhpQueryReply,
                            ..
                        }
                    )
                };
                return Ok(observed.is_some_and(is_reply));
            }
            Expected::Reply(reply, care_of, home) => (reply, care_of, home),
        };
        let observed = observed.ok_or_else(|| {
            Difference(format!(
                "to {read:?}\nexpected {reply:?}\nbut no answer came"
            ))
        })?;
        let actual = Reply::of(observed);
        ensure(**reply == actual, || {
            format!("to {read:?}\nexpected {reply:?}\nobserved {actual:?}")
        })?;
        let security = self.nodes.iter().flat_map(|node| &node.associations);
        let security = security
            .clone()
            .find(|security| Some(security.spi()) == reply.spi);
        let is_authentic = observed.contents.auth.as_ref().is_some_and(|auth| {
            let covered = &observed.octets[..auth.covered];
            security.is_some_and(|security| security.verify(care_of, home, covered, &auth.data))
        });
        ensure(is_authentic, || {
            format!("the MAC of the answer is wrong: {observed:?}")
        })?;
        Ok(true)
    }

    /// An answer comes to where it was sent.
    fn hear(&mut self, packet: &[u8]) {
        let Some(read) = Read::packet(packet) else {
            return;
        };
        self.agents
            .receive(self.clock.true_now(), read.destination, packet);
        self.post_of_agents();
        let at = |node: &usize| (0..4).any(|place| care_of(*node, place) == read.destination);
        let Some(node) = (0..NODES).find(at) else {
            return;
        };
        let spi = read.contents.auth.as_ref().map(|auth| auth.spi);
        let associations = &self.nodes[node].associations;
        let by = associations
            .iter()
            .position(|security| Some(security.spi()) == spi);
        let memory = &mut self.memories[node];
        match read.head {
            Head::Dmip {
                status: 135,
                lifetime: highest,
                ..
            } => {
                if let Some(next) = by.and_then(|by| memory.next.get_mut(by)) {
                    *next = highest.wrapping_add(1);
                }
            }
            Head::Acknowledgement {
                status: 135,
                sequence,
                ..
            } => {
                if let Some(home) = read.routed_to {
                    memory.next_home.insert(home, sequence.wrapping_add(1));
                }
            }
            _ => {}
        }
        for dhoa in read.contents.dhoas.iter().filter(|dhoa| dhoa.status == 0) {
            memory.held.retain(|held| *held != dhoa.address);
            memory.held.push(dhoa.address);
            if !self.seen.contains(&dhoa.address) {
                self.seen.push(dhoa.address);
            }
        }
    }

    fn restart(&mut self, how: Restart, down_ms: u64) -> Result<(), Difference> {
        self.catch_up()?;
        self.coverage.operation(how.name());
        let config = anchor_config(&self.nodes);
        self.appliance.restart(config, how, down_ms);
        self.model.restart(how, self.clock.now());
        if how == Restart::WithoutJournal {
            self.ledger.forget();
        }
        self.due_ns = None;
        self.check_all()
    }

    fn post_of_agents(&mut self) {
        for packet in self.agents.take() {
            // To the anycast address of a correspondent's link it goes only if that is covered.
            let is_ours = MobilityPacket::parse(&packet)
                .is_ok_and(|parsed| parsed.destination == crate::site::ANCHOR);
            if is_ours {
                self.network.send(self.now_ns(), Parcel::ToAnchor(packet));
            }
        }
    }
}

/// Of the IPv6 header.
fn destination(packet: &[u8]) -> Ipv6Addr {
    let octets: [u8; 16] = packet[24..40].try_into().expect("16 octets");
    Ipv6Addr::from(octets)
}
