//! All routes, and the correspondents that are known to have none.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use super::route::Route;
use crate::anchor::RouteEnds;
use crate::time::NANOS_PER_SECOND;

/// Routes at once: a program that talks to the whole world must not make as many registrations.
const MAX_ROUTES: usize = 128;
/// Correspondents that are remembered to know nothing of mobility.
const MAX_INCAPABLE: usize = 512;
/// How long one is left in peace that did not answer.
const SILENT_NS: u64 = 600 * NANOS_PER_SECOND;
/// How long one that has said so. RFC 6275 §11.3.5: "Such Binding Update List entries SHOULD be removed after a period of time".
const NOT_SUPPORTED_NS: u64 = 3600 * NANOS_PER_SECOND;

/// The Binding Update List, as far as correspondents are concerned.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: BTreeMap<RouteEnds, Route>,
    /// Until when they are not asked.
    incapable: BTreeMap<Ipv6Addr, u64>,
}

impl Routes {
    pub(super) fn get_mut(&mut self, ends: &RouteEnds) -> Option<&mut Route> {
        self.routes.get_mut(ends)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RouteEnds, &Route)> {
        self.routes.iter()
    }

    /// The route, made if there is room.
    pub(super) fn get_or_insert(
        &mut self,
        ends: RouteEnds,
        new: impl FnOnce() -> Route,
    ) -> Option<&mut Route> {
        let full = self.routes.len() >= MAX_ROUTES;
        if full && !self.routes.contains_key(&ends) {
            return None;
        }
        Some(self.routes.entry(ends).or_insert_with(new))
    }

    /// All of them, to be put back one by one.
    pub(super) fn take_all(&mut self) -> BTreeMap<RouteEnds, Route> {
        core::mem::take(&mut self.routes)
    }

    /// Those of a correspondent, to be put back.
    pub(super) fn take_those_of(&mut self, correspondent: &Ipv6Addr) -> Vec<(RouteEnds, Route)> {
        let ends: Vec<RouteEnds> = self
            .routes
            .keys()
            .filter(|ends| ends.correspondent == *correspondent)
            .copied()
            .collect();
        ends.into_iter()
            .filter_map(|ends| self.routes.remove_entry(&ends))
            .collect()
    }

    /// Takes one out, to be put back.
    pub(super) fn take(&mut self, ends: &RouteEnds) -> Option<Route> {
        self.routes.remove(ends)
    }

    pub(super) fn put_back(&mut self, ends: RouteEnds, route: Route) {
        self.routes.insert(ends, route);
    }

    /// Which route has sent a Care-of Test Init with this cookie.
    pub(super) fn asking_with(
        &mut self,
        correspondent: &Ipv6Addr,
        cookie: [u8; 8],
    ) -> Option<RouteEnds> {
        self.routes.iter_mut().find_map(|(ends, route)| {
            let asking = route.care_of_test.asking()?;
            let is_its = ends.correspondent == *correspondent && asking.cookie == cookie;
            is_its.then_some(*ends)
        })
    }

    /// When something is due next.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.routes.values().filter_map(|route| route.due_ns).min()
    }

    /// Until when a correspondent is not asked; the present, if it may be.
    pub(super) fn incapable_until_ns(&self, correspondent: &Ipv6Addr, now_ns: u64) -> u64 {
        let until_ns = self.incapable.get(correspondent).copied();
        until_ns.unwrap_or_default().max(now_ns)
    }

    /// A correspondent has never answered.
    pub(super) fn silent(&mut self, now_ns: u64, correspondent: Ipv6Addr) -> u64 {
        self.leave_alone(now_ns, correspondent, SILENT_NS)
    }

    /// A correspondent says that it knows nothing of mobility: until when it is left in peace, if something was asked of it.
    pub(super) fn not_supported(&mut self, now_ns: u64, correspondent: Ipv6Addr) -> Option<u64> {
        let of_it = self
            .routes
            .iter_mut()
            .filter(|(ends, _)| ends.correspondent == correspondent);
        // "New Binding Update List entries MUST NOT be created as a result of receiving ICMP error messages."
        let asked = of_it
            .filter(|(_, route)| route.binding.is_some() || route.is_waiting())
            .count();
        (asked > 0).then(|| self.leave_alone(now_ns, correspondent, NOT_SUPPORTED_NS))
    }

    fn leave_alone(&mut self, now_ns: u64, correspondent: Ipv6Addr, for_ns: u64) -> u64 {
        self.incapable.retain(|_, until_ns| *until_ns > now_ns);
        if self.incapable.len() >= MAX_INCAPABLE {
            let soonest = self.incapable.iter().min_by_key(|(_, until_ns)| **until_ns);
            if let Some(soonest) = soonest.map(|(address, _)| *address) {
                self.incapable.remove(&soonest);
            }
        }
        let until_ns = now_ns.saturating_add(for_ns);
        self.incapable.insert(correspondent, until_ns);
        until_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(number: u128) -> RouteEnds {
        RouteEnds {
            home_address: Ipv6Addr::LOCALHOST,
            correspondent: Ipv6Addr::from_bits(number),
        }
    }

    #[test]
    fn there_is_room_for_so_many_routes() {
        let mut routes = Routes::default();
        for number in 0..200 {
            let fits = routes.get_or_insert(ends(number), || Route::new(0, 0));
            assert_eq!(fits.is_some(), number < 128, "{number}");
        }
        assert!(routes.get_or_insert(ends(5), || Route::new(0, 0)).is_some());
    }

    #[test]
    fn of_too_many_incapable_ones_the_soonest_is_forgotten() {
        let mut routes = Routes::default();
        for number in 0..600 {
            routes.silent(number, Ipv6Addr::from_bits(number.into()));
        }
        assert_eq!(routes.incapable.len(), MAX_INCAPABLE);
        let first = Ipv6Addr::from_bits(0);
        assert_eq!(routes.incapable_until_ns(&first, 700), 700);
        let last = Ipv6Addr::from_bits(599);
        assert_eq!(routes.incapable_until_ns(&last, 700), 599 + SILENT_NS);
    }

    #[test]
    fn an_error_about_what_was_never_asked_changes_nothing() {
        let mut routes = Routes::default();
        routes.get_or_insert(ends(1), || Route::new(0, 0));
        assert_eq!(routes.not_supported(0, ends(1).correspondent), None);
        assert_eq!(routes.not_supported(0, ends(2).correspondent), None);
        assert!(routes.incapable.is_empty());
    }
}
