//! Which number in the segment each neighbour has

use std::collections::{BTreeMap, BTreeSet};

use dhp_segment::{NextHop, NextHopState, SegmentError, Writer};

use crate::mirror::{NextHopFacts, NextHopKey};

/// A neighbour that the mirror has told of.
struct Neighbour {
    facts: NextHopFacts,
    /// Its number in the segment; `None`: no route leads there, or the segment has no room for it.
    id: Option<u32>,
    /// Routes that lead there.
    routes: usize,
}

/// The next hops of the plan in the segment.
pub(super) struct NextHops {
    known: BTreeMap<NextHopKey, Neighbour>,
    /// Those whose facts in the segment are older than what is known.
    outdated: BTreeSet<NextHopKey>,
    /// Those that no route leads to; templates may still name them.
    unused: BTreeSet<NextHopKey>,
    /// Those that routes lead to, but the segment had no room for.
    left_out: BTreeSet<NextHopKey>,
    /// Stands for "the host kernel sends it": never resolved, of any size, since the kernel answers what does not fit.
    kernel: u32,
}

fn segment_next_hop(key: NextHopKey, facts: &NextHopFacts) -> NextHop {
    NextHop {
        port: key.port,
        state: match facts.mac {
            Some(_) => NextHopState::Resolved,
            None => NextHopState::Unresolved,
        },
        destination_mac: facts.mac.unwrap_or_default(),
        source_mac: facts.source_mac,
        mtu: facts.mtu,
    }
}

impl NextHops {
    pub(super) fn new(writer: &mut Writer) -> Result<Self, SegmentError> {
        let kernel = writer.allocate_next_hop()?;
        let by_kernel = NextHop {
            port: 0,
            state: NextHopState::Unresolved,
            destination_mac: [0; 6],
            source_mac: [0; 6],
            mtu: u16::MAX,
        };
        writer.set_next_hop(kernel, by_kernel)?;
        Ok(Self {
            known: BTreeMap::new(),
            outdated: BTreeSet::new(),
            unused: BTreeSet::new(),
            left_out: BTreeSet::new(),
            kernel,
        })
    }

    /// The neighbours that routes lead to.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NextHopKey, NextHopFacts)> {
        let used = self.known.iter().filter(|(_, known)| known.routes > 0);
        used.map(|(key, known)| (*key, known.facts))
    }

    /// How many neighbours have a number.
    pub(super) fn len(&self) -> usize {
        let without = self.left_out.len() + self.unused.len();
        self.known.len().saturating_sub(without)
    }

    /// The key itself, if it has a number in the segment.
    pub(super) fn known(&self, key: NextHopKey) -> Option<NextHopKey> {
        self.known.get(&key)?.id.map(|_| key)
    }

    /// The number in the segment; of `None`, and of what has none, that of the kernel.
    pub(super) fn id(&self, key: Option<NextHopKey>) -> u32 {
        let known = key.and_then(|key| self.known.get(&key));
        known.and_then(|known| known.id).unwrap_or(self.kernel)
    }

    /// Note what is known of a neighbour now. [`update`](Self::update) puts it into the segment.
    pub(super) fn tell(&mut self, key: NextHopKey, facts: NextHopFacts) {
        match self.known.get_mut(&key) {
            Some(known) if known.facts == facts => {}
            Some(known) => {
                known.facts = facts;
                if known.id.is_some() {
                    self.outdated.insert(key);
                }
            }
            None => {
                let new = Neighbour {
                    facts,
                    id: None,
                    routes: 0,
                };
                self.known.insert(key, new);
                self.unused.insert(key);
            }
        }
    }

    /// Bring the segment up to what is known.
    pub(super) fn update(&mut self, writer: &mut Writer) -> Result<(), SegmentError> {
        while let Some(key) = self.outdated.pop_first() {
            let Some((id, known)) = self
                .known
                .get(&key)
                .and_then(|known| Some((known.id?, known)))
            else {
                continue;
            };
            if let Err(error) = writer.set_next_hop(id, segment_next_hop(key, &known.facts)) {
                self.outdated.insert(key);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Give a neighbour a number, if it has none and the segment has room; what it has no room for is left to the kernel.
    pub(super) fn place(
        &mut self,
        writer: &mut Writer,
        key: NextHopKey,
    ) -> Result<(), SegmentError> {
        let Some(known) = self.known.get_mut(&key).filter(|known| known.id.is_none()) else {
            return Ok(());
        };
        let id = match writer.allocate_next_hop() {
            Ok(id) => id,
            Err(SegmentError::Full { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Err(error) = writer.set_next_hop(id, segment_next_hop(key, &known.facts)) {
            writer.release_next_hop(id);
            return Err(error);
        }
        known.id = Some(id);
        self.left_out.remove(&key);
        Ok(())
    }

    /// A route leads there now.
    pub(super) fn add_route(&mut self, key: NextHopKey) {
        if let Some(known) = self.known.get_mut(&key) {
            known.routes += 1;
            self.unused.remove(&key);
            if known.id.is_none() {
                self.left_out.insert(key);
            }
        }
    }

    /// A route no longer leads there.
    pub(super) fn remove_route(&mut self, key: NextHopKey) {
        if let Some(known) = self.known.get_mut(&key) {
            known.routes = known.routes.saturating_sub(1);
            if known.routes == 0 {
                self.unused.insert(key);
                self.left_out.remove(&key);
            }
        }
    }

    /// Forget the neighbours that no route leads to, once nothing names them any more, and give their numbers back. Gives
    /// those that have found room by that.
    pub(super) fn release_unused(
        &mut self,
        writer: &mut Writer,
    ) -> Result<Vec<NextHopKey>, SegmentError> {
        for key in std::mem::take(&mut self.unused) {
            if let Some(id) = self.known.remove(&key).and_then(|known| known.id) {
                writer.release_next_hop(id);
            }
        }
        let mut placed = Vec::new();
        for key in self.left_out.clone() {
            self.place(writer, key)?;
            match self.known(key) {
                Some(key) => placed.push(key),
                None => break,
            }
        }
        Ok(placed)
    }
}
