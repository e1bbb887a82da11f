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
    /// Probes the addresses of a registration; the answer follows when nobody has claimed them. An update that comes
    /// meanwhile takes the place of an older one, so that the mobile node gets the answer to what it has sent last.
    pub(crate) fn probe_before_binding(
        &mut self,
        now: Now,
        link: LinkId,
        update: Update,
    ) -> Result<Option<Acknowledgement>, SignallingDrop> {
        let home_address = update.home_address;
        if let Some(tentative) = self.tentative.by_home.get_mut(&home_address) {
            if !is_greater(update.sequence, tentative.update.sequence) {
                return Err(SignallingDrop::DuplicateDetection);
            }
            tentative.update = update;
            return Ok(None);
        }
        let derives = update.flags.contains(BuFlags::LINK_LOCAL);
        let timer = self.timers.schedule(
            now.deadline_ns(RETRANS_TIMER_NS),
            Timer::AddressIsFree(home_address),
        );
        let tentative = Tentative {
            update,
            link,
            timer,
        };
        self.tentative.by_home.insert(home_address, tentative);
        let target = home_address;
        self.on_link(link, LinkAction::Probe { target });
        // "L=1: Defend both the given non link-local unicast (home) address and the derived link-local."
        if derives {
            let target = link_local_of(&home_address);
            self.on_link(link, LinkAction::Probe { target });
        }
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
        let is_meant = |home: &Ipv6Addr, tentative: &Tentative| {
            let derives = tentative.update.flags.contains(BuFlags::LINK_LOCAL);
            tentative.link == link
                && (home == address || (derives && link_local_of(home) == *address))
        };
        let taken = self
            .tentative
            .by_home
            .extract_if(|home, t| is_meant(home, t));
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
