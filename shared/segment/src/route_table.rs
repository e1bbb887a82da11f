//! Longest-prefix match over whole addresses.
//!
//! The prefixes cut the address space into disjoint ranges, each with the action of its longest prefix. The ranges are the
//! entries of the leaves of a B+ tree; a lookup goes down at most [`MAX_LEVELS`] nodes, with five comparisons in each.
//!
//! What one prefix changes is few nodes. The writer copies a node to change its keys, and publishes the copy by one store
//! into its parent; the action of a range is one store. So every address has its old route or its new one, and the nodes
//! that were replaced are kept until the workers have let go of them. The range where nothing but the default route holds
//! says so (it is 0), and the default route has a word of its own: of a full table it changes half of all ranges.
//!
//! Coverage is in the same table: what holds for the home-agents anycast addresses of a prefix stands under a multicast
//! prefix made of it, where no unicast route can be.

use crate::layout::header_word;
use crate::route::{Route, RouteAction};
use crate::route_node::{MAX_LEVELS, Node, NodeRef};
use crate::sync::{AtomicU64, Ordering};
use crate::view::{View, address_words};

/// A prefix as the writer keeps it: address, without host bits, and length.
pub(crate) type Prefix = (u128, u8);

/// The interface identifier of the home-agents anycast address of a /64 (RFC 2526 §3).
const HOME_AGENTS: [u8; 8] = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];

/// Lookups whose cache misses overlap.
const STAGE: usize = 16;

/// Where coverage of the /64 that begins with `link` stands.
#[inline]
fn coverage_key(link: [u8; 8]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = link;
    [0xff, a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0]
}

/// The prefix that a route stands under.
pub(crate) fn place(route: &Route) -> Prefix {
    let octets = route.prefix.octets();
    let (address, len) = match (route.action, octets.first_chunk()) {
        (RouteAction::QueryAnycast, Some(link)) => (coverage_key(*link), 8 + route.len.min(64)),
        _ => (octets, route.len),
    };
    (u128::from_be_bytes(address) & !host_bits(len), len)
}

/// The bits of an address behind the first `len`.
pub(crate) fn host_bits(len: u8) -> u128 {
    u128::MAX.checked_shr(u32::from(len)).unwrap_or(0)
}

/// What stands in the tree for a range whose longest prefix has this action and length; of the default route 0.
pub(crate) fn range_word(action: RouteAction, len: u8) -> u64 {
    match len {
        0 => 0,
        len => action.encode() | u64::from(len) << 40,
    }
}

/// The length of the longest prefix of a range.
pub(crate) fn range_len(word: u64) -> u8 {
    (word >> 40) as u8
}

/// What a table begins with.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// The reference to the root of the tree.
    pub(crate) root: &'a AtomicU64,
    /// The action of the default route.
    pub(crate) default: &'a AtomicU64,
}

impl<'a> Head<'a> {
    /// The head in slot `id`.
    #[inline(always)]
    pub(crate) fn at(view: &'a View, id: u32) -> Option<Self> {
        let [root, default] = view.slot::<2>(&view.layout.route_nodes, id)?;
        Some(Self { root, default })
    }
}

/// The node in slot `id`.
#[inline(always)]
pub(crate) fn node(view: &View, id: u32) -> Option<Node<'_>> {
    view.slot(&view.layout.route_nodes, id).map(Node)
}

/// The slot of the table that readers use; `None` before the first.
#[inline(always)]
pub(crate) fn current(view: &View) -> Option<u32> {
    let word = view.word(header_word::ROUTES)?.load(Ordering::Acquire);
    (word as u32).checked_sub(1)
}

/// Has readers use the table in slot `id`, which is complete.
pub(crate) fn publish(view: &View, id: u32) {
    if let Some(word) = view.word(header_word::ROUTES) {
        word.store(u64::from(id) + 1, Ordering::Release);
    }
}

/// How often routes have changed. Read before a lookup, it says how old the answer may be.
#[inline(always)]
pub(crate) fn version(view: &View) -> u64 {
    view.word(header_word::ROUTES_VERSION)
        .map_or(0, |word| word.load(Ordering::Acquire))
}

/// Has workers forget what they remember of the routes. After a change, and before anything that it no longer names is retired.
pub(crate) fn announce_change(view: &View) {
    if let Some(word) = view.word(header_word::ROUTES_VERSION) {
        let changes = word.load(Ordering::Relaxed).wrapping_add(1);
        word.store(changes, Ordering::Release);
    }
}

#[inline(always)]
fn is_home_agents(destination: &[u8; 16]) -> Option<[u8; 16]> {
    match destination {
        [link @ .., _, _, _, _, _, _, _, _] if destination.ends_with(&HOME_AGENTS) => {
            Some(coverage_key(*link))
        }
        _ => None,
    }
}

/// The action for `destination`.
#[inline]
pub(crate) fn lookup(view: &View, destination: &[u8; 16]) -> RouteAction {
    if let Some(covered) = is_home_agents(destination)
        && search(view, &covered) == RouteAction::QueryAnycast
    {
        return RouteAction::QueryAnycast;
    }
    search(view, destination)
}

/// What stands for `key`.
#[inline]
fn search(view: &View, key: &[u8; 16]) -> RouteAction {
    descend(view, address_words(key), |_, _| {})
}

/// [`lookup`], and whether the answer holds for the whole /64 around `destination` but the home-agents anycast address of it.
pub(crate) fn lookup_link(view: &View, destination: &[u8; 16]) -> (RouteAction, bool) {
    let key = address_words(destination);
    let mut is_uniform = true;
    let action = descend(view, key, |node, len| {
        is_uniform &= node.find([key[0], 0], len) == node.find([key[0], u64::MAX], len);
    });
    (action, is_uniform)
}

/// Goes down to what stands for `key`; `visit` sees each node on the way, and how many entries it has.
#[inline(always)]
fn descend<'a>(view: &'a View, key: [u64; 2], mut visit: impl FnMut(Node<'a>, u8)) -> RouteAction {
    let Some(head) = current(view).and_then(|id| Head::at(view, id)) else {
        return RouteAction::Unreachable;
    };
    let mut at = NodeRef::decode(head.root.load(Ordering::Acquire));
    for _ in 0..MAX_LEVELS {
        let Some(node) = node(view, at.id) else {
            break;
        };
        node.prefetch();
        visit(node, at.len);
        let word = node.value(node.find(key, at.len)).load(Ordering::Acquire);
        if at.level == 0 {
            return action(head, word);
        }
        at = NodeRef::decode(word);
    }
    RouteAction::Unreachable
}

#[inline(always)]
fn action(head: Head<'_>, word: u64) -> RouteAction {
    RouteAction::decode(match word {
        0 => head.default.load(Ordering::Acquire),
        word => word,
    })
}

/// [`lookup`] for many: `out[n]` is the action for `destinations[n]`.
pub(crate) fn lookup_batch(view: &View, destinations: &[[u8; 16]], out: &mut [RouteAction]) {
    for (destinations, out) in destinations.chunks(STAGE).zip(out.chunks_mut(STAGE)) {
        search_stage(view, destinations, out);
        for (destination, out) in destinations.iter().zip(out) {
            if is_home_agents(destination).is_some() {
                *out = lookup(view, destination);
            }
        }
    }
}

/// Up to [`STAGE`] lookups, a level of the tree at a time.
fn search_stage(view: &View, keys: &[[u8; 16]], out: &mut [RouteAction]) {
    out.fill(RouteAction::Unreachable);
    let Some(head) = current(view).and_then(|id| Head::at(view, id)) else {
        return;
    };
    let root = NodeRef::decode(head.root.load(Ordering::Acquire));
    let mut at = [Some(root); STAGE];
    for _ in 0..MAX_LEVELS {
        let mut deeper = false;
        for ((key, at), out) in keys.iter().zip(&mut at).zip(out.iter_mut()) {
            let Some((reference, node)) =
                at.and_then(|reference| Some((reference, node(view, reference.id)?)))
            else {
                continue;
            };
            let word = node
                .value(node.find(address_words(key), reference.len))
                .load(Ordering::Acquire);
            *at = None;
            if reference.level == 0 {
                *out = action(head, word);
                continue;
            }
            let child = NodeRef::decode(word);
            if let Some(node) = self::node(view, child.id) {
                node.prefetch();
                *at = Some(child);
                deeper = true;
            }
        }
        if !deeper {
            break;
        }
    }
}
