//! DHP Binding Update → DHP Binding Confirmation.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{Status, dmip_flag, status};
use dhp_wire::mobility::{Lifetime, MobilityOption};

use super::Anchor;
use super::binding_cache::MAX_FLOWS;
use super::config::PoolKind;
use super::confirmation_room;
use super::dhoa_steering::Steered;
use super::events::ReleaseReason;
use super::request::{Outcome, Proven, wants_answer};
use super::request_options::{DhoaOption, RequestOptions};
use crate::time::Now;

/// What became of one address: a status and what was granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) status: u8,
    pub(crate) lifetime: Lifetime,
}

impl Verdict {
    /// A status that grants nothing.
    pub(crate) const fn refused(status: u8) -> Self {
        Self {
            status,
            lifetime: Lifetime::ZERO,
        }
    }
}

impl Anchor {
    pub(crate) fn dhp_binding_update(
        &mut self,
        now: Now,
        proven: &Proven,
        options: &RequestOptions<'_>,
    ) -> Outcome {
        let release = proven.header.lifetime.is_zero();
        let has_identifiers = !options.identifiers.is_empty();
        let all;
        // Care-of addresses that are taken away without an address named are taken from all.
        let listed = match &*options.dhoas {
            [] if release && has_identifiers => {
                all = self.all_dhoas(proven);
                &*all
            }
            listed => listed,
        };
        // "a type 5 that lists none needs Lifetime 0, else 195"; "Alternate CoA and BIDs exclude each other"
        if (options.dhoas.is_empty() && !release)
            || (options.alternate_care_of.is_some() && !options.identifiers.is_empty())
        {
            return Outcome::refused(status::MALFORMED);
        }
        // What could not be answered must not act.
        if !self.can_confirm(proven, listed, options) {
            return Outcome::refused(status::INSUFFICIENT_RESOURCES);
        }
        let refusal = self.refusal_of_all(proven, options, release);
        if let Some(refused) = refusal.filter(|_| listed.is_empty()) {
            return Outcome::refused(refused);
        }
        let is_echo = self.take_echo(proven, options, listed);
        let mut steered = Steered::new(options);
        let verdicts: Vec<Verdict> = if let Some(refused) = refusal {
            listed.iter().map(|_| Verdict::refused(refused)).collect()
        } else {
            listed
                .iter()
                .map(|dhoa| self.update_one(now, proven, options, dhoa, release, &mut steered))
                .collect()
        };
        let mut outcome = self.confirm(proven, listed, &verdicts);
        outcome.is_echo = is_echo;
        if listed.is_empty() && !has_identifiers {
            // "Type 5 with header Lifetime 0 releases the listed DHoAs, or all if none is listed"
            self.release_unlisted(now, proven, &[], ReleaseReason::Deregistered);
        } else if proven.header.flags & dmip_flag::REPLACE != 0
            && Status(outcome.status).is_accepted()
            // "A Replace that meets 16 releases when the echo arrives."
            && (outcome.challenges.is_empty() || is_echo)
        {
            // "`R` 0x4000 Replace: this MN's DHoAs at this DHP that are not listed are released, at once, if the
            // header's Status would be < 128"
            self.release_unlisted(now, proven, listed, ReleaseReason::Replaced);
        }
        outcome.options.extend(steered.identifiers());
        if (!release || has_identifiers) && Status(outcome.status).is_accepted() {
            let modes = self.record_flows(proven, options, &verdicts, &mut steered);
            outcome.options.extend(steered.flows());
            outcome.options.extend(modes);
        }
        outcome.options = confirmation_room::packed(outcome.options);
        let statuses = outcome.options.iter().filter_map(status_of);
        let statuses = statuses.chain([outcome.status]);
        outcome.answer = wants_answer(proven.header.flags & dmip_flag::ACKNOWLEDGE != 0, statuses);
        outcome
    }

    /// What refuses every listed address at once.
    fn refusal_of_all(
        &self,
        proven: &Proven,
        options: &RequestOptions<'_>,
        release: bool,
    ) -> Option<u8> {
        if !options.identifiers.is_empty() {
            return self.refusal_of_identifiers(&options.identifiers);
        }
        // "nor in a de-registration"
        if !release && self.check_care_of(&proven.care_of).is_err() {
            return Some(status::INVALID_CARE_OF);
        }
        None
    }

    fn update_one(
        &mut self,
        now: Now,
        proven: &Proven,
        options: &RequestOptions<'_>,
        dhoa: &DhoaOption,
        release: bool,
        steered: &mut Steered<'_>,
    ) -> Verdict {
        let home_address = dhoa.address;
        let options_of_address = || {
            let dhoas = options.dhoas.iter();
            dhoas.filter(|other| other.address == home_address)
        };
        // More FIDs than a binding remembers.
        if options_of_address()
            .position(|other| other == dhoa)
            .is_some_and(|place| place >= MAX_FLOWS)
        {
            return Verdict::refused(status::INSUFFICIENT_RESOURCES);
        }
        // A DHoA that stands once per FID has one binding: the longest lifetime that is asked for it.
        let asked = |option: &DhoaOption| {
            if option.lifetime.is_zero() {
                proven.header.lifetime
            } else {
                option.lifetime
            }
        };
        // What has become of the whole.
        if let Some(verdict) = steered.verdict(&home_address) {
            return Verdict {
                lifetime: verdict.lifetime.min(asked(dhoa)),
                ..verdict
            };
        }
        let longest = options_of_address().map(asked).max();
        let longest = longest.unwrap_or(proven.header.lifetime);
        let lifetime = self.grant(now, &home_address, longest);
        match self.cache.bindings.get(&home_address) {
            Some(binding) if binding.owner != proven.owner || binding.kind != PoolKind::Dhoa => {
                return Verdict::refused(status::NOT_ASSIGNED);
            }
            // "a message with a lower one neither changes nor releases that binding (Replace included), its answer
            // gives the binding as it stands"
            Some(binding) if binding.is_newer_than(proven.order) => {
                return Verdict {
                    status: status::ACCEPTED,
                    lifetime: binding.remaining(now),
                };
            }
            Some(_) if release && !options.identifiers.is_empty() => {
                return self.deregister_dhoa(now, proven, &home_address, steered);
            }
            Some(_) if release => {
                self.release(now, &home_address, ReleaseReason::Deregistered);
                self.nodes.remember_release(&home_address, proven.order);
                let verdict = Verdict::refused(status::ACCEPTED);
                steered.finish(home_address, verdict);
                return verdict;
            }
            Some(_) => {}
            None => {
                // The second option of an address that the first has released.
                if let Some(verdict) = steered.verdict(&home_address) {
                    return verdict;
                }
                if let Some(refused) = self.refusal_of_unbound(proven, &home_address, release) {
                    return Verdict::refused(refused);
                }
            }
        }
        // It has been asked to leave.
        if self.departures.contains(&home_address) {
            return Verdict::refused(status::PROHIBITED);
        }
        // The prefix is at its end.
        if lifetime.is_zero() {
            return Verdict::refused(status::NOT_HOME_SUBNET);
        }
        let verdict = self.steer_dhoa(now, proven, &home_address, lifetime, steered);
        Verdict {
            status: verdict.status,
            lifetime: verdict.lifetime.min(asked(dhoa)),
        }
    }

    /// Why an address without a binding is not bound: it is not the mobile node's for good, or there is no room.
    fn refusal_of_unbound(
        &self,
        proven: &Proven,
        home_address: &Ipv6Addr,
        release: bool,
    ) -> Option<u8> {
        let is_dhoa = self
            .pools
            .find(home_address)
            .is_some_and(|(_, pool)| pool.kind == PoolKind::Dhoa);
        let is_owner = self.nodes.owner(home_address) == Some(proven.owner);
        let overtaken = self.nodes.was_released_after(home_address, proven.order);
        if release || !is_dhoa || !is_owner || overtaken {
            return Some(status::NOT_ASSIGNED);
        }
        let held = self
            .nodes
            .node(proven.owner)
            .map_or(0, |node| node.dhoas.len());
        let full = held >= proven.security.permissions().max_dhoas || !self.has_room();
        full.then_some(status::INSUFFICIENT_RESOURCES)
    }

    /// Releases the mobile node's DHoAs that are not listed, "(a DHoA counts as one however it was bound; HoAs are
    /// untouched)".
    fn release_unlisted(
        &mut self,
        now: Now,
        proven: &Proven,
        listed: &[DhoaOption],
        reason: ReleaseReason,
    ) {
        for DhoaOption { address: dhoa, .. } in self.all_dhoas(proven) {
            let is_listed = listed.iter().any(|option| option.address == dhoa);
            let is_newer = self
                .cache
                .bindings
                .get(&dhoa)
                .is_some_and(|binding| binding.is_newer_than(proven.order));
            if !is_listed && !is_newer {
                self.release(now, &dhoa, reason);
                self.nodes.remember_release(&dhoa, proven.order);
            }
        }
    }

    /// The mobile node's DHoAs, as if it had listed them.
    fn all_dhoas(&self, proven: &Proven) -> Vec<DhoaOption> {
        let node = self.nodes.node(proven.owner);
        let held = node.into_iter().flat_map(|node| &node.dhoas);
        let listed = held.map(|address| DhoaOption {
            fid: 0,
            address: *address,
            lifetime: Lifetime::ZERO,
        });
        listed.collect()
    }

    /// The answer: a DHoA option per address, and the header that sums them up.
    fn confirm(&self, proven: &Proven, listed: &[DhoaOption], verdicts: &[Verdict]) -> Outcome {
        let accepted = || {
            verdicts
                .iter()
                .filter(|verdict| Status(verdict.status).is_accepted())
        };
        // "**Header Status** of a Confirmation: 16 while a test is pending, else 0 if any address was accepted, else
        // the first address's."
        let homes = listed.iter().zip(verdicts);
        let homes = homes.filter(|(_, verdict)| Status(verdict.status).is_accepted());
        let challenges = self.challenges(homes.map(|(dhoa, _)| dhoa.address));
        let status = match (accepted().next(), verdicts.first()) {
            _ if !challenges.is_empty() => status::CARE_OF_TEST_PENDING,
            (None, Some(first)) => first.status,
            _ => status::ACCEPTED,
        };
        let dhoas = listed
            .iter()
            .zip(verdicts)
            .map(|(dhoa, verdict)| MobilityOption::Dhoa {
                status: Status(verdict.status),
                fid: dhoa.fid,
                address: dhoa.address,
                lifetime: verdict.lifetime,
            });
        Outcome {
            status,
            // "in the header the smallest granted"
            lifetime: accepted()
                .map(|verdict| verdict.lifetime)
                .min()
                .unwrap_or_default(),
            flags: self.route_optimization_flag(&proven.security),
            options: dhoas.collect(),
            answer: true,
            challenges,
            is_echo: false,
        }
    }
}

/// The status in an option of an answer.
fn status_of(option: &MobilityOption<'_>) -> Option<u8> {
    match option {
        MobilityOption::Dhoa { status, .. } | MobilityOption::BindingIdentifier { status, .. } => {
            Some(status.0)
        }
        MobilityOption::FlowIdentification { status, .. } => Some(*status),
        _ => None,
    }
}
