//! DHP Binding Update → DHP Binding Confirmation (DMIPv6 profile 1, sections 3 and 4.1)

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use dhp_wire::mobility::Mode;

use super::request::{Outcome, Proven};
use super::{Binding, Model};
use crate::message::DhoaOption;
use crate::site::LONGEST_LIFETIME;

/// "confirmation wanted; without it only status 16 and statuses ≥ 128 are answered"
const ACKNOWLEDGE: u16 = 0x8000;
/// "this MN's DHoAs at this DHP that are not listed are released"
const REPLACE: u16 = 0x4000;

/// What became of an address: status and lifetime.
type Verdict = (u8, u16);

/// The worst of what the listed addresses came to, by place of the option.
struct Worst {
    bids: Vec<u8>,
    flows: Vec<Option<u8>>,
}

fn note(worst: &mut u8, status: u8) {
    if *worst == 0 {
        *worst = status;
    }
}

impl Model {
    pub(super) fn dhp_update(&mut self, proven: &Proven<'_>) -> Outcome {
        let contents = proven.contents;
        let releases = proven.lifetime == 0;
        // "a type 5 that lists none needs Lifetime 0, else 195"; "Alternate CoA and BIDs exclude each other"
        let lists_none = contents.dhoas.is_empty();
        let excluded = !contents.alternate.is_empty() && !contents.bids.is_empty();
        if (lists_none && !releases) || excluded {
            return Outcome::refused(195);
        }
        let listed = if lists_none && !contents.bids.is_empty() {
            self.all_of(proven.owner)
        } else {
            contents.dhoas.clone()
        };
        // Which addresses are the mobile node's is decided before any of them is touched.
        let own = |address: &Ipv6Addr| Some((*address, self.bindings.get(address)?.clone()));
        let before: BTreeMap<_, _> = listed
            .iter()
            .filter_map(|dhoa| own(&dhoa.address))
            .collect();
        let mut worst = Worst {
            bids: vec![0; contents.bids.len()],
            flows: vec![None; contents.flows.len()],
        };
        let mut done = BTreeMap::new();
        let bad_care_of =
            !releases && contents.bids.is_empty() && !self.is_good_care_of(&proven.care_of);
        let mut verdicts: Vec<Verdict> = Vec::new();
        for dhoa in &listed {
            let verdict = if bad_care_of {
                (174, 0)
            } else {
                *done.entry(dhoa.address).or_insert_with(|| {
                    self.update_address(proven, &listed, &before, dhoa.address, &mut worst)
                })
            };
            // "a DHoA option in type 5 may ask its own (0 = as the header)"; one that stands as it was is told of as it is.
            let known: Option<&Binding> = before.get(&dhoa.address);
            let is_older = known.is_some_and(|known| is_newer(known, proven));
            let lifetime = match is_older {
                true => verdict.1,
                false => verdict.1.min(self.asked_for(proven, dhoa)),
            };
            verdicts.push((verdict.0, lifetime));
        }
        let mut outcome = self.confirm(proven, &listed, &verdicts);
        if lists_none && contents.bids.is_empty() {
            self.release_all_but(proven, &[]);
        } else if proven.flags & REPLACE != 0 && outcome.status < 128 {
            self.release_all_but(proven, &listed);
        }
        outcome.bids = contents
            .bids
            .iter()
            .map(|bid| bid.bid)
            .zip(worst.bids)
            .collect();
        if outcome.status < 128 && (!releases || !contents.bids.is_empty()) {
            let flows = contents.flows.iter().zip(worst.flows);
            outcome.flows = flows
                .map(|(option, status)| (option.fid, status.unwrap_or(option.described())))
                .collect();
            let recorded = self.record_modes(proven, &verdicts);
            let permitted = self.optimization_flag(proven.owner) != 0;
            // A mode that no flow has is not in force.
            let modes = contents.modes.iter().map(|(fid, mode)| {
                let is_in_force = permitted && recorded.contains(fid);
                (*fid, if is_in_force { *mode } else { Mode::Proxy })
            });
            outcome.modes = modes.collect();
        }
        let is_refused = outcome.statuses().any(|status| status >= 128);
        outcome.is_silent = proven.flags & ACKNOWLEDGE == 0 && !is_refused;
        outcome
    }

    fn asked_for(&self, proven: &Proven<'_>, dhoa: &DhoaOption) -> u16 {
        if dhoa.lifetime == 0 {
            proven.lifetime
        } else {
            dhoa.lifetime
        }
    }

    /// One address, however often it is listed. It has one binding: the longest lifetime that is asked for it.
    fn update_address(
        &mut self,
        proven: &Proven<'_>,
        listed: &[DhoaOption],
        before: &BTreeMap<Ipv6Addr, Binding>,
        address: Ipv6Addr,
        worst: &mut Worst,
    ) -> Verdict {
        let same = listed.iter().filter(|dhoa| dhoa.address == address);
        let longest = same
            .map(|dhoa| self.asked_for(proven, dhoa))
            .max()
            .unwrap_or(0);
        let lifetime = longest.min(LONGEST_LIFETIME);
        let releases = proven.lifetime == 0;
        let has_bids = !proven.contents.bids.is_empty();
        match before.get(&address) {
            Some(known) if known.owner != proven.owner || !known.is_dhoa => return (194, 0),
            // "a message with a lower one neither changes nor releases that binding (Replace included), its answer gives the
            // binding as it stands"
            Some(known) if is_newer(known, proven) => return (0, self.remaining(known)),
            Some(_) if releases && has_bids => return self.take_care_ofs(proven, address, worst),
            Some(_) if releases => {
                self.release_by(&address, proven.order);
                return (0, 0);
            }
            Some(_) => {}
            None => {
                if let Some(refused) = self.refusal_of_new(proven, &address) {
                    return (refused, 0);
                }
            }
        }
        self.update_binding(proven, address, lifetime, worst)
    }

    /// Only an address that is the mobile node's for good begins a binding by a DHP Binding Update.
    fn refusal_of_new(&self, proven: &Proven<'_>, address: &Ipv6Addr) -> Option<u8> {
        let is_own = self.owner_for_good(address) == Some(proven.owner);
        let released_by = self.released_by.get(address);
        let overtaken = released_by.is_some_and(|order| order.is_after(proven.order));
        let is_dhoa = self.pool_of(address) == Some(true);
        if proven.lifetime == 0 || !is_own || !is_dhoa || overtaken {
            return Some(194);
        }
        let most = self.nodes[proven.owner].associations[0]
            .permissions()
            .max_dhoas;
        let is_full = self.held(proven.owner).count() >= most || !self.has_room();
        is_full.then_some(130)
    }

    fn update_binding(
        &mut self,
        proven: &Proven<'_>,
        address: Ipv6Addr,
        lifetime: u16,
        worst: &mut Worst,
    ) -> Verdict {
        let contents = proven.contents;
        let ends_ns = self.end_of(lifetime);
        let known = self.bindings.get(&address);
        let mut care_ofs = known
            .map(|known| known.care_ofs.clone())
            .unwrap_or_default();
        let mut status = 0;
        if contents.bids.is_empty() {
            care_ofs.clear();
        } else {
            let most = self.most_care_ofs(&address);
            let statuses = self.add_care_ofs(&mut care_ofs, &contents.bids, most, ends_ns);
            for (worst, status) in worst.bids.iter_mut().zip(&statuses) {
                note(worst, *status);
            }
            status = super::steering::whole(&statuses);
            if statuses.iter().all(|status| *status >= 128) {
                return (status, 0);
            }
        }
        let flows = self.listed_flows(proven, &address, &care_ofs, &mut worst.flows);
        let order = proven.order;
        self.bind(address, proven.owner, |binding| {
            binding.care_of = proven.care_of;
            binding.ends_ns = ends_ns;
            binding.care_ofs = care_ofs;
            binding.flows = flows;
            binding.order = Some(order);
        });
        (status, lifetime)
    }

    /// Lifetime 0 with BIDs takes these care-of addresses away; the binding goes with the last.
    fn take_care_ofs(
        &mut self,
        proven: &Proven<'_>,
        address: Ipv6Addr,
        worst: &mut Worst,
    ) -> Verdict {
        let mut care_ofs = self.bindings[&address].care_ofs.clone();
        let statuses = super::steering::remove(&mut care_ofs, &proven.contents.bids);
        for (worst, status) in worst.bids.iter_mut().zip(&statuses) {
            note(worst, *status);
        }
        let status = super::steering::whole(&statuses);
        if statuses.iter().all(|status| *status >= 128) {
            return (status, 0);
        }
        if care_ofs.is_empty() {
            self.release_by(&address, proven.order);
            return (status, 0);
        }
        let flows = self.listed_flows(proven, &address, &care_ofs, &mut worst.flows);
        let order = proven.order;
        self.bind(address, proven.owner, |binding| {
            binding.care_ofs = care_ofs;
            binding.flows = flows;
            binding.order = Some(order);
        });
        (status, 0)
    }

    fn release_all_but(&mut self, proven: &Proven<'_>, listed: &[DhoaOption]) {
        for DhoaOption { address, .. } in self.all_of(proven.owner) {
            let is_listed = listed.iter().any(|dhoa| dhoa.address == address);
            if !is_listed && !is_newer(&self.bindings[&address], proven) {
                self.release_by(&address, proven.order);
            }
        }
    }

    /// All DHoAs of a mobile node, as if it had listed them.
    fn all_of(&self, owner: usize) -> Vec<DhoaOption> {
        let mut held: Vec<_> = self.held(owner).collect();
        held.sort_by_key(|(_, binding)| binding.since);
        let option = |(address, _): &(&Ipv6Addr, &Binding)| DhoaOption {
            status: 0,
            fid: 0,
            address: **address,
            lifetime: 0,
        };
        held.iter().map(option).collect()
    }

    /// "0 if any address was accepted, else the first address's"; "in the header the smallest granted".
    fn confirm(&self, proven: &Proven<'_>, listed: &[DhoaOption], verdicts: &[Verdict]) -> Outcome {
        let accepted = || verdicts.iter().filter(|(status, _)| *status < 128);
        let dhoas = listed.iter().zip(verdicts);
        let first = verdicts.first().map_or(0, |(status, _)| *status);
        Outcome {
            status: if accepted().next().is_some() {
                0
            } else {
                first
            },
            lifetime: accepted().map(|(_, lifetime)| *lifetime).min().unwrap_or(0),
            flags: self.optimization_flag(proven.owner),
            dhoas: dhoas
                .map(|(dhoa, (status, lifetime))| (*status, dhoa.fid, dhoa.address, *lifetime))
                .collect(),
            ..Outcome::default()
        }
    }

    /// The flows that each accepted address has from now on, with the modes that the mobile node confirms. Gives their FIDs, and
    /// 0 for all.
    fn record_modes(&mut self, proven: &Proven<'_>, verdicts: &[Verdict]) -> BTreeSet<u16> {
        let mut recorded = BTreeSet::new();
        let contents = proven.contents;
        let permitted = self.optimization_flag(proven.owner) != 0;
        for (dhoa, (status, _)) in contents.dhoas.iter().zip(verdicts) {
            let Some(binding) = self.bindings.get_mut(&dhoa.address) else {
                continue;
            };
            if *status >= 128 || binding.order != Some(proven.order) {
                continue;
            }
            let same = contents
                .dhoas
                .iter()
                .filter(|other| other.address == dhoa.address);
            let mut fids: Vec<u16> = same.map(|dhoa| dhoa.fid).collect();
            if fids.contains(&0) {
                let tied: Vec<u16> = contents.dhoas.iter().map(|dhoa| dhoa.fid).collect();
                let flows = contents.flows.iter().map(|flow| flow.fid);
                fids.extend(flows.filter(|fid| !tied.contains(fid)));
            }
            recorded.extend(fids.iter().copied().chain([0]));
            let confirmed = |of: u16| {
                let mode = contents.modes.iter().find(|(fid, _)| *fid == of);
                mode.map(|(_, mode)| if permitted { *mode } else { Mode::Proxy })
            };
            let modes = fids.into_iter().map(|fid| {
                let known = binding.modes.iter().find(|(known, _)| *known == fid);
                let known = known.map_or(Mode::Proxy, |(_, mode)| *mode);
                (fid, confirmed(fid).or(confirmed(0)).unwrap_or(known))
            });
            binding.modes = modes.collect();
        }
        recorded
    }
}

fn is_newer(known: &Binding, proven: &Proven<'_>) -> bool {
    known
        .order
        .is_some_and(|order| order.is_after(proven.order))
}
