//! A wire: two TAP interfaces and a thread that carries frames between them with a one-way delay.
//!
//! TAPs made without offloads give the kernel none: whatever is sent is cut to the MTU and checksummed before it gets here.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::clock::monotonic_ns;
use crate::delay_line::{Accepted, DelayLine, LineSettings};
use crate::namespace::Namespace;
use crate::priority::{Priority, prefer_this_thread};
use crate::stall_meter::Stalls;

/// Frames read from one side before the other gets its turn.
const BURST: usize = 64;
/// A wire that carries frames sleeps so long between two looks at its ends: wake-ups are what it costs most. Its delays
/// are far longer.
const TICK: Duration = Duration::from_micros(250);
const HALF_TICK_NS: u64 = TICK.as_nanos() as u64 / 2;
/// A frame that comes out so much later than it should was held up by the machine.
const LATE_NS: u64 = 5_000_000;
/// The largest Ethernet frame with a jumbo MTU.
const MAX_FRAME: usize = 9_216;

/// One end of a wire: an interface to make in a namespace.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where the interface appears.
    pub namespace: &'a Namespace,
    /// Its name there.
    pub interface: &'a str,
    /// Its MAC address.
    pub mac: [u8; 6],
}

/// What passed a wire, both directions together.
#[derive(Debug, Default)]
pub struct WireCounters {
    /// Frames delivered.
    pub delivered: AtomicU64,
    /// Frames dropped since the line was full, or the interface did not take them.
    pub dropped: AtomicU64,
    /// Frames lost by the configured loss.
    pub lost: AtomicU64,
}

/// A running wire; dropping it removes both interfaces.
#[derive(Debug)]
pub struct Wire {
    name: String,
    counters: Arc<WireCounters>,
    loss_ppm: Arc<AtomicU32>,
    late: Arc<Stalls>,
    wake: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Makes both interfaces, up, and starts carrying frames.
    pub fn connect(left: End<'_>, right: End<'_>, settings: LineSettings) -> Result<Self> {
        let name = format!("{}–{}", left.namespace.name(), right.namespace.name());
        let sides = [open_tap(left)?, open_tap(right)?];
        let counters = Arc::new(WireCounters::default());
        let wake = Arc::new(
            EventFd::from_flags(EfdFlags::EFD_NONBLOCK).context("cannot make an eventfd")?,
        );
        let loss_ppm = Arc::new(AtomicU32::new(ppm(settings.loss)));
        let late = Arc::new(Stalls::default());
        let relay = Relay {
            sides,
            settings,
            counters: Arc::clone(&counters),
            loss_ppm: Arc::clone(&loss_ppm),
            late: Arc::clone(&late),
            wake: Arc::clone(&wake),
        };
        let thread = thread::Builder::new()
            .name("wire".into())
            .spawn(move || relay.run())?;
        Ok(Self {
            name,
            counters,
            loss_ppm,
            late,
            wake,
            thread: Some(thread),
        })
    }

    /// Which namespaces it joins.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the wire to end, without waiting for that.
    pub fn request_end(&self) {
        // Cannot fail: the counter behind it has room for 2^64 − 2 of these.
        let _ = self.wake.write(1);
    }

    /// From now on that part of the frames is lost each way.
    pub fn set_loss(&self, loss: f64) {
        self.loss_ppm.store(ppm(loss), Ordering::Relaxed);
    }

    /// For how long frames were held up by the machine between two moments, in nanoseconds.
    pub fn held_up_ns(&self, from_ns: u64, until_ns: u64) -> u64 {
        self.late.within_ns(from_ns, until_ns)
    }

    /// What passed it so far.
    pub fn counters(&self) -> &WireCounters {
        &self.counters
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.request_end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the wire {} had stopped by a panic", self.name);
        }
    }
}

/// Makes a TAP interface in a namespace, up and non-blocking.
pub fn open_tap(end: End<'_>) -> Result<SyncDevice> {
    let device = end.namespace.inside(|| {
        DeviceBuilder::new()
            .layer(Layer::L2)
            .name(end.interface)
            .mac_addr(end.mac)
            .mtu(1500)
            // A burst of a download must not be lost before the wire has even seen it.
            .tx_queue_len(8192)
            .build_sync()
    })?;
    let device = device
        .with_context(|| format!("cannot make {} in {}", end.interface, end.namespace.name()))?;
    device.set_nonblocking(true)?;
    Ok(device)
}

struct Relay {
    sides: [SyncDevice; 2],
    settings: LineSettings,
    counters: Arc<WireCounters>,
    loss_ppm: Arc<AtomicU32>,
    late: Arc<Stalls>,
    wake: Arc<EventFd>,
}

impl Relay {
    fn run(self) {
        let Self {
            sides: [left, right],
            settings,
            counters,
            loss_ppm,
            late,
            wake,
        } = self;
        let mut rightward = DelayLine::new(settings, 1);
        let mut leftward = DelayLine::new(settings, 2);
        let mut scratch = vec![0; MAX_FRAME];
        prefer_this_thread(Priority::Wire);
        let mut waited_ns = 0;
        loop {
            let loss = f64::from(loss_ppm.load(Ordering::Relaxed)) / 1e6;
            rightward.set_loss(loss);
            leftward.set_loss(loss);
            let more = take_in(&left, &mut rightward, &mut scratch, waited_ns, &counters)
                | take_in(&right, &mut leftward, &mut scratch, waited_ns, &counters);
            put_out(&right, &mut rightward, &counters, &late);
            put_out(&left, &mut leftward, &counters, &late);
            if more {
                continue;
            }
            let until_due = || {
                let due = [rightward.next_due_ns(), leftward.next_due_ns()];
                let due = due.into_iter().flatten().min();
                due.map(|due| Duration::from_nanos(due.saturating_sub(monotonic_ns())))
            };
            thread::sleep(until_due().unwrap_or(TICK).min(TICK));
            let mut descriptors = [
                PollFd::new(wake.as_fd(), PollFlags::POLLIN),
                PollFd::new(left.as_fd(), PollFlags::POLLIN),
                PollFd::new(right.as_fd(), PollFlags::POLLIN),
            ];
            let before_ns = monotonic_ns();
            match ppoll(
                &mut descriptors,
                until_due().map(TimeSpec::from_duration),
                None,
            ) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => {
                    eprintln!("a wire stopped: {error}");
                    return;
                }
            }
            if wake.read().is_ok() {
                return;
            }
            let gone = |fd: &PollFd<'_>| {
                fd.revents()
                    .is_some_and(|events| events.contains(PollFlags::POLLERR))
            };
            if descriptors.iter().any(gone) {
                eprintln!("a wire stopped: one of its interfaces was removed");
                return;
            }
            // What is there without a wait came during the sleep, half a tick ago on the mean.
            let at_once = monotonic_ns().saturating_sub(before_ns) < HALF_TICK_NS / 4;
            waited_ns = if at_once { HALF_TICK_NS } else { 0 };
        }
    }
}

/// Reads a burst; says whether there may be more.
fn take_in(
    side: &SyncDevice,
    line: &mut DelayLine,
    scratch: &mut [u8],
    waited_ns: u64,
    counters: &WireCounters,
) -> bool {
    let now = monotonic_ns();
    for _ in 0..BURST {
        let length = match side.recv(scratch) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // WouldBlock: nothing more. Any other error: the interface is down; it says so again at the next poll.
            Err(_) => return false,
        };
        let Some(frame) = scratch.get(..length) else {
            continue;
        };
        match line.push(now.saturating_sub(waited_ns), frame) {
            Accepted::Queued => {}
            Accepted::Full => count(&counters.dropped),
            Accepted::Lost => count(&counters.lost),
        }
    }
    true
}

fn put_out(side: &SyncDevice, line: &mut DelayLine, counters: &WireCounters, late: &Stalls) {
    let now = monotonic_ns();
    if let Some(due_ns) = line.next_due_ns()
        && now.saturating_sub(due_ns) > LATE_NS
    {
        late.note(due_ns, now);
    }
    while let Some(frame) = line.pop_due(now.saturating_add(HALF_TICK_NS)) {
        match side.send(&frame) {
            Ok(_) => count(&counters.delivered),
            Err(_) => count(&counters.dropped),
        }
        line.recycle(frame);
    }
}

fn ppm(part: f64) -> u32 {
    (part.clamp(0.0, 1.0) * 1e6) as u32
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
