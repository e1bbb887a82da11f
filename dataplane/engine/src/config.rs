//! What a worker is told when it is made

use std::net::Ipv6Addr;
use std::time::Duration;

use dhp_wire::codepoints::CodePoints;
use ipnet::Ipv6Net;

use crate::{ErrorRates, PuntRates};

/// How a worker behaves. Made by the daemon from its configuration; nothing here changes while the worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The worker's number in the segment.
    pub worker: u32,
    /// The core to run on. `None`: wherever the scheduler likes.
    pub core: Option<usize>,
    /// The anchor's own addresses. ICMPv6 errors come from the first; without one none is sent.
    pub anchor_addresses: Vec<Ipv6Addr>,
    /// Forward packets that are neither for the box nor for a home address.
    pub transit: bool,
    /// The hosts behind the box that it is a correspondent node on behalf of. Each packet in transit is held against all of
    /// these prefixes.
    pub correspondents: Vec<Ipv6Net>,
    /// Lower the MSS of TCP connections through tunnels to what the tunnel takes.
    pub tcp_mss_clamp: bool,
    /// How many ICMPv6 errors are sent (RFC 4443 §2.4 (f)).
    pub icmp_errors: ErrorRates,
    /// What may go to the control plane.
    pub punt_rates: PuntRates,
    /// The numbers of DMIPv6 messages, by which handoffs are told from other signalling.
    pub code_points: CodePoints,
    /// Packets of which fragments are held at once, a buffer each; 0: fragments of tunnel packets are dropped.
    pub reassembly_packets: u32,
    /// What to do when there is nothing to do.
    pub idle: IdlePolicy,
    /// Makes the Identifications of outer fragments hard to guess (RFC 7739): random, and the same for all workers of
    /// an anchor address, so that theirs never collide.
    pub fragment_key: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            worker: 0,
            core: None,
            anchor_addresses: Vec::new(),
            transit: true,
            correspondents: Vec::new(),
            tcp_mss_clamp: false,
            icmp_errors: ErrorRates::default(),
            punt_rates: PuntRates::default(),
            code_points: CodePoints::default(),
            reassembly_packets: 256,
            idle: IdlePolicy::default(),
            fragment_key: 0,
        }
    }
}

/// Polling is the fastest, and burns a core; sleeping costs a wake-up of some microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Never sleep: for cores that have nothing else to do.
    Poll,
    /// Sleep after `empty_rounds` rounds without a packet until a port or the control plane has something, at most
    /// `at_most`. Ports without a descriptor to wait on are looked at once per millisecond.
    Sleep {
        /// Rounds without a packet before the first sleep.
        empty_rounds: u32,
        /// Longest sleep; a stop flag is seen at the latest then.
        at_most: Duration,
    },
}

impl Default for IdlePolicy {
    fn default() -> Self {
        Self::Sleep {
            empty_rounds: 64,
            at_most: Duration::from_millis(100),
        }
    }
}
