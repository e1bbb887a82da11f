//! What happens later, and what is then done.

use core::net::Ipv6Addr;

use super::Anchor;
use super::correspondent::RouteEnds;
use super::home_link::LinkId;
use crate::time::Now;
use crate::timer_wheel::Step;

/// What happens later.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Timer {
    /// The binding of a home address ends, or one of its care-of addresses.
    BindingExpires(Ipv6Addr),
    QuarantineEnds(Ipv6Addr),
    /// Answers of the security association with this SPI get old.
    AnswersGetOld(u32),
    /// An unsolicited advertisement of a proxied address is repeated.
    AdvertiseAgain(LinkId, Ipv6Addr),
    /// Nobody on the home link has claimed the address.
    AddressIsFree(Ipv6Addr),
    /// The prefix of a pool gets invalid.
    PrefixEnds(ipnet::Ipv6Net),
    /// A mobile node is told of its prefixes unasked.
    PrefixDeliveryDue(Ipv6Addr),
    /// A mobile node that has asked for its prefixes too often is answered.
    PrefixAnswerDue(Ipv6Addr),
    /// A mobile node is asked to leave again.
    DepartureDue(Ipv6Addr),
    /// Another anchor is asked whether it lives.
    HeartbeatDue(Ipv6Addr),
    /// The binding of a correspondent ends, or its number can be forgotten.
    CorrespondentEnds(RouteEnds),
    /// The binding of a correspondent ends soon.
    CorrespondentRefreshDue(RouteEnds),
    /// The binding of a home address ends soon.
    RefreshRequestDue(Ipv6Addr),
}

impl Anchor {
    /// Does so many of the things that are due. `false`: there may be more.
    pub(crate) fn run_timers(&mut self, now: Now, at_most: usize) -> bool {
        for _ in 0..at_most {
            match self.timers.step(now.mono_ns) {
                Step::Fired(timer) => self.fire(now, timer),
                Step::Moved => {}
                Step::Idle => return true,
            }
        }
        false
    }

    /// Does what was to happen now.
    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::BindingExpires(home_address) => self.binding_is_due(now, &home_address),
            Timer::QuarantineEnds(home_address) => {
                self.forget_quarantine(&home_address);
            }
            Timer::AdvertiseAgain(link, address) => self.advertise_again(now, link, address),
            Timer::AddressIsFree(home_address) => self.address_is_free(now, &home_address),
            Timer::PrefixDeliveryDue(home_address) => self.deliver_prefixes(now, &home_address),
            Timer::PrefixAnswerDue(home_address) => self.answer_owed(now, &home_address),
            Timer::DepartureDue(home_address) => self.ask_again(now, &home_address),
            Timer::HeartbeatDue(address) => self.ask_peer(now, address),
            Timer::CorrespondentEnds(ends) => self.correspondent_ends(now, ends),
            Timer::CorrespondentRefreshDue(ends) => self.correspondent_refresh_due(ends),
            Timer::PrefixEnds(prefix) => self.end_prefix(now, prefix),
            Timer::RefreshRequestDue(home_address) => {
                self.request_refresh(now, &home_address);
            }
            Timer::AnswersGetOld(spi) => {
                if let Some(at) = self.nodes.forget_old_answers(spi, now.mono_ns) {
                    self.timers.schedule(at, Timer::AnswersGetOld(spi));
                }
            }
        }
    }
}
