//! DHoA Request → DHoA Response.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{Status, dmip_flag, status};
use dhp_wire::mobility::MobilityOption;

use super::Anchor;
use super::binding_cache::expiry;
use super::care_of_addresses;
use super::config::PoolKind;
use super::directory::information;
use super::flow_bindings::FlowOption;
use super::interface_identifier::Applicant;
use super::lifecycle::Registration;
use super::mobile_nodes::MnIndex;
use super::request::{Outcome, Proven};
use super::request_options::RequestOptions;
use crate::security_association::SecurityAssociation;
use crate::time::Now;

/// Which DHoA is asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// The flow's identifier, 0 if it has none.
    fid: u16,
    dedicated: bool,
    wish: Option<Ipv6Addr>,
}

impl Asked {
    /// The flow that it shall be dedicated to.
    fn flow(self) -> Option<u16> {
        self.dedicated.then_some(self.fid)
    }
}

impl Anchor {
    pub(crate) fn dhoa_request(
        &mut self,
        now: Now,
        proven: &Proven,
        options: &RequestOptions<'_>,
    ) -> Outcome {
        self.assign(now, proven, options)
            .unwrap_or_else(|outcome| outcome)
    }

    fn assign(
        &mut self,
        now: Now,
        proven: &Proven,
        options: &RequestOptions<'_>,
    ) -> Result<Outcome, Outcome> {
        let refuse = |status| Err(Outcome::refused(status));
        let Some(correspondent) = options.correspondent else {
            return refuse(status::MALFORMED);
        };
        // "Type 3 with 0: 195."
        if proven.header.lifetime.is_zero() {
            return refuse(status::MALFORMED);
        }
        let asked = asked(proven, options)?;
        if !proven.security.permissions().dhoa {
            return refuse(status::PROHIBITED);
        }
        if self.draining {
            let mut refused = Outcome::refused(status::DRAINING);
            refused
                .options
                .extend(self.alternative(&correspondent).as_ref().map(information));
            return Err(refused);
        }
        if self.check_care_of(&proven.care_of).is_err() {
            return refuse(status::INVALID_CARE_OF);
        }
        // "coverage must contain it"
        if !self.coverage.covers(&correspondent) {
            return refuse(status::NOT_COVERED);
        }
        // "a requirement that cannot be met: 130"
        if options
            .requirements
            .is_some_and(|asked| !self.can_meet(asked))
        {
            return refuse(status::INSUFFICIENT_RESOURCES);
        }
        let home_address = match self.held_dhoa(proven.owner, asked) {
            Some(home_address) => home_address,
            None => self
                .choose_dhoa(now, proven.owner, &proven.security, asked)
                .ok_or_else(|| Outcome::refused(status::INSUFFICIENT_RESOURCES))?,
        };
        self.bind_dhoa(now, proven, home_address, asked, options.flows.first())
    }

    /// Binds the DHoA to the care-of address of the request: "A DHoA Request binds the DHoA it returns and no other."
    fn bind_dhoa(
        &mut self,
        now: Now,
        proven: &Proven,
        home_address: Ipv6Addr,
        asked: Asked,
        flow: Option<&FlowOption>,
    ) -> Result<Outcome, Outcome> {
        let mut lifetime = self.grant(now, &home_address, proven.header.lifetime);
        let known = self.cache.bindings.get(&home_address);
        let overtaken = known.is_some_and(|binding| binding.is_newer_than(proven.order));
        if known.is_some_and(|binding| !overtaken && !binding.has_room_for(asked.fid)) {
            return Err(Outcome::refused(status::INSUFFICIENT_RESOURCES));
        }
        // The prefix is at its end.
        if lifetime.is_zero() {
            return Err(Outcome::refused(status::NOT_HOME_SUBNET));
        }
        let mut flow_answer = None;
        if !overtaken {
            let (steering, answer) =
                self.steering_of_request(now, proven, &home_address, lifetime, flow);
            flow_answer = answer;
            let care_of = care_of_addresses::first_choice(&steering.care_ofs);
            let mut registration = Registration {
                home_address,
                owner: proven.owner,
                care_of: care_of.map_or(proven.care_of, |care_of| care_of.address),
                expires_ns: expiry(lifetime, now),
                order: Some(proven.order),
                link_local: false,
                steering,
            };
            self.put_to_test(now, &mut registration);
            self.bind(now, registration);
        }
        let Some(binding) = self.cache.bindings.get_mut(&home_address) else {
            return Err(Outcome::refused(status::UNSPECIFIED));
        };
        if overtaken {
            // "its answer gives the binding as it stands"
            lifetime = binding.remaining(now);
        } else {
            if asked.dedicated {
                binding.dedicated = Some(asked.fid);
            }
            binding.add_flow(asked.fid);
        }
        let mode = binding.mode_of(asked.fid);
        let fid = asked.fid;
        // "**Header Status** …: 16 while a test is pending"
        let challenges = self.challenges([home_address].into_iter());
        let status = match &*challenges {
            [] => status::ACCEPTED,
            _ => status::CARE_OF_TEST_PENDING,
        };
        let dhoa = MobilityOption::Dhoa {
            status: Status(status::ACCEPTED),
            fid,
            address: home_address,
            lifetime,
        };
        let mode = MobilityOption::CommunicationMode { mode, fid };
        Ok(Outcome {
            status,
            lifetime,
            flags: self.route_optimization_flag(&proven.security),
            options: [dhoa]
                .into_iter()
                .chain(flow_answer)
                .chain([mode])
                .collect(),
            answer: true,
            challenges,
            is_echo: false,
        })
    }

    /// Flag `O` of an answer, if this mobile node may optimize routes.
    pub(crate) fn route_optimization_flag(&self, security: &SecurityAssociation) -> u16 {
        if self.config.route_optimization && security.permissions().route_optimization {
            dmip_flag::ROUTE_OPTIMIZATION
        } else {
            0
        }
    }

    /// The DHoA that the mobile node has for this: the one of that flow, or the one that its flows share.
    fn held_dhoa(&self, owner: MnIndex, asked: Asked) -> Option<Ipv6Addr> {
        let wanted = asked.flow();
        let held = &self.nodes.node(owner)?.dhoas;
        let mut fitting = held
            .iter()
            .filter(|dhoa| {
                self.cache
                    .bindings
                    .get(*dhoa)
                    .is_some_and(|binding| binding.dedicated == wanted)
            })
            .copied();
        let first = fitting.next();
        fitting
            .chain(first)
            .find(|dhoa| Some(*dhoa) == asked.wish)
            .or(first)
    }

    /// A DHoA for a mobile node that has none for this yet.
    fn choose_dhoa(
        &self,
        now: Now,
        owner: MnIndex,
        security: &SecurityAssociation,
        asked: Asked,
    ) -> Option<Ipv6Addr> {
        let node = self.nodes.node(owner)?;
        let most = security.permissions().max_dhoas;
        if node.dhoas.len() >= most {
            return None;
        }
        // One mobile node keeps no more addresses from the others than it may have: beyond that it gets its own back.
        let may_have_another = node.quarantined.len() < most && self.has_room();
        // A wish is granted where nobody else has a claim; it need not be.
        if let Some(wish) = asked.wish.filter(|wish| self.is_free_for(wish, owner)) {
            let rests = self.pools.quarantine.contains_key(&wish);
            let is_its_own = self.nodes.owner(&wish) == Some(owner) && self.has_room();
            if rests || is_its_own || may_have_another {
                return Some(wish);
            }
        }
        if !may_have_another {
            return node.quarantined.front().copied();
        }
        let applicant = Applicant {
            mn: &node.id,
            flow: asked.flow(),
        };
        // Its own of before, if that still rests.
        let secret = self.identifier_secret;
        self.pools.draw(now, secret, applicant, |address| {
            self.nodes.owner(address).is_none() && self.is_free_for(address, owner)
        })
    }

    /// Whether a mobile node can have this very DHoA.
    fn is_free_for(&self, address: &Ipv6Addr, owner: MnIndex) -> bool {
        let Some((_, pool)) = self.pools.find(address) else {
            return false;
        };
        pool.kind == PoolKind::Dhoa
            && pool.is_assignable(address)
            && *address != self.config.address
            && !self.cache.bindings.contains_key(address)
            && self.nodes.owner(address).is_none_or(|of| of == owner)
            // "the same MN may wish it back"
            && self.pools.quarantine.get(address).is_none_or(|entry| entry.owner == owner)
    }
}

fn asked(proven: &Proven, options: &RequestOptions<'_>) -> Result<Asked, Outcome> {
    let malformed = || Outcome::refused(status::MALFORMED);
    let wish = options.dhoas.first();
    let flow = options.flows.first();
    // "FID ties a DHoA to its flow": two different ones do not tie anything.
    if let (Some(wish), Some(flow)) = (wish, flow)
        && wish.fid != 0
        && wish.fid != flow.fid
    {
        return Err(malformed());
    }
    // "`D` 0x8000: a DHoA dedicated to the flow whose Flow Identification (FID ≠ 0) it carries"
    let dedicated = proven.header.flags & dmip_flag::DEDICATED != 0;
    if dedicated && flow.is_none() {
        return Err(malformed());
    }
    let fid = flow
        .map(|flow| flow.fid)
        .or(wish.map(|wish| wish.fid))
        .unwrap_or_default();
    let wish = wish
        .map(|wish| wish.address)
        .filter(|address| !address.is_unspecified());
    Ok(Asked {
        fid,
        dedicated,
        wish,
    })
}
