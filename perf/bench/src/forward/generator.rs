//! The generator that keeps time: so many packets in a second, each known again when it comes back

use std::time::Duration;

use anyhow::{Context, ensure};
use dhp_engine::{BATCH_SIZE, Batch, PacketBuf, Port, monotonic_ns};
use dhp_port_dpdk::{DeviceSettings, DpdkDevice, DpdkPort, Eal, Mbuf, Mempool};

use super::mark::Mark;
use super::recording::Recording;
use super::search::Trial;
use super::setup::{Link, Role};

/// Packets sent at once, at most: a burst of testpmd's.
const BURST: u64 = 32;
const MBUFS: u32 = 4_095;
const FRAME_OCTETS: u16 = 2_048;
const DESCRIPTORS: u16 = 1_024;
/// Of so many packets the time of one is kept.
const SAMPLED: u32 = 8;
/// Batches received before it is time to send again.
const BATCHES_AT_ONCE: usize = 4;
/// Nothing more comes back when nothing has for so long.
const SILENCE_NS: u64 = 20_000_000;
const CONNECT: Duration = Duration::from_secs(5);
/// For a single packet: where others compute, a device may not run for a while.
const PATIENCE_NS: u64 = 5_000_000_000;

/// The client's end of a memif pair.
#[derive(Debug)]
pub struct Generator {
    port: DpdkPort,
    batch: Batch<Mbuf>,
    trial: u32,
    /// Of the recording.
    next: usize,
}

/// What became of the packets of a trial.
#[derive(Debug)]
pub struct Counts {
    /// To be sent by the trial's load and duration. What the generator was too slow for, or the ring too full, is lost.
    pub intended: u64,
    pub received: u64,
    /// Microseconds from the generator to the generator, of some of the packets; empty unless asked for.
    pub latencies_us: Vec<f64>,
    /// From one look at the clock to the next while it sent, at most.
    pub longest_pause_us: f64,
}

impl Counts {
    /// The share that did not come back.
    pub fn loss_ratio(&self) -> f64 {
        1.0 - self.received as f64 / self.intended.max(1) as f64
    }
}

impl Generator {
    /// Connect to the device that waits at the other end.
    pub fn connect(eal: &Eal, link: &Link) -> anyhow::Result<Self> {
        let settings = DeviceSettings {
            device: link.device(Role::Client),
            name: "generator".to_owned(),
            descriptors: DESCRIPTORS,
        };
        let device = DpdkDevice::attach(eal, settings)?;
        let pool = Mempool::new(eal, MBUFS, FRAME_OCTETS, device.numa_node())?;
        let mut port = device
            .start(&[pool])?
            .pop()
            .context("a device has a queue")?;
        let pause = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        // Asking for the link's state is what makes a client try again.
        while !port.device().link().up {
            ensure!(waited < CONNECT, "the memif pair does not connect");
            std::thread::sleep(pause);
            waited += pause;
        }
        port.enter_thread();
        // The other end can send into what the first receive makes room for: without, it loses what it sends before.
        let mut batch = Batch::new();
        port.rx_burst(&mut batch);
        Ok(Self {
            port,
            batch,
            trial: 0,
            next: 0,
        })
    }

    /// Send one frame as it is, and wait for what comes of it.
    pub fn send_one(&mut self, octets: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut mbuf = self.port.alloc().context("no mbuf is free")?;
        ensure!(mbuf.set_len(octets.len()), "a frame is too long");
        mbuf.bytes_mut().copy_from_slice(octets);
        ensure!(self.port.tx(mbuf).is_ok(), "the transmit queue is full");
        ensure!(self.port.flush().sent == 1, "the ring takes no frame");
        let started = monotonic_ns();
        while monotonic_ns().saturating_sub(started) < PATIENCE_NS {
            if self.port.rx_burst(&mut self.batch) > 0 {
                let frame = self.batch.drain().next();
                return frame
                    .map(|frame| frame.bytes().to_vec())
                    .context("no frame");
            }
        }
        anyhow::bail!("the device sends nothing back")
    }

    /// Offer a load for a time, and count what comes back. With `sample`, their times too.
    pub fn run(&mut self, recording: &Recording, trial: Trial, sample: bool) -> Counts {
        self.trial = self.trial.wrapping_add(1);
        let intended = (trial.load * trial.duration) as u64;
        let per_ns = trial.load / 1e9;
        let duration_ns = (trial.duration * 1e9) as u64;
        let samples = if sample {
            intended / u64::from(SAMPLED) + 1
        } else {
            0
        };
        let mut counts = Counts {
            intended,
            received: 0,
            latencies_us: Vec::with_capacity(usize::try_from(samples).unwrap_or(0)),
            longest_pause_us: 0.0,
        };
        let (mut scheduled, mut sent) = (0_u64, 0_u64);
        let started = monotonic_ns();
        let (mut before, mut longest_pause_ns) = (started, 0);
        loop {
            let now = monotonic_ns();
            longest_pause_ns = now.saturating_sub(before).max(longest_pause_ns);
            before = now;
            let elapsed = now.saturating_sub(started);
            if elapsed >= duration_ns {
                break;
            }
            let due = ((elapsed as f64 * per_ns) as u64).min(intended);
            // What is late is sent in the next bursts.
            let burst = (due - scheduled).min(BURST);
            sent += self.send(recording, scheduled, burst, now);
            scheduled += burst;
            self.receive(&mut counts, sample);
        }
        // The last few, of the time that the last round took, are due too.
        while scheduled < intended && intended - scheduled <= BURST {
            let burst = intended - scheduled;
            sent += self.send(recording, scheduled, burst, monotonic_ns());
            scheduled += burst;
        }
        counts.longest_pause_us = longest_pause_ns as f64 / 1e3;
        let mut last = monotonic_ns();
        while counts.received < sent && monotonic_ns().saturating_sub(last) < SILENCE_NS {
            if self.receive(&mut counts, sample) > 0 {
                last = monotonic_ns();
            }
        }
        counts
    }

    /// Says how many the ring has taken.
    fn send(&mut self, recording: &Recording, first: u64, count: u64, now: u64) -> u64 {
        for number in first..first + count {
            let (Some(frame), Some(mut mbuf)) = (recording.frame(self.next), self.port.alloc())
            else {
                break;
            };
            self.next += 1;
            if self.next >= recording.len() {
                self.next = 0;
            }
            if !mbuf.set_len(frame.len()) {
                break;
            }
            // The rest of a payload is what the mbuf has: nobody reads it, and it is copied by the port as it is.
            let start = frame.len().min(Mark::FRAME_START);
            if let (Some(to), Some(from)) = (mbuf.bytes_mut().get_mut(..start), frame.get(..start))
            {
                to.copy_from_slice(from);
            }
            let mark = Mark {
                trial: self.trial,
                // Which of so many is not told apart.
                number: number as u32,
                sent_ns: now,
            };
            mark.write(mbuf.bytes_mut());
            // There is room for a burst.
            let _ = self.port.tx(mbuf);
        }
        self.port.flush().sent
    }

    fn receive(&mut self, counts: &mut Counts, sample: bool) -> usize {
        let mut received = 0;
        for _ in 0..BATCHES_AT_ONCE {
            let came = self.port.rx_burst(&mut self.batch);
            let now = if sample { monotonic_ns() } else { 0 };
            for frame in self.batch.drain() {
                let Some(mark) = Mark::read(frame.bytes()) else {
                    continue;
                };
                if mark.trial != self.trial {
                    continue;
                }
                counts.received += 1;
                if sample && mark.number.is_multiple_of(SAMPLED) {
                    let latency = now.saturating_sub(mark.sent_ns);
                    counts.latencies_us.push(latency as f64 / 1e3);
                }
            }
            received += came;
            if came < BATCH_SIZE {
                break;
            }
        }
        received
    }
}
