//! The control plane's turn: punted packets through the anchor, its events into the segment, its answers to the workers
//!
//! A [`Signalling`] is everything that signalling touches, owned by one thread, without a thread or a socket of its own:
//! call [`turn`](Signalling::turn) whenever a worker has punted, a command has been given or time has passed. The daemon
//! does so on the control thread ([`crate::control`]), tests and benchmarks wherever they like.

mod commands;
mod correspondents;
mod fit;
mod held_answers;
mod journaling;
mod on_link;
mod outgoing;
mod punt_batch;

use std::collections::VecDeque;
use std::mem;

use dhp_engine::WakeFd;
use dhp_proto::anchor::{Anchor, AnchorConfig, ConfigError, Expected, RouteEnds};
use dhp_proto::time::Now;
use dhp_segment::{
    Control, CounterSnapshot, PuntKind, PuntMeta, Segment, SegmentError, TraceRequest,
};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::quoted::Quote;
use prometheus::Histogram;

use crate::clock::Clock;
use crate::forwarding::{Forwarding, TunnelLimits};
use crate::home_links::HomeLinks;
use crate::mirror::{Plan, PlanChanges};
use crate::packet_traces::{PacketTraces, TracedBy};
use fit::fit;
use held_answers::HeldAnswers;
use journaling::KeptState;
pub use journaling::RestoreCounts;
use on_link::HeardOnLink;
use outgoing::Outgoing;
use punt_batch::PuntBatch;

/// Punted packets that one turn takes from a worker, so that time and commands are looked at in between.
const PUNTS_AT_ONCE: usize = 256;
/// When to try again what the workers did not let happen yet.
const RETRY_NS: u64 = 500_000;
/// Punted packets that are looked at together before the first of them is handled.
pub const LOOKED_AHEAD: usize = 16;

/// Why there can be no control plane.
#[derive(Debug, thiserror::Error)]
pub enum SignallingError {
    /// The segment has another writer or control end.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The anchor cannot work with its configuration.
    #[error(transparent)]
    Anchor(#[from] ConfigError),
}

/// What happened outside the protocol engine, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignallingCounters {
    /// Packets taken from punt rings.
    pub punted: u64,
    /// Packets put into inject rings.
    pub injected: u64,
    /// Packets that were lost because no inject ring took them.
    pub lost: u64,
    /// Bindings that the segment had no room for.
    pub unplaced: u64,
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Punted packets that this turn has handled.
    pub packets: usize,
    /// When the next turn is due at the latest, in monotonic nanoseconds; `None`: when something happens.
    pub due_ns: Option<u64>,
}

/// The anchor between the rings of the workers and the tables of the segment.
pub struct Signalling {
    anchor: Anchor,
    forwarding: Forwarding,
    control: Control,
    clock: Clock,
    wakes: Vec<WakeFd>,
    seconds: Histogram,
    batch: PuntBatch,
    expected: Vec<Expected>,
    /// In the order of the anchor: nothing overtakes an event that the segment cannot take yet.
    outgoing: VecDeque<Outgoing>,
    counters: SignallingCounters,
    traces: PacketTraces,
    /// Where bindings and sequence numbers are kept; `None`: nowhere.
    journal: Option<KeptState>,
    held: HeldAnswers,
    /// The real home links; `None`: there are none.
    home_links: Option<HomeLinks>,
    heard_on_link: HeardOnLink,
    /// What of the plan does not fit the segment, until it does.
    network_error: Option<String>,
}

impl Signalling {
    /// The control plane of a segment. `wakes` has one bell for each worker, or none where nobody sleeps; `seed` comes from
    /// the system's entropy; `seconds` counts the time from punt to inject.
    ///
    /// # Errors
    /// [`SignallingError`].
    pub fn new(
        segment: &Segment,
        mut config: AnchorConfig,
        mut clock: Clock,
        wakes: Vec<WakeFd>,
        seed: [u8; 32],
        seconds: Histogram,
    ) -> Result<Self, SignallingError> {
        fit(&mut config, segment.geometry());
        let mut forwarding = Forwarding::new(segment, config.address)?;
        forwarding.meter_dhoas(config.care_of_test);
        let mut anchor = Anchor::new(config, clock(), seed)?;
        anchor.reserve();
        Ok(Self {
            forwarding,
            control: segment.control()?,
            anchor,
            clock,
            wakes,
            seconds,
            batch: PuntBatch::default(),
            expected: Vec::new(),
            outgoing: VecDeque::new(),
            counters: SignallingCounters::default(),
            traces: PacketTraces::default(),
            journal: None,
            held: HeldAnswers::default(),
            home_links: None,
            heard_on_link: HeardOnLink::default(),
            network_error: None,
        })
    }

    /// Limit the tunnels of bindings to come.
    pub fn limit_tunnels(&mut self, limits: TunnelLimits) {
        self.forwarding.limit_tunnels(limits);
    }

    /// The protocol engine, to look at.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// What is in the segment.
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// What happened outside the protocol engine.
    pub fn counters(&self) -> SignallingCounters {
        self.counters
    }

    /// What a worker has counted.
    pub fn worker_counters(&self, worker: u32) -> CounterSnapshot {
        self.control.counters(worker)
    }

    /// Punted packets of a worker that nobody has looked at yet.
    pub fn punts_waiting(&self, worker: u32) -> u32 {
        self.control.punts_waiting(worker)
    }

    /// The time, on the clock of this control plane.
    pub fn now(&mut self) -> Now {
        (self.clock)()
    }

    /// Why the workers do not forward by the kernel's routes, if so.
    pub fn network_error(&self) -> Option<&str> {
        self.network_error.as_deref()
    }

    /// What has become of the packets asked for since the last such question.
    pub fn take_traces(&mut self, request: TraceRequest) -> Vec<TracedBy> {
        let now = self.now();
        self.traces.take(&mut self.control, request, now.mono_ns)
    }

    /// Follow the network, by a plan of all of it.
    pub fn follow_network(&mut self, plan: &Plan) {
        self.forwarding.follow_network(plan);
        self.settle();
    }

    /// Follow the network, by what of the plan is different now.
    pub fn follow_changes(&mut self, changes: PlanChanges) {
        self.forwarding.follow_changes(changes);
        self.settle();
    }

    /// Everything that there is to do now.
    pub fn turn(&mut self) -> Turn {
        let now = self.now();
        self.forwarding.heartbeat(now.mono_ns);
        self.forwarding.forget_old_path_mtus(now.mono_ns);
        self.traces.expire(&mut self.control, now.mono_ns);
        self.let_go();
        self.anchor.handle_timeout(now);
        self.collect(0, None);
        self.carry_out(now);
        let mut packets = 0;
        let mut more = false;
        for worker in 0..self.control.workers() {
            let handled = self.take_punts(worker);
            more |= handled == PUNTS_AT_ONCE;
            packets += handled;
        }
        let settled = self.settle();
        let due_ns = if more {
            Some(now.mono_ns)
        } else if !settled || !self.outgoing.is_empty() {
            Some(now.mono_ns.saturating_add(RETRY_NS))
        } else {
            self.anchor.poll_timeout()
        };
        Turn { packets, due_ns }
    }

    fn take_punts(&mut self, worker: u32) -> usize {
        let mut handled = 0;
        // While something waits, what is punted waits too, but for what was taken out with it, in its ring: the workers count
        // what does not fit there.
        while handled < PUNTS_AT_ONCE && self.outgoing.is_empty() {
            let mut batch = mem::take(&mut self.batch);
            let some = batch.fill(&mut self.control, worker);
            if some > 1 {
                self.look_ahead(&batch);
            }
            for (meta, packet) in batch.packets() {
                self.take_punt(worker, meta, packet);
            }
            self.batch = batch;
            handled += some;
            if some < LOOKED_AHEAD {
                break;
            }
        }
        handled
    }

    fn look_ahead(&mut self, batch: &PuntBatch) {
        let packets = batch.packets().map(|(_, packet)| packet);
        self.anchor.expect(packets, &mut self.expected);
        let expected = self.expected.iter();
        self.forwarding
            .expect(expected.map(|expected| expected.home_address));
    }

    fn take_punt(&mut self, worker: u32, meta: PuntMeta, packet: &[u8]) {
        self.counters.punted += 1;
        let now = (self.clock)();
        match meta.kind {
            PuntKind::IcmpError => {
                learn_path_mtu(&mut self.forwarding, packet, now.mono_ns);
            }
            PuntKind::HomeAddressOption => {
                self.anchor.handle_unbound_home_address(now, packet);
            }
            PuntKind::Mobility | PuntKind::QueryAnycast if is_icmp(packet) => {
                self.anchor.handle_icmpv6(now, None, packet);
            }
            PuntKind::Mobility if self.heard_on_link.has_heard(packet, now.mono_ns) => {}
            PuntKind::Mobility | PuntKind::QueryAnycast => {
                self.anchor.handle_packet(now, packet);
            }
        }
        self.collect(worker, Some(meta.timestamp_ns));
        self.carry_out(now);
    }

    fn settle(&mut self) -> bool {
        let settled = self.forwarding.settle();
        self.hand_over();
        match settled {
            Ok(settled) => {
                if self.forwarding.follows_plan() && self.network_error.take().is_some() {
                    tracing::info!("the kernel's routes fit the forwarding tables again");
                }
                settled
            }
            Err(error) => {
                let sentence = format!("the kernel's routes are not in force: {error}");
                tracing::error!("{sentence}");
                self.network_error = Some(sentence);
                // What does fit may still be on its way.
                false
            }
        }
    }
}

/// Whether a punted packet is one of the ICMPv6 messages that the anchor answers, and no Mobility Header.
fn is_icmp(packet: &[u8]) -> bool {
    extension::walk(packet).is_ok_and(|chain| chain.upper_protocol == next_header::ICMPV6)
}

/// Has a tunnel follow a Packet Too Big message from inside it, or an optimized route one about what went that way, which the worker has found to be about a packet of ours.
fn learn_path_mtu(forwarding: &mut Forwarding, packet: &[u8], now_ns: u64) {
    let Ok(chain) = extension::walk(packet) else {
        return;
    };
    let message = packet.get(chain.upper_offset..).unwrap_or_default();
    let path_mtu = |word: u32| u16::try_from(word).unwrap_or(u16::MAX);
    match Quote::read(message) {
        Quote::Tunnel(quoted) => {
            let (home_address, care_of) = (quoted.inner_destination, quoted.exit);
            let path_mtu = path_mtu(quoted.word);
            forwarding.learn_path_mtu(home_address.into(), care_of.into(), path_mtu, now_ns);
        }
        Quote::Type2(quoted) => {
            let ends = RouteEnds {
                home_address: quoted.home_address.into(),
                correspondent: quoted.source.into(),
            };
            let care_of = quoted.care_of.into();
            forwarding.learn_direct_path_mtu(ends, care_of, path_mtu(quoted.word), now_ns);
        }
        Quote::Other | Quote::UnknownTunnel => {}
    }
}
