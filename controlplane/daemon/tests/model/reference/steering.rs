//! Care-of addresses by BID and flow bindings (RFC 5648 §6.2, RFC 6089 §5.3; DMIPv6 profile 1, "What a request touches")

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use dhp_proto::anchor::FlowSelector;
use dhp_proto::time::Now;
use dhp_segment::FlowKey;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::SelectorRange;

use super::request::Proven;
use super::{Binding, Model};
use crate::message::{BidOption, FlowContents, FlowOption};
use crate::site::{MOST_CARE_OFS, MOST_FLOWS, MOST_SPLIT};

/// A care-of address with a BID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CareOf {
    pub priority: u8,
    pub address: Ipv6Addr,
    pub ends_ns: Option<u64>,
}

/// A flow binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub priority: u16,
    pub selector: FlowSelector,
    pub bids: BTreeSet<u16>,
}

impl Binding {
    /// Of several care-of addresses the first choice: "the one associated with the BID with the lowest BID-PRI" (RFC 6089
    /// §5.3.6), where 0 is that of a mobile node that knows RFC 5648 alone. It ends with the last of them.
    pub(super) fn choose(&mut self) {
        let rank = |(bid, care_of): &(&u16, &CareOf)| match care_of.priority {
            0 => (u8::MAX, **bid),
            priority => (priority, **bid),
        };
        if let Some((_, first)) = self.care_ofs.iter().min_by_key(rank) {
            self.care_of = first.address;
            let ends = self.care_ofs.values().map(|care_of| care_of.ends_ns);
            self.ends_ns = ends
                .collect::<Option<Vec<u64>>>()
                .and_then(|ends| ends.into_iter().max());
        }
    }

    /// It was there until now, if it is elsewhere now.
    pub(super) fn leave(&mut self, before: Ipv6Addr, now: Now) {
        if before != self.care_of {
            self.previous = Some((before, now.mono_ns));
        }
    }

    /// Where a packet goes: to all care-of addresses of the first flow binding that matches and is active.
    pub fn care_ofs_for(&self, key: &FlowKey) -> BTreeSet<Ipv6Addr> {
        let mut flows: Vec<&Flow> = self.flows.values().collect();
        flows.sort_by_key(|flow| flow.priority);
        for flow in flows {
            let bids = flow.bids.iter().filter_map(|bid| self.care_ofs.get(bid));
            let active: BTreeSet<_> = bids.map(|care_of| care_of.address).collect();
            if !active.is_empty() && flow.matches(key) {
                return active;
            }
        }
        BTreeSet::from([self.care_of])
    }

    /// From where its mobile node may send.
    pub fn all_care_ofs(&self) -> BTreeSet<Ipv6Addr> {
        let further = self.care_ofs.values().map(|care_of| care_of.address);
        further.chain([self.care_of]).collect()
    }
}

impl Flow {
    fn matches(&self, key: &FlowKey) -> bool {
        fn within<T: Copy + PartialOrd>(range: Option<SelectorRange<T>>, value: Option<T>) -> bool {
            range.is_none_or(|range| value.is_some_and(|value| range.contains(value)))
        }
        let FlowSelector::Ipv6(selector) = &self.selector else {
            return false;
        };
        within(selector.next_header, Some(key.next_header))
            && within(selector.source, Some(key.source.into()))
            && within(selector.destination, Some(key.destination.into()))
            && within(selector.source_port, key.ports.map(|(source, _)| source))
            && within(
                selector.destination_port,
                key.ports.map(|(_, destination)| destination),
            )
    }
}

impl FlowOption {
    /// The status of an option that describes a flow and binds it to nothing.
    pub(super) fn described(&self) -> u8 {
        match &self.contents {
            FlowContents::Unreadable => 130,
            FlowContents::Readable { bids: Some(_), .. } => 131,
            FlowContents::Readable { selector, .. } => match selector {
                Some(Err(status)) => *status,
                _ => 0,
            },
        }
    }

    /// Whether it names care-of addresses, or a flow binding that there is.
    fn binds(&self, known: &BTreeMap<u16, Flow>) -> bool {
        let names = matches!(self.contents, FlowContents::Readable { bids: Some(_), .. });
        names || known.contains_key(&self.fid)
    }
}

/// The status of all: that of each, or 4 for those that differ.
pub(super) fn whole(statuses: &[u8]) -> u8 {
    let different: BTreeSet<&u8> = statuses.iter().collect();
    match different.first() {
        Some(status) if different.len() == 1 => **status,
        Some(_) => 4,
        None => 0,
    }
}

/// Takes care-of addresses away; gives a status for each option.
pub(super) fn remove(care_ofs: &mut BTreeMap<u16, CareOf>, options: &[BidOption]) -> Vec<u8> {
    let status = |option: &BidOption| match care_ofs.contains_key(&option.bid) {
        // "Simultaneous home and foreign attachment"
        _ if option.home => 169,
        true => 0,
        false => 133,
    };
    let statuses: Vec<u8> = options.iter().map(status).collect();
    for (option, status) in options.iter().zip(&statuses) {
        if *status == 0 {
            care_ofs.remove(&option.bid);
        }
    }
    statuses
}

impl Model {
    /// How many care-of addresses a binding may have: of those that have several there may be so many.
    pub(super) fn most_care_ofs(&self, address: &Ipv6Addr) -> usize {
        let is_split = |binding: &Binding| binding.care_ofs.len() > 1;
        let split = self
            .bindings
            .values()
            .filter(|binding| is_split(binding))
            .count();
        let may_split = self.bindings.get(address).is_some_and(is_split) || split < MOST_SPLIT;
        if may_split { MOST_CARE_OFS } else { 1 }
    }

    /// Adds or changes care-of addresses; gives a status for each option.
    pub(super) fn add_care_ofs(
        &self,
        care_ofs: &mut BTreeMap<u16, CareOf>,
        options: &[BidOption],
        most: usize,
        ends_ns: Option<u64>,
    ) -> Vec<u8> {
        let known = care_ofs.clone();
        self.put_care_ofs(&known, care_ofs, options, most, ends_ns)
    }

    /// "If the 'O' flag is set in the Binding Update, the receiving node removes all the existing bindings and registers the
    /// received binding(s)."
    pub(super) fn replace_care_ofs(
        &self,
        care_ofs: &mut BTreeMap<u16, CareOf>,
        options: &[BidOption],
        most: usize,
        ends_ns: Option<u64>,
    ) -> Vec<u8> {
        let known = std::mem::take(care_ofs);
        self.put_care_ofs(&known, care_ofs, options, most, ends_ns)
    }

    fn put_care_ofs(
        &self,
        known: &BTreeMap<u16, CareOf>,
        care_ofs: &mut BTreeMap<u16, CareOf>,
        options: &[BidOption],
        most: usize,
        ends_ns: Option<u64>,
    ) -> Vec<u8> {
        let mut seen = BTreeSet::new();
        let mut statuses = Vec::new();
        for option in options {
            let known = known.get(&option.bid).map(|known| known.address.into());
            let address = option.care_of.or(known);
            let is_new = !care_ofs.contains_key(&option.bid);
            statuses.push(match address {
                _ if !seen.insert(option.bid) => 164,
                _ if option.home => 169,
                None => 167,
                Some(IpAddr::V6(address)) if !is_unicast_routable(&address) => 164,
                Some(IpAddr::V6(address)) if self.is_local(&address) => 174,
                // Tunnels to IPv4 are not spoken here.
                Some(IpAddr::V4(_)) => 174,
                Some(_) if is_new && care_ofs.len() >= most => 130,
                Some(IpAddr::V6(address)) => {
                    let care_of = CareOf {
                        priority: option.priority,
                        address,
                        ends_ns,
                    };
                    care_ofs.insert(option.bid, care_of);
                    0
                }
            });
        }
        statuses
    }

    /// The flow bindings of a listed DHoA: "RFC 6089's 'flows not mentioned are deleted' holds for listed DHoAs."
    pub(super) fn listed_flows(
        &self,
        proven: &Proven<'_>,
        address: &Ipv6Addr,
        care_ofs: &BTreeMap<u16, CareOf>,
        worst: &mut [Option<u8>],
    ) -> BTreeMap<u16, Flow> {
        let contents = proven.contents;
        let known = self.bindings.get(address);
        let known = known.map(|known| known.flows.clone()).unwrap_or_default();
        // "a Flow Identification to the DHoA whose option has its FID, one whose FID stands in no DHoA option to every listed
        // DHoA with FID 0"
        let dhoas = &contents.dhoas;
        let here = |fid: u16| {
            dhoas
                .iter()
                .any(|dhoa| dhoa.address == *address && dhoa.fid == fid)
        };
        let tied = |fid: u16| dhoas.iter().any(|dhoa| dhoa.fid == fid);
        let options = contents.flows.iter().enumerate();
        let options = options.filter(|(_, flow)| here(flow.fid) || (here(0) && !tied(flow.fid)));
        let (binding, describing): (Vec<_>, Vec<_>) =
            options.partition(|(_, option)| option.binds(&known));
        let change = FlowChange {
            known,
            care_ofs,
            options: binding.iter().map(|(_, option)| *option).collect(),
            summary: &[],
            keeps_unmentioned: false,
        };
        let (flows, statuses) = change.apply();
        let bound = binding.iter().map(|(at, _)| *at).zip(statuses);
        let described = describing
            .iter()
            .map(|(at, option)| (*at, option.described()));
        for (at, status) in bound.chain(described) {
            let worst = worst[at].get_or_insert(0);
            if *worst == 0 {
                *worst = status;
            }
        }
        flows
    }
}

/// What the flow option of a DHoA Request does, which touches no other flow; the status, if the answer has one.
pub(super) fn requested_flow(
    known: BTreeMap<u16, Flow>,
    care_ofs: &BTreeMap<u16, CareOf>,
    option: &FlowOption,
) -> (BTreeMap<u16, Flow>, Option<(u16, u8)>) {
    if !option.binds(&known) {
        let status = option.described();
        return (known, (status != 0).then_some((option.fid, status)));
    }
    let change = FlowChange {
        known,
        care_ofs,
        options: vec![option],
        summary: &[],
        keeps_unmentioned: true,
    };
    let (flows, statuses) = change.apply();
    (flows, Some((option.fid, statuses[0])))
}

/// A message's options about flows.
pub(super) struct FlowChange<'a> {
    pub(super) known: BTreeMap<u16, Flow>,
    pub(super) care_ofs: &'a BTreeMap<u16, CareOf>,
    pub(super) options: Vec<&'a FlowOption>,
    pub(super) summary: &'a [u16],
    pub(super) keeps_unmentioned: bool,
}

impl FlowChange<'_> {
    /// The flow bindings from now on, and a status for each option.
    pub(super) fn apply(self) -> (BTreeMap<u16, Flow>, Vec<u8>) {
        let fids: BTreeSet<u16> = self.options.iter().map(|option| option.fid).collect();
        // RFC 6089 §5.3.2: of options with the same FID "all … MUST be rejected".
        let has_twice = fids.len() < self.options.len();
        let mentioned =
            |fid: &u16| self.keeps_unmentioned || self.summary.contains(fid) || fids.contains(fid);
        let mut count = self.known.keys().filter(|fid| mentioned(fid)).count();
        let mut asked: Vec<Result<Flow, u8>> = Vec::new();
        for option in &self.options {
            let mut flow = if has_twice {
                Err(129)
            } else {
                self.read(option)
            };
            if flow.is_ok() && !self.known.contains_key(&option.fid) {
                if count >= MOST_FLOWS {
                    flow = Err(129);
                } else {
                    count += 1;
                }
            }
            asked.push(flow);
        }
        // §4.2: "two FIDs MUST NOT be associated with the same FID-PRI value", once all is done. Whoever comes later gives way,
        // until no two are equal.
        loop {
            let mut flows = self.known.clone();
            flows.retain(|fid, _| mentioned(fid));
            let pairs = self.options.iter().zip(&asked);
            for (option, _) in pairs.clone().filter(|(_, flow)| flow.is_ok()) {
                flows.remove(&option.fid);
            }
            let mut collision = None;
            for (at, (option, flow)) in pairs.enumerate() {
                let Ok(flow) = flow else { continue };
                if flows.values().any(|other| other.priority == flow.priority) {
                    collision = Some(at);
                    break;
                }
                flows.insert(option.fid, flow.clone());
            }
            let Some(at) = collision else {
                let status = |flow: &Result<Flow, u8>| flow.as_ref().err().copied().unwrap_or(0);
                return (flows, asked.iter().map(status).collect());
            };
            asked[at] = Err(130);
        }
    }

    /// RFC 6089 §5.3.2.1: a new flow brings selector and reference; §5.3.2.2: what a known one does not bring stays.
    fn read(&self, option: &FlowOption) -> Result<Flow, u8> {
        let FlowContents::Readable { selector, bids } = &option.contents else {
            return Err(130);
        };
        let known = self.known.get(&option.fid);
        if option.priority == 0 {
            return Err(130);
        }
        let selector = match (selector, known) {
            (Some(read), _) => (*read)?,
            (None, Some(known)) => known.selector,
            (None, None) => return Err(130),
        };
        let bids: BTreeSet<u16> = match (bids, known) {
            (Some(bids), _) => bids.iter().copied().collect(),
            (None, Some(known)) => known.bids.clone(),
            (None, None) => return Err(130),
        };
        let names_anew = matches!(
            option.contents,
            FlowContents::Readable { bids: Some(_), .. }
        );
        if names_anew && !bids.iter().all(|bid| self.care_ofs.contains_key(bid)) {
            return Err(131);
        }
        Ok(Flow {
            priority: option.priority,
            selector,
            bids,
        })
    }
}
