//! Several care-of addresses and flow bindings by DMIPv6 messages (DMIPv6 profile 1, section 4.1, "What a request touches").
//!
//! The options are RFC 5648's and RFC 6089's, and so is what they do. A DHoA begins with one care-of address, and these messages
//! have no O flag: the first BIDs take its place.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{Status, flow_status, status};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use super::Anchor;
use super::binding_cache::{Binding, expiry};
use super::binding_update::Verdict;
use super::care_of_addresses::{self, CareOfAddress};
use super::events::ReleaseReason;
use super::flow_bindings::{FlowBinding, FlowContents, FlowOption, FlowUpdate};
use super::identifiers::{Identified, deregister_identifiers};
use super::lifecycle::Registration;
use super::request::Proven;
use super::request_options::RequestOptions;
use super::steering::Steering;
use crate::time::Now;

/// What has become of the BIDs and flows of a DHP Binding Update.
#[derive(Debug)]
pub(crate) struct Steered<'a> {
    options: &'a RequestOptions<'a>,
    /// Addresses that are done, which may be listed again for other flows.
    done: Vec<(Ipv6Addr, Verdict)>,
    /// Of each Binding Identifier option the status that it got first, of those that are not 0.
    identifiers: Vec<u8>,
    /// The same of each Flow Identification option; `None` where it was looked at for no address.
    flows: Vec<Option<u8>>,
}

impl<'a> Steered<'a> {
    pub(crate) fn new(options: &'a RequestOptions<'a>) -> Self {
        Self {
            options,
            done: Vec::new(),
            identifiers: vec![status::ACCEPTED; options.identifiers.len()],
            flows: vec![None; options.flows.len()],
        }
    }

    /// What has become of an address that is listed once more.
    pub(crate) fn verdict(&self, home_address: &Ipv6Addr) -> Option<Verdict> {
        let mut done = self.done.iter();
        let done = done.find(|(address, _)| address == home_address);
        done.map(|(_, verdict)| *verdict)
    }

    pub(crate) fn finish(&mut self, home_address: Ipv6Addr, verdict: Verdict) {
        // What is listed alone, or was not listed, comes once.
        if self.options.dhoas.len() > 1 {
            self.done.push((home_address, verdict));
        }
    }

    /// Refuses a flow that nothing has refused yet, for lack of room.
    pub(crate) fn refuse_description(&mut self, fid: u16) {
        let place = self.options.flows.iter().position(|flow| flow.fid == fid);
        let status = place.and_then(|place| self.flows.get_mut(place));
        if let Some(status) =
            status.filter(|status| status.is_none_or(|of| of == flow_status::ACCEPTED))
        {
            *status = Some(flow_status::REJECTED);
        }
    }

    fn take_identifiers(&mut self, statuses: &[u8]) {
        for (worst, status) in self.identifiers.iter_mut().zip(statuses) {
            if *worst == status::ACCEPTED {
                *worst = *status;
            }
        }
    }

    /// "a Flow Identification to the DHoA whose option has its FID, one whose FID stands in no DHoA option to every listed DHoA
    /// with FID 0"
    fn flows_of(&self, home_address: &Ipv6Addr) -> impl Iterator<Item = (usize, &'a FlowOption)> {
        let options = self.options;
        let home_address = *home_address;
        let is_listed = move |fid: u16| {
            let mut dhoas = options.dhoas.iter();
            dhoas.any(|dhoa| dhoa.address == home_address && dhoa.fid == fid)
        };
        let is_tied = |fid: u16| options.dhoas.iter().any(|dhoa| dhoa.fid == fid);
        let flows = options.flows.iter().enumerate();
        flows.filter(move |(_, flow)| is_listed(flow.fid) || (is_listed(0) && !is_tied(flow.fid)))
    }

    /// The Binding Identifier options of the answer, each with its status.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = MobilityOption<'static>> {
        let options = self.options.identifiers.iter().zip(&self.identifiers);
        options.map(|(option, status)| MobilityOption::BindingIdentifier {
            bid: option.bid,
            status: Status(*status),
            home_flag: option.home_flag,
            priority: option.priority,
            care_of: None,
        })
    }

    /// The Flow Identification options of the answer, each with its status.
    pub(crate) fn flows(&self) -> impl Iterator<Item = MobilityOption<'static>> {
        let options = self.options.flows.iter().zip(&self.flows);
        options.map(|(option, status)| {
            let status = status.unwrap_or_else(|| description_status(option));
            answer(option, status)
        })
    }
}

/// The option that answers a Flow Identification option.
pub(crate) fn answer(option: &FlowOption, status: u8) -> MobilityOption<'static> {
    MobilityOption::FlowIdentification {
        fid: option.fid,
        priority: option.priority,
        status,
        sub_options: &[],
    }
}

/// The status of an option that describes a flow and binds it to no care-of address. "FID ties a DHoA to its flow."
fn description_status(option: &FlowOption) -> u8 {
    match FlowContents::read(&option.sub_options) {
        Err(status) => status,
        Ok(FlowContents { bids: Some(_), .. }) => flow_status::BID_NOT_FOUND,
        Ok(FlowContents {
            selector: Some(Err(status)),
            ..
        }) => status,
        Ok(_) => flow_status::ACCEPTED,
    }
}

/// Whether an option is about a flow binding: it names care-of addresses, or a flow binding that there is.
pub(crate) fn binds(option: &FlowOption, known: &[FlowBinding]) -> bool {
    known.iter().any(|flow| flow.fid == option.fid)
        || FlowContents::read(&option.sub_options).is_ok_and(|contents| contents.bids.is_some())
}

impl Anchor {
    /// Binds a DHoA to the care-of addresses of a DHP Binding Update, and its flows to them. Gives what became of it, with the
    /// whole of `lifetime` where it was accepted.
    pub(crate) fn steer_dhoa(
        &mut self,
        now: Now,
        proven: &Proven,
        home_address: &Ipv6Addr,
        lifetime: Lifetime,
        steered: &mut Steered<'_>,
    ) -> Verdict {
        let binding = self.cache.bindings.get(home_address);
        let known = binding.map_or(&[][..], Binding::care_ofs);
        let identifiers = &steered.options.identifiers;
        let mut identified = Identified::default();
        if !identifiers.is_empty() {
            let expires_ns = expiry(lifetime, now);
            identified =
                self.register_identifiers(home_address, known, identifiers, false, expires_ns);
        }
        let (status, _) = identified.summary(status::ACCEPTED);
        let mut verdict = Verdict::refused(status);
        if identifiers.is_empty() || identified.is_accepted() {
            verdict.lifetime = lifetime;
            let flows = self.steer_flows(home_address, &identified.care_ofs, steered);
            let care_of = care_of_addresses::first_choice(&identified.care_ofs);
            let mut registration = Registration {
                home_address: *home_address,
                owner: proven.owner,
                care_of: care_of.map_or(proven.care_of, |care_of| care_of.address),
                expires_ns: expiry(lifetime, now),
                order: Some(proven.order),
                link_local: false,
                steering: Steering {
                    care_ofs: core::mem::take(&mut identified.care_ofs),
                    flows,
                },
            };
            self.put_to_test(now, &mut registration);
            self.bind(now, registration);
        }
        steered.take_identifiers(&identified.statuses);
        steered.finish(*home_address, verdict);
        verdict
    }

    /// Takes the care-of addresses of a DHP Binding Update with Lifetime 0 away from a DHoA, which goes with the last one.
    pub(crate) fn deregister_dhoa(
        &mut self,
        now: Now,
        proven: &Proven,
        home_address: &Ipv6Addr,
        steered: &mut Steered<'_>,
    ) -> Verdict {
        let Some(binding) = self.cache.bindings.get(home_address) else {
            return Verdict::refused(status::NOT_ASSIGNED);
        };
        let identified = deregister_identifiers(binding.care_ofs(), &steered.options.identifiers);
        let (status, _) = identified.summary(status::ACCEPTED);
        let verdict = Verdict::refused(status);
        steered.take_identifiers(&identified.statuses);
        steered.finish(*home_address, verdict);
        if !identified.is_accepted() {
            return verdict;
        }
        if identified.care_ofs.is_empty() {
            self.release(now, home_address, ReleaseReason::Deregistered);
            self.nodes.remember_release(home_address, proven.order);
            return verdict;
        }
        let flows = self.steer_flows(home_address, &identified.care_ofs, steered);
        let registration = Registration {
            order: Some(proven.order),
            ..binding.with_care_ofs(identified.care_ofs, flows)
        };
        self.bind(now, registration);
        verdict
    }

    /// The flow bindings of a listed DHoA. "RFC 6089's 'flows not mentioned are deleted' holds for listed DHoAs."
    fn steer_flows(
        &self,
        home_address: &Ipv6Addr,
        care_ofs: &[CareOfAddress],
        steered: &mut Steered<'_>,
    ) -> Vec<FlowBinding> {
        let binding = self.cache.bindings.get(home_address);
        let known = binding.map_or(&[][..], Binding::flow_bindings);
        let flows = steered.flows_of(home_address);
        let (binding, describing): (Vec<_>, Vec<_>) =
            flows.partition(|(_, option)| binds(option, known));
        let update = FlowUpdate {
            home_address,
            known,
            care_ofs,
            options: binding.iter().map(|(_, option)| *option).collect(),
            summary: &[],
            keeps_unmentioned: false,
            limits: &self.config.limits,
        };
        let updated = update.apply();
        let described = describing
            .into_iter()
            .map(|(at, option)| (at, description_status(option)));
        let bound = binding.iter().map(|(at, _)| *at).zip(updated.statuses);
        for (at, status) in bound.chain(described) {
            if let Some(worst) = steered.flows.get_mut(at)
                && worst.is_none_or(|worst| worst == flow_status::ACCEPTED)
            {
                *worst = Some(status);
            }
        }
        updated.flows
    }

    /// What a DHoA Request leaves a DHoA beside the care-of address that it comes from, and the answer to its Flow
    /// Identification option. From one of several care-of addresses it refreshes that one; from elsewhere it takes the place of
    /// all, as RFC 5648 §6.2 has it of a Binding Update without BIDs.
    pub(crate) fn steering_of_request(
        &self,
        now: Now,
        proven: &Proven,
        home_address: &Ipv6Addr,
        lifetime: Lifetime,
        option: Option<&FlowOption>,
    ) -> (Steering, Option<MobilityOption<'static>>) {
        let binding = self.cache.bindings.get(home_address);
        let mut care_ofs = binding.map_or(&[][..], Binding::care_ofs).to_vec();
        let mut is_one_of_them = false;
        for care_of in &mut care_ofs {
            if care_of.address == proven.care_of {
                care_of.expires_ns = expiry(lifetime, now);
                is_one_of_them = true;
            }
        }
        if !is_one_of_them {
            care_ofs.clear();
        }
        let known = binding.map_or(&[][..], Binding::flow_bindings);
        let Some(option) = option else {
            let flows = known.to_vec();
            return (Steering { care_ofs, flows }, None);
        };
        if !binds(option, known) {
            let status = description_status(option);
            let refused = (status != flow_status::ACCEPTED).then(|| answer(option, status));
            let flows = known.to_vec();
            return (Steering { care_ofs, flows }, refused);
        }
        let update = FlowUpdate {
            home_address,
            known,
            care_ofs: &care_ofs,
            options: vec![option],
            summary: &[],
            keeps_unmentioned: true,
            limits: &self.config.limits,
        };
        let updated = update.apply();
        let status = updated.statuses.first().copied().unwrap_or_default();
        let flows = updated.flows;
        (Steering { care_ofs, flows }, Some(answer(option, status)))
    }
}
