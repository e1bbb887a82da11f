//! Changes of the route tree: what is replaced is copied, and the copy is published by one store.

use crate::pool::Pool;
use crate::route_node::{Entry, FAN_OUT, MAX_LEVELS, MIN_FILL, NodeRef};
use crate::route_table::{Head, node};
use crate::sync::Ordering;
use crate::view::{View, address_words};

/// Entries that the nodes of a new tree get: room for a few more, before a node has to become two.
const FILL: usize = FAN_OUT * 3 / 4;

/// A node on the way down from the root, and the entry that leads on.
struct Step {
    node: NodeRef,
    at: usize,
}

/// One change. It either succeeds and is published, or fails (`None`: no free node, or a tree that can not be) and leaves
/// the tree as it was.
pub(super) struct Edit<'a> {
    view: &'a View,
    nodes: &'a mut Pool,
    /// Slots taken for it.
    pub(super) taken: Vec<u32>,
    /// Slots that readers can no longer reach.
    pub(super) replaced: Vec<u32>,
}

impl<'a> Edit<'a> {
    pub(super) fn new(view: &'a View, nodes: &'a mut Pool) -> Self {
        Self {
            view,
            nodes,
            taken: Vec::new(),
            replaced: Vec::new(),
        }
    }

    fn take(&mut self) -> Option<u32> {
        let slot = self.nodes.take()?;
        self.taken.push(slot);
        Some(slot)
    }

    fn write(&mut self, entries: &[Entry], level: u8) -> Option<Entry> {
        let id = self.take()?;
        node(self.view, id)?.write(entries);
        let reference = NodeRef {
            id,
            len: u8::try_from(entries.len()).ok()?,
            level,
        };
        Some(Entry {
            key: entries.first()?.key,
            value: reference.encode(),
        })
    }

    /// Writes a table of these ranges, and gives the slot of its head.
    pub(super) fn build(&mut self, ranges: Vec<Entry>, default: u64) -> Option<u32> {
        let mut entries = ranges;
        let mut root = None;
        for level in 0_u8.. {
            let parts = entries
                .len()
                .div_ceil(FILL)
                .min(entries.len() / MIN_FILL)
                .max(1);
            let mut parents = Vec::with_capacity(parts);
            let mut rest = entries.as_slice();
            for part in 0..parts {
                let (entries, behind) = rest.split_at_checked(rest.len() / (parts - part))?;
                parents.push(self.write(entries, level)?);
                rest = behind;
            }
            entries = parents;
            if let [only] = *entries {
                root = Some(only.value);
                break;
            }
        }
        let id = self.take()?;
        let head = Head::at(self.view, id)?;
        head.root.store(root?, Ordering::Relaxed);
        head.default.store(default, Ordering::Relaxed);
        Some(id)
    }

    fn descend(&self, head: Head<'_>, key: u128) -> Option<Vec<Step>> {
        let mut path = Vec::with_capacity(MAX_LEVELS);
        let mut next = NodeRef::decode(head.root.load(Ordering::Relaxed));
        let key = address_words(&key.to_be_bytes());
        for _ in 0..MAX_LEVELS {
            let node = node(self.view, next.id)?;
            let at = node.find(key, next.len);
            path.push(Step { node: next, at });
            if next.level == 0 {
                return Some(path);
            }
            next = NodeRef::decode(node.value(at).load(Ordering::Relaxed));
        }
        None
    }

    fn entries(&self, at: NodeRef) -> Option<Vec<Entry>> {
        Some(node(self.view, at.id)?.entries(at.len).collect())
    }

    /// Has a range begin at `key`, with the value of the one that it is cut from.
    pub(super) fn insert(&mut self, head: Head<'_>, key: u128) -> Option<()> {
        let path = self.descend(head, key)?;
        let leaf = path.last()?;
        let mut entries = self.entries(leaf.node)?;
        let before = *entries.get(leaf.at)?;
        if before.key != key {
            entries.insert(leaf.at + 1, Entry { key, ..before });
            self.replace(head, path, entries)?;
        }
        Some(())
    }

    /// Has the range before go on where one begins at `key`.
    pub(super) fn remove(&mut self, head: Head<'_>, key: u128) -> Option<()> {
        let path = self.descend(head, key)?;
        let leaf = path.last()?;
        let mut entries = self.entries(leaf.node)?;
        if entries.get(leaf.at)?.key == key {
            entries.remove(leaf.at);
            self.replace(head, path, entries)?;
        }
        Some(())
    }

    /// Puts `entries` in the place of the last node of `path`, and what that entails in the places of nodes above it.
    fn replace(
        &mut self,
        head: Head<'_>,
        mut path: Vec<Step>,
        mut entries: Vec<Entry>,
    ) -> Option<()> {
        loop {
            let old = path.pop()?.node;
            self.replaced.push(old.id);
            let Some(parent) = path.last() else {
                let root = self.root(&entries, old.level)?;
                head.root.store(root, Ordering::Release);
                return Some(());
            };
            let (above, at) = (node(self.view, parent.node.id)?, parent.at);
            let same_key = entries.first().map(|entry| entry.key) == Some(above.key(at));
            if same_key && (MIN_FILL..=FAN_OUT).contains(&entries.len()) {
                let new = self.write(&entries, old.level)?;
                above.value(at).store(new.value, Ordering::Release);
                return Some(());
            }
            let mut parents = self.entries(parent.node)?;
            let mut children = at..at + 1;
            if entries.len() < MIN_FILL {
                // With a neighbour: the one before it, or of the first one the next.
                let beside = if at == 0 { 1 } else { at - 1 };
                let neighbour = NodeRef::decode(parents.get(beside)?.value);
                self.replaced.push(neighbour.id);
                let mut theirs = self.entries(neighbour)?;
                if beside < at {
                    theirs.append(&mut entries);
                    entries = theirs;
                } else {
                    entries.append(&mut theirs);
                }
                children = at.min(beside)..at.max(beside) + 1;
            }
            let new = self.one_or_two(&entries, old.level)?;
            parents.get(children.clone())?;
            parents.splice(children, new);
            entries = parents;
        }
    }

    /// The entries as one node, or as two where they do not fit in one.
    fn one_or_two(&mut self, entries: &[Entry], level: u8) -> Option<Vec<Entry>> {
        if entries.len() <= FAN_OUT {
            return Some(vec![self.write(entries, level)?]);
        }
        let (left, right) = entries.split_at_checked(entries.len() / 2)?;
        Some(vec![self.write(left, level)?, self.write(right, level)?])
    }

    /// The root over `entries`, which stand at `level`.
    fn root(&mut self, entries: &[Entry], level: u8) -> Option<u64> {
        if let ([only], 1..) = (entries, level) {
            return Some(only.value);
        }
        let nodes = self.one_or_two(entries, level)?;
        match nodes.as_slice() {
            [only] => Some(only.value),
            two => Some(self.write(two, level.checked_add(1)?)?.value),
        }
    }
}

/// Gives each range that begins in `first ..= last` the value that `change` makes of its value.
pub(super) fn paint(
    view: &View,
    at: NodeRef,
    (first, last): (u128, u128),
    change: &impl Fn(u64) -> u64,
) -> Option<()> {
    let node = node(view, at.id)?;
    let from = node.find(address_words(&first.to_be_bytes()), at.len);
    for number in from..usize::from(at.len).min(FAN_OUT) {
        let key = node.key(number);
        if key > last {
            break;
        }
        let value = node.value(number);
        let old = value.load(Ordering::Relaxed);
        if at.level > 0 {
            let child = NodeRef::decode(old);
            if child.level >= at.level {
                return None;
            }
            paint(view, child, (first, last), change)?;
        } else if key >= first {
            let new = change(old);
            if new != old {
                value.store(new, Ordering::Release);
            }
        }
    }
    Some(())
}

/// Visits every range of the tree under `at` once, and marks the nodes in `found`. Of a tree that can not be it visits
/// what it can.
pub(super) fn visit(view: &View, at: NodeRef, found: &mut [bool], ranges: &mut impl FnMut(Entry)) {
    let (Some(node), Some(found_before)) = (node(view, at.id), found.get_mut(at.id as usize))
    else {
        return;
    };
    if core::mem::replace(found_before, true) {
        return;
    }
    for entry in node.entries(at.len) {
        let child = NodeRef::decode(entry.value);
        if at.level == 0 {
            ranges(entry);
        } else if child.level < at.level {
            visit(view, child, found, ranges);
        }
    }
}
