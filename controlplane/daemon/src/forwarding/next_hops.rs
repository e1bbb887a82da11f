//! Which number in the segment each neighbour has

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dhp_segment::{NextHop, NextHopState, SegmentError, Writer};

use crate::mirror::{NextHopFacts, NextHopKey};

/// The next hops of the plan in the segment.
pub(super) struct NextHops {
    known: HashMap<NextHopKey, (u32, NextHopFacts)>,
    /// In no plan any more, but templates or routes may still name them.
    gone: Vec<u32>,
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
            known: HashMap::new(),
            gone: Vec::new(),
            kernel,
        })
    }

    /// How many neighbours there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The key itself, if the segment has room for it.
    pub(super) fn known(&self, key: NextHopKey) -> Option<NextHopKey> {
        self.known.contains_key(&key).then_some(key)
    }

    /// The number in the segment; of `None`, and of what is not known, that of the kernel.
    pub(super) fn id(&self, key: Option<NextHopKey>) -> u32 {
        key.and_then(|key| self.known.get(&key))
            .map_or(self.kernel, |(id, _)| *id)
    }

    /// Take over the neighbours of a plan; those that have come or gone are added to `renumbered`, after an error too. What
    /// the segment has no room for is left to the kernel.
    pub(super) fn follow(
        &mut self,
        writer: &mut Writer,
        wanted: &BTreeMap<NextHopKey, NextHopFacts>,
        renumbered: &mut BTreeSet<NextHopKey>,
    ) -> Result<(), SegmentError> {
        let gone: Vec<NextHopKey> = self
            .known
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            let Some((id, facts)) = self.known.get(&key).copied() else {
                continue;
            };
            // Whatever still points there goes through the kernel until it has followed.
            let unresolved = NextHopFacts { mac: None, ..facts };
            writer.set_next_hop(id, segment_next_hop(key, &unresolved))?;
            self.known.remove(&key);
            self.gone.push(id);
            renumbered.insert(key);
        }
        for (key, facts) in wanted {
            match self.known.get_mut(key) {
                Some((_, known)) if known == facts => {}
                Some((id, known)) => {
                    writer.set_next_hop(*id, segment_next_hop(*key, facts))?;
                    *known = *facts;
                }
                None => {
                    let id = match writer.allocate_next_hop() {
                        Ok(id) => id,
                        Err(SegmentError::Full { .. }) => continue,
                        Err(error) => return Err(error),
                    };
                    if let Err(error) = writer.set_next_hop(id, segment_next_hop(*key, facts)) {
                        writer.release_next_hop(id);
                        return Err(error);
                    }
                    self.known.insert(*key, (id, *facts));
                    renumbered.insert(*key);
                }
            }
        }
        Ok(())
    }

    /// Give back the numbers of neighbours that are gone; nothing names them any more.
    pub(super) fn release_gone(&mut self, writer: &mut Writer) {
        for id in self.gone.drain(..) {
            writer.release_next_hop(id);
        }
    }
}
