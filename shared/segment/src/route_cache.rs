//! What a worker remembers of the routes, so that packets of few networks need no way down the tree.
//!
//! Most /64s lie in one range of the table whole: one entry answers for all addresses of a link. Others, such as the one that the
//! box itself is in, have an entry for each address that is asked for. An entry is good while the version of the routes is the one
//! that was read before the tree was: the writer raises it after a change and before it retires what the change has freed, so
//! that nothing remembered is used after the quiescent point that lets it go.

use core::cell::Cell;

use crate::address_words::AddressWords;
use crate::route::RouteAction;
use crate::route_table;
use crate::view::View;

/// Places, two to a lookup: 4 KiB, which the nearest cache has room for.
const PLACES: usize = 128;

/// The second word of no address that is remembered: home-agents anycast addresses are looked up each time.
const WHOLE_LINK: u64 = u64::from_ne_bytes([0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);

/// One answer; each field by itself, since only the last one that differs has to be looked at.
struct Place {
    /// First word of the address.
    link: Cell<u64>,
    /// Second word of the address, or [`WHOLE_LINK`].
    host: Cell<u64>,
    version: Cell<u64>,
    action: Cell<Option<RouteAction>>,
}

impl Place {
    const fn new() -> Self {
        Self {
            link: Cell::new(0),
            host: Cell::new(0),
            version: Cell::new(0),
            action: Cell::new(None),
        }
    }
}

/// The answers of one worker's last lookups.
pub(crate) struct RouteCache {
    places: [Place; PLACES],
}

impl RouteCache {
    pub(crate) fn new() -> Self {
        Self {
            places: [const { Place::new() }; PLACES],
        }
    }

    /// The place of a key, if it has something for it.
    #[inline(always)]
    fn recall(&self, version: u64, link: u64, host: u64) -> Option<RouteAction> {
        let place = self.places.get(place(link, host))?;
        let is_it =
            place.link.get() == link && place.host.get() == host && place.version.get() == version;
        if is_it { place.action.get() } else { None }
    }

    #[cold]
    #[inline(never)]
    fn look_further(&self, view: &View, version: u64, link: u64, host: u64) -> RouteAction {
        let destination = AddressWords([link, host]).octets();
        if host == WHOLE_LINK {
            return route_table::lookup(view, &destination);
        }
        if let Some(action) = self.recall(version, link, host) {
            return action;
        }
        let (action, is_whole) = route_table::lookup_link(view, &destination);
        let host = if is_whole { WHOLE_LINK } else { host };
        if let Some(place) = self.places.get(place(link, host)) {
            place.link.set(link);
            place.host.set(host);
            place.version.set(version);
            place.action.set(Some(action));
        }
        action
    }
}

/// The routes as a worker sees them for one batch, good until its next quiescent point: the version is read once.
#[derive(Clone, Copy)]
pub struct Routes<'a> {
    view: &'a View,
    cache: &'a RouteCache,
    version: u64,
}

impl<'a> Routes<'a> {
    #[inline(always)]
    pub(crate) fn new(view: &'a View, cache: &'a RouteCache) -> Self {
        Self {
            view,
            cache,
            version: route_table::version(view),
        }
    }

    /// What the route table says about a destination; [`RouteAction::Unreachable`] where no prefix matches.
    #[must_use]
    #[inline(always)]
    pub fn lookup(&self, AddressWords([link, host]): AddressWords) -> RouteAction {
        if host != WHOLE_LINK
            && let Some(action) = self.cache.recall(self.version, link, WHOLE_LINK)
        {
            return action;
        }
        self.cache.look_further(self.view, self.version, link, host)
    }
}

/// Where a key is kept. Addresses that meet in one place take it from each other: such a lookup goes down the tree, and looks at
/// each node there three times.
#[inline(always)]
fn place(link: u64, host: u64) -> usize {
    let hash = (link ^ host.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 57) as usize
}
