//! Duplicate Address Detection on the home link before a registration is accepted (RFC 6275 §10.3.1).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::status;
use dhp_wire::mobility::BuFlags;
use hashbrown::HashMap;

use super::Anchor;
use super::drop_reason::SignallingDrop;
use super::home_link::{LinkAction, LinkId, RETRANS_TIMER_NS, link_local_of};
use super::home_update::{Acknowledgement, Update};
use super::reply::Proof;
use super::sequence::is_greater;
use crate::time::Now;
use crate::timer_wheel::TimerKey;

use super::timers::Timer;

/// A registration that waits for its address to be found free.
#[derive(Debug)]
struct Tentative {
    update: Update,
    link: LinkId,
    /// The addresses that are asked for.
    targets: Vec<Ipv6Addr>,
    timer: TimerKey,
}

/// The registrations that wait, by home address.
#[derive(Debug, Default)]
pub(crate) struct TentativeRegistrations {
    by_home: HashMap<Ipv6Addr, Tentative>,
}

impl TentativeRegistrations {
    pub(crate) fn len(&self) -> usize {
        self.by_home.len()
    }
}

impl Anchor {
    /// The addresses that have to be found free before a registration is accepted. RFC 6275 §10.3.1: "Unless this home agent
    /// already has a binding for the given home address, the home agent MUST perform Duplicate Address Detection". "L=1: Defend
    /// both the given non link-local unicast (home) address and the derived link-local": the latter is not ours before it was
    /// asked for, so a refresh that is the first with the L bit has it tested too.
    pub(crate) fn addresses_to_probe(&self, link: LinkId, update: &Update) -> Vec<Ipv6Addr> {
        let home_address = update.home_address;
        let derived = link_local_of(&home_address);
        let is_bound = self.cache.bindings.contains_key(&home_address);
        let home = (!is_bound).then_some(home_address);
        let derives = update.flags.contains(BuFlags::LINK_LOCAL);
        let derived = (derives && !self.proxies.contains(link, derived)).then_some(derived);
        home.into_iter().chain(derived).collect()
    }

    /// Whether the link-local address that an update claims is another mobile node's: one that this anchor answers for, or is
    /// about to. No question on the link would find that out.
    pub(crate) fn link_local_is_anothers(&self, link: LinkId, update: &Update) -> bool {
        if !update.flags.contains(BuFlags::LINK_LOCAL) {
            return false;
        }
        let derived = link_local_of(&update.home_address);
        let defended = self.proxies.home_addresses(link, derived).iter();
        let mut defended = defended.filter_map(|home| self.cache.bindings.get(home));
        let mut tentative = self.tentative.by_home.values();
        defended.any(|binding| Some(binding.owner) != update.owner)
            || tentative.any(|tentative| {
                tentative.link == link
                    && tentative.update.owner != update.owner
                    && tentative.targets.contains(&derived)
            })
    }

    /// Probes the addresses of a registration; the answer follows when nobody has claimed them. An update that comes
    /// meanwhile takes the place of an older one, so that the mobile node gets the answer to what it has sent last.
    pub(crate) fn probe_before_binding(
        &mut self,
        now: Now,
        link: LinkId,
        targets: Vec<Ipv6Addr>,
        update: Update,
    ) -> Result<Option<Acknowledgement>, SignallingDrop> {
        let home_address = update.home_address;
        let tentative = self.tentative.by_home.get(&home_address);
        if tentative
            .is_some_and(|tentative| !is_greater(update.sequence, tentative.update.sequence))
        {
            return Err(SignallingDrop::DuplicateDetection);
        }
        if let Some(tentative) = self.tentative.by_home.get_mut(&home_address) {
            // The first with the L bit has its link-local address tested from the beginning.
            if targets
                .iter()
                .all(|target| tentative.targets.contains(target))
            {
                (tentative.update, tentative.targets) = (update, targets);
                return Ok(None);
            }
            self.forget_tentative(&home_address);
        }
        let timer = self.timers.schedule(
            now.deadline_ns(RETRANS_TIMER_NS),
            Timer::AddressIsFree(home_address),
        );
        for target in targets.iter().copied() {
            self.on_link(link, LinkAction::Probe { target });
        }
        let tentative = Tentative {
            update,
            link,
            targets,
            timer,
        };
        self.tentative.by_home.insert(home_address, tentative);
        Ok(None)
    }

    /// Nobody has claimed the address within RETRANS_TIMER: the registration goes on.
    pub(crate) fn address_is_free(&mut self, now: Now, home_address: &Ipv6Addr) {
        let Some(Tentative { update, .. }) = self.tentative.by_home.remove(home_address) else {
            return;
        };
        let acknowledgement = self.accept_registration(now, &update);
        self.answer_later(&update, acknowledgement);
    }

    /// Somebody on the link has the address. "If this Duplicate Address Detection fails for the given home address or an
    /// associated link local address, then the home agent MUST reject the complete Binding Update and MUST return a
    /// Binding Acknowledgement … 134".
    pub(crate) fn address_is_taken(&mut self, link: LinkId, address: &Ipv6Addr) {
        let tentative = &mut self.tentative.by_home;
        let taken = tentative.extract_if(|_, tentative| {
            tentative.link == link && tentative.targets.contains(address)
        });
        let taken: Vec<Tentative> = taken.map(|(_, tentative)| tentative).collect();
        for Tentative { update, timer, .. } in taken {
            self.timers.cancel(timer);
            let acknowledgement = update.acknowledge(status::DAD_FAILED);
            self.answer_later(&update, acknowledgement);
        }
    }

    /// A de-registration overtakes what waits for its address. `false` if nothing did.
    pub(crate) fn forget_tentative(&mut self, home_address: &Ipv6Addr) -> bool {
        let Some(tentative) = self.tentative.by_home.remove(home_address) else {
            return false;
        };
        self.timers.cancel(tentative.timer);
        true
    }

    fn answer_later(&mut self, update: &Update, acknowledgement: Acknowledgement) {
        if let Err(reason) = self.send_acknowledgement(update, acknowledgement, Proof::Mac) {
            self.counters.count_dropped(reason);
        }
    }
}
