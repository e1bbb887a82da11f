//! Optimized routes: where a correspondent's packets to a mobile node go without its home agent (RFC 6275 §9.3.2).
//!
//! They have a table of their own, by both ends: a mobile node may tell each correspondent another care-of address. So no
//! tunnel can be opened by one, whatever the workers look up in the home table.
//!
//! ```text
//! words 0, 1    the correspondent
//! words 2, 3    the home address
//! words 4, 5    the care-of address
//! words 6 to 8  the previous one, and until when it is good; 0: there is none
//! word 9        next hop (high 32 bits), path MTU (16)
//! words 10, 11  packets and octets carried in either direction
//! word 12       one more than the next entry of the chain; 0: there is none
//! ```
//!
//! An entry is complete before the one store that puts it into the chain of its hash, and never changes then but for what it has
//! carried and what comes behind it. What a change takes out of a chain still leads on, and rests until no worker looks at it.

use core::net::Ipv6Addr;

use crate::address_words::AddressWords;
use crate::carried::Carried;
use crate::hash::Hash;
use crate::sync::{AtomicU64, Ordering};
use crate::view::View;

/// Words of an entry: two cache lines.
pub(crate) const OPTIMIZED_WORDS: usize = 16;
/// Chains for each entry.
pub(crate) const CHAINS_PER_ENTRY: usize = 2;
/// The longest chain. The hash has a secret seed, so that with half an entry to a chain nobody sees one in his life.
const LONGEST_CHAIN: usize = 16;

const CORRESPONDENT: usize = 0;
const HOME: usize = 2;
const CARE_OF: usize = 4;
const PREVIOUS: usize = 6;
const PREVIOUS_UNTIL: usize = 8;
const PACKED: usize = 9;
const PACKETS: usize = 10;
const OCTETS: usize = 11;
const NEXT: usize = 12;

/// A correspondent's binding, as the control plane describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptimizedRoute {
    /// Who sends the packets, and gets them.
    pub correspondent: Ipv6Addr,
    /// To whom.
    pub home_address: Ipv6Addr,
    /// Where the mobile node is.
    pub care_of: Ipv6Addr,
    /// Where it was before, and until when (monotonic nanoseconds) packets are still taken from there.
    pub previous: Option<(Ipv6Addr, u64)>,
    /// Index of the next hop towards the care-of address.
    pub next_hop: u32,
    /// The longest packet that the path there takes, in octets, with the type 2 routing header.
    pub path_mtu: u16,
}

impl OptimizedRoute {
    /// Whether a packet with the home address in a Home Address option, and this source, comes from the mobile node.
    #[must_use]
    pub fn accepts_source(&self, source: &[u8; 16], now_ns: u64) -> bool {
        let source = Ipv6Addr::from(*source);
        source == self.care_of
            || self
                .previous
                .is_some_and(|(previous, until_ns)| source == previous && now_ns < until_ns)
    }
}

/// An optimized route found, good until the worker's next quiescent point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptimizedEntry {
    /// What it is.
    pub route: OptimizedRoute,
    pub(crate) slot: u32,
}

/// What leads to an entry: the head of its chain, or the entry before it.
type Link<'a> = &'a AtomicU64;

/// The table of a view.
#[derive(Clone, Copy)]
pub(crate) struct OptimizedTable<'a>(pub(crate) &'a View);

impl<'a> OptimizedTable<'a> {
    fn words(self, slot: u32) -> Option<&'a [AtomicU64; OPTIMIZED_WORDS]> {
        self.0.slot(&self.0.layout.optimized, slot)
    }

    /// The head of the chain of two ends.
    fn head(self, correspondent: AddressWords, home: AddressWords) -> Option<Link<'a>> {
        let region = &self.0.layout.optimized_heads;
        let hash = Hash::of_pair(&self.0.seed, correspondent.0, home.0);
        let [head] = self.0.slot::<1>(region, hash.place(region.slots()))?;
        Some(head)
    }

    /// The slots of a chain, and what leads to each.
    fn chain(self, head: Link<'a>) -> impl Iterator<Item = (Link<'a>, u32)> {
        let mut link = head;
        let slots = core::iter::from_fn(move || {
            let slot = (link.load(Ordering::Acquire) as u32).checked_sub(1)?;
            let found = (link, slot);
            link = &self.words(slot)?[NEXT];
            Some(found)
        });
        // The bound holds even where links were overwritten.
        slots.take(LONGEST_CHAIN)
    }

    fn find_link(self, correspondent: Ipv6Addr, home: Ipv6Addr) -> Option<(Link<'a>, u32)> {
        let [correspondent, home] =
            [correspondent, home].map(|address| AddressWords::from(address.octets()));
        self.chain(self.head(correspondent, home)?)
            .find(|(_, slot)| self.is(*slot, correspondent, home))
    }

    fn is(self, slot: u32, correspondent: AddressWords, home: AddressWords) -> bool {
        self.words(slot).is_some_and(|words| {
            address(words, CORRESPONDENT) == correspondent && address(words, HOME) == home
        })
    }

    /// The route between two ends.
    pub(crate) fn find(self, correspondent: &[u8; 16], home: &[u8; 16]) -> Option<OptimizedEntry> {
        let [correspondent, home] = [correspondent, home].map(|octets| AddressWords::from(*octets));
        let mut chain = self.chain(self.head(correspondent, home)?);
        let (_, slot) = chain.find(|(_, slot)| self.is(*slot, correspondent, home))?;
        Some(OptimizedEntry {
            route: self.load(slot)?,
            slot,
        })
    }

    fn load(self, slot: u32) -> Option<OptimizedRoute> {
        let words = self.words(slot)?;
        let word = |at: usize| words[at].load(Ordering::Relaxed);
        let ip = |at: usize| Ipv6Addr::from(address(words, at).octets());
        let until_ns = word(PREVIOUS_UNTIL);
        let packed = word(PACKED);
        Some(OptimizedRoute {
            correspondent: ip(CORRESPONDENT),
            home_address: ip(HOME),
            care_of: ip(CARE_OF),
            previous: (until_ns != 0).then(|| (ip(PREVIOUS), until_ns)),
            next_hop: (packed >> 32) as u32,
            path_mtu: (packed >> 16) as u16,
        })
    }

    /// Counts a packet of so many octets. As for bindings, one of two within a few nanoseconds may be lost.
    pub(crate) fn carry(self, slot: u32, octets: u64) {
        let Some(words) = self.words(slot) else {
            return;
        };
        for (at, more) in [(PACKETS, 1), (OCTETS, octets)] {
            let before = words[at].load(Ordering::Relaxed);
            words[at].store(before.wrapping_add(more), Ordering::Relaxed);
        }
    }

    /// What a route has carried. Writer only.
    pub(crate) fn carried(self, correspondent: Ipv6Addr, home: Ipv6Addr) -> Option<Carried> {
        let (_, slot) = self.find_link(correspondent, home)?;
        let words = self.words(slot)?;
        Some(Carried {
            packets: words[PACKETS].load(Ordering::Relaxed),
            octets: words[OCTETS].load(Ordering::Relaxed),
        })
    }

    /// Writes an entry into a slot that no worker can reach and makes it current: in the place of the one between the same ends,
    /// whose slot this gives, or as the first of its chain. `Err`: the chain is as long as it may be. Writer only.
    pub(crate) fn put(self, route: &OptimizedRoute, slot: u32) -> Result<Option<u32>, ()> {
        let OptimizedRoute {
            correspondent,
            home_address,
            ..
        } = *route;
        let [from, to] =
            [correspondent, home_address].map(|address| AddressWords::from(address.octets()));
        let head = self.head(from, to).ok_or(())?;
        let old = self.find_link(correspondent, home_address);
        if old.is_none() && self.chain(head).count() >= LONGEST_CHAIN {
            return Err(());
        }
        let words = self.words(slot).ok_or(())?;
        let (previous, until_ns) = route.previous.unwrap_or((Ipv6Addr::UNSPECIFIED, 0));
        for (at, address) in [
            (CORRESPONDENT, correspondent),
            (HOME, home_address),
            (CARE_OF, route.care_of),
            (PREVIOUS, previous),
        ] {
            let AddressWords([first, second]) = address.octets().into();
            words[at].store(first, Ordering::Relaxed);
            words[at + 1].store(second, Ordering::Relaxed);
        }
        let packed = u64::from(route.next_hop) << 32 | u64::from(route.path_mtu) << 16;
        words[PREVIOUS_UNTIL].store(until_ns, Ordering::Relaxed);
        words[PACKED].store(packed, Ordering::Relaxed);
        let before = old.and_then(|(_, old)| self.words(old));
        for at in [PACKETS, OCTETS] {
            let carried = before.map_or(0, |before| before[at].load(Ordering::Relaxed));
            words[at].store(carried, Ordering::Relaxed);
        }
        let (link, behind) = match (old, before) {
            (Some((link, _)), Some(before)) => (link, &before[NEXT]),
            _ => (head, head),
        };
        words[NEXT].store(behind.load(Ordering::Relaxed), Ordering::Relaxed);
        link.store(u64::from(slot) + 1, Ordering::Release);
        Ok(old.map(|(_, old)| old))
    }

    /// Takes the entry between two ends out of its chain; its slot. Writer only.
    pub(crate) fn remove(self, correspondent: Ipv6Addr, home: Ipv6Addr) -> Option<u32> {
        let (link, slot) = self.find_link(correspondent, home)?;
        let behind = self.words(slot)?[NEXT].load(Ordering::Relaxed);
        link.store(behind, Ordering::Release);
        Some(slot)
    }

    /// All entries, with their slots. Writer only.
    pub(crate) fn entries(self) -> impl Iterator<Item = (u32, OptimizedRoute)> + 'a {
        let heads = self.0.layout.optimized_heads;
        (0..heads.slots())
            .filter_map(move |index| self.0.slot::<1>(&heads, index))
            .flat_map(move |[head]| self.chain(head))
            .filter_map(move |(_, slot)| Some((slot, self.load(slot)?)))
    }
}

fn address(words: &[AtomicU64; OPTIMIZED_WORDS], at: usize) -> AddressWords {
    AddressWords([
        words[at].load(Ordering::Relaxed),
        words[at + 1].load(Ordering::Relaxed),
    ])
}
