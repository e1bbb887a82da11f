//! The prefixes behind the route table, and the ranges that they cut the address space into.

use super::route_tree::visit;
use crate::pool::Pool;
use crate::route::{Route, RouteAction};
use crate::route_node::{Entry, NodeRef};
use crate::route_table::{self, Head, Prefix, host_bits, range_len, range_word};
use crate::sync::Ordering;
use crate::view::View;
use prefix_trie::PrefixMap;
use std::collections::BTreeMap;

/// What the writer knows of the route table beyond what readers need.
pub(super) struct Routes {
    /// All prefixes, those too that longer ones hide.
    pub(super) prefixes: PrefixMap<Prefix, RouteAction>,
    /// Those of them that the list of landmarks is made of.
    pub(super) landmarks: BTreeMap<Prefix, RouteAction>,
    pub(super) nodes: Pool,
    /// By slot: the current table uses it.
    pub(super) in_use: Vec<bool>,
    /// The tree in the segment is not one of `prefixes`, and has to be written anew.
    pub(super) stale: bool,
    /// A table that waits for free nodes.
    pub(super) waiting: Option<Vec<Route>>,
}

impl Routes {
    /// Finds the prefixes that have an effect in the ranges that the writer before has left, whatever it was doing.
    pub(super) fn attach(view: &View) -> Self {
        let slots = view.layout.route_nodes.slots();
        let capacity = view.layout.geometry.routes as usize;
        let mut in_use = vec![false; slots as usize];
        let mut prefixes = PrefixMap::new();
        if let Some(id) = route_table::current(view)
            && let Some(head) = Head::at(view, id)
        {
            let root = NodeRef::decode(head.root.load(Ordering::Acquire));
            visit(view, root, &mut in_use, &mut |range| {
                let len = range_len(range.value);
                if (1..=128).contains(&len) && prefixes.len() < capacity {
                    let prefix = (range.key & !host_bits(len), len);
                    prefixes.insert(prefix, RouteAction::decode(range.value));
                }
            });
            let default = head.default.load(Ordering::Relaxed);
            if default != 0 && prefixes.len() < capacity {
                prefixes.insert((0, 0), RouteAction::decode(default));
            }
            if let Some(in_use) = in_use.get_mut(id as usize) {
                *in_use = true;
            }
        }
        let landmarks = landmarks(&prefixes);
        let used = (0..).zip(&in_use).filter(|(_, used)| **used);
        Self {
            nodes: Pool::new(slots, used.map(|(slot, _)| slot)),
            prefixes,
            landmarks,
            in_use,
            stale: true,
            waiting: None,
        }
    }

    /// Notes that a prefix has another action, or none any more. `true`: the list of landmarks changes.
    pub(super) fn note(&mut self, prefix: Prefix, action: Option<RouteAction>) -> bool {
        match action.filter(is_landmark) {
            Some(action) => self.landmarks.insert(prefix, action) != Some(action),
            None => self.landmarks.remove(&prefix).is_some(),
        }
    }

    /// Takes other prefixes for those that there were.
    pub(super) fn replace(&mut self, prefixes: PrefixMap<Prefix, RouteAction>) {
        self.landmarks = landmarks(&prefixes);
        self.prefixes = prefixes;
    }

    /// The prefixes as ranges, in their order, and the default route.
    pub(super) fn compile(&self) -> (Vec<Entry>, u64) {
        let mut ranges = Vec::with_capacity(2 * self.prefixes.len() + 1);
        // The prefixes around the current address, outermost first, each by its last address.
        let mut around: Vec<(u128, u64)> = Vec::new();
        let mut default = 0;
        push(&mut ranges, 0, 0);
        for ((start, len), action) in self.prefixes.iter() {
            if len == 0 {
                default = action.encode();
                continue;
            }
            leave(&mut ranges, &mut around, |last| last < start);
            let word = range_word(*action, len);
            push(&mut ranges, start, word);
            around.push((start | host_bits(len), word));
        }
        leave(&mut ranges, &mut around, |_| true);
        (ranges, default)
    }

    /// Whether some prefix begins at `key`, or ends right before it.
    pub(super) fn is_boundary(&self, key: u128) -> bool {
        let Some(before) = key.checked_sub(1) else {
            return true;
        };
        let mut begin = self.prefixes.cover_keys(&(key, 128));
        let mut end = self.prefixes.cover_keys(&(before, 128));
        begin.any(|(start, _)| start == key)
            || end.any(|(start, len)| start | host_bits(len) == before)
    }
}

const fn is_landmark(action: &RouteAction) -> bool {
    matches!(action, RouteAction::Anchor | RouteAction::Pool)
}

fn landmarks(prefixes: &PrefixMap<Prefix, RouteAction>) -> BTreeMap<Prefix, RouteAction> {
    prefixes
        .iter()
        .filter(|(_, action)| is_landmark(action))
        .map(|(prefix, action)| (prefix, *action))
        .collect()
}

/// Leaves the prefixes that `ended`: what is around them holds again behind their last address.
fn leave(ranges: &mut Vec<Entry>, around: &mut Vec<(u128, u64)>, ended: impl Fn(u128) -> bool) {
    while let Some((last, _)) = around.pop_if(|(last, _)| ended(*last)) {
        if let Some(behind) = last.checked_add(1) {
            push(ranges, behind, around.last().map_or(0, |(_, word)| *word));
        }
    }
}

fn push(ranges: &mut Vec<Entry>, key: u128, value: u64) {
    ranges.pop_if(|range| range.key == key);
    ranges.push(Entry { key, value });
}
