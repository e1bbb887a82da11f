//! The reference: what DMIPv6 profile 1 §6.4 says becomes of DHoAs
//!
//! Plain maps of what is bound and of what is tested, and no timers: whatever ends has a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use dhp_proto::anchor::CareOfTestCounters;
use dhp_wire::codepoints::DmipType;

use super::answer::Answer;
use super::care_ofs::{Binding, CareOf, CareOfs};
use super::credit::Credit;
use crate::message::{Head, Read};
use crate::site::{ANCHOR, DHOA_POOLS, Node, QUARANTINE_NS};

/// "Until then (at most 10 s)"
const TEST_NS: u64 = 10_000_000_000;
/// "highest−63 … highest acceptable once each"
const BEHIND: u16 = 63;
/// "the last 8 answers per SA for 64 s"
const ANSWERS: usize = 8;
const ANSWERS_NS: u64 = 64_000_000_000;
/// "`R` 0x4000 Replace: this MN's DHoAs at this DHP that are not listed are released"
const REPLACE: u16 = 0x4000;
/// A lifetime counts so many nanoseconds.
const LIFETIME_NS: u64 = 4_000_000_000;

#[derive(Debug)]
struct Trial {
    cookie: Vec<u8>,
    ends_ns: u64,
}

/// What the messages of a mobile node leave behind.
#[derive(Debug, Default)]
struct Numbers {
    used: BTreeSet<u16>,
    /// Source, octets, answers, and until when they are kept.
    answers: Vec<(Ipv6Addr, Vec<u8>, Vec<Answer>, u64)>,
}

/// A DMIP message that is authentic and new.
struct Request<'a> {
    owner: usize,
    number: u16,
    care_of: Ipv6Addr,
    lifetime: u16,
    flags: u16,
    read: &'a Read,
    /// The answers that came, for what only they can tell: cookies, and which DHoA was assigned.
    observed: &'a [Read],
}

/// What has become of it.
#[derive(Default)]
struct Outcome {
    status: u8,
    flags: u16,
    lifetime: u16,
    /// Status, FID, address, lifetime.
    dhoas: Vec<(u8, u16, Ipv6Addr, u16)>,
    /// BID and status.
    bids: Vec<(u16, u8)>,
    is_echo: bool,
}

/// The anchor, as it should be.
#[derive(Debug)]
pub struct Model {
    nodes: Vec<Node>,
    now_ns: u64,
    bindings: BTreeMap<Ipv6Addr, Binding>,
    /// By mobile node and care-of address.
    trials: BTreeMap<(usize, Ipv6Addr), Trial>,
    /// Owner, and until when.
    quarantine: BTreeMap<Ipv6Addr, (usize, u64)>,
    numbers: BTreeMap<usize, Numbers>,
    /// Cookies that have been given out.
    given: BTreeSet<Vec<u8>>,
    pub counts: CareOfTestCounters,
}

impl Model {
    pub fn new(nodes: Vec<Node>, now_ns: u64) -> Self {
        Self {
            nodes,
            now_ns,
            bindings: BTreeMap::new(),
            trials: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            numbers: BTreeMap::new(),
            given: BTreeSet::new(),
            counts: CareOfTestCounters::default(),
        }
    }

    pub fn bindings(&self) -> &BTreeMap<Ipv6Addr, Binding> {
        &self.bindings
    }

    pub fn binding_mut(&mut self, address: &Ipv6Addr) -> Option<&mut Binding> {
        self.bindings.get_mut(address)
    }

    pub fn in_quarantine(&self) -> usize {
        self.quarantine.len()
    }

    /// Tests that are going on.
    pub fn pending(&self) -> usize {
        self.trials.len()
    }

    /// Where goes what exceeds the credit of a BID.
    pub fn tested(&self, binding: &Binding, bid: u16) -> Option<Ipv6Addr> {
        let under_test = binding.under_test().into_iter();
        let ends = under_test.map(|care_of| self.trials[&(binding.owner, care_of)].ends_ns);
        binding.tested(bid, ends.max()?)
    }

    /// Time passes, and everything ends in its order.
    pub fn pass(&mut self, now_ns: u64) {
        loop {
            let trial = self.trials.iter().min_by_key(|(_, trial)| trial.ends_ns);
            let trial = trial.map(|(key, trial)| (trial.ends_ns, *key));
            let ends = self.bindings.iter().flat_map(|(address, binding)| {
                let care_ofs = binding.care_ofs.values();
                care_ofs.map(move |care_of| (care_of.ends_ns, *address))
            });
            let care_of = ends.min();
            let next = [trial.map(|of| of.0), care_of.map(|of| of.0)];
            let Some(at_ns) = next.into_iter().flatten().min().filter(|at| *at <= now_ns) else {
                break;
            };
            self.now_ns = at_ns;
            match (trial, care_of) {
                (Some((ends_ns, (owner, care_of))), _) if ends_ns == at_ns => {
                    self.fail(owner, care_of);
                }
                (_, Some((_, address))) => self.expire(address),
                (_, None) => unreachable!("something ends"),
            }
        }
        self.now_ns = now_ns;
        self.quarantine
            .retain(|_, (_, until_ns)| *until_ns > now_ns);
    }

    /// The answers to a message.
    pub fn receive(&mut self, read: &Read, observed: &[Read]) -> Vec<Answer> {
        let spi = read.contents.auth.as_ref().map(|auth| auth.spi);
        let has_it = |node: &Node| Some(node.associations[0].spi()) == spi;
        let owner = self.nodes.iter().position(has_it).expect("a mobile node");
        let care_of = read.contents.alternate.first().copied();
        let care_of = care_of.unwrap_or(read.source);
        match read.head {
            Head::Dmip {
                kind,
                sequence,
                lifetime,
                flags,
                ..
            } => {
                let request = Request {
                    owner,
                    number: sequence,
                    care_of,
                    lifetime,
                    flags,
                    read,
                    observed,
                };
                self.receive_dmip(kind, &request)
            }
            Head::Update {
                sequence, lifetime, ..
            } => {
                let home = read.home.expect("a home address");
                let binding = self.bindings.get_mut(&home).expect("a bound DHoA");
                // "Classic updates have no cookie: exempt"
                let ends_ns = self.now_ns + u64::from(lifetime) * LIFETIME_NS;
                binding.change_to(only(care_of, ends_ns));
                self.abandon();
                let head = Head::Acknowledgement {
                    status: 0,
                    sequence,
                    lifetime,
                };
                vec![Answer::new(read.source, head)]
            }
            _ => Vec::new(),
        }
    }

    fn receive_dmip(&mut self, kind: DmipType, request: &Request<'_>) -> Vec<Answer> {
        let (read, now_ns) = (request.read, self.now_ns);
        let numbers = self.numbers.entry(request.owner).or_default();
        let stored = numbers.answers.iter().find(|(source, octets, _, until)| {
            *source == read.source && *octets == read.octets && *until > now_ns
        });
        // "identical octets get 16 with the same Cookie again"
        if let Some((_, _, answers, _)) = stored {
            return answers.clone();
        }
        let highest = numbers.used.last().copied().unwrap_or(0);
        if numbers.used.contains(&request.number) || request.number + BEHIND < highest {
            let outcome = Outcome {
                status: 135,
                lifetime: highest,
                ..Outcome::default()
            };
            return self.answers(kind, request, outcome);
        }
        numbers.used.insert(request.number);
        let outcome = match kind {
            DmipType::DhoaRequest => self.dhoa_request(request),
            _ => self.dhp_update(request),
        };
        let answers = self.answers(kind, request, outcome);
        let numbers = self.numbers.entry(request.owner).or_default();
        if numbers.answers.len() == ANSWERS {
            numbers.answers.remove(0);
        }
        let until_ns = now_ns + ANSWERS_NS;
        let octets = read.octets.clone();
        let kept = (read.source, octets, answers.clone(), until_ns);
        numbers.answers.push(kept);
        answers
    }

    /// "a 16 with its own Cookie goes to each new one"; who echoes one of several cookies gets one without.
    fn answers(&self, kind: DmipType, request: &Request<'_>, outcome: Outcome) -> Vec<Answer> {
        let accepted = outcome.dhoas.iter().filter(|dhoa| dhoa.0 == 0);
        let bindings = accepted.filter_map(|dhoa| self.bindings.get(&dhoa.2));
        let under_test = bindings.flat_map(Binding::under_test);
        let care_ofs: BTreeSet<_> = under_test.map(|care_of| (request.owner, care_of)).collect();
        let status = match care_ofs.is_empty() {
            true => outcome.status,
            false => 16,
        };
        let head = Head::Dmip {
            kind: match kind {
                DmipType::DhoaRequest => DmipType::DhoaResponse,
                _ => DmipType::BindingConfirmation,
            },
            sequence: request.number,
            lifetime: outcome.lifetime,
            flags: outcome.flags,
            status,
        };
        let answer = |to, cookie| Answer {
            to,
            cookie,
            head,
            dhoas: outcome.dhoas.clone(),
            bids: outcome.bids.clone(),
        };
        let cookies = care_ofs.iter().map(|key| {
            let cookie = self.trials[key].cookie.clone();
            answer(key.1, Some(cookie))
        });
        let to_sender = care_ofs.is_empty() || outcome.is_echo;
        let to_sender = to_sender.then(|| answer(request.read.source, None));
        cookies.chain(to_sender).collect()
    }

    /// "A DHoA Request binds the DHoA it returns and no other": the one that the mobile node has for this flow, or another.
    fn dhoa_request(&mut self, request: &Request<'_>) -> Outcome {
        let flow = request.read.contents.flows.first();
        let dedicated = flow.map(|flow| flow.fid);
        let fits =
            |binding: &Binding| binding.owner == request.owner && binding.dedicated == dedicated;
        let known = self.bindings.iter().find(|(_, binding)| fits(binding));
        let known = known.map(|(address, _)| *address);
        let address = known.unwrap_or_else(|| {
            let dhoas = request
                .observed
                .iter()
                .flat_map(|read| &read.contents.dhoas);
            let granted = dhoas.map(|dhoa| dhoa.address).next();
            let free = granted.filter(|address| self.is_free(request.owner, address));
            free.unwrap_or(Ipv6Addr::UNSPECIFIED)
        });
        let lifetime = match self.overtaking(&address, request) {
            Some(remaining) => remaining,
            None => {
                let ends_ns = self.end_of(request);
                let known = self.bindings.get(&address);
                let mut care_ofs = known
                    .map(|known| known.care_ofs.clone())
                    .unwrap_or_default();
                // From one of several it refreshes that one; from elsewhere it takes the place of all.
                let is_it = |care_of: &CareOf| care_of.address == request.care_of;
                if care_ofs.values().any(is_it) && !care_ofs.contains_key(&0) {
                    for care_of in care_ofs.values_mut().filter(|care_of| is_it(care_of)) {
                        care_of.ends_ns = ends_ns;
                    }
                } else {
                    care_ofs = only(request.care_of, ends_ns);
                }
                self.register(request, address, care_ofs);
                let binding = self.bindings.get_mut(&address).expect("just bound");
                binding.dedicated = dedicated;
                request.lifetime
            }
        };
        Outcome {
            flags: self.optimization_flag(request.owner),
            lifetime,
            dhoas: vec![(0, dedicated.unwrap_or(0), address, lifetime)],
            ..Outcome::default()
        }
    }

    /// Whether an address can be assigned to this mobile node.
    fn is_free(&self, owner: usize, address: &Ipv6Addr) -> bool {
        let rests = self.quarantine.get(address);
        let is_somebodys = |node: &Node| node.own_dhoa == Some(*address);
        let is_in = |pool: &ipnet::Ipv6Net| pool.contains(address) && pool.network() != *address;
        DHOA_POOLS.iter().any(is_in)
            && *address != ANCHOR
            && !self.bindings.contains_key(address)
            && rests.is_none_or(|(of, _)| *of == owner)
            && !self.nodes.iter().any(is_somebodys)
    }

    fn dhp_update(&mut self, request: &Request<'_>) -> Outcome {
        let listed = &request.read.contents.dhoas;
        let bids = &request.read.contents.bids;

        let releases = request.lifetime == 0;
        if listed.is_empty() && !releases {
            return Outcome {
                status: 195,
                ..Outcome::default()
            };
        }
        let is_echo = self.take_echo(request);
        let mut dhoas = Vec::new();
        for dhoa in listed {
            let (status, lifetime) = self.update_one(request, dhoa.address);
            dhoas.push((status, dhoa.fid, dhoa.address, lifetime));
        }
        let accepted = dhoas.iter().filter(|dhoa| dhoa.0 == 0);
        let smallest = accepted.clone().map(|dhoa| dhoa.3).min();
        let status = match (smallest, dhoas.first()) {
            (None, Some(first)) => first.0,
            _ => 0,
        };
        let is_pending = |address: &Ipv6Addr| {
            let binding = self.bindings.get(address);
            binding.is_some_and(|binding| !binding.under_test().is_empty())
        };
        let meets_16 = accepted.clone().any(|dhoa| is_pending(&dhoa.2));
        // "A Replace that meets 16 releases when the echo arrives."
        let replaces = request.flags & REPLACE != 0 && status < 128 && (!meets_16 || is_echo);
        if replaces || listed.is_empty() {
            let is_left = |(address, binding): &(&Ipv6Addr, &Binding)| {
                let is_listed = listed.iter().any(|dhoa| dhoa.address == **address);
                binding.owner == request.owner && !is_listed && binding.number < request.number
            };
            let left = self.bindings.iter().filter(is_left);
            for address in left.map(|(address, _)| *address).collect::<Vec<_>>() {
                self.end(address);
            }
        }
        Outcome {
            status,
            flags: self.optimization_flag(request.owner),
            lifetime: smallest.unwrap_or(0),
            dhoas,
            bids: bids.iter().map(|option| (option.bid, 0)).collect(),
            is_echo,
        }
    }

    /// Status and lifetime of a listed DHoA.
    fn update_one(&mut self, request: &Request<'_>, address: Ipv6Addr) -> (u8, u16) {
        let binding = self.bindings.get(&address);
        if binding.is_none_or(|binding| binding.owner != request.owner) {
            return (194, 0);
        }
        if let Some(remaining) = self.overtaking(&address, request) {
            return (0, remaining);
        }
        if request.lifetime == 0 {
            self.end(address);
        } else {
            let care_ofs = self.named(request, &address);
            self.register(request, address, care_ofs);
        }
        (0, request.lifetime)
    }

    /// What is left of a binding that a later message has changed, in whole units and at least one: "its answer gives the binding
    /// as it stands".
    fn overtaking(&self, address: &Ipv6Addr, request: &Request<'_>) -> Option<u16> {
        let binding = self.bindings.get(address)?;
        let left_ns = binding.ends_ns() - self.now_ns;
        let left = u16::try_from(left_ns / LIFETIME_NS).expect("a granted lifetime");
        (binding.number > request.number).then_some(left.max(1))
    }

    /// Flag `O` of answers.
    fn optimization_flag(&self, owner: usize) -> u16 {
        let permissions = self.nodes[owner].associations[0].permissions();
        u16::from(permissions.route_optimization) << 15
    }

    fn end_of(&self, request: &Request<'_>) -> u64 {
        self.now_ns + u64::from(request.lifetime) * LIFETIME_NS
    }

    /// The care-of addresses of a DHoA that an update lists: what has a BID is added, what has none takes the place of all.
    fn named(&self, request: &Request<'_>, address: &Ipv6Addr) -> CareOfs {
        let ends_ns = self.end_of(request);
        let options = &request.read.contents.bids;
        if options.is_empty() {
            return only(request.care_of, ends_ns);
        }
        let mut care_ofs = self.bindings[address].care_ofs.clone();
        care_ofs.remove(&0);
        for option in options {
            let Some(IpAddr::V6(address)) = option.care_of else {
                unreachable!("no other is sent here");
            };
            let care_of = CareOf {
                priority: option.priority,
                address,
                ends_ns,
                is_under_test: false,
            };
            care_ofs.insert(option.bid, care_of);
        }
        care_ofs
    }

    /// A DHoA is at these care-of addresses from now on.
    fn register(&mut self, request: &Request<'_>, address: Ipv6Addr, mut care_ofs: CareOfs) {
        let owner = request.owner;
        let known = self.bindings.get(&address);
        let under_test = known.map(Binding::under_test).unwrap_or_default();
        for care_of in care_ofs.values_mut() {
            care_of.is_under_test =
                under_test.contains(&care_of.address) || !self.is_reached(owner, care_of.address);
        }
        let mut binding = known.cloned().unwrap_or_else(|| Binding {
            owner,
            dedicated: None,
            care_ofs: CareOfs::new(),
            before: None,
            number: 0,
            credit: Some(Credit::default()),
        });
        // "what the binding goes back to remains the last that had passed"
        if known.is_some() && under_test.is_empty() {
            binding.before = Some(binding.care_ofs.clone());
        }
        binding.number = request.number;
        binding.change_to(care_ofs);
        for care_of in binding.under_test() {
            if let Some(credit) = &mut binding.credit
                && !under_test.contains(&care_of)
            {
                credit.begin(self.now_ns);
            }
            self.try_out(request, care_of);
        }
        self.quarantine.remove(&address);
        self.bindings.insert(address, binding);
        self.abandon();
    }

    /// "unless a DHoA of the same mobile node is there and not under test, however it got there, or was until a test began that
    /// is still going on"
    fn is_reached(&self, owner: usize, care_of: Ipv6Addr) -> bool {
        let own = self.bindings.values();
        let mut own = own.filter(|binding| binding.owner == owner);
        let is_it = |known: &CareOf| known.address == care_of;
        own.any(|binding| {
            let mut before = binding.before.iter().flat_map(BTreeMap::values);
            let mut now = binding.care_ofs.values();
            before.any(|known| is_it(known) && known.ends_ns > self.now_ns)
                || now.any(|known| is_it(known) && !known.is_under_test)
        })
    }

    /// "one cookie of 16 octets and one end, 10 s from the first message, for all DHoAs that are to go there"
    fn try_out(&mut self, request: &Request<'_>, care_of: Ipv6Addr) {
        let key = (request.owner, care_of);
        if self.trials.contains_key(&key) {
            return;
        }
        let mut there = request.observed.iter();
        let there =
            there.find(|read| read.destination == care_of && !read.contents.cookies.is_empty());
        let cookie = there.and_then(|read| read.contents.cookies.first());
        // Another one than before: else an old echo would do.
        let cookie = cookie.filter(|cookie| cookie.len() == 16);
        let cookie = cookie.filter(|cookie| self.given.insert((*cookie).clone()));
        let trial = Trial {
            cookie: cookie.cloned().unwrap_or_default(),
            ends_ns: self.now_ns + TEST_NS,
        };
        self.counts.begun += 1;
        self.trials.insert(key, trial);
    }

    /// "An echo passes it for all of them, whichever it lists", if it names the care-of address that its cookie was sent to: with
    /// BIDs by what is tested at the addresses that it lists.
    fn take_echo(&mut self, request: &Request<'_>) -> bool {
        let contents = &request.read.contents;
        let Some(cookie) = contents.cookies.first() else {
            return false;
        };
        let named: BTreeSet<Ipv6Addr> = if contents.bids.is_empty() {
            BTreeSet::from([request.care_of])
        } else {
            let listed = contents.dhoas.iter();
            let listed = listed.filter_map(|dhoa| self.bindings.get(&dhoa.address));
            listed.flat_map(Binding::under_test).collect()
        };
        let mut keys = named.iter().map(|care_of| (request.owner, *care_of));
        let Some(key) = keys.find(|key| {
            let trial = self.trials.get(key);
            trial.is_some_and(|trial| trial.cookie == *cookie)
        }) else {
            return false;
        };
        for address in self.waiting(key) {
            let binding = self.bindings.get_mut(&address).expect("it waits");
            binding.pass(key.1);
        }
        self.trials.remove(&key);
        self.counts.passed += 1;
        true
    }

    /// "Not echoed: the old CoA stays; without one the binding and its assignment end."
    fn fail(&mut self, owner: usize, care_of: Ipv6Addr) {
        let waiting = self.waiting((owner, care_of));
        self.trials.remove(&(owner, care_of));
        self.counts.failed += 1;
        for address in waiting {
            let binding = self.bindings.get_mut(&address).expect("it waits");
            if binding.fail(care_of, self.now_ns).is_none() {
                self.end(address);
            }
        }
        self.abandon();
    }

    /// The lifetimes of care-of addresses have passed.
    fn expire(&mut self, address: Ipv6Addr) {
        let binding = self.bindings.get_mut(&address).expect("bound");
        let mut left = binding.care_ofs.clone();
        left.retain(|_, care_of| care_of.ends_ns > self.now_ns);
        if left.is_empty() {
            self.end(address);
        } else {
            binding.change_to(left);
            self.abandon();
        }
    }

    /// The DHoAs that a test is for.
    fn waiting(&self, (owner, care_of): (usize, Ipv6Addr)) -> Vec<Ipv6Addr> {
        let waits =
            |binding: &Binding| binding.owner == owner && binding.under_test().contains(&care_of);
        let waiting = self.bindings.iter().filter(|(_, binding)| waits(binding));
        waiting.map(|(address, _)| *address).collect()
    }

    /// Ends the tests that nothing waits for any more.
    fn abandon(&mut self) {
        let keys: Vec<_> = self.trials.keys().copied().collect();
        for key in keys {
            if self.waiting(key).is_empty() {
                self.trials.remove(&key);
                self.counts.abandoned += 1;
            }
        }
    }

    /// A binding ends, and its DHoA rests.
    fn end(&mut self, address: Ipv6Addr) {
        if let Some(binding) = self.bindings.remove(&address) {
            let until_ns = self.now_ns + QUARANTINE_NS;
            self.quarantine.insert(address, (binding.owner, until_ns));
        }
        self.abandon();
    }
}

/// One care-of address, without a BID.
fn only(address: Ipv6Addr, ends_ns: u64) -> CareOfs {
    let care_of = CareOf {
        priority: 0,
        address,
        ends_ns,
        is_under_test: false,
    };
    CareOfs::from([(0, care_of)])
}
