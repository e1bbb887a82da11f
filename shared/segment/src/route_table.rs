//! Longest-prefix match over whole addresses.
//!
//! The writer cuts the address space into disjoint ranges, each with the action of its longest prefix, sorted by start; a
//! lookup is a binary search with at most log2(2n + 1) steps. There are two buffers. A new table is written into the one that
//! no reader uses and published by one store of its number and length.
//!
//! Coverage is in the same table: what holds for the home-agents anycast addresses of a prefix stands under a multicast
//! prefix made of it, where no unicast route can be.

use crate::error::SegmentError;
use crate::layout::{RANGE_WORDS, header_word};
use crate::route::{Route, RouteAction};
use crate::sync::Ordering;
use crate::view::{View, address_words};

/// A range starts here and ends where the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    start: u128,
    action: RouteAction,
}

/// The interface identifier of the home-agents anycast address of a /64 (RFC 2526 §3).
const HOME_AGENTS: [u8; 8] = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];

/// Where coverage of the /64 that begins with `link` stands.
#[inline]
fn coverage_key(link: [u8; 8]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = link;
    [0xff, a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0]
}

/// The prefix that a route stands under.
fn place(route: &Route) -> (u128, u8) {
    let prefix = route.prefix.octets();
    match (route.action, prefix.first_chunk()) {
        (RouteAction::QueryAnycast, Some(link)) => (
            u128::from_be_bytes(coverage_key(*link)),
            8 + route.len.min(64),
        ),
        _ => (u128::from_be_bytes(prefix), route.len),
    }
}

/// Cuts prefixes into ranges. Of equal prefixes the last one holds.
pub(crate) fn compile(routes: &[Route]) -> Result<Vec<Range>, SegmentError> {
    let mut prefixes = Vec::with_capacity(routes.len());
    for (order, route) in routes.iter().enumerate() {
        if route.len > 128 {
            return Err(SegmentError::PrefixLength(route.len));
        }
        let (prefix, len) = place(route);
        let host_bits = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
        let start = prefix & !host_bits;
        prefixes.push((start, len, order, start | host_bits, route.action));
    }
    prefixes.sort_unstable_by_key(|&(start, len, order, ..)| (start, len, order));

    let mut ranges = Vec::with_capacity(2 * prefixes.len() + 1);
    // The prefixes around the current address, outermost first, each by its last address.
    let mut around: Vec<(u128, RouteAction)> = Vec::new();
    push(&mut ranges, 0, RouteAction::Unreachable);
    for (start, _, _, last, action) in prefixes {
        leave(&mut ranges, &mut around, |end| end < start);
        push(&mut ranges, start, action);
        around.push((last, action));
    }
    leave(&mut ranges, &mut around, |_| true);
    Ok(ranges)
}

/// Leaves the prefixes that `ended`: what is around them holds again behind their last address.
fn leave(
    ranges: &mut Vec<Range>,
    around: &mut Vec<(u128, RouteAction)>,
    ended: impl Fn(u128) -> bool,
) {
    while let Some((last, _)) = around.pop_if(|(last, _)| ended(*last)) {
        let action = around
            .last()
            .map_or(RouteAction::Unreachable, |(_, action)| *action);
        if let Some(behind) = last.checked_add(1) {
            push(ranges, behind, action);
        }
    }
}

fn push(ranges: &mut Vec<Range>, start: u128, action: RouteAction) {
    ranges.pop_if(|range| range.start == start);
    if ranges.last().is_none_or(|range| range.action != action) {
        ranges.push(Range { start, action });
    }
}

/// The buffer that readers use, and the number of its ranges.
#[inline]
pub(crate) fn current(view: &View) -> (usize, u32) {
    let word = view
        .word(header_word::ROUTES)
        .map_or(0, |word| word.load(Ordering::Acquire));
    ((word >> 32) as usize & 1, word as u32)
}

/// Writes `ranges` into `buffer`, which no reader may be using, and makes it current.
pub(crate) fn publish(view: &View, buffer: usize, ranges: &[Range]) {
    let buffer = buffer & 1;
    let (starts, actions) = (
        &view.layout.range_starts[buffer],
        &view.layout.range_actions[buffer],
    );
    let mut count = 0;
    for (index, range) in (0..).zip(ranges) {
        let (Some(start), Some([action])) = (
            view.slot::<RANGE_WORDS>(starts, index),
            view.slot::<1>(actions, index),
        ) else {
            break;
        };
        for (word, value) in start.iter().zip(address_words(&range.start.to_be_bytes())) {
            word.store(value, Ordering::Relaxed);
        }
        action.store(range.action.encode(), Ordering::Relaxed);
        count = index + 1;
    }
    if let Some(word) = view.word(header_word::ROUTES) {
        word.store((buffer as u64) << 32 | u64::from(count), Ordering::Release);
    }
}

/// The action for `destination`.
#[inline]
pub(crate) fn lookup(view: &View, destination: &[u8; 16]) -> RouteAction {
    if let [link @ .., _, _, _, _, _, _, _, _] = destination
        && destination.ends_with(&HOME_AGENTS)
        && search(view, &coverage_key(*link)) == RouteAction::QueryAnycast
    {
        return RouteAction::QueryAnycast;
    }
    search(view, destination)
}

/// What stands for `key`.
#[inline]
fn search(view: &View, key: &[u8; 16]) -> RouteAction {
    let (buffer, count) = current(view);
    let starts = &view.layout.range_starts[buffer];
    let key = address_words(key);
    // The first range that starts behind the key is in `low ..= high`.
    let (mut low, mut high) = (0, count.min(starts.slots()));
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(start) = view.slot::<RANGE_WORDS>(starts, middle) else {
            break;
        };
        let start = [
            start[0].load(Ordering::Relaxed),
            start[1].load(Ordering::Relaxed),
        ];
        if start <= key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.checked_sub(1)
        .and_then(|index| view.slot::<1>(&view.layout.range_actions[buffer], index))
        .map_or(RouteAction::Unreachable, |[action]| {
            RouteAction::decode(action.load(Ordering::Relaxed))
        })
}
