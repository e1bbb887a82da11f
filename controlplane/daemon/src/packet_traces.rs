//! Traces of single packets, for as long as somebody asks for them

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use dhp_segment::{Control, TRACE_PACKET_BYTES, TraceRequest, Traced};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};
use dhpctl::{Heading, TracedPacket};

/// Without a question for this long the workers stop telling.
const PATIENCE_NS: u64 = 2_000_000_000;
/// Packets in one answer.
const AT_ONCE: usize = 64;

/// A packet that a worker has traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedBy {
    /// The worker.
    pub worker: u32,
    /// What it said.
    pub traced: Traced,
    /// The packet as it came, as far as it was kept.
    pub octets: Vec<u8>,
}

/// Whether the workers trace packets, and which.
#[derive(Debug, Default)]
pub(crate) struct PacketTraces {
    request: Option<TraceRequest>,
    asked_ns: u64,
}

impl PacketTraces {
    /// What was traced since the last question. Has the workers go on for a while.
    pub(crate) fn take(
        &mut self,
        control: &mut Control,
        request: TraceRequest,
        now_ns: u64,
    ) -> Vec<TracedBy> {
        self.asked_ns = now_ns;
        let mut found = Vec::new();
        if self.request == Some(request) {
            for worker in 0..control.workers() {
                let mut octets = [0; TRACE_PACKET_BYTES];
                while found.len() < AT_ONCE
                    && let Some(traced) = control.trace_pop(worker, &mut octets)
                {
                    found.push(TracedBy {
                        worker,
                        traced,
                        octets: octets.get(..traced.kept).unwrap_or_default().to_vec(),
                    });
                }
            }
        } else {
            self.request = Some(request);
            control.set_trace(Some(request));
            forget(control);
        }
        found
    }

    /// Has the workers stop if nobody has asked for long.
    pub(crate) fn expire(&mut self, control: &mut Control, now_ns: u64) {
        if self.request.is_some() && now_ns.saturating_sub(self.asked_ns) > PATIENCE_NS {
            self.request = None;
            control.set_trace(None);
            forget(control);
        }
    }
}

/// What was traced for somebody else.
fn forget(control: &mut Control) {
    for worker in 0..control.workers() {
        while control.trace_pop(worker, &mut []).is_some() {}
    }
}

/// Dates for the workers' clock, which has none. One for all packets of an answer, so that they stay in order.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    unix_us: u128,
    monotonic_ns: u64,
}

impl Calendar {
    /// As the clocks stand now.
    pub fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            unix_us: since_1970.unwrap_or_default().as_micros(),
            monotonic_ns: dhp_engine::monotonic_ns(),
        }
    }

    /// Microseconds since 1970 at a time of the workers' clock, which is past.
    fn unix_us(self, timestamp_ns: u64) -> u64 {
        let ago_ns = self.monotonic_ns.saturating_sub(timestamp_ns);
        let unix_us = self.unix_us.saturating_sub(u128::from(ago_ns / 1_000));
        u64::try_from(unix_us).unwrap_or(u64::MAX)
    }
}

impl TracedBy {
    /// The answer to `dhpctl`. `port` is the name of the interface that the packet came by.
    pub fn describe(&self, port: Option<String>, calendar: Calendar) -> TracedPacket {
        let (heading, inner) = headings(&self.octets);
        let Traced { meta, outcome, .. } = self.traced;
        let mut octets = String::with_capacity(self.octets.len() * 2);
        for octet in &self.octets {
            // Writing to a string does not fail.
            let _ = write!(octets, "{octet:02x}");
        }
        TracedPacket {
            unix_us: calendar.unix_us(meta.timestamp_ns),
            worker: self.worker,
            port,
            heading,
            inner,
            length: meta.length,
            counters: outcome
                .counters()
                .map(|counter| counter.name().to_owned())
                .collect(),
            drops: outcome
                .drops()
                .map(|reason| reason.name().to_owned())
                .collect(),
            octets,
        }
    }
}

/// The headings of a packet that may be cut short, and of what is tunnelled in it.
fn headings(octets: &[u8]) -> (Option<Heading>, Option<Heading>) {
    let Some((outer, upper)) = heading(octets) else {
        return (None, None);
    };
    let inner = match outer.protocol {
        next_header::IPV6 => octets.get(upper..).and_then(heading),
        _ => None,
    };
    (Some(outer), inner.map(|(inner, _)| inner))
}

fn heading(octets: &[u8]) -> Option<(Heading, usize)> {
    // Of what is cut short the header alone is looked at.
    let whole = Ipv6View::new(octets).ok();
    let (header, _) = octets.split_first_chunk::<HEADER_LEN>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let chain = whole.and_then(|view| extension::walk(view.packet()).ok());
    let address = |at: usize| {
        let octets = header.get(at..)?.first_chunk::<16>()?;
        Some(std::net::Ipv6Addr::from(*octets))
    };
    let heading = Heading {
        source: address(8)?,
        destination: address(24)?,
        protocol: chain.map_or(header[6], |chain| chain.upper_protocol),
    };
    Some((
        heading,
        chain.map_or(HEADER_LEN, |chain| chain.upper_offset),
    ))
}
