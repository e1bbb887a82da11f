//! What becomes of DHoAs by DHoA Requests and DHP Binding Updates

use std::net::{IpAddr, Ipv6Addr};

use super::Model;
use super::request::{LIFETIME_NS, Outcome, Request};
use crate::care_of::care_ofs::{Binding, CareOf, CareOfs, only};
use crate::care_of::credit::Credit;
use crate::site::{ANCHOR, DHOA_POOLS, Node};

/// "`R` 0x4000 Replace: this MN's DHoAs at this DHP that are not listed are released"
const REPLACE: u16 = 0x4000;

impl Model {
    /// "A DHoA Request binds the DHoA it returns and no other": the one that the mobile node has for this flow, or another.
    pub(super) fn dhoa_request(&mut self, request: &Request<'_>) -> Outcome {
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

    pub(super) fn dhp_update(&mut self, request: &Request<'_>) -> Outcome {
        let listed = &request.read.contents.dhoas;
        let bids = &request.read.contents.bids;

        let releases = request.lifetime == 0;
        if listed.is_empty() && !releases {
            return Outcome::refused(195);
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
        let left_ns = binding.ends_ns() - self.now.mono_ns;
        let left = u16::try_from(left_ns / LIFETIME_NS).expect("a granted lifetime");
        (binding.number > request.number).then_some(left.max(1))
    }

    /// Flag `O` of answers.
    fn optimization_flag(&self, owner: usize) -> u16 {
        let permissions = self.nodes[owner].associations[0].permissions();
        u16::from(permissions.route_optimization) << 15
    }

    fn end_of(&self, request: &Request<'_>) -> u64 {
        self.now.mono_ns + u64::from(request.lifetime) * LIFETIME_NS
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
                credit.begin(self.now.mono_ns);
            }
            self.try_out(request, care_of);
        }
        self.quarantine.remove(&address);
        self.bindings.insert(address, binding);
        self.touched.insert(address);
        self.abandon();
    }
}
