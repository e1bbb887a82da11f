//! Binding Refresh Requests (RFC 6275 §9.5.5).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::Status;
use dhp_wire::mobility::{Builder, MobilityOption};
use dhp_wire::packet::compose;

use super::Anchor;
use super::counters::MessageKind;
use super::reply::Proof;
use super::timers::Timer;
use crate::time::Now;

impl Anchor {
    /// Plans the request for a binding that was just made or refreshed. "The correspondent node MUST stop retransmitting
    /// when it receives a Binding Update", so what was planned before is not.
    pub(crate) fn schedule_refresh_request(&mut self, now: Now, home_address: &Ipv6Addr) {
        let ahead = self.config.refresh_request;
        let Some(binding) = self.cache.bindings.get_mut(home_address) else {
            return;
        };
        if let Some(timer) = binding.refresh_timer.take() {
            self.timers.cancel(timer);
        }
        let Some((ahead, expires_ns)) = ahead.zip(binding.first_end_ns()) else {
            return;
        };
        let ahead = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        // A binding that is shorter than that is refreshed without being asked.
        if let Some(at) = expires_ns.checked_sub(ahead).filter(|at| *at > now.mono_ns) {
            let timer = Timer::RefreshRequestDue(*home_address);
            binding.refresh_timer = Some(self.timers.schedule(at, timer));
        }
    }

    /// Asks for a refresh, once more when half of what is then left has passed. "This message is always sent to the home
    /// address of the mobile node", through its tunnel.
    pub(crate) fn request_refresh(&mut self, now: Now, home_address: &Ipv6Addr) {
        let ahead = self.config.refresh_request.unwrap_or_default().as_nanos();
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
        let Some(binding) = self.cache.bindings.get_mut(home_address) else {
            return;
        };
        let end_ns = binding.first_end_ns().unwrap_or_default();
        let left = end_ns.saturating_sub(now.mono_ns);
        let ending = binding.care_ofs().iter();
        let ending = ending.filter(|care_of| care_of.expires_ns == Some(end_ns));
        let bids: Vec<u16> = ending.map(|care_of| care_of.bid).collect();
        let is_first = left > ahead / 2;
        binding.refresh_timer = is_first.then(|| {
            let timer = Timer::RefreshRequestDue(*home_address);
            self.timers.schedule(now.deadline_ns(left / 2), timer)
        });
        let anchor = self.config.address;
        self.send_refresh_request(&anchor, home_address, &bids);
    }

    /// RFC 5648 §6.4: for what was created with a BID "the node SHOULD include the Binding Identifier mobility option in the
    /// Binding Refresh Request", and may include several.
    pub(crate) fn send_refresh_request(
        &mut self,
        source: &Ipv6Addr,
        home_address: &Ipv6Addr,
        bids: &[u16],
    ) {
        let mut builder = Builder::binding_refresh_request();
        for bid in bids {
            builder = builder.option(&MobilityOption::BindingIdentifier {
                bid: *bid,
                status: Status(0),
                home_flag: false,
                priority: 0,
                care_of: None,
            });
        }
        let mh = builder.finish(source, home_address);
        let packet = compose(source, home_address, None, None, &mh);
        self.transmit(MessageKind::BindingRefreshRequest, 0, packet, Proof::Mac);
    }
}
