//! Round-trip times by ICMPv6 Echo (RFC 4443 §4.1), sent from a node's namespace as ping(8) does.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::clock::monotonic_ns;
use crate::namespace::Namespace;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const INTERVAL: Duration = Duration::from_millis(50);

/// The round-trip time of the path in nanoseconds: the least of `count` echoes, since whatever a busy machine adds to the
/// others is none of the path's; an error if none came back.
pub fn round_trip_ns(from: &Namespace, to: &str, count: u16) -> Result<u64> {
    // "ping sockets" are for the groups of this range only; icmp(7).
    from.sysctl("net/ipv4/ping_group_range", "0 0")?;
    let address: Ipv6Addr = to.parse()?;
    match from.inside(|| measure(address, count))??.into_iter().min() {
        Some(least) => Ok(least),
        None => bail!("no echo from {to} came back to {}", from.name()),
    }
}

fn measure(to: Ipv6Addr, count: u16) -> Result<Vec<u64>> {
    let descriptor: OwnedFd = socket(
        AddressFamily::Inet6,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::IcmpV6,
    )
    .context("cannot open a ping socket")?;
    // A ping socket is bound, connected, read and written like a UDP socket; the kernel fills in checksum and identifier.
    let socket = UdpSocket::from(descriptor);
    socket
        .connect(SocketAddr::from((to, 0)))
        .with_context(|| format!("no route to {to}"))?;
    let mut times = Vec::new();
    for sequence in 0..count {
        let sent_ns = monotonic_ns();
        let mut request = vec![ECHO_REQUEST, 0, 0, 0, 0, 0];
        request.extend_from_slice(&sequence.to_be_bytes());
        request.extend_from_slice(&sent_ns.to_be_bytes());
        // An error is a lost echo.
        let _ = socket.send(&request);
        let next = Instant::now() + INTERVAL;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            // At 160 ms several echoes are under way at once: each interval collects what has come.
            let wait = if sequence + 1 == count {
                Duration::from_millis(500)
            } else {
                left
            };
            if wait.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(wait))?;
            let mut reply = [0; 64];
            match socket.recv(&mut reply) {
                Ok(length) => {
                    if let Some(echoed_ns) = reply.get(..length).and_then(echoed_time_ns) {
                        times.push(monotonic_ns().saturating_sub(echoed_ns));
                    }
                    if times.len() == usize::from(count) {
                        return Ok(times);
                    }
                }
                Err(_) => break,
            }
        }
    }
    Ok(times)
}

fn echoed_time_ns(reply: &[u8]) -> Option<u64> {
    if *reply.first()? != ECHO_REPLY {
        return None;
    }
    Some(u64::from_be_bytes(*reply.get(8..16)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_reply_counts() {
        let mut reply = vec![ECHO_REPLY, 0, 0, 0, 0, 0, 0, 1];
        reply.extend_from_slice(&7_u64.to_be_bytes());
        assert_eq!(echoed_time_ns(&reply), Some(7));
        assert_eq!(echoed_time_ns(&reply[..12]), None);
        reply[0] = ECHO_REQUEST;
        assert_eq!(echoed_time_ns(&reply), None);
    }
}
