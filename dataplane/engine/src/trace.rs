//! Telling what became of single packets
//!
//! While somebody asks, packets are worked on one by one, and what the counters say before and after each is its story: no stage
//! knows of tracing, and while nobody asks it costs a look at the request per round and a branch per batch.

use std::net::Ipv6Addr;

use dhp_segment::{Counter, CounterSnapshot, Outcome, TRACE_PACKET_BYTES, TraceMeta, TraceRequest};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::ipv6::Ipv6View;

use crate::Port;
use crate::path::Path;

/// The beginning of the packet that is worked on, as it came.
#[derive(Debug)]
pub(crate) struct Beginning(Box<[u8; TRACE_PACKET_BYTES]>);

impl Beginning {
    pub(crate) fn new() -> Self {
        Self(Box::new([0; TRACE_PACKET_BYTES]))
    }
}

/// A packet before it is worked on; its octets are in [`Path::beginning`].
pub(crate) struct Watched {
    length: usize,
    before: CounterSnapshot,
}

impl<P: Port> Path<P> {
    /// Remember a packet that is to be traced, and what was counted before it. One at a time.
    #[cold]
    pub(crate) fn watch(&mut self, request: &TraceRequest, packet: &[u8]) -> Option<Watched> {
        if request
            .address
            .is_some_and(|address| !concerns(packet, address))
        {
            return None;
        }
        for (to, from) in self.beginning.0.iter_mut().zip(packet) {
            *to = *from;
        }
        Some(Watched {
            length: packet.len(),
            before: self.reader.counters(),
        })
    }

    /// Tell what has become of it; `port` is where it came in, if anywhere.
    #[cold]
    pub(crate) fn tell(&self, request: &TraceRequest, watched: Option<Watched>, port: Option<u16>) {
        let Some(watched) = watched else {
            return;
        };
        let outcome = Outcome::between(&watched.before, &self.reader.counters());
        if request.drops_only && outcome.drops().next().is_none() {
            return;
        }
        let meta = TraceMeta {
            port: port.unwrap_or(u16::MAX),
            length: u32::try_from(watched.length).unwrap_or(u32::MAX),
            timestamp_ns: self.now_ns,
        };
        let octets = self.beginning.0.as_slice();
        let kept = octets.get(..watched.length).unwrap_or(octets);
        if !self.reader.trace(&meta, outcome, kept) {
            self.reader.count(Counter::TraceLost, 1);
        }
    }
}

/// Whether an address is the source or destination of a packet, or of one that is tunnelled in it.
fn concerns(packet: &[u8], address: Ipv6Addr) -> bool {
    let Ok(view) = Ipv6View::new(packet) else {
        return false;
    };
    if view.source() == address || view.destination() == address {
        return true;
    }
    let Ok(chain) = extension::walk(view.packet()) else {
        return false;
    };
    let inner = view.packet().get(chain.upper_offset..).unwrap_or_default();
    chain.upper_protocol == next_header::IPV6
        && Ipv6View::new(inner)
            .is_ok_and(|inner| inner.source() == address || inner.destination() == address)
}
