//! DHPs in use are asked for others, beside the anycast address and the locators: one that is nearer than the DHP sought answers
//! before it does, if it has that in its directory.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::DmipType;

use super::MobileNode;
use super::candidate::Candidate;
use super::need::FlowKey;
use super::pace::MessageKind;
use crate::time::Now;

/// DHPs that are asked for one flow.
const MOST: usize = 2;

/// Answers in a row that name nobody else, after which a DHP is not asked any more.
const MOST_UNTOLD: u8 = 3;

/// Queries that a DHP in use must still be allowed this second: what it is measured by goes first.
const ROOM: usize = 2;

impl MobileNode {
    /// The nearest DHPs in use, for a flow that somebody waits for.
    pub(super) fn neighbours(&self, now: Now, key: &FlowKey) -> Vec<Ipv6Addr> {
        let flow = self.flows.get(key);
        if flow.is_none_or(|flow| flow.demanded_ns.is_none()) {
            return Vec::new();
        }
        let query = MessageKind::Dmip(DmipType::DhpQuery);
        let mut nearest: Vec<(u64, Ipv6Addr)> = self
            .anchors
            .iter()
            .filter(|(_, anchor)| anchor.verified && !anchor.dhoas.is_empty())
            .filter(|(_, anchor)| anchor.silent_until_ns.is_none() && anchor.untold < MOST_UNTOLD)
            .filter(|(dhp, _)| !self.config.locators.contains(dhp))
            .filter(|(dhp, _)| self.pace.has_room(**dhp, query, now.mono_ns, ROOM))
            .filter_map(|(dhp, anchor)| Some((anchor.round_trip_ns?, *dhp)))
            .collect();
        nearest.sort_unstable();
        nearest.truncate(MOST);
        nearest.into_iter().map(|(_, dhp)| dhp).collect()
    }

    /// Notes whether a DHP that was asked for others knows any.
    pub(super) fn neighbour_answered(&mut self, dhp: &Ipv6Addr, named: &[Candidate]) {
        let is_told = named.iter().any(|candidate| candidate.dhp != *dhp);
        if let Some(anchor) = self.anchors.get_mut(dhp) {
            anchor.untold = match is_told {
                true => 0,
                false => anchor.untold.saturating_add(1),
            };
        }
    }
}
