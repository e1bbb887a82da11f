//! One ICMPv6 echo (RFC 4443 §4)

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn6, bind, connect, socket,
};
use tokio::net::UdpSocket;

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Octets of an echo message here: type, code, checksum, identifier, sequence number, and 16 of data.
const LENGTH: usize = 24;
/// Where the identifier stands. From here on the answer repeats the request.
const REPEATED_FROM: usize = 4;

/// Ask for an echo, and wait for it: the time that it took. The system makes the checksum.
///
/// # Errors
/// The system does not send, such as where there is no route.
pub(super) async fn ask(source: Ipv6Addr, destination: Ipv6Addr) -> io::Result<Duration> {
    // One for each echo: it follows the routes as they are now, and what comes late finds it closed.
    let socket = open(source, destination)?;
    let request = request()?;
    let sent = Instant::now();
    socket.send(&request).await?;
    loop {
        let mut answer = [0; LENGTH + 1];
        let octets = socket.recv(&mut answer).await?;
        let took = sent.elapsed();
        if answer
            .get(..octets)
            .is_some_and(|answer| is_answer(answer, &request))
        {
            return Ok(took);
        }
    }
}

/// A raw socket between these two. Connected, it does what a UDP socket does: whole messages, from there alone.
fn open(source: Ipv6Addr, destination: Ipv6Addr) -> io::Result<UdpSocket> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let protocol = SockProtocol::IcmpV6;
    let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, protocol)?;
    let at = |address| SockaddrIn6::from(SocketAddrV6::new(address, 0, 0, 0));
    bind(socket.as_raw_fd(), &at(source))?;
    connect(socket.as_raw_fd(), &at(destination))?;
    UdpSocket::from_std(socket.into())
}

/// Identifier, sequence number and data are of the moment, so that nobody can answer who has not seen them.
fn request() -> io::Result<[u8; LENGTH]> {
    let mut message = [0; LENGTH];
    let (head, unknown) = message.split_at_mut(REPEATED_FROM);
    if let Some(kind) = head.first_mut() {
        *kind = ECHO_REQUEST;
    }
    getrandom::fill(unknown).map_err(io::Error::other)?;
    Ok(message)
}

fn is_answer(answer: &[u8], request: &[u8; LENGTH]) -> bool {
    answer.get(..2) == Some(&[ECHO_REPLY, 0])
        && answer.get(REPEATED_FROM..) == request.get(REPEATED_FROM..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_its_request() {
        let request = request().expect("random octets");
        let mut answer = request;
        assert!(!is_answer(&answer, &request), "a request");
        answer[0] = ECHO_REPLY;
        answer[2] = 77;
        assert!(is_answer(&answer, &request), "with a checksum of its own");
        assert!(!is_answer(&answer[..LENGTH - 1], &request), "cut");
        answer[LENGTH - 1] ^= 1;
        assert!(!is_answer(&answer, &request), "another's");
    }

    #[test]
    fn requests_differ() {
        assert_ne!(
            request().expect("random octets"),
            request().expect("random octets")
        );
    }
}
