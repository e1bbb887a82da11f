//! What the anchor wants done, in its order: events into the segment, packets to the workers

use std::mem;
use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorAction, BindingChange, LinkAction, PeerChange};
use dhp_proto::time::Now;
use dhp_segment::RingError;
use dhp_wire::ipv6::MIN_MTU;
use dhp_wire::packet::fragments;

use super::Signalling;
use crate::forwarding::ForwardingError;

/// How long a packet waits for a full inject ring before it is lost, as it would be on a full link. By then its worker has
/// stopped, or forwards at its limit.
const RING_PATIENCE_NS: u64 = 20_000_000;

/// An action that waits to be carried out.
pub(super) struct Outgoing {
    pub(super) action: AnchorAction,
    /// Whether it is the first that an input has led to.
    pub(super) begins: bool,
    /// Whether it is a packet that has waited for the journal.
    pub(super) may_leave: bool,
    /// The worker that punted what it answers, and when.
    pub(super) worker: u32,
    pub(super) punted_ns: Option<u64>,
    /// When its inject ring was first found full.
    pub(super) refused_ns: Option<u64>,
}

impl Outgoing {
    pub(super) fn new(action: AnchorAction, worker: u32, punted_ns: Option<u64>) -> Self {
        Self {
            action,
            begins: false,
            may_leave: false,
            worker,
            punted_ns,
            refused_ns: None,
        }
    }
}

impl Signalling {
    /// Take what the anchor wants done.
    pub(super) fn collect(&mut self, worker: u32, punted_ns: Option<u64>) {
        let mut begins = true;
        while let Some(action) = self.anchor.poll_action() {
            let first = mem::replace(&mut begins, false);
            match action {
                AnchorAction::Transmit(packet) if packet.len() > MIN_MTU => {
                    for (number, piece) in self.pieces(packet).into_iter().enumerate() {
                        let action = AnchorAction::Transmit(piece);
                        self.queue(action, first && number == 0, worker, punted_ns);
                    }
                }
                action => self.queue(action, first, worker, punted_ns),
            }
        }
    }

    fn queue(&mut self, action: AnchorAction, begins: bool, worker: u32, punted_ns: Option<u64>) {
        self.outgoing.push_back(Outgoing {
            begins,
            ..Outgoing::new(action, worker, punted_ns)
        });
    }

    /// An answer about many addresses as fragments that every link takes.
    fn pieces(&mut self, packet: Vec<u8>) -> Vec<Vec<u8>> {
        match getrandom::u32() {
            Ok(identification) => fragments(packet, identification),
            Err(error) => {
                self.counters.lost += 1;
                tracing::warn!(%error, "a long answer is lost for want of a random number");
                Vec::new()
            }
        }
    }

    /// Do it, in order, as far as the segment takes it: a packet that leaves finds every event before it in force.
    pub(super) fn carry_out(&mut self, now: Now) {
        while let Some(next) = self.outgoing.pop_front() {
            if next.begins {
                self.held.begin();
            }
            let Some(mut next) = self.hold_if_promise(next) else {
                continue;
            };
            let done = match &next.action {
                AnchorAction::Event(event) => {
                    let followed = self.forwarding.follow(event, now.mono_ns);
                    // Others come with one of these.
                    if let BindingChange::Bound { home_address, .. }
                    | BindingChange::Released { home_address, .. } = event.change
                        && !matches!(followed, Err(ForwardingError::Busy))
                    {
                        self.keep(now, home_address);
                    }
                    match followed {
                        Ok(()) => true,
                        Err(ForwardingError::Busy) => false,
                        Err(ForwardingError::Segment(error)) => {
                            self.counters.unplaced += 1;
                            tracing::error!(%error, ?event.change, "a binding is not in the forwarding tables");
                            true
                        }
                    }
                }
                AnchorAction::Peer { address, change } => {
                    tell_of_peer(*address, *change);
                    true
                }
                AnchorAction::Route(change) => self.follow_route(*change),
                AnchorAction::OnLink {
                    link,
                    action: LinkAction::Send(packet),
                } if self.send_on_link(*link, packet) => true,
                AnchorAction::KeepNumber(number) => {
                    self.keep_number(*number);
                    true
                }
                AnchorAction::KeepAssignment { home_address } => {
                    self.await_assignment(*home_address);
                    true
                }
                AnchorAction::Transmit(packet)
                | AnchorAction::OnLink {
                    action: LinkAction::Send(packet),
                    ..
                } => {
                    let done = self.transmit(packet, next.worker, next.punted_ns);
                    let now_ns = if done { 0 } else { (self.clock)().mono_ns };
                    let since_ns = *next.refused_ns.get_or_insert(now_ns);
                    let lost = !done && now_ns.saturating_sub(since_ns) > RING_PATIENCE_NS;
                    self.counters.lost += u64::from(lost);
                    done || lost
                }
                AnchorAction::OnLink { link, action } => self.act_on_link(*link, action),
            };
            if !done {
                self.outgoing.push_front(next);
                return;
            }
        }
    }

    /// `false`: the ring is full.
    pub(super) fn transmit(&mut self, packet: &[u8], worker: u32, punted_ns: Option<u64>) -> bool {
        match self.control.inject(worker, packet) {
            Ok(()) => {}
            Err(RingError::Full) => return false,
            Err(RingError::TooLong) => {
                self.counters.lost += 1;
                tracing::warn!(
                    octets = packet.len(),
                    "an answer is too long for the inject ring"
                );
                return true;
            }
        }
        self.counters.injected += 1;
        if let Some(wake) = usize::try_from(worker)
            .ok()
            .and_then(|worker| self.wakes.get(worker))
        {
            wake.wake();
        }
        if let Some(punted_ns) = punted_ns {
            let nanoseconds = (self.clock)().mono_ns.saturating_sub(punted_ns);
            self.seconds
                .observe(std::time::Duration::from_nanos(nanoseconds).as_secs_f64());
        }
        true
    }
}

/// Tells the log what has become of another anchor.
fn tell_of_peer(anchor: Ipv6Addr, change: PeerChange) {
    match change {
        PeerChange::Up => tracing::info!(%anchor, "another anchor answers"),
        PeerChange::Down => tracing::warn!(%anchor, "another anchor does not answer"),
        PeerChange::Restarted => {
            tracing::warn!(%anchor, "another anchor has started anew, without its bindings");
        }
        PeerChange::Unsupported => {
            tracing::warn!(%anchor, "another anchor knows no heartbeats (RFC 5847): it is not asked again");
        }
    }
}
