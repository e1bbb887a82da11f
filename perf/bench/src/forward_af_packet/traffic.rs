//! The generator: the same frames over and over, as fast as the kernel takes them

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use core_affinity::CoreId;
use dhp_engine::{FrameBuf, FramePool};
use dhp_port_afpacket::FrameSender;
use etherparse::PacketBuilder;

use super::plan::{ANCHOR, CORRESPONDENT_NODE, Direction, Plan};
use crate::namespace::Namespace;

/// Frames of one direction before it is the other's turn.
const BURST: usize = 64;
const ETHERNET_AND_IPV6: usize = 14 + 40;
const UDP: usize = 8;
const TUNNEL: usize = 40;
const NEXT_HEADER_IPV6: u8 = 41;

/// What one direction's sender has to send.
#[derive(Debug)]
struct Stream {
    direction: Direction,
    sender: FrameSender,
    frames: Vec<FrameBuf>,
}

/// Frames ready to be sent.
#[derive(Debug)]
pub struct Traffic {
    streams: Vec<Stream>,
}

impl Traffic {
    /// One frame of `size` octets, and 40 more in the tunnel, for each binding and direction.
    pub fn new(
        plan: &Plan,
        outside: &Namespace,
        directions: &[Direction],
        size: usize,
    ) -> anyhow::Result<Self> {
        let mut streams = Vec::with_capacity(directions.len());
        for direction in directions {
            let pool = FramePool::new(usize::from(plan.bindings), size + TUNNEL);
            let frames: Option<Vec<_>> = (0..plan.bindings)
                .map(|number| pool.alloc_copy(&frame(plan, *direction, number, size)))
                .collect();
            let (interface, _) = direction.interfaces();
            streams.push(Stream {
                direction: *direction,
                sender: outside.run(|| FrameSender::open(interface))??,
                frames: frames.context("make the frames")?,
            });
        }
        Ok(Self { streams })
    }

    /// Send the first frame of `direction`, and say what it holds from the inner IPv6 header on.
    pub fn send_one(&self, direction: Direction) -> Option<Vec<u8>> {
        use dhp_engine::PacketBuf;
        let stream = self
            .streams
            .iter()
            .find(|stream| stream.direction == direction)?;
        let frame = stream.frames.get(..1)?;
        let inner = match direction {
            Direction::Downlink => 14,
            Direction::Uplink => 14 + TUNNEL,
        };
        let octets = frame.first()?.bytes().get(inner..)?.to_vec();
        (stream.sender.send(frame).sent == 1).then_some(octets)
    }

    /// Send on a thread of its own until the answer is dropped.
    pub fn start(self, core: Option<CoreId>) -> Generator {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core);
            }
            let mut next = 0;
            while !shared.stop.load(Ordering::Relaxed) {
                for stream in &self.streams {
                    let start = next % stream.frames.len().max(1);
                    let burst = stream.frames.iter().len().min(start + BURST);
                    let report = stream
                        .sender
                        .send(stream.frames.get(start..burst).unwrap_or_default());
                    let sent = match stream.direction {
                        Direction::Downlink => &shared.downlink,
                        Direction::Uplink => &shared.uplink,
                    };
                    sent.fetch_add(report.sent, Ordering::Relaxed);
                }
                next = next.wrapping_add(BURST);
            }
        });
        Generator {
            state,
            thread: Some(thread),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    downlink: AtomicU64,
    uplink: AtomicU64,
}

/// A running generator.
#[derive(Debug)]
pub struct Generator {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Frames sent so far.
    pub fn sent(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Downlink => self.state.downlink.load(Ordering::Relaxed),
            Direction::Uplink => self.state.uplink.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn frame(plan: &Plan, direction: Direction, number: u16, size: usize) -> Vec<u8> {
    let (destination, source) = plan.macs(direction);
    let payload = vec![0; size.saturating_sub(ETHERNET_AND_IPV6 + UDP)];
    let home = plan.home(number).octets();
    let correspondent = CORRESPONDENT_NODE.octets();
    // A flow of its own for each binding, so that flows spread over the workers.
    let port = 10_000 + number;
    let mut frame = Vec::with_capacity(size + TUNNEL);
    // Writing to a vector cannot fail; the length is checked with the first packet.
    match direction {
        Direction::Downlink => {
            let _ = PacketBuilder::ethernet2(source, destination)
                .ipv6(correspondent, home, 64)
                .udp(443, port)
                .write(&mut frame, &payload);
        }
        Direction::Uplink => {
            let mut inner = Vec::with_capacity(size);
            let _ = PacketBuilder::ipv6(home, correspondent, 64)
                .udp(port, 443)
                .write(&mut inner, &payload);
            let _ = PacketBuilder::ethernet2(source, destination)
                .ipv6(plan.care_of(number).octets(), ANCHOR.octets(), 64)
                .write(&mut frame, NEXT_HEADER_IPV6.into(), &inner);
        }
    }
    frame
}
