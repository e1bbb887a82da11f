//! Authenticated updates per second through the engine on one core: from a packet to the segment written and the answer made
//!
//! Engine and tables are those of `dhpd`, called as its control thread calls them, without rings and threads. The messages are
//! made before, and not on the clock. That one counts the time that the thread has the core: what others take of it makes nothing
//! slower but their traces in the caches do. The engine's own clock is that of the target: each update comes 1/300,000 s after the one
//! before, so that lifetimes and what is kept for a while weigh what they would.

use std::time::Duration;

use anyhow::{Context, ensure};
use dhp_proto::anchor::{Anchor, AnchorAction, AnchorCounters, Expected, MessageKind};
use dhp_proto::time::Now;
use dhp_segment::{Geometry, Reader, Segment};
use dhpd::forwarding::{Forwarding, ForwardingError};
use dhpd::signalling::LOOKED_AHEAD;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::appliance::ANCHOR;
use super::fleet::{Fleet, LIFETIME};
use super::{memory, network};
use crate::statistics::Spread;

/// Between two updates on the engine's clock.
const BETWEEN_NS: u64 = 3_333;
/// As many as `dhpd` takes from a worker before it looks at everything else.
const TURN: usize = 256;

/// With how many bindings, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub bindings: u32,
    pub windows: u16,
    /// Updates of a window.
    pub updates: usize,
}

/// What was measured with so many bindings.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub bindings: u32,
    pub updates_of_a_window: usize,
    pub registrations_per_second: f64,
    /// The longest time that a batch of registrations took, while the tables filled: no update waits longer for another.
    pub longest_registration_us: f64,
    pub updates_per_second: Spread,
    /// Of the first measurement in a run: the next finds memory that it has left.
    pub memory: Option<Memory>,
    pub expiry: Expiry,
}

/// What happens when nobody refreshes any more, and each binding ends within moments of the others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Expiry {
    pub seconds: f64,
    /// The longest time that signalling waits for it.
    pub longest_us: f64,
}

/// Resident memory of the control plane, the segment left out, in octets.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// What each mobile node's security association takes.
    pub per_mobile_node: f64,
    /// What each registration takes beside it, with the answer that is kept for retransmissions.
    pub per_binding: f64,
}

/// Measure. The first measurement in a process sees memory too.
///
/// # Errors
/// The engine does not answer each update with an acceptance.
pub fn measure(plan: Plan, is_first: bool) -> anyhow::Result<Measured> {
    let mut fleet = Fleet::new(plan.bindings);
    let mut messages = Messages::with_room_for(plan.updates);
    // Its memory is the benchmark's: it is there before the control plane's is counted.
    messages.refill(&mut Fleet::new(plan.bindings), plan.updates);
    let segment = Segment::anonymous(&Geometry {
        home_addresses: plan.bindings,
        ..Geometry::default()
    })?;
    let resident = || memory::resident(segment.len_bytes());
    let empty = resident()?;
    let mut engine = Engine::start(&fleet, &segment)?;
    let configured = resident()?;

    let (mut left, mut seconds) = (plan.bindings as usize, 0.0);
    while left > 0 {
        let some = left.min(plan.updates);
        messages.refill(&mut fleet, some);
        seconds += engine.take(&messages)?;
        left -= some;
    }
    let longest_registration = engine.longest;
    let registered = resident()?;
    let mut rates = Vec::new();
    for _ in 0..plan.windows {
        messages.refill(&mut fleet, plan.updates);
        rates.push(plan.updates as f64 / engine.take(&messages)?);
    }
    let expiry = engine.expire()?;
    let bindings = f64::from(plan.bindings);
    Ok(Measured {
        bindings: plan.bindings,
        updates_of_a_window: plan.updates,
        registrations_per_second: bindings / seconds,
        longest_registration_us: micros(longest_registration),
        updates_per_second: Spread::of(&rates).context("no windows")?,
        memory: is_first.then_some(Memory {
            per_mobile_node: configured.saturating_sub(empty) as f64 / bindings,
            per_binding: registered.saturating_sub(configured) as f64 / bindings,
        }),
        expiry,
    })
}

/// Packets one behind the other.
struct Messages {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    /// Longer than any update of the fleet.
    const LONGEST: usize = 192;

    fn with_room_for(count: usize) -> Self {
        Self {
            octets: Vec::with_capacity(count * Self::LONGEST),
            ends: Vec::with_capacity(count),
        }
    }

    /// The next updates of the fleet, for those there were.
    fn refill(&mut self, fleet: &mut Fleet, count: usize) {
        self.octets.clear();
        self.ends.clear();
        for _ in 0..count {
            self.octets.extend(fleet.next_update());
            self.ends.push(self.octets.len());
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let ranges = starts.zip(&self.ends);
        ranges.filter_map(|(start, end)| self.octets.get(*start..*end))
    }
}

/// The anchor and the tables that it fills.
struct Engine {
    anchor: Anchor,
    forwarding: Forwarding,
    /// A worker, as far as the writer has to wait for one.
    reader: Reader,
    now: Now,
    expected: Vec<Expected>,
    /// The longest time that a batch took.
    longest: Duration,
}

impl Engine {
    fn start(fleet: &Fleet, segment: &Segment) -> anyhow::Result<Self> {
        let now = Now::default().plus_ns(BETWEEN_NS);
        let mut config = network::anchor(fleet.security_associations()?);
        config.limits.max_home_addresses = fleet.len() as usize;
        let mut anchor = Anchor::new(config, now, [7; 32])?;
        anchor.reserve();
        let mut forwarding = Forwarding::new(segment, ANCHOR)?;
        let reader = segment.reader(0)?;
        forwarding.follow_network(&network::plan());
        while !forwarding.settle()? {
            reader.quiescent();
        }
        Ok(Self {
            anchor,
            forwarding,
            reader,
            now,
            expected: Vec::new(),
            longest: Duration::ZERO,
        })
    }

    /// Takes all of them. Says how many seconds of the core that took.
    fn take(&mut self, messages: &Messages) -> anyhow::Result<f64> {
        let before = accepted(self.anchor.counters());
        let started = processor_time()?;
        let mut taken = started;
        let mut packets = messages.iter();
        let (mut ahead, mut handled) = (Vec::with_capacity(LOOKED_AHEAD), 0);
        loop {
            ahead.clear();
            ahead.extend(packets.by_ref().take(LOOKED_AHEAD));
            if ahead.is_empty() {
                break;
            }
            self.anchor
                .expect(ahead.iter().copied(), &mut self.expected);
            let addresses = self.expected.iter().map(|expected| expected.home_address);
            self.forwarding.expect(addresses);
            for packet in &ahead {
                self.handle(packet)?;
            }
            handled += ahead.len();
            if handled >= TURN {
                handled = 0;
                self.reader.quiescent();
                self.forwarding.settle()?;
            }
            let now = processor_time()?;
            self.longest = self.longest.max(now - taken);
            taken = now;
        }
        let seconds = (taken - started).as_secs_f64();
        let answered = accepted(self.anchor.counters()) - before;
        let sent = messages.ends.len() as u64;
        ensure!(
            answered == sent,
            "of {sent} updates {answered} were accepted"
        );
        Ok(seconds)
    }

    /// Takes one, and does what it leads to.
    fn handle(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        self.now = self.now.plus_ns(BETWEEN_NS);
        self.anchor.handle_packet(self.now, packet);
        self.follow()
    }

    fn follow(&mut self) -> anyhow::Result<()> {
        while let Some(action) = self.anchor.poll_action() {
            if let AnchorAction::Event(event) = &action {
                while let Err(error) = self.forwarding.follow(event, self.now.mono_ns) {
                    ensure!(matches!(error, ForwardingError::Busy), "{error}");
                    self.reader.quiescent();
                }
            }
            std::hint::black_box(&action);
        }
        Ok(())
    }

    /// Lets the lifetimes pass of all bindings.
    fn expire(&mut self) -> anyhow::Result<Expiry> {
        let lifetime = LIFETIME.duration().unwrap_or_default();
        self.now = self.now.plus_ns(u64::try_from(lifetime.as_nanos())?);
        let started = processor_time()?;
        let (mut ended, mut longest) = (started, Duration::ZERO);
        let is_due = |anchor: &Anchor, now: Now| {
            let due = anchor.poll_timeout();
            due.is_some_and(|due| due <= now.mono_ns)
        };
        while is_due(&self.anchor, self.now) {
            self.anchor.handle_timeout(self.now);
            self.follow()?;
            self.reader.quiescent();
            self.forwarding.settle()?;
            let now = processor_time()?;
            longest = longest.max(now - ended);
            ended = now;
        }
        let left = self.anchor.bindings(self.now).next();
        ensure!(left.is_none(), "a binding is left: {left:?}");
        Ok(Expiry {
            seconds: (ended - started).as_secs_f64(),
            longest_us: micros(longest),
        })
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// That the calling thread has had.
fn processor_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Answers so far that accept.
fn accepted(counters: &AnchorCounters) -> u64 {
    let answers = [
        MessageKind::DhpBindingConfirmation,
        MessageKind::BindingAcknowledgement,
    ];
    answers.iter().map(|kind| counters.sent(*kind, 0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_handoffs_and_refreshes_are_all_accepted_and_end() {
        let plan = Plan {
            bindings: 300,
            windows: 2,
            updates: 700,
        };
        let measured = measure(plan, false).expect("each update is accepted");
        assert!(measured.updates_per_second.min > 0.0 && measured.expiry.seconds > 0.0);
    }
}
