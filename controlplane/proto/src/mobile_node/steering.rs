//! Several care-of addresses at once, and which flows go to which (RFC 5648, RFC 6089; profile 1, section 4.1).
//!
//! What an anchor is to know is computed whole from the accesses and the rules, so that a change is an update where the two
//! differ. Where all flows use the default access there is nothing to know: then messages are those of a node with one access.

use core::net::Ipv6Addr;
use core::ops::RangeInclusive;

use dhp_wire::mobility::{
    Bids, Builder, FlowSubOption, MobilityOption, SelectorRange, TrafficSelector,
};
use ipnet::Ipv6Net;

use dhp_wire::codepoints::Status;

use super::access::{AccessRule, Attachment};

/// Flow bindings of a home address: anchors have room for 32 (`max_flow_bindings`), and a message for about so many.
const MAX_FLOWS: usize = 16;

/// The longest Mobility Header that flow bindings are added to, so that no message is fragmented (RFC 6089 §6): the smallest
/// MTU of IPv6 less its header, a Home Address option, and 80 octets of MESG-ID, cookie and authentication.
const LONGEST: usize = 1280 - 40 - 24 - 80;

/// BID-PRI of the default access and of the others: "the lower goes first" (RFC 6089 §4.1).
const DEFAULT_PRIORITY: u8 = 10;
const OTHER_PRIORITY: u8 = 20;

/// FID-PRI of the first flow binding, and of one that takes all that is left.
const FIRST_FLOW: u16 = 1;

/// Packets of a home address that use a certain access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteeredFlow {
    /// The rule that says so, by its place.
    pub rule: usize,
    /// Which packets, as they come from the correspondent.
    pub selector: TrafficSelector,
    /// BID of the access.
    pub bid: u16,
}

/// The care-of addresses of a home address and what goes to each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steering {
    /// BIDs with their care-of addresses, the default one first. None: there is one care-of address, without a BID.
    pub care_ofs: Vec<(u16, Ipv6Addr)>,
    /// In order: the first that matches decides, the default takes what is left.
    pub flows: Vec<SteeredFlow>,
}

impl Steering {
    /// What follows from the accesses that there are, the default first, and the access that each rule has chosen.
    pub(super) fn new(accesses: &[Attachment], rules: &[AccessRule], chosen: &[u16]) -> Self {
        let Some(default) = accesses.first().map(|access| access.bid) else {
            return Self::default();
        };
        let mut flows = Vec::new();
        for (place, (rule, bid)) in rules.iter().zip(chosen).enumerate() {
            // What goes the default way needs to be told only where a later rule would have it otherwise.
            let mut later = rules.iter().zip(chosen).skip(place.saturating_add(1));
            if *bid == default && !later.any(|(other, bid)| *bid != default && rule.overlaps(other))
            {
                continue;
            }
            let selectors = rule.selectors();
            flows.extend(selectors.map(|selector| SteeredFlow {
                rule: place,
                selector,
                bid: *bid,
            }));
        }
        flows.truncate(MAX_FLOWS);
        if flows.iter().all(|flow| flow.bid == default) {
            return Self::default();
        }
        let is_used = |access: &&Attachment| {
            access.bid == default || flows.iter().any(|flow| flow.bid == access.bid)
        };
        let used = accesses.iter().filter(is_used);
        Self {
            care_ofs: used.map(|access| (access.bid, access.care_of)).collect(),
            flows,
        }
    }

    /// Whether there is one care-of address, without a BID.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.care_ofs.is_empty()
    }

    /// Whether one of the care-of addresses is this.
    pub(super) fn contains(&self, care_of: &Ipv6Addr) -> bool {
        self.care_ofs.iter().any(|(_, address)| address == care_of)
    }

    /// Its BIDs.
    pub(super) fn bids(&self) -> impl Iterator<Item = u16> {
        self.care_ofs.iter().map(|(bid, _)| *bid)
    }

    /// Appends the care-of addresses.
    pub(super) fn write_care_ofs(&self, mut builder: Builder) -> Builder {
        for (place, (bid, care_of)) in self.care_ofs.iter().enumerate() {
            let priority = match place {
                0 => DEFAULT_PRIORITY,
                _ => OTHER_PRIORITY,
            };
            builder = builder.option(&identifier(*bid, priority, Some(*care_of)));
        }
        builder
    }

    /// Appends the flows. `leaving`: the anchor may have other BIDs as well, which nothing is to use any more.
    pub(super) fn write_flows(
        &self,
        mut builder: Builder,
        leaving: bool,
        mac_len: usize,
    ) -> Builder {
        let rest = self.care_ofs.first().filter(|_| leaving);
        let rest = rest.map(|(bid, _)| (TrafficSelector::default(), *bid));
        let flows = self.flows.iter().map(|flow| (flow.selector, flow.bid));
        for (number, (selector, bid)) in (FIRST_FLOW..).zip(flows.chain(rest)) {
            let Some(sub_options) = sub_options(&selector, bid) else {
                continue;
            };
            let option = MobilityOption::FlowIdentification {
                fid: number,
                priority: number,
                status: 0,
                sub_options: &sub_options,
            };
            if builder
                .len_with(&option, mac_len)
                .is_none_or(|len| len > LONGEST)
            {
                break;
            }
            builder = builder.option(&option);
        }
        builder
    }
}

/// A Binding Identifier option (RFC 5648 §4.1). Without a care-of address it only names the BID.
pub(super) fn identifier(
    bid: u16,
    priority: u8,
    care_of: Option<Ipv6Addr>,
) -> MobilityOption<'static> {
    MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority,
        care_of: care_of.map(Into::into),
    }
}

/// Binding Reference and Traffic Selector (RFC 6089 §4.2.1).
fn sub_options(selector: &TrafficSelector, bid: u16) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let bids = [bid.to_be_bytes()];
    FlowSubOption::BindingReference(Bids::new(&bids)?).write(&mut octets)?;
    let selector = selector.to_octets();
    FlowSubOption::TrafficSelector {
        format: TrafficSelector::FORMAT,
        selector: &selector,
    }
    .write(&mut octets)?;
    Some(octets)
}

impl AccessRule {
    /// Its packets as they come from correspondents: a selector for each prefix and each range of ports.
    fn selectors(&self) -> impl Iterator<Item = TrafficSelector> {
        let ports: Vec<Option<RangeInclusive<u16>>> = match &*self.ports {
            [] => vec![None],
            ranges => ranges.iter().cloned().map(Some).collect(),
        };
        self.correspondents.iter().flat_map(move |prefix| {
            let with = |ports: Option<RangeInclusive<u16>>| TrafficSelector {
                source: addresses(prefix),
                source_port: ports.map(|range| between(*range.start(), *range.end())),
                dscp: self.dscp.map(SelectorRange::one),
                next_header: self.protocol.map(SelectorRange::one),
                ..TrafficSelector::default()
            };
            ports
                .iter()
                .cloned()
                .map(with)
                .collect::<Vec<TrafficSelector>>()
        })
    }

    /// Whether a packet may match both rules.
    fn overlaps(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let ranges = |one: &RangeInclusive<u16>, other: &RangeInclusive<u16>| {
            one.start() <= other.end() && other.start() <= one.end()
        };
        let ports = self.ports.is_empty()
            || other.ports.is_empty()
            || self
                .ports
                .iter()
                .any(|one| other.ports.iter().any(|two| ranges(one, two)));
        ports
            && same(self.protocol, other.protocol)
            && same(self.dscp, other.dscp)
            && self.is_about(&other.correspondents)
    }

    /// Whether one of its correspondents is one of these.
    pub(super) fn is_about(&self, correspondents: &[Ipv6Net]) -> bool {
        self.correspondents.iter().any(|one| {
            let mut others = correspondents.iter();
            others.any(|other| one.contains(other) || other.contains(one))
        })
    }
}

fn addresses(prefix: &Ipv6Net) -> Option<SelectorRange<Ipv6Addr>> {
    (prefix.prefix_len() > 0).then(|| between(prefix.network(), prefix.broadcast()))
}

fn between<T: Copy + PartialEq>(start: T, end: T) -> SelectorRange<T> {
    SelectorRange {
        start,
        end: (start != end).then_some(end),
    }
}
