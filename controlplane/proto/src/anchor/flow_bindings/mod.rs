//! The flow bindings of a home address (RFC 6089 §4.3, §5.3).

mod selector;

use core::net::Ipv6Addr;

use dhp_wire::codepoints::flow_status;

use super::care_of_addresses::{self, CareOfAddress};
use super::config::Limits;
pub(crate) use selector::FlowContents;
pub use selector::FlowSelector;

/// A flow binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowBinding {
    /// FID, not 0.
    pub fid: u16,
    /// FID-PRI, not 0: the lower goes first. No two of a home address are equal.
    pub priority: u16,
    /// Which packets are the flow's.
    pub selector: FlowSelector,
    /// Where a copy of each goes: BIDs, at least one, in their order.
    pub bids: Vec<u16>,
}

impl FlowBinding {
    /// RFC 6089 §4.3: "A valid BID is required to make the entry 'Active'."
    #[must_use]
    pub fn is_active(&self, care_ofs: &[CareOfAddress]) -> bool {
        let is_registered = |bid: &u16| care_of_addresses::find(care_ofs, *bid).is_some();
        self.bids.iter().any(is_registered)
    }
}

/// A Flow Identification option of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlowOption {
    pub(crate) fid: u16,
    pub(crate) priority: u16,
    pub(crate) sub_options: Box<[u8]>,
}

/// What the flow options of a message ask for.
#[derive(Debug)]
pub(crate) struct FlowUpdate<'a> {
    /// Whose flow bindings they are.
    pub(crate) home_address: &'a Ipv6Addr,
    /// The flow bindings that there are.
    pub(crate) known: &'a [FlowBinding],
    /// The care-of addresses that there will be: "Home agents … MUST logically process BID options first" (§5.3.1).
    pub(crate) care_ofs: &'a [CareOfAddress],
    pub(crate) options: Vec<&'a FlowOption>,
    /// The FIDs of Flow Summary options.
    pub(crate) summary: &'a [u16],
    /// Whether flow bindings that the message does not mention stay.
    pub(crate) keeps_unmentioned: bool,
    /// How many flow bindings there may be.
    pub(crate) limits: &'a Limits,
}

/// What it comes to.
#[derive(Debug, Default)]
pub(crate) struct UpdatedFlows {
    /// In the order of their FID-PRIs.
    pub(crate) flows: Vec<FlowBinding>,
    /// One for each option.
    pub(crate) statuses: Vec<u8>,
    /// FIDs of Flow Summary options that are not known.
    pub(crate) unknown: Vec<u16>,
}

impl FlowUpdate<'_> {
    pub(crate) fn apply(&self) -> UpdatedFlows {
        let mut asked = self.read();
        self.refuse_beyond_limit(&mut asked);
        self.refuse_what_does_not_fit(&mut asked);
        let mut flows: Vec<FlowBinding> = self.stays(&asked).cloned().collect();
        let mut statuses = Vec::with_capacity(asked.len());
        for asked in asked {
            statuses.push(asked.as_ref().err().copied().unwrap_or_default());
            flows.extend(asked);
        }
        flows.sort_unstable_by_key(|flow| flow.priority);
        let mut unknown: Vec<u16> = self.summary.to_vec();
        // "If a given FID is included more than once … the duplicates can be simply ignored."
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|fid| !flows.iter().any(|flow| flow.fid == *fid));
        UpdatedFlows {
            flows,
            statuses,
            unknown,
        }
    }

    /// The flow binding that each option asks for, or the status that refuses it. RFC 6089 §5.3.2: "If more than one flow
    /// identification mobility option in the same BU has the same value in the FID field, all the flow identification mobility
    /// options MUST be rejected."
    fn read(&self) -> Vec<Result<FlowBinding, u8>> {
        let mut fids: Vec<u16> = self.options.iter().map(|option| option.fid).collect();
        fids.sort_unstable();
        let repeated = fids.windows(2).any(|pair| pair.first() == pair.last());
        let options = self.options.iter();
        options
            .map(|option| {
                if repeated {
                    Err(flow_status::REJECTED)
                } else {
                    self.read_one(option)
                }
            })
            .collect()
    }

    /// RFC 6089 §5.3.2.1 for a new FID, which has to bring selector and reference, and §5.3.2.2 for a known one, where what it
    /// does not bring "MUST be maintained".
    fn read_one(&self, option: &FlowOption) -> Result<FlowBinding, u8> {
        if self.limits.max_flow_bindings == 0 {
            return Err(flow_status::PROHIBITED);
        }
        let contents = FlowContents::read(&option.sub_options)?;
        // §4.2: "Value '0' is reserved and MUST NOT be used."
        if option.priority == 0 {
            return Err(flow_status::MALFORMED);
        }
        let known = self.known(option.fid);
        let selector = match (contents.selector, known) {
            (Some(selector), _) => selector?,
            (None, Some(known)) => known.selector,
            (None, None) => return Err(flow_status::MALFORMED),
        };
        let bids = match (contents.bids, known) {
            (Some(bids), _) => {
                let is_there = |bid: &u16| care_of_addresses::find(self.care_ofs, *bid).is_some();
                if !bids.iter().all(is_there) {
                    return Err(flow_status::BID_NOT_FOUND);
                }
                bids
            }
            (None, Some(known)) => known.bids.clone(),
            (None, None) => return Err(flow_status::MALFORMED),
        };
        Ok(FlowBinding {
            fid: option.fid,
            priority: option.priority,
            selector,
            bids,
        })
    }

    /// RFC 6089 has no status for a lack of room: "Flow binding rejected, reason unspecified".
    fn refuse_beyond_limit(&self, asked: &mut [Result<FlowBinding, u8>]) {
        let stays = self.known.iter().filter(|flow| self.mentions(flow.fid));
        let mut count = stays.count();
        for asked in asked {
            match asked {
                Ok(flow) if self.known(flow.fid).is_none() => {
                    if count >= self.limits.max_flow_bindings {
                        *asked = Err(flow_status::REJECTED);
                    } else {
                        count = count.saturating_add(1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Refuses what cannot be in force beside the rest, once all is done: whoever comes later gives way. A known flow binding that is
    /// refused stays as it is, so that another may not fit beside it.
    fn refuse_what_does_not_fit(&self, asked: &mut [Result<FlowBinding, u8>]) {
        loop {
            let (at, status) = match (self.equal_priority(asked), self.rule_too_many(asked)) {
                (Some(at), _) => (at, flow_status::MALFORMED),
                (None, Some(at)) => (at, flow_status::REJECTED),
                (None, None) => return,
            };
            if let Some(refused) = asked.get_mut(at) {
                *refused = Err(status);
            }
        }
    }

    /// §4.2: "two FIDs MUST NOT be associated with the same FID-PRI value", once all is done: two may exchange theirs.
    fn equal_priority(&self, asked: &[Result<FlowBinding, u8>]) -> Option<usize> {
        let collides = |(at, asked_for): (usize, &Result<FlowBinding, u8>)| {
            let priority = asked_for.as_ref().ok()?.priority;
            let earlier = asked.iter().take(at).flatten();
            let mut others = self.stays(asked).chain(earlier);
            others.any(|other| other.priority == priority).then_some(at)
        };
        asked.iter().enumerate().find_map(collides)
    }

    /// The last that makes a rule of its own, if there are more of these than may be. Exact flows are looked up, however many there are,
    /// but for the second and later flow bindings of the same flow.
    fn rule_too_many(&self, asked: &[Result<FlowBinding, u8>]) -> Option<usize> {
        let flows = || self.stays(asked).chain(asked.iter().flatten());
        let most = self.limits.max_flow_rules;
        if flows().count() <= most {
            return None;
        }
        let exact = |flow: &FlowBinding| flow.selector.exact(self.home_address);
        let mut looked_up: Vec<_> = flows().filter_map(exact).collect();
        looked_up.sort_unstable();
        looked_up.dedup();
        if flows().count().saturating_sub(looked_up.len()) <= most {
            return None;
        }
        let makes_a_rule = |asked_for: &Result<FlowBinding, u8>| {
            let Ok(flow) = asked_for else { return false };
            let was_there = self.known(flow.fid);
            let is_another = was_there.is_none_or(|known| known.selector != flow.selector);
            let of_the_same = |of| flows().filter(|other| exact(other) == Some(of)).count();
            is_another && exact(flow).is_none_or(|of| of_the_same(of) > 1)
        };
        asked.iter().rposition(makes_a_rule)
    }

    /// The known flow bindings that stay as they are. §5.3.4: "any registered FIDs that are not explicitly referred to … in
    /// the same binding update, MUST be removed".
    fn stays<'f>(
        &'f self,
        asked: &'f [Result<FlowBinding, u8>],
    ) -> impl Iterator<Item = &'f FlowBinding> {
        self.known.iter().filter(move |flow| {
            let is_replaced = asked.iter().flatten().any(|new| new.fid == flow.fid);
            !is_replaced && self.mentions(flow.fid)
        })
    }

    fn mentions(&self, fid: u16) -> bool {
        self.keeps_unmentioned
            || self.summary.contains(&fid)
            || self.options.iter().any(|option| option.fid == fid)
    }

    fn known(&self, fid: u16) -> Option<&FlowBinding> {
        self.known.iter().find(|flow| flow.fid == fid)
    }
}
