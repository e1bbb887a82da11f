//! DHoA Request → DHoA Response (DMIPv6 profile 1, sections 3 and 4.1)

use std::net::Ipv6Addr;

use dhp_wire::mobility::Mode;

use super::request::{Outcome, Proven};
use super::{Binding, Model};
use crate::message::Read;
use crate::site::{ANCHOR, CAPACITY_KBPS, COVERAGE, LONGEST_LIFETIME};

/// "a DHoA dedicated to the flow whose Flow Identification (FID ≠ 0) it carries"
const DEDICATED: u16 = 0x8000;

/// Which DHoA is asked for.
struct Asked {
    fid: u16,
    dedicated: Option<u16>,
    wish: Option<Ipv6Addr>,
}

impl Model {
    pub(super) fn dhoa_request(&mut self, proven: &Proven<'_>, observed: Option<&Read>) -> Outcome {
        let asked = match self.asked(proven) {
            Ok(asked) => asked,
            Err(status) => return Outcome::refused(status),
        };
        let Some(address) = self.pick(proven, &asked, observed) else {
            return Outcome::refused(130);
        };
        let lifetime = proven.lifetime.min(LONGEST_LIFETIME);
        let known = self.bindings.get(&address);
        let is_newer = |known: &Binding| {
            known
                .order
                .is_some_and(|order| order.is_after(proven.order))
        };
        let mut outcome = Outcome {
            lifetime,
            flags: self.optimization_flag(proven.owner),
            ..Outcome::default()
        };
        if let Some(known) = known.filter(|known| is_newer(known)) {
            // "its answer gives the binding as it stands"
            outcome.lifetime = self.remaining(known);
        } else {
            let flow = self.bind_requested(proven, address, lifetime, &asked);
            outcome.flows.extend(flow);
        }
        let modes = self.bindings.get(&address).map(|binding| &binding.modes);
        let mode = modes
            .into_iter()
            .flatten()
            .find(|(fid, _)| *fid == asked.fid);
        outcome
            .modes
            .push((asked.fid, mode.map_or(Mode::Proxy, |(_, mode)| *mode)));
        outcome
            .dhoas
            .push((0, asked.fid, address, outcome.lifetime));
        outcome
    }

    fn asked(&self, proven: &Proven<'_>) -> Result<Asked, u8> {
        let contents = proven.contents;
        let Some((prefix_len, correspondent)) = contents.correspondent.first() else {
            return Err(195);
        };
        // "Type 3 with 0: 195."
        if proven.lifetime == 0 {
            return Err(195);
        }
        let (wish, flow) = (contents.dhoas.first(), contents.flows.first());
        // "FID ties a DHoA to its flow": a wish for one flow with the description of another ties nothing.
        if let (Some(wish), Some(flow)) = (wish, flow)
            && ![0, flow.fid].contains(&wish.fid)
        {
            return Err(195);
        }
        let is_dedicated = proven.flags & DEDICATED != 0;
        if is_dedicated && flow.is_none() {
            return Err(195);
        }
        let fid = flow
            .map(|flow| flow.fid)
            .or(wish.map(|wish| wish.fid))
            .unwrap_or(0);
        if !self.nodes[proven.owner].associations[0].permissions().dhoa {
            return Err(129);
        }
        if self.draining {
            return Err(196);
        }
        if !self.is_good_care_of(&proven.care_of) {
            return Err(174);
        }
        // "coverage must contain it"
        let is_covered = COVERAGE.contains(correspondent) && *prefix_len >= COVERAGE.prefix_len();
        if !is_covered {
            return Err(192);
        }
        // "a requirement that cannot be met: 130"
        if contents
            .requirements
            .iter()
            .any(|kbps| *kbps > CAPACITY_KBPS)
        {
            return Err(130);
        }
        Ok(Asked {
            fid,
            dedicated: is_dedicated.then_some(fid),
            wish: wish
                .map(|wish| wish.address)
                .filter(|wish| !wish.is_unspecified()),
        })
    }

    /// "The flow gets either the MN's existing DHoA at that DHP or, on request, one dedicated to the flow."
    fn pick(
        &self,
        proven: &Proven<'_>,
        asked: &Asked,
        observed: Option<&Read>,
    ) -> Option<Ipv6Addr> {
        let mut held: Vec<_> = self.held(proven.owner).collect();
        held.sort_by_key(|(_, binding)| binding.since);
        let fitting = held
            .iter()
            .filter(|(_, binding)| binding.dedicated == asked.dedicated);
        let fitting: Vec<Ipv6Addr> = fitting.map(|(address, _)| **address).collect();
        if let Some(wish) = asked.wish.filter(|wish| fitting.contains(wish)) {
            return Some(wish);
        }
        if let Some(first) = fitting.first() {
            return Some(*first);
        }
        let most = self.nodes[proven.owner].associations[0]
            .permissions()
            .max_dhoas;
        if held.len() >= most {
            return None;
        }
        // One mobile node keeps no more from the others than it may have: beyond that it gets the oldest of its own back.
        let mut own: Vec<_> = self.quarantine.iter().collect();
        own.retain(|(_, quarantine)| quarantine.owner == proven.owner);
        own.sort_by_key(|(_, quarantine)| quarantine.since);
        let may_have_another = own.len() < most && self.has_room();
        let is_granted = |wish: &Ipv6Addr| {
            let is_its_own = self.owner_for_good(wish) == Some(proven.owner);
            // "the same MN may wish it back"
            let rests = own.iter().any(|(address, _)| *address == wish);
            self.is_free_for(proven.owner, wish)
                && (rests || may_have_another || (is_its_own && self.has_room()))
        };
        if let Some(wish) = asked.wish.filter(is_granted) {
            return Some(wish);
        }
        if !may_have_another {
            return own.first().map(|(address, _)| **address);
        }
        // Any free one, or one of its own of before: which, the answer says. Where there is none it grants none.
        let can_be = |address: &Ipv6Addr| {
            self.owner_for_good(address).is_none() && self.is_free_for(proven.owner, address)
        };
        let granted = observed.and_then(|read| read.contents.dhoas.first());
        let granted = granted.map(|dhoa| dhoa.address).filter(can_be);
        granted.or_else(|| {
            let pools = crate::site::DHOA_POOLS;
            let mut all = pools.iter().flat_map(|pool| pool.hosts());
            all.find(can_be)
        })
    }

    /// Whether an address can be this mobile node's.
    fn is_free_for(&self, owner: usize, address: &Ipv6Addr) -> bool {
        let quarantine = self.quarantine.get(address);
        is_assignable(address)
            && self.pool_of(address) == Some(true)
            && !self.bindings.contains_key(address)
            && self.owner_for_good(address).is_none_or(|of| of == owner)
            && quarantine.is_none_or(|quarantine| quarantine.owner == owner)
    }

    /// Binds the DHoA to the care-of address of the request, and gives the status of its flow if there is one to give.
    fn bind_requested(
        &mut self,
        proven: &Proven<'_>,
        address: Ipv6Addr,
        lifetime: u16,
        asked: &Asked,
    ) -> Option<(u16, u8)> {
        let ends_ns = self.end_of(lifetime);
        let known = self.bindings.get(&address);
        let mut care_ofs = known
            .map(|known| known.care_ofs.clone())
            .unwrap_or_default();
        // From one of several care-of addresses it refreshes that one; from elsewhere it takes the place of all.
        let is_one = care_ofs
            .values()
            .any(|care_of| care_of.address == proven.care_of);
        care_ofs.retain(|_, _| is_one);
        for care_of in care_ofs.values_mut() {
            if care_of.address == proven.care_of {
                care_of.ends_ns = ends_ns;
            }
        }
        let flows = known.map(|known| known.flows.clone()).unwrap_or_default();
        let (flows, status) = match proven.contents.flows.first() {
            Some(option) => super::steering::requested_flow(flows, &care_ofs, option),
            None => (flows, None),
        };
        let (owner, order) = (proven.owner, proven.order);
        self.bind(address, owner, |binding| {
            binding.care_of = proven.care_of;
            binding.ends_ns = ends_ns;
            binding.care_ofs = care_ofs;
            binding.flows = flows;
            binding.order = Some(order);
            binding.dedicated = asked.dedicated.or(binding.dedicated);
            if !binding.modes.iter().any(|(fid, _)| *fid == asked.fid) {
                binding.modes.push((asked.fid, Mode::Proxy));
            }
        });
        status
    }
}

/// The subnet-router anycast address of a pool is nobody's (RFC 4291 §2.6.1), nor is the anchor's own.
fn is_assignable(address: &Ipv6Addr) -> bool {
    let pools = crate::site::DHOA_POOLS;
    *address != ANCHOR && !pools.iter().any(|pool| pool.network() == *address)
}
