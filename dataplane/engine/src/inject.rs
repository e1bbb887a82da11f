//! Packets that the control plane sends

use dhp_segment::{Counter, DropReason};
use dhp_wire::ipv6::Ipv6View;

use crate::path::Path;
use crate::{BATCH_SIZE, PacketBuf, Port};

impl<P: Port> Path<P> {
    /// Send what waits in the inject ring, at most a batch of it, and say how much that was. A packet goes by the route of its IPv6
    /// destination; one to a pool address is tunnelled by the binding.
    pub(crate) fn inject(&mut self) -> usize {
        let mut taken = 0;
        while taken < BATCH_SIZE {
            // What gets no buffer stays in the ring for another round.
            let spare = self.spare.take();
            let Some(mut packet) = spare.or_else(|| self.ports.first_mut().and_then(Port::alloc))
            else {
                break;
            };
            let room = packet.capacity();
            if !packet.set_len(room) {
                break;
            }
            let Some(meta) = self.reader.take_injected(packet.bytes_mut()) else {
                self.spare = Some(packet);
                break;
            };
            taken = taken.saturating_add(1);
            self.reader.count(Counter::Injected, 1);
            let destination =
                match Ipv6View::new(packet.bytes().get(..meta.len).unwrap_or_default()) {
                    Ok(view) if view.total_len() == meta.len => Some(*view.destination_octets()),
                    _ => None,
                };
            match destination {
                Some(destination) if packet.set_len(meta.len) => match self.trace {
                    None => self.originate(packet, &destination),
                    Some(request) => {
                        let watched = self.watch(&request, packet.bytes());
                        self.originate(packet, &destination);
                        self.tell(&request, watched, None);
                    }
                },
                _ => self.discard(packet, DropReason::InjectedMalformed),
            }
        }
        taken
    }
}
