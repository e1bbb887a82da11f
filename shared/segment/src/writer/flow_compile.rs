//! From care-of addresses and flow rules as they are given to what a flow set and the flow table hold.

use crate::exact_flow::ExactFlow;
use crate::flow::{FlowRule, FlowSelector, MAX_CARE_OFS};
use crate::flow_set::FlowSet;
use crate::flow_slot::Said;
use crate::template::Tunnel;
use core::net::Ipv6Addr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Which care-of address stands at which position. Those of a set that is replaced keep theirs, so that flows that name them need not
/// be written anew.
pub(super) struct Positions<'t>([Option<&'t (u16, Tunnel)>; MAX_CARE_OFS]);

impl<'t> Positions<'t> {
    /// Of so many care-of addresses as there are positions at most.
    pub(super) fn new(care_ofs: &'t [(u16, Tunnel)], replaced: Option<FlowSet<'_>>) -> Self {
        let mut positions = [None; MAX_CARE_OFS];
        let mut rest = Vec::new();
        for care_of in care_ofs {
            let kept = replaced
                .and_then(|set| set.position(care_of.0))
                .and_then(|position| positions.get_mut(position))
                .filter(|position| position.is_none());
            match kept {
                Some(position) => *position = Some(care_of),
                None => rest.push(care_of),
            }
        }
        let free = positions.iter_mut().filter(|position| position.is_none());
        for (position, care_of) in free.zip(rest) {
            *position = Some(care_of);
        }
        Self(positions)
    }

    /// The care-of addresses that there are, with their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'t (u16, Tunnel))> + '_ {
        let all = self.0.iter().enumerate();
        all.filter_map(|(position, care_of)| Some((position, (*care_of)?)))
    }

    /// The positions of these BIDs, a bit for each.
    fn of(&self, bids: &[u16]) -> u8 {
        self.iter()
            .filter(|(_, (bid, _))| bids.contains(bid))
            .fold(0, |mask, (position, _)| mask | 1 << position)
    }
}

/// The rules of a home address.
pub(super) struct Compiled<'r> {
    /// Those for the list, in order of priority: selector, positions of the care-of addresses, whether to discard.
    pub(super) list: Vec<(&'r FlowSelector, u8, bool)>,
    /// Those of exact flows.
    pub(super) flows: BTreeMap<ExactFlow, Said>,
}

impl<'r> Compiled<'r> {
    pub(super) fn new(home: Ipv6Addr, rules: &'r [FlowRule], positions: &Positions<'_>) -> Self {
        let mut list = Vec::new();
        let mut flows = BTreeMap::new();
        for rule in rules {
            let care_ofs = positions.of(&rule.bids);
            let flow = rule.selector.exact(home);
            // No care-of address comes to a set that it was not made with: such a rule is skipped for ever.
            if flow.is_some() && care_ofs == 0 && !rule.discard {
                continue;
            }
            match flow.map(|flow| flows.entry(flow)) {
                Some(Entry::Vacant(place)) => {
                    place.insert(Said {
                        care_ofs,
                        discard: rule.discard,
                        rank: u8::try_from(list.len()).unwrap_or(u8::MAX),
                    });
                }
                // A second rule for a flow counts where the first one is inactive: as any other of the list.
                Some(Entry::Occupied(_)) | None => {
                    list.push((&rule.selector, care_ofs, rule.discard));
                }
            }
        }
        Self { list, flows }
    }
}
