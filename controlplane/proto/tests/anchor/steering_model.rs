//! Care-of addresses and flow bindings as RFC 5648 §6.2 and RFC 6089 §5.3 have them, on plain maps: what the anchor is held
//! against.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_wire::ipv6::is_unicast_routable;

use crate::harness::OWN_DHOA;

pub const MOST_CARE_OFS: usize = 3;
pub const MOST_FLOWS: usize = 4;
/// Of these that are not for exactly one flow, or not the first for it.
pub const MOST_RULES: usize = 2;

/// A traffic selector, or something in place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    All,
    Protocol(u8),
    /// UDP from one port of a correspondent to this one.
    Exact(u16),
    Ipv4,
    OtherFormat,
    Cut,
}

#[derive(Debug, Clone)]
pub struct BidOption {
    pub bid: u16,
    pub priority: u8,
    pub care_of: Option<Ipv6Addr>,
    pub home: bool,
}

#[derive(Debug, Clone)]
pub struct FlowOption {
    pub fid: u16,
    pub priority: u16,
    pub selector: Option<Selector>,
    pub bids: Option<BTreeSet<u16>>,
}

/// A Binding Update.
#[derive(Debug, Clone)]
pub struct Update {
    pub source: Ipv6Addr,
    pub lifetime_s: u64,
    pub overwrite: bool,
    pub bids: Vec<BidOption>,
    pub flows: Vec<FlowOption>,
    pub summary: BTreeSet<u16>,
}

/// What is answered: the status, those of the BIDs as a mobile node reads them, those of the flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u8,
    pub bids: Vec<(u16, u8)>,
    pub flows: Vec<(u16, u8)>,
}

#[derive(Debug, Clone, Copy)]
struct CareOf {
    priority: u8,
    address: Ipv6Addr,
    ends_s: u64,
}

#[derive(Debug, Clone)]
struct Flow {
    priority: u16,
    selector: Selector,
    bids: BTreeSet<u16>,
}

/// The binding of one home address.
#[derive(Debug, Default)]
pub struct Model {
    /// Without a BID: the care-of address and its end.
    plain: Option<(Ipv6Addr, u64)>,
    care_ofs: BTreeMap<u16, CareOf>,
    flows: BTreeMap<u16, Flow>,
    /// Until when a de-registered binding is remembered.
    invalid_until_s: u64,
}

impl Model {
    pub fn is_bound(&self) -> bool {
        self.plain.is_some() || !self.care_ofs.is_empty()
    }

    /// Time has come to this second.
    pub fn pass(&mut self, now_s: u64) {
        self.plain = self.plain.filter(|(_, ends_s)| *ends_s > now_s);
        self.care_ofs.retain(|_, care_of| care_of.ends_s > now_s);
        if !self.is_bound() {
            self.flows.clear();
        }
    }

    /// Where packets of this protocol go.
    pub fn care_ofs_of(&self, protocol: u8) -> BTreeSet<Ipv6Addr> {
        let mut flows: Vec<&Flow> = self.flows.values().collect();
        flows.sort_by_key(|flow| flow.priority);
        for flow in flows {
            let matches = match flow.selector {
                Selector::All => true,
                Selector::Protocol(of) => of == protocol,
                _ => false,
            };
            let bids = flow.bids.iter().filter_map(|bid| self.care_ofs.get(bid));
            let care_ofs: BTreeSet<_> = bids.map(|care_of| care_of.address).collect();
            if matches && !care_ofs.is_empty() {
                return care_ofs;
            }
        }
        let rank = |(bid, care_of): &(&u16, &CareOf)| match care_of.priority {
            0 => (128, **bid),
            priority => (priority, **bid),
        };
        let first = self.care_ofs.iter().min_by_key(rank);
        let first = first.map(|(_, care_of)| care_of.address);
        first
            .or(self.plain.map(|(address, _)| address))
            .into_iter()
            .collect()
    }

    pub fn update(&mut self, now_s: u64, update: &Update) -> Reply {
        if update.lifetime_s == 0 {
            return self.deregister(now_s, update);
        }
        let ends_s = now_s + update.lifetime_s;
        if update.bids.is_empty() {
            self.care_ofs.clear();
            self.plain = Some((update.source, ends_s));
            return self.reply(update, &[]);
        }
        if self.plain.is_some() && !update.overwrite {
            return refusal(update, &vec![165; update.bids.len()]);
        }
        let mut care_ofs = match update.overwrite {
            true => BTreeMap::new(),
            false => self.care_ofs.clone(),
        };
        let mut statuses = Vec::new();
        let mut seen = BTreeSet::new();
        for option in &update.bids {
            let known = self.care_ofs.get(&option.bid).map(|known| known.address);
            let address = option.care_of.or(known);
            let status = match address {
                _ if !seen.insert(option.bid) => 164,
                _ if option.home => 169,
                None => 167,
                Some(address) if !is_unicast_routable(&address) => 164,
                Some(OWN_DHOA) => 174,
                Some(_)
                    if care_ofs.len() >= MOST_CARE_OFS && !care_ofs.contains_key(&option.bid) =>
                {
                    130
                }
                Some(address) => {
                    let priority = option.priority;
                    care_ofs.insert(
                        option.bid,
                        CareOf {
                            priority,
                            address,
                            ends_s,
                        },
                    );
                    0
                }
            };
            statuses.push(status);
        }
        if statuses.iter().all(|status| *status >= 128) {
            return refusal(update, &statuses);
        }
        self.plain = None;
        self.care_ofs = care_ofs;
        self.reply(update, &statuses)
    }

    fn deregister(&mut self, now_s: u64, update: &Update) -> Reply {
        if update.bids.is_empty() || !self.is_bound() {
            let was_bound = self.is_bound() || self.invalid_until_s > now_s;
            let invalid_until_s = if was_bound {
                now_s + 10
            } else {
                self.invalid_until_s
            };
            *self = Self {
                invalid_until_s,
                ..Self::default()
            };
            let status = if was_bound { 0 } else { 133 };
            return refusal(update, &vec![status; update.bids.len().max(1)]);
        }
        let status = |option: &BidOption| match self.care_ofs.contains_key(&option.bid) {
            _ if option.home => 169,
            true => 0,
            false => 133,
        };
        let statuses: Vec<u8> = update.bids.iter().map(status).collect();
        if statuses.iter().all(|status| *status >= 128) {
            return refusal(update, &statuses);
        }
        for (option, status) in update.bids.iter().zip(&statuses) {
            if *status == 0 {
                self.care_ofs.remove(&option.bid);
            }
        }
        if self.care_ofs.is_empty() {
            *self = Self {
                invalid_until_s: now_s + 10,
                ..Self::default()
            };
            return refusal(update, &statuses);
        }
        self.reply(update, &statuses)
    }

    /// Takes the flow options of an update that was accepted.
    fn reply(&mut self, update: &Update, bids: &[u8]) -> Reply {
        self.invalid_until_s = 0;
        let mut reply = refusal(update, bids);
        let fids: BTreeSet<u16> = update.flows.iter().map(|flow| flow.fid).collect();
        let twice = fids.len() < update.flows.len();
        let mut asked: Vec<Result<Flow, u8>> = Vec::new();
        let mentioned: BTreeSet<u16> = fids.union(&update.summary).copied().collect();
        let known = |fid: &u16| self.flows.get(fid);
        let mut count = mentioned.iter().filter(|fid| known(fid).is_some()).count();
        for option in &update.flows {
            let mut flow = if twice { Err(129) } else { self.read(option) };
            if flow.is_ok() && known(&option.fid).is_none() {
                if count == MOST_FLOWS {
                    flow = Err(129);
                } else {
                    count += 1;
                }
            }
            asked.push(flow);
        }
        // Whoever comes later gives way, until no two have the same priority, and then until there are no more rules than may be.
        loop {
            let mut outcome = self.flows.clone();
            outcome.retain(|fid, _| mentioned.contains(fid));
            let accepted = |(option, flow): (&FlowOption, &Result<Flow, u8>)| {
                flow.is_ok().then_some(option.fid)
            };
            let replaced: BTreeSet<u16> = update
                .flows
                .iter()
                .zip(&asked)
                .filter_map(accepted)
                .collect();
            outcome.retain(|fid, _| !replaced.contains(fid));
            let mut collision = None;
            for (at, (option, flow)) in update.flows.iter().zip(&asked).enumerate() {
                let Ok(flow) = flow else { continue };
                if outcome
                    .values()
                    .any(|other| other.priority == flow.priority)
                {
                    collision = Some(at);
                    break;
                }
                outcome.insert(option.fid, flow.clone());
            }
            match collision {
                Some(at) => asked[at] = Err(130),
                None if rules(&outcome) > MOST_RULES => {
                    let makes_a_rule = |at: &usize| {
                        let Ok(flow) = &asked[*at] else { return false };
                        let was_there = self.flows.get(&update.flows[*at].fid);
                        let same = |other: &&Flow| other.selector == flow.selector;
                        let is_exact = matches!(flow.selector, Selector::Exact(_));
                        was_there.is_none_or(|known| known.selector != flow.selector)
                            && (!is_exact || outcome.values().filter(same).count() > 1)
                    };
                    let last = (0..asked.len()).rev().find(makes_a_rule);
                    asked[last.expect("there were not too many before")] = Err(129);
                }
                None => {
                    self.flows = outcome;
                    break;
                }
            }
        }
        for (option, flow) in update.flows.iter().zip(&asked) {
            reply
                .flows
                .push((option.fid, flow.as_ref().err().copied().unwrap_or(0)));
        }
        let unknown = update
            .summary
            .iter()
            .filter(|fid| !self.flows.contains_key(fid));
        reply.flows.extend(unknown.map(|fid| (*fid, 132)));
        reply
    }

    fn read(&self, option: &FlowOption) -> Result<Flow, u8> {
        let known = self.flows.get(&option.fid);
        if option.priority == 0 {
            return Err(130);
        }
        let selector = match option.selector.or(known.map(|known| known.selector)) {
            Some(Selector::OtherFormat) => return Err(133),
            None | Some(Selector::Cut) => return Err(130),
            Some(selector) => selector,
        };
        let bids = match (&option.bids, known) {
            (Some(bids), _) if bids.iter().all(|bid| self.care_ofs.contains_key(bid)) => {
                bids.clone()
            }
            (Some(_), _) => return Err(131),
            (None, Some(known)) => known.bids.clone(),
            (None, None) => return Err(130),
        };
        Ok(Flow {
            priority: option.priority,
            selector,
            bids,
        })
    }
}

/// Flow bindings that a packet has to be compared with: exact flows are looked up, each for one of them.
fn rules(flows: &BTreeMap<u16, Flow>) -> usize {
    let exact = flows.values().filter_map(|flow| match flow.selector {
        Selector::Exact(port) => Some(port),
        _ => None,
    });
    flows.len() - exact.collect::<BTreeSet<u16>>().len()
}

/// The answer without flows.
fn refusal(update: &Update, statuses: &[u8]) -> Reply {
    let different: BTreeSet<u8> = statuses.iter().copied().collect();
    let status = match different.first() {
        _ if different.len() > 1 => 4,
        Some(status) => *status,
        None => 0,
    };
    let bids = update.bids.iter().enumerate().map(|(at, option)| {
        let of_its_own = statuses.get(at).filter(|_| different.len() > 1);
        (option.bid, of_its_own.copied().unwrap_or(0))
    });
    Reply {
        status,
        bids: bids.collect(),
        flows: Vec::new(),
    }
}
