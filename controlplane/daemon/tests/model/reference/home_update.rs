//! Binding Update → Binding Acknowledgement (RFC 6275 §9.5.1, §10.3; RFC 4285 §5; RFC 5648 §6.2; RFC 6089 §5.3)

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use dhp_wire::codepoints::mobility_option;
use dhp_wire::ipv6::is_unicast_routable;
use dhp_wire::mobility::BuFlags;

use super::Model;
use super::reply::{Expected, Reply};
use super::steering::{self, CareOf};
use crate::message::{Contents, Head, Read};
use crate::site::LONGEST_LIFETIME;

/// MAX_DELETE_BCE_TIMEOUT of RFC 6275 §12.
const REMEMBERED_NS: u64 = 10_000_000_000;

/// A Binding Update whose sender is proved.
struct Update<'a> {
    contents: &'a Contents,
    owner: usize,
    home: Ipv6Addr,
    care_of: Ipv6Addr,
    sequence: u16,
    flags: BuFlags,
    lifetime: u16,
    mesg_id: Option<u64>,
    has_option: bool,
}

/// The parts of an acknowledgement.
struct Acknowledgement {
    status: u8,
    sequence: u16,
    lifetime: u16,
    mesg_id: Option<u64>,
    /// A status for each; none: 0 for all.
    bids: Vec<u8>,
    flows: Vec<(u16, u8)>,
}

impl Update<'_> {
    fn answer(&self, status: u8) -> Acknowledgement {
        Acknowledgement {
            status,
            sequence: self.sequence,
            lifetime: 0,
            mesg_id: self.mesg_id,
            bids: Vec::new(),
            flows: Vec::new(),
        }
    }

    /// RFC 5648 §6.2: a status that is that of all stands in the header alone; those that differ stand each in its option.
    fn answer_bids(&self, statuses: &[u8]) -> Acknowledgement {
        let status = steering::whole(statuses);
        let differ = statuses.iter().any(|other| *other != statuses[0]);
        Acknowledgement {
            bids: if differ {
                statuses.to_vec()
            } else {
                Vec::new()
            },
            ..self.answer(status)
        }
    }

    /// Lifetime 0, or a care-of address that is the home address; with BIDs it is their care-of addresses that count.
    fn deregisters(&self) -> bool {
        self.lifetime == 0 || (self.care_of == self.home && self.contents.bids.is_empty())
    }
}

impl Model {
    pub(super) fn home_update(&mut self, read: &Read) -> Expected {
        let Head::Update {
            sequence,
            flags,
            lifetime,
        } = read.head
        else {
            return Expected::Silence("no Binding Update");
        };
        let contents = &read.contents;
        let home = read.home.unwrap_or(read.source);
        let care_of = contents.alternate.first().copied().unwrap_or(read.source);
        // RFC 6275 §9.5.1; §6.1.7: "Binding Updates for a care-of address that is not a unicast routable address MUST be
        // silently discarded."
        if !is_unicast_routable(&home) || !is_unicast_routable(&care_of) {
            return Expected::Silence("not a unicast routable address");
        }
        let is_steering = |(kind, _): &(u8, Option<u8>)| {
            [
                mobility_option::BINDING_IDENTIFIER,
                mobility_option::FLOW_IDENTIFICATION,
                mobility_option::FLOW_SUMMARY,
            ]
            .contains(kind)
        };
        if !contents.broken.iter().all(is_steering) {
            return Expected::Silence("malformed");
        }
        let Some(auth) = contents.auth.as_ref().filter(|auth| auth.is_last) else {
            return Expected::Silence("not authenticated");
        };
        let Some(association) = self.associations.get(&auth.spi) else {
            return Expected::Silence("unknown SPI");
        };
        let covered = &read.octets[..auth.covered];
        let verifies = |care_of| {
            association
                .security
                .verify(&care_of, &home, covered, &auth.data)
        };
        // Which care-of address a de-registration's MAC takes RFC 4285 does not say.
        let by_home = lifetime == 0 && !verifies(care_of) && verifies(home);
        let update = Update {
            contents,
            owner: association.owner,
            home,
            care_of,
            sequence,
            flags,
            lifetime,
            mesg_id: contents.mesg_id.first().copied(),
            has_option: read.home.is_some_and(|home| home != read.source),
        };
        let is_named = contents.names(&self.nodes[association.owner]);
        // RFC 4285 §5.1.1: "If authentication fails, the Home Agent MUST send BA with Status Code MIPV6-AUTH-FAIL."
        let answer = if (by_home || verifies(care_of)) && is_named {
            self.decide(&update)
        } else {
            Some(update.answer(146))
        };
        let Some(answer) = answer else {
            return Expected::Silence("no binding that a correspondent's update could be for");
        };
        let head = Head::Acknowledgement {
            status: answer.status,
            sequence: answer.sequence,
            lifetime: answer.lifetime,
        };
        let bids = contents.bids.iter().enumerate().map(|(at, option)| {
            let status = answer.bids.get(at).copied().unwrap_or(0);
            (option.bid, status)
        });
        let reply = Reply {
            // "the Binding Acknowledgement MUST be sent using a type 2 routing header" (RFC 6275 §9.5.4)
            routed_to: update.has_option.then_some(home),
            bids: bids.collect(),
            flows: answer.flows,
            ..Reply::new(read.source, head, auth.spi, answer.mesg_id)
        };
        let mac_care_of = if by_home { home } else { care_of };
        Expected::Reply(Box::new(reply), mac_care_of, home)
    }

    fn decide(&mut self, update: &Update<'_>) -> Option<Acknowledgement> {
        let home = &update.home;
        let is_bound = self.bindings.contains_key(home);
        let is_home_registration = update.flags.contains(BuFlags::HOME);
        if !is_home_registration && !is_bound {
            return None;
        }
        let pool = self.pool_of(home);
        if pool.is_some() && !self.may_register(update) {
            return Some(update.answer(129));
        }
        if let Err((status, sequence, mesg_id)) =
            self.check_home_number(home, update.sequence, update.mesg_id)
        {
            return Some(Acknowledgement {
                sequence,
                mesg_id,
                ..update.answer(status)
            });
        }
        if !is_home_registration {
            return Some(update.answer(139));
        }
        // "not an on-link IPv6 address with respect to the home agent's current Prefix List"
        if pool.is_none() {
            return Some(update.answer(132));
        }
        let is_cut = |(kind, _): &(u8, Option<u8>)| *kind == mobility_option::BINDING_IDENTIFIER;
        if update.contents.broken.iter().any(is_cut) {
            return Some(update.answer(164));
        }
        Some(if update.deregisters() {
            self.deregister(update)
        } else {
            self.register(update)
        })
    }

    /// Whose the address is: for good, as a binding, or, for a repeated de-registration, in quarantine.
    fn may_register(&self, update: &Update<'_>) -> bool {
        let binding = self.bindings.get(&update.home);
        let quarantine = self.quarantine.get(&update.home);
        self.owner_for_good(&update.home) == Some(update.owner)
            || binding.is_some_and(|binding| binding.owner == update.owner)
            || (update.deregisters()
                && quarantine.is_some_and(|quarantine| quarantine.owner == update.owner))
    }

    fn register(&mut self, update: &Update<'_>) -> Acknowledgement {
        let (home, bids) = (update.home, &update.contents.bids);
        if bids.is_empty() && self.is_local(&update.care_of) {
            return update.answer(174);
        }
        // RFC 6275 §10.3.1: "A Home Address destination option MUST be present in the message."
        if bids.is_empty() && !update.has_option {
            return update.answer(128);
        }
        let most = self.nodes[update.owner].associations[0]
            .permissions()
            .max_dhoas;
        let is_dhoa = self.pool_of(&home) == Some(true);
        let is_full = is_dhoa && self.held(update.owner).count() >= most;
        if !self.bindings.contains_key(&home) && (is_full || !self.has_room()) {
            return update.answer(130);
        }
        let lifetime = update.lifetime.min(LONGEST_LIFETIME);
        let ends_ns = self.end_of(lifetime);
        let mut care_ofs = BTreeMap::new();
        let mut answer = update.answer(0);
        if !bids.is_empty() {
            let statuses = self.register_bids(update, &mut care_ofs, ends_ns);
            answer = update.answer_bids(&statuses);
            if statuses.iter().all(|status| *status >= 128) {
                return answer;
            }
        }
        let (flows, statuses) = self.updated_flows(update, &care_ofs);
        // RFC 5648 §6.2: without a BID "it MUST replace all the existing bindings with the received binding".
        self.bind(home, update.owner, |binding| {
            binding.care_of = update.care_of;
            binding.ends_ns = ends_ns;
            binding.care_ofs = care_ofs;
            binding.flows = flows;
        });
        self.remember_home_number(&home, update.sequence, update.mesg_id, 0);
        Acknowledgement {
            lifetime,
            flows: statuses,
            ..answer
        }
    }

    fn register_bids(
        &self,
        update: &Update<'_>,
        care_ofs: &mut BTreeMap<u16, CareOf>,
        ends_ns: Option<u64>,
    ) -> Vec<u8> {
        let bids = &update.contents.bids;
        let known = self.bindings.get(&update.home);
        let overwrites = update.flags.overwrites(true);
        // "If the 'O' flag is unset in the Binding Update and the receiver has a regular binding that does not have a BID for
        // the mobile node, it must not process the Binding Update."
        if known.is_some_and(|known| known.care_ofs.is_empty()) && !overwrites {
            return vec![165; bids.len()];
        }
        let before = known
            .map(|known| known.care_ofs.clone())
            .unwrap_or_default();
        let most = self.most_care_ofs(&update.home);
        *care_ofs = before;
        if overwrites {
            // A BID without an address names the one there was.
            self.replace_care_ofs(care_ofs, bids, most, ends_ns)
        } else {
            self.add_care_ofs(care_ofs, bids, most, ends_ns)
        }
    }

    fn deregister(&mut self, update: &Update<'_>) -> Acknowledgement {
        let home = update.home;
        let remembered_until = self.now.mono_ns + REMEMBERED_NS;
        let Some(binding) = self
            .bindings
            .get(&home)
            .filter(|_| !update.contents.bids.is_empty())
        else {
            let was_valid = self.bindings.contains_key(&home) || self.is_remembered(&home);
            self.release(&home);
            // 133: "no entry marked as a home registration in its Binding Cache for this mobile node"
            if !was_valid {
                return update.answer(133);
            }
            self.remember_home_number(&home, update.sequence, update.mesg_id, remembered_until);
            return update.answer(0);
        };
        let mut care_ofs = binding.care_ofs.clone();
        let statuses = steering::remove(&mut care_ofs, &update.contents.bids);
        let answer = update.answer_bids(&statuses);
        if statuses.iter().all(|status| *status >= 128) {
            return answer;
        }
        if care_ofs.is_empty() {
            self.release(&home);
            self.remember_home_number(&home, update.sequence, update.mesg_id, remembered_until);
            return answer;
        }
        let (flows, statuses) = self.updated_flows(update, &care_ofs);
        self.bind(home, update.owner, |binding| {
            binding.care_ofs = care_ofs;
            binding.flows = flows;
        });
        self.remember_home_number(&home, update.sequence, update.mesg_id, 0);
        Acknowledgement {
            flows: statuses,
            ..answer
        }
    }

    /// The flow bindings from now on, and what the options about them are answered.
    fn updated_flows(
        &self,
        update: &Update<'_>,
        care_ofs: &BTreeMap<u16, CareOf>,
    ) -> (BTreeMap<u16, steering::Flow>, Vec<(u16, u8)>) {
        let contents = update.contents;
        let known = self.bindings.get(&update.home);
        let known = known.map(|known| known.flows.clone()).unwrap_or_default();
        let is_cut = |(kind, _): &(u8, Option<u8>)| *kind != mobility_option::BINDING_IDENTIFIER;
        let change = steering::FlowChange {
            known,
            care_ofs,
            options: contents.flows.iter().collect(),
            summary: &contents.summary,
            // Who knows which flows an option was about that cannot be read?
            keeps_unmentioned: contents.broken.iter().any(is_cut),
        };
        let (flows, statuses) = change.apply();
        let fids = contents.flows.iter().map(|option| option.fid);
        let mut answers: Vec<(u16, u8)> = fids.zip(statuses).collect();
        let mut unknown = contents.summary.clone();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|fid| !flows.contains_key(fid));
        answers.extend(unknown.into_iter().map(|fid| (fid, 132)));
        (flows, answers)
    }
}
