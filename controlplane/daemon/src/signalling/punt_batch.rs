//! Punted packets taken out of their ring together

use dhp_segment::{Control, PuntMeta, RING_PACKET_BYTES};

use super::LOOKED_AHEAD;

/// Some packets, one behind the other. One that is new has no memory yet, so that it can stand in for one that is in use.
#[derive(Default)]
pub(super) struct PuntBatch {
    octets: Vec<u8>,
    /// What the worker said of each, and where it ends.
    packets: Vec<(PuntMeta, usize)>,
}

impl PuntBatch {
    /// Takes the oldest packets that a worker has punted, for those there were. Says how many.
    pub(super) fn fill(&mut self, control: &mut Control, worker: u32) -> usize {
        self.octets.resize(LOOKED_AHEAD * RING_PACKET_BYTES, 0);
        self.packets.clear();
        let mut end = 0_usize;
        while self.packets.len() < LOOKED_AHEAD {
            let room = self.octets.get_mut(end..).unwrap_or_default();
            let Some(punted) = control.punt_pop(worker, room) else {
                break;
            };
            end = end.saturating_add(punted.len);
            self.packets.push((punted.meta, end));
        }
        self.packets.len()
    }

    /// Each, oldest first.
    pub(super) fn packets(&self) -> impl Iterator<Item = (PuntMeta, &[u8])> {
        let starts = std::iter::once(0).chain(self.packets.iter().map(|(_, end)| *end));
        let packets = starts.zip(&self.packets);
        packets
            .map(|(start, (meta, end))| (*meta, self.octets.get(start..*end).unwrap_or_default()))
    }
}
