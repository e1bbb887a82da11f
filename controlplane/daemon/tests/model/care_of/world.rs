//! The anchor and its reference, step by step, and what has to hold after each of them

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_proto::anchor::UnderTest;
use dhp_segment::Template;

use super::answer::Answer;
use super::care_ofs::CareOf;
use super::reference::Model;
use super::step::{By, Echo, Step};
use crate::appliance::{Appliance, SimulatedClock};
use crate::invariants::ends;
use crate::message::{Head, Read};
use crate::signer::Signer;
use crate::site::{ANCHOR, CORRESPONDENT, DHOA_POOLS, Node, PLACES, anchor_config, care_of, nodes};
use crate::step::{
    BidAsk, Elsewhere, Fault, FlowAsk, HomeUpdate, Number, Pick, Request, Signature, Update, Whom,
};
use crate::world::{Difference, ensure};

/// The mobile nodes that take part: each may have at least three DHoAs, and none has one for good. The last two are neighbours,
/// so that one of them can name a care-of address that is the other's.
pub const NODES: [usize; 4] = [3, 10, 6, 7];
/// Every step takes so long at least, so that no two things end at the same moment.
const STEP_NS: u64 = 137;
/// "the previous CoA is good for 2 s more"
const PREVIOUS_NS: u64 = 2_000_000_000;
/// Longer than any lifetime and quarantine together.
const LONG_ENOUGH_MS: u64 = 900_000;
/// Of a packet in its tunnel.
const PACKET: u64 = 1_000;

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
        let mut config = anchor_config(&nodes);
        config.care_of_test = true;
        Self {
            appliance: Appliance::start(config, &clock, &directory.path().join("journal")),
            model: Model::new(nodes.clone(), clock.now().mono_ns),
            nodes,
            clock,
            next: [1; NODES.len()],
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
        let counts = self.model.counts;
        for (name, count) in [
            ("begun", counts.begun),
            ("passed", counts.passed),
            ("failed", counts.failed),
            ("abandoned", counts.abandoned),
        ] {
            *self.seen.entry(name).or_default() += count;
        }
        let is_empty = self.model.bindings().is_empty();
        ensure(is_empty, || "something has no end".to_owned())
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn now_ns(&self) -> u64 {
        self.clock.now().mono_ns
    }

    fn take(&mut self, step: &Step) -> Result<(), Difference> {
        self.clock.pass_until(self.now_ns() + STEP_NS);
        match step {
            Step::Request { by, fid, lifetime } => {
                let packet = self.request(*by, *fid, *lifetime);
                self.send(*by, packet)?;
            }
            Step::Update {
                by,
                listed,
                of_another,
                bids,
                lifetime,
                replace,
                echo,
            } => {
                let cookie = echo.and_then(|echo| self.cookie(by.node, echo));
                let by = match (echo, &cookie) {
                    (Some(Echo::Right(_)), Some((care_of, _))) => self.naming(*by, *care_of),
                    _ => *by,
                };
                let cookie = cookie.map(|(_, cookie)| cookie);
                // Care-of addresses are not taken away by BIDs here, and one without is not named beside them.
                let bids = bids.iter().filter(|_| *lifetime != 0);
                let bids = bids.map(|(bid, (place, priority))| BidAsk {
                    bid: *bid,
                    priority: *priority,
                    care_of: Some(match *place {
                        PLACES => Elsewhere::Neighbour,
                        place => Elsewhere::Place(place),
                    }),
                    home: false,
                });
                let bids: Vec<_> = bids.collect();
                let by = match bids.is_empty() {
                    true => by,
                    false => By {
                        care_of: by.place,
                        ..by
                    },
                };
                let update = Update {
                    lifetime: *lifetime,
                    acknowledge: true,
                    replace: *replace,
                    listed: Vec::new(),
                    bids,
                    flows: Vec::new(),
                    modes: Vec::new(),
                };
                let listed = self.listed(by.node, listed, *of_another);
                let packet = self.sign(by, cookie.as_deref(), |signer| {
                    signer.update(&update, &listed)
                });
                self.send(by, packet)?;
            }
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

    fn signature(&self, by: By) -> Signature {
        let alternate = match by.care_of {
            PLACES => Some(Elsewhere::Neighbour),
            of if of == by.place => None,
            of => Some(Elsewhere::Place(of)),
        };
        Signature {
            node: NODES[by.node],
            second: false,
            number: Number::Next,
            mesg_id: None,
            fault: Fault::None,
            mn_id: None,
            place: by.place,
            alternate,
            arrivals: vec![0],
        }
    }

    /// The next message of a mobile node, as the closure makes it.
    fn sign(
        &mut self,
        by: By,
        cookie: Option<&[u8]>,
        make: impl FnOnce(&Signer<'_>) -> Vec<u8>,
    ) -> Vec<u8> {
        let sequence = self.next[by.node];
        self.next[by.node] += 1;
        let node = &self.nodes[NODES[by.node]];
        make(&Signer {
            node,
            by: &self.signature(by),
            security: &node.associations[0],
            sequence,
            mesg_id: None,
            cookie,
        })
    }

    fn request(&mut self, by: By, fid: u16, lifetime: u16) -> Vec<u8> {
        let flow = (fid != 0).then_some(FlowAsk {
            fid,
            priority: 1,
            selector: None,
            bids: None,
        });
        let request = Request {
            lifetime,
            dedicated: fid != 0,
            wish: None,
            correspondent: Whom::Covered,
            kbps: None,
            flow,
        };
        self.sign(by, None, |signer| signer.request(&request, None))
    }

    /// Address, FID and lifetime of each DHoA that an update lists: the mobile node's newest by number, and one of another.
    fn listed(
        &self,
        node: usize,
        numbers: &[usize],
        of_another: bool,
    ) -> Vec<(Ipv6Addr, u16, u16)> {
        let (own, others): (Vec<(usize, Ipv6Addr)>, Vec<_>) =
            self.assigned.iter().partition(|(of, _)| *of == node);
        let newest: Vec<_> = own
            .iter()
            .rev()
            .take(3)
            .map(|(_, address)| *address)
            .collect();
        let numbers = numbers.iter().map(|number| number % newest.len().max(1));
        let numbers: BTreeSet<usize> = numbers.collect();
        let named = numbers
            .iter()
            .filter_map(|number| newest.get(*number).copied());
        let another = others.last().filter(|_| of_another);
        let another = another.map(|(_, address)| *address);
        let listed = named.chain(another);
        listed.map(|address| (address, 0, 0)).collect()
    }

    /// A classic Binding Update of a DHoA that is bound, which is always newer than the last.
    fn classic(
        &mut self,
        node: usize,
        dhoa: usize,
        place: usize,
        lifetime: u16,
    ) -> Result<(), Difference> {
        let bound = self.model.bindings().iter();
        let own = bound.filter(|(_, binding)| binding.owner == NODES[node]);
        let own: Vec<_> = own.map(|(address, _)| *address).collect();
        let Some(home) = own.get(dhoa % own.len().max(1)).copied() else {
            return Ok(());
        };
        self.note("classic update");
        let update = HomeUpdate {
            home: Pick::Unknown,
            lifetime,
            option: true,
            home_registration: true,
            overwrite: false,
            bids: Vec::new(),
            flows: Vec::new(),
            summary: Vec::new(),
        };
        let by = By {
            node,
            place,
            care_of: place,
            is_late: false,
        };
        let of_node = &self.nodes[NODES[node]];
        let packet = Signer {
            node: of_node,
            by: &self.signature(by),
            security: &of_node.associations[0],
            sequence: self.next_classic,
            mesg_id: None,
            cookie: None,
        }
        .home_update(&update, home);
        self.next_classic += 1;
        self.deliver(&packet)
    }

    /// Where a cookie was sent to, and the cookie.
    fn cookie(&self, node: usize, echo: Echo) -> Option<(Ipv6Addr, Vec<u8>)> {
        let own = self.cookies.iter().filter(|(of, ..)| *of == node);
        let given = match echo {
            Echo::Right(ago) | Echo::Elsewhere(ago) => own.rev().nth(ago),
            Echo::Anybodys => self.cookies.last(),
            Echo::Invented => return Some((ANCHOR, vec![0x5a; 16])),
        };
        given.map(|(_, care_of, cookie)| (*care_of, cookie.clone()))
    }

    /// The same sender, who names this care-of address.
    fn naming(&self, by: By, care_of: Ipv6Addr) -> By {
        let is_it = |place: &usize| care_of_address(by.node, *place) == care_of;
        By {
            care_of: (0..=PLACES).find(is_it).unwrap_or(by.care_of),
            ..by
        }
    }

    fn send(&mut self, by: By, packet: Vec<u8>) -> Result<(), Difference> {
        if by.is_late {
            self.late.push(packet);
            return Ok(());
        }
        self.sent.push(packet.clone());
        self.deliver(&packet)
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
        self.model.pass(self.now_ns());
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

    /// An answer comes to where it was sent.
    fn hear(
        &mut self,
        message: Option<&Read>,
        read: &Read,
        answer: Answer,
    ) -> Result<(), Difference> {
        let request = message.expect("there are no answers to nothing");
        let auth = request.contents.auth.as_ref().expect("signed");
        let has_it = |node: &usize| self.nodes[*node].associations[0].spi() == auth.spi;
        let node = NODES.iter().position(has_it).expect("a mobile node");
        let security = &self.nodes[NODES[node]].associations[0];
        let named = request.contents.alternate.first().copied();
        let care_of = named.unwrap_or(request.source);
        let home = request.home.unwrap_or(ANCHOR);
        let is_authentic = read.contents.auth.as_ref().is_some_and(|auth| {
            let covered = &read.octets[..auth.covered];
            security.verify(&care_of, &home, covered, &auth.data)
        });
        ensure(is_authentic, || {
            format!("the MAC of the answer is wrong: {read:?}")
        })?;
        let echoes = !request.contents.cookies.is_empty();
        match answer.head {
            Head::Dmip { status: 16, .. } if answer.cookie.is_none() => {
                self.note("accepted while others are under test");
            }
            Head::Dmip { status: 16, .. } => {
                self.note("status 16");
                if echoes {
                    self.note("echo in vain");
                }
            }
            Head::Dmip { status: 0, .. } => self.note("status 0"),
            Head::Dmip { status: 135, .. } => self.note("status 135"),
            Head::Dmip { status: 194, .. } => self.note("status 194"),
            Head::Dmip { status: 195, .. } => self.note("status 195"),
            _ => {}
        }
        for (status, _, address, _) in answer.dhoas {
            if status != 0 {
                self.note("DHoA is refused");
            } else if !self.assigned.contains(&(node, address)) {
                self.assigned.push((node, address));
            }
        }
        if let Some(cookie) = answer.cookie {
            self.cookies.push((node, answer.to, cookie));
        }
        Ok(())
    }

    /// Both planes have what the reference has.
    fn check(&mut self) -> Result<(), Difference> {
        let now = self.clock.now();
        let anchor = self.appliance.signalling.anchor();
        let counts = anchor.counters().care_of_tests();
        ensure(self.model.counts == counts, || {
            format!("expected {:?}, counted {counts:?}", self.model.counts)
        })?;
        let ended = counts.passed + counts.failed + counts.abandoned;
        let pending = self.model.pending() as u64;
        ensure(counts.begun == ended + pending, || {
            format!("{pending} tests are going on: {counts:?}")
        })?;
        let pools = anchor.pools();
        let held = pools
            .filter(|pool| DHOA_POOLS.contains(&pool.prefix))
            .map(|pool| (pool.used, pool.quarantined))
            .fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let expected = (self.model.bindings().len(), self.model.in_quarantine());
        ensure(held == expected, || {
            format!("bound and in quarantine: {expected:?} expected, {held:?}")
        })?;
        for (_, address) in &self.assigned {
            let view = anchor.binding(now, address);
            let actual = view.map(|view| {
                let several = view.care_ofs.iter();
                let several = several.map(|of| (of.bid, of.address, of.expires_ns, of.test));
                let several: Vec<_> = several.collect();
                let (mn, sequence) = (view.mn.to_string(), view.sequence);
                let default = (view.care_of, view.test);
                (mn, sequence, view.expires_ns, default, several)
            });
            let binding = self.model.bindings().get(address);
            let expected = binding.map(|binding| {
                let test = |(bid, care_of): (&u16, &CareOf)| {
                    let tested = self.model.tested(binding, *bid);
                    care_of.is_under_test.then_some(UnderTest { tested })
                };
                let care_ofs = binding.care_ofs.iter();
                let all = care_ofs.map(|of| (*of.0, of.1.address, Some(of.1.ends_ns), test(of)));
                let several: Vec<_> = all.filter(|_| binding.is_numbered()).collect();
                let first = binding.default();
                let default = (first.1.address, test(first));
                let mn = self.nodes[binding.owner].id.to_string();
                let (number, ends_ns) = (Some(binding.number), Some(binding.ends_ns()));
                (mn, number, ends_ns, default, several)
            });
            ensure(actual == expected, || {
                format!("{address}: expected {expected:?}\nin the anchor {actual:?}")
            })?;
            let reader = &self.appliance.reader;
            let entry = reader.lookup_home(&address.octets());
            let by_template = |template: Template| {
                let tested = template.tested.and_then(|id| reader.template(id));
                let tested = tested.map(|template| Ipv6Addr::from(template.destination));
                let test = template.is_tested_now().then_some(UnderTest { tested });
                (Ipv6Addr::from(template.destination), test)
            };
            let order = |(care_of, test): &(Ipv6Addr, Option<UnderTest>)| {
                (*care_of, test.map(|test| test.tested))
            };
            let default = entry.and_then(|entry| reader.tunnel(&entry));
            let set = entry.and_then(|entry| reader.flow_set(entry.flows()?));
            let several = set.iter().flat_map(|set| set.templates());
            let several = several.filter_map(|id| reader.template(id));
            let mut several: Vec<_> = several.map(by_template).collect();
            several.sort_by_key(order);
            let actual = (default.map(by_template), several);
            let default = expected.as_ref().map(|of| of.3);
            let several = expected.iter().flat_map(|of| &of.4);
            let mut several: Vec<_> = several.map(|of| (of.1, of.3)).collect();
            // One that has a BID is like one that has none.
            several.retain(|_| binding.is_some_and(|binding| binding.care_ofs.len() > 1));
            several.sort_by_key(order);
            let expected = (default, several);
            ensure(actual == expected, || {
                format!("{address}: expected {expected:?}\nin the segment {actual:?}")
            })?;
        }
        Ok(())
    }

    /// A packet from the correspondent.
    fn send_down(&mut self, address: Ipv6Addr) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        let binding = self.model.bindings().get(&address);
        let first = binding.map(|binding| {
            let (bid, care_of) = binding.default();
            let tested = self.model.tested(binding, *bid);
            (care_of.address, care_of.is_under_test, tested)
        });
        let credit = self.model.binding_mut(&address);
        let credit = credit.and_then(|binding| binding.credit.as_mut());
        let (expected, what) = match (first, credit) {
            (None, _) => (vec![None], "to nobody"),
            (Some((own, false, _)), _) => (vec![Some(own)], "to the mobile node"),
            (Some((own, true, tested)), None) => (
                vec![Some(own), tested],
                "to the first of several under test",
            ),
            (Some((own, true, tested)), Some(credit)) => {
                match (credit.spend(PACKET, now_ns), tested) {
                    (true, _) => (vec![Some(own)], "to a care-of address under test"),
                    (false, Some(_)) => (vec![tested], "to the tested care-of address instead"),
                    (false, None) => (vec![None], "to nowhere"),
                }
            }
        };
        self.note(what);
        self.appliance.send_on_cn(&datagram(CORRESPONDENT, address));
        let out = self.appliance.take_from_core();
        let out: Vec<_> = out.iter().map(|packet| ends(packet)).collect();
        self.appliance.take_from_cn();
        let expected = expected.into_iter();
        let expected = expected.map(|to| to.map(|to| (ANCHOR, to)).into_iter().collect());
        let expected: Vec<Vec<_>> = expected.collect();
        ensure(expected.contains(&out), || {
            format!("a packet to {address} should leave by {expected:?}, has left by {out:?}")
        })
    }

    /// A packet of a mobile node, from a care-of address that it may be at.
    fn send_up(&mut self, address: Ipv6Addr, care_of: Ipv6Addr) -> Result<(), Difference> {
        let now_ns = self.now_ns();
        self.note_places();
        let binding = self.model.bindings().get(&address);
        let is_under_test = binding.is_some_and(|of| of.under_test().contains(&care_of));
        let there_ns = self.there_ns.get(&(address, care_of)).copied();
        let mut packet = vec![0x60, 0, 0, 0, 3, 0xc0, 41, 64];
        packet.extend(care_of.octets());
        packet.extend(ANCHOR.octets());
        packet.extend(datagram(address, CORRESPONDENT));
        self.appliance.send_on_core(&packet);
        let out = self.appliance.take_from_cn();
        let arrived = out
            .iter()
            .any(|packet| ends(packet) == (address, CORRESPONDENT));
        match there_ns {
            Some(at_ns) if at_ns == now_ns => {
                self.note(match is_under_test {
                    true => "from a care-of address under test",
                    false => "from a tested care-of address",
                });
                ensure(arrived, || {
                    format!("what {address} has sent from {care_of} does not arrive")
                })?;
            }
            // It may be on its way still.
            Some(at_ns) if now_ns <= at_ns + PREVIOUS_NS => {}
            _ => {
                self.note("from a stranger");
                ensure(!arrived, || {
                    format!("what was sent from {care_of} counts as from {address}")
                })?;
            }
        }
        if let Some(binding) = self.model.binding_mut(&address)
            && let Some(credit) = &mut binding.credit
            && arrived
        {
            credit.receive(PACKET, now_ns);
        }
        Ok(())
    }

    /// From where mobile nodes may send now: "Packets are taken from both".
    fn note_places(&mut self) {
        let now_ns = self.now_ns();
        for (address, binding) in self.model.bindings() {
            for (bid, care_of) in &binding.care_ofs {
                self.there_ns.insert((*address, care_of.address), now_ns);
                let tested = self.model.tested(binding, *bid);
                if let Some(tested) = tested.filter(|_| care_of.is_under_test) {
                    self.there_ns.insert((*address, tested), now_ns);
                }
            }
        }
    }
}

/// The care-of address of a mobile node at a place.
fn care_of_address(node: usize, place: usize) -> Ipv6Addr {
    match place {
        PLACES => care_of(NODES[node] + 1, 0),
        place => care_of(NODES[node], place),
    }
}

/// A packet of 960 octets, which has [`PACKET`] in a tunnel.
fn datagram(from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 3, 0x98, 17, 64];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend([0, 53, 0, 53, 3, 0x98, 0, 1]);
    packet.resize(960, 0);
    packet
}
