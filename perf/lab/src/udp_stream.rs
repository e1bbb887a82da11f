//! `dhp-lab udp`: a sequence-numbered UDP stream each way between two programs that know nothing of mobility.
//!
//! `serve` waits for a peer and then streams back to it; `stream` begins. Both note what they sent and what they received, and
//! write it to a file when they are ended by SIGTERM or SIGINT.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::cmsg_space;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use crate::clock::{monotonic_ns, realtime_minus_monotonic_ns};
use crate::stop::Stop;
use crate::stream_record::{Arrival, StreamRecord};

/// UDP payload of each packet: sequence number, time of sending, padding.
const PAYLOAD: usize = 100;
/// Octets of packets that may wait for this program: many seconds, so that a busy machine loses none that the network has delivered.
const WAITING: usize = 8 << 20;

/// How to stream.
#[derive(Clone, Debug)]
pub struct StreamPlan<'a> {
    /// Packets per second.
    pub rate: u32,
    /// Where to write the notes.
    pub record: &'a Path,
    /// When to end without being told; never if absent.
    pub until: Option<Instant>,
    /// Says when it is told.
    pub stop: &'a Stop,
}

impl StreamPlan<'_> {
    fn is_over(&self) -> bool {
        is_over(self.stop, self.until)
    }
}

fn is_over(stop: &Stop, until: Option<Instant>) -> bool {
    stop.requested() || until.is_some_and(|until| Instant::now() >= until)
}

/// Waits for the first packet, streams back to its sender.
pub fn serve(listen: SocketAddr, plan: &StreamPlan<'_>) -> Result<()> {
    let socket = UdpSocket::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut first = [0; PAYLOAD];
    let peer = loop {
        if plan.is_over() {
            return StreamRecord::default().write(plan.record);
        }
        match socket.peek_from(&mut first) {
            Ok((_, peer)) => break peer,
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    };
    eprintln!("streaming with {peer}");
    exchange(socket, peer, plan)
}

/// Streams to a `serve`.
pub fn stream(to: SocketAddr, plan: &StreamPlan<'_>) -> Result<()> {
    let socket = UdpSocket::bind("[::]:0").context("cannot open a UDP socket")?;
    exchange(socket, to, plan)
}

fn exchange(socket: UdpSocket, peer: SocketAddr, plan: &StreamPlan<'_>) -> Result<()> {
    socket
        .connect(peer)
        .with_context(|| format!("no route to {peer}"))?;
    eprintln!("streaming from {} to {peer}", socket.local_addr()?);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    setsockopt(&socket, ReceiveTimestampns, &true).context("the kernel keeps no times")?;
    // Where that is not allowed fewer may wait.
    let _ = setsockopt(&socket, RcvBufForce, &WAITING);
    let socket = Arc::new(socket);
    let (sending, stop, rate, until) = (
        Arc::clone(&socket),
        plan.stop.clone(),
        plan.rate,
        plan.until,
    );
    let sender = thread::Builder::new()
        .name("sender".into())
        .spawn(move || send(&sending, rate, || is_over(&stop, until)))?;
    let received = receive(&socket, plan)?;
    let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
    eprintln!("sent {}, received {}", sent.len(), received.len());
    StreamRecord { sent, received }.write(plan.record)
}

/// Sends on a fixed schedule; what the kernel refuses (no route, no address) counts as sent and will be missing at the peer.
fn send(socket: &UdpSocket, rate: u32, is_over: impl Fn() -> bool) -> Vec<u64> {
    let interval_ns = 1_000_000_000_u64
        .checked_div(u64::from(rate))
        .unwrap_or(1_000_000_000);
    let mut sent = Vec::new();
    let mut packet = [0x5a; PAYLOAD];
    let mut due_ns = monotonic_ns();
    while !is_over() {
        let now = monotonic_ns();
        if now < due_ns {
            thread::sleep(Duration::from_nanos(due_ns - now));
            continue;
        }
        let header = (sent.len() as u64)
            .to_be_bytes()
            .into_iter()
            .chain(now.to_be_bytes());
        for (to, from) in packet.iter_mut().zip(header) {
            *to = from;
        }
        // An error is an outage, which is what the stream is to show.
        let _ = socket.send(&packet);
        sent.push(now);
        due_ns = due_ns.saturating_add(interval_ns);
    }
    sent
}

fn receive(socket: &UdpSocket, plan: &StreamPlan<'_>) -> Result<Vec<Arrival>> {
    let mut arrivals = Vec::new();
    let mut buffer = [0; 2048];
    while !plan.is_over() {
        match receive_one(socket, &mut buffer) {
            Ok((length, received_ns)) => {
                if let Some((sequence, sent_ns)) = buffer.get(..length).and_then(header) {
                    arrivals.push(Arrival {
                        sequence,
                        sent_ns,
                        received_ns,
                    });
                }
            }
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
    Ok(arrivals)
}

/// A packet's length, and when it came, monotonic ns: as the kernel says, since this program may get its core only later.
fn receive_one(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, u64)> {
    let mut control = cmsg_space!(TimeSpec);
    let mut pieces = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags)?;
    let mut notes = message.cmsgs()?;
    let came_ns = notes.find_map(|note| match note {
        ControlMessageOwned::ScmTimestampns(at) => Some(nanoseconds(&at)?),
        _ => None,
    });
    let now_ns = monotonic_ns();
    let received_ns = came_ns.map_or(now_ns, |at_ns| {
        at_ns
            .saturating_sub(realtime_minus_monotonic_ns())
            .min(now_ns)
    });
    Ok((message.bytes, received_ns))
}

fn nanoseconds(time: &TimeSpec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let rest = u64::try_from(time.tv_nsec()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

fn header(packet: &[u8]) -> Option<(u64, u64)> {
    let (sequence, rest) = packet.split_first_chunk()?;
    let (sent, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*sequence), u64::from_be_bytes(*sent)))
}

/// A timeout, a signal, or an ICMP error from the path: an outage is to be measured, not to end the measurement.
fn is_transient(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn two_ends_record_each_others_packets() {
        let directory = tempfile::tempdir().unwrap();
        let (near, far) = (directory.path().join("near"), directory.path().join("far"));
        // The kernel chooses a free port; it is released for the server just before use.
        let address = UdpSocket::bind("[::1]:0").unwrap().local_addr().unwrap();
        let until = Some(Instant::now() + Duration::from_millis(500));
        let run = |record: PathBuf, end: fn(SocketAddr, &StreamPlan<'_>) -> Result<()>| {
            thread::spawn(move || {
                end(
                    address,
                    &StreamPlan {
                        rate: 1000,
                        record: &record,
                        until,
                        stop: &Stop::default(),
                    },
                )
            })
        };
        for end in [run(far.clone(), serve), run(near.clone(), stream)] {
            end.join().unwrap().unwrap();
        }
        let (near, far) = (
            StreamRecord::read(&near).unwrap(),
            StreamRecord::read(&far).unwrap(),
        );
        assert!(near.sent.len() > 100 && near.received.len() > 50 && far.received.len() > 50);
        for arrival in &far.received {
            assert_eq!(near.sent[arrival.sequence as usize], arrival.sent_ns);
        }
    }
}
