//! What a binding goes back to when a test is not passed.

use core::net::Ipv6Addr;

use crate::anchor::binding_cache::Binding;
use crate::anchor::care_of_addresses::{self, CareOfAddress};
use crate::anchor::lifecycle::Registration;
use crate::anchor::steering::Steering;
use crate::time::Now;

/// What a binding was while all its care-of addresses had passed. "Not echoed: the old CoA stays".
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// Of several the first choice.
    care_of: Ipv6Addr,
    expires_ns: Option<u64>,
    steering: Option<Box<Steering>>,
}

impl Before {
    pub(super) fn of(binding: &Binding) -> Self {
        Self {
            care_of: binding.care_of,
            expires_ns: binding.expires_ns,
            steering: binding.steering.clone(),
        }
    }

    fn care_ofs(&self) -> &[CareOfAddress] {
        let steering = self.steering.as_ref();
        steering.map_or(&[], |steering| &steering.care_ofs)
    }

    /// Whether this was one of its care-of addresses, and its lifetime has not passed since.
    pub(super) fn is_at(&self, now: Now, care_of: &Ipv6Addr) -> bool {
        match self.care_ofs() {
            [] => self.care_of == *care_of && self.expires_ns.is_none_or(|at| at > now.mono_ns),
            numbered => numbered
                .iter()
                .any(|known| known.address == *care_of && !known.has_expired(now)),
        }
    }

    /// The same without the care-of addresses of these BIDs; `None` where that leaves none.
    pub(super) fn without(mut self, gone: &[u16]) -> Option<Self> {
        if self
            .care_ofs()
            .iter()
            .any(|known| gone.contains(&known.bid))
        {
            self.retain(|known| !gone.contains(&known.bid))?;
        }
        Some(self)
    }

    fn retain(&mut self, stays: impl FnMut(&CareOfAddress) -> bool) -> Option<()> {
        let steering = self.steering.as_mut()?;
        steering.care_ofs.retain(stays);
        self.care_of = care_of_addresses::first_choice(&steering.care_ofs)?.address;
        Some(())
    }

    /// The care-of address that a BID had.
    pub(super) fn with_bid(&self, bid: u16) -> Option<&CareOfAddress> {
        care_of_addresses::find(self.care_ofs(), bid)
    }

    /// Another care-of address has passed: what of this is left are the old care-of addresses of BIDs that are under test still.
    pub(super) fn left_to(mut self, care_ofs: &[CareOfAddress]) -> Option<Self> {
        self.retain(|known| {
            let now = care_of_addresses::find(care_ofs, known.bid);
            now.is_some_and(|now| now.test.is_some())
        })?;
        Some(self)
    }

    /// The binding as it was, without the care-of addresses whose lifetime has passed since; `None` where that leaves none.
    pub(super) fn registration(self, now: Now, binding: &Binding) -> Option<Registration> {
        let mut steering = self.steering.map(|steering| *steering).unwrap_or_default();
        let was_numbered = !steering.care_ofs.is_empty();
        steering.care_ofs.retain(|known| !known.has_expired(now));
        if was_numbered {
            let Steering { care_ofs, flows } = steering;
            return (!care_ofs.is_empty()).then(|| binding.with_care_ofs(care_ofs, flows));
        }
        self.expires_ns
            .is_none_or(|at| at > now.mono_ns)
            .then_some(Registration {
                home_address: binding.home_address,
                owner: binding.owner,
                care_of: self.care_of,
                expires_ns: self.expires_ns,
                order: None,
                link_local: binding.link_local,
                steering,
            })
    }
}

/// What of this lasts as long as the tests that are going on: what ends before cannot take what exceeds a credit.
#[derive(Debug)]
pub(super) struct Lasting<'b> {
    pub(super) before: &'b Before,
    pub(super) until_ns: u64,
}

impl Lasting<'_> {
    fn lasts(&self, expires_ns: Option<u64>) -> bool {
        expires_ns.is_none_or(|at| at > self.until_ns)
    }

    /// The care-of address that a BID had.
    pub(super) fn with_bid(&self, bid: u16) -> Option<Ipv6Addr> {
        let known = self.before.with_bid(bid)?;
        self.lasts(known.expires_ns).then_some(known.address)
    }

    /// The one care-of address, or of several the first choice.
    pub(super) fn first(&self) -> Option<Ipv6Addr> {
        let before = self.before;
        if before.care_ofs().is_empty() {
            return self.lasts(before.expires_ns).then_some(before.care_of);
        }
        let lasting = before.care_ofs().iter().copied();
        let lasting: Vec<CareOfAddress> = lasting
            .filter(|known| self.lasts(known.expires_ns))
            .collect();
        care_of_addresses::first_choice(&lasting).map(|first| first.address)
    }
}
