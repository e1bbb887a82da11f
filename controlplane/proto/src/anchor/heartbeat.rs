//! Heartbeats between anchors (RFC 5847): which of the others live, and which have lost their bindings.

use core::net::Ipv6Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use dhp_wire::mobility::{Builder, HeartbeatHeader, HeartbeatKind, MobilityOption, Options};
use dhp_wire::packet::compose;

use super::Anchor;
use super::counters::MessageKind;
use super::drop_reason::SignallingDrop;
use super::events::AnchorAction;
use super::receive::Received;
use super::reply::Proof;
use super::timers::Timer;
use crate::time::Now;

/// Heartbeats, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// The other anchors.
    pub peers: Vec<Ipv6Addr>,
    /// HEARTBEAT_INTERVAL of RFC 5847 §5: "SHOULD NOT be set to less than 30 seconds or more than 3600 seconds".
    pub interval: Duration,
    /// MISSING_HEARTBEATS_ALLOWED of RFC 5847 §5.
    pub missing_allowed: u32,
    /// How often this anchor has started without its bindings (RFC 5847 §3.2).
    pub restart_counter: u32,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            interval: Duration::from_secs(60),
            missing_allowed: 3,
            restart_counter: 0,
        }
    }
}

/// What is new of another anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerChange {
    /// It answers.
    Up,
    /// It has not answered for too long.
    Down,
    /// It has lost its bindings since its last answer.
    Restarted,
    /// It does not know heartbeats.
    Unsupported,
}

/// What is known of another anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PeerState {
    /// It has not answered yet, and not been asked for long.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It has not answered for too long.
    Down,
    /// It does not know heartbeats.
    Unsupported,
}

impl PeerState {
    /// The name in answers to operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Unsupported => "unsupported",
        }
    }
}

#[derive(Debug, Default)]
struct Peer {
    state: PeerState,
    /// The number of the request that has no response yet.
    outstanding: Option<u32>,
    last_sequence: u32,
    missing: u32,
    restart_counter: Option<u32>,
}

/// The other anchors.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_address: BTreeMap<Ipv6Addr, Peer>,
}

impl Peers {
    /// What is known of an anchor, if it is one of those that are asked.
    pub(crate) fn state(&self, address: &Ipv6Addr) -> Option<PeerState> {
        self.by_address.get(address).map(|peer| peer.state)
    }
}

impl Anchor {
    /// Begins to ask the others. RFC 5847 §3.2: a node that has lost its state "SHOULD send an unsolicited Heartbeat Response
    /// message with an incremented Restart Counter".
    pub(crate) fn start_heartbeats(&mut self, now: Now) {
        for address in self.config.heartbeat.peers.clone() {
            self.peers.by_address.insert(address, Peer::default());
            if self.config.heartbeat.restart_counter > 0 {
                let kind = HeartbeatKind::UnsolicitedResponse;
                self.send_heartbeat(&address, HeartbeatHeader { kind, sequence: 0 }, Proof::Mac);
            }
            self.timers
                .schedule(now.mono_ns, Timer::HeartbeatDue(address));
        }
    }

    /// RFC 5847 §3.1: "Before sending the next Heartbeat Request, it increments a local variable MISSING_HEARTBEAT if it has
    /// not received a Heartbeat Response for the previous request."
    pub(crate) fn ask_peer(&mut self, now: Now, address: Ipv6Addr) {
        let Some(peer) = self.peers.by_address.get_mut(&address) else {
            return;
        };
        // "MUST NOT use Heartbeat messages with the other end again" (§3).
        if peer.state == PeerState::Unsupported {
            return;
        }
        let interval = u64::try_from(self.config.heartbeat.interval.as_nanos()).unwrap_or(u64::MAX);
        self.timers
            .schedule(now.deadline_ns(interval), Timer::HeartbeatDue(address));
        if peer.outstanding.is_some() {
            peer.missing = peer.missing.saturating_add(1);
        }
        peer.last_sequence = peer.last_sequence.wrapping_add(1);
        let sequence = peer.last_sequence;
        peer.outstanding = Some(sequence);
        // "When this local variable MISSING_HEARTBEAT exceeds a configurable parameter MISSING_HEARTBEATS_ALLOWED, the …
        // node concludes that the peer … is not reachable."
        let is_lost = peer.missing > self.config.heartbeat.missing_allowed;
        if is_lost && peer.state != PeerState::Down {
            peer.state = PeerState::Down;
            self.tell_of_peer(address, PeerChange::Down);
        }
        let kind = HeartbeatKind::Request;
        self.send_heartbeat(&address, HeartbeatHeader { kind, sequence }, Proof::Mac);
    }

    /// Takes a Heartbeat from another anchor; strangers are nobody's peers.
    pub(crate) fn heartbeat(
        &mut self,
        received: &Received<'_>,
        header: HeartbeatHeader,
        options: &Options<'_>,
    ) -> Result<(), SignallingDrop> {
        let address = received.source;
        let peer = self
            .peers
            .by_address
            .get_mut(&address)
            .ok_or(SignallingDrop::NotAPeer)?;
        match header.kind {
            // §3: a node "MUST respond to a Heartbeat Request message with a Heartbeat Response message".
            HeartbeatKind::Request => {
                let answer = HeartbeatHeader {
                    kind: HeartbeatKind::Response,
                    sequence: header.sequence,
                };
                self.send_heartbeat(&address, answer, received.unproved());
                return Ok(());
            }
            // §3.1: "matches every received Heartbeat Response to the Heartbeat Request sent using the sequence number."
            HeartbeatKind::Response if peer.outstanding != Some(header.sequence) => {
                return Err(SignallingDrop::UnexpectedHeartbeat);
            }
            HeartbeatKind::Response => {
                peer.outstanding = None;
                peer.missing = 0;
            }
            // §3.2: "The sequence number field in the unsolicited Heartbeat Response is ignored".
            HeartbeatKind::UnsolicitedResponse => peer.missing = 0,
        }
        let was_up = peer.state == PeerState::Up;
        peer.state = PeerState::Up;
        let counter = options.iter().find_map(|option| match option {
            Ok(MobilityOption::RestartCounter(counter)) => Some(counter),
            _ => None,
        });
        // §3.2: "If the value is different, the receiving node assumes that the peer … had crashed and recovered."
        let has_restarted =
            matches!((peer.restart_counter, counter), (Some(old), Some(new)) if old != new);
        peer.restart_counter = counter.or(peer.restart_counter);
        if has_restarted {
            self.tell_of_peer(address, PeerChange::Restarted);
        }
        if !was_up {
            self.tell_of_peer(address, PeerChange::Up);
        }
        Ok(())
    }

    /// RFC 5847 §3: "When the Binding Error message with status set to 2 is received in response to a Heartbeat Request
    /// message, the initiating … MUST NOT use Heartbeat messages with the other end again."
    pub(crate) fn peer_knows_no_heartbeat(
        &mut self,
        received: &Received<'_>,
    ) -> Result<(), SignallingDrop> {
        let address = received.source;
        let peer = self.peers.by_address.get_mut(&address);
        let peer = peer.filter(|peer| peer.outstanding.is_some());
        peer.ok_or(SignallingDrop::NotForAnchors)?.state = PeerState::Unsupported;
        self.tell_of_peer(address, PeerChange::Unsupported);
        Ok(())
    }

    fn send_heartbeat(&mut self, address: &Ipv6Addr, header: HeartbeatHeader, proof: Proof) {
        let mut builder = Builder::heartbeat(header);
        // §3.4: "The Restart Counter mobility option is only valid in a Heartbeat Response message."
        if header.kind != HeartbeatKind::Request {
            let counter = self.config.heartbeat.restart_counter;
            builder = builder.option(&MobilityOption::RestartCounter(counter));
        }
        let own = self.config.address;
        let packet = compose(&own, address, None, None, &builder.finish(&own, address));
        self.transmit(MessageKind::Heartbeat, 0, packet, proof);
    }

    fn tell_of_peer(&mut self, address: Ipv6Addr, change: PeerChange) {
        self.actions
            .push_back(AnchorAction::Peer { address, change });
    }
}
