//! Echo requests (RFC 4443 §4.1), and how often each is answered

use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::echo::{ECHO_REPLY, ECHO_REQUEST};
use super::namespaces::Namespace;

/// Identifier of the requests that are not counted.
const TRIAL: u16 = 0xd4be;
/// That of the next pinger's that are: what answers one is none of another's business.
static NEXT_IDENTIFIER: AtomicU16 = AtomicU16::new(TRIAL + 1);
/// Longer than neighbour discovery takes.
const PATIENCE_SECONDS: i64 = 10;

/// A raw ICMPv6 socket in a namespace.
pub struct Pinger {
    socket: OwnedFd,
    identifier: u16,
}

impl Pinger {
    pub fn new(namespace: &Namespace) -> Self {
        let socket = namespace.within(|| {
            let family = AddressFamily::Inet6;
            socket(
                family,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::IcmpV6,
            )
            .expect("root may")
        });
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE_SECONDS),
        )
        .expect("a timeout");
        Self {
            socket,
            identifier: NEXT_IDENTIFIER.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn send(&self, identifier: u16, destination: Ipv6Addr, sequence: u16) {
        let [id_high, id_low] = identifier.to_be_bytes();
        let [high, low] = sequence.to_be_bytes();
        // The kernel fills in the checksum.
        let request = [
            ECHO_REQUEST,
            0,
            0,
            0,
            id_high,
            id_low,
            high,
            low,
            1,
            2,
            3,
            4,
        ];
        let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, 0));
        sendto(self.socket.as_raw_fd(), &request, &to, MsgFlags::empty()).expect("sent");
    }

    /// The sequence number of the next reply.
    fn receive(&self) -> u16 {
        loop {
            let mut reply = [0; 1500];
            let octets = recv(self.socket.as_raw_fd(), &mut reply, MsgFlags::empty())
                .expect("a reply in time");
            if let [ECHO_REPLY, 0, _, _, id_high, id_low, high, low, ..] = reply[..octets]
                && [id_high, id_low] == self.identifier.to_be_bytes()
            {
                return u16::from_be_bytes([high, low]);
            }
        }
    }

    /// Wait until the destination answers, however many requests before that are lost while links and neighbours come up.
    pub fn wait_for(&self, destination: Ipv6Addr) {
        let timeout = |time| setsockopt(&self.socket, sockopt::ReceiveTimeout, &time).expect("set");
        timeout(TimeVal::milliseconds(200));
        let answers = (0..5 * PATIENCE_SECONDS).any(|_| {
            self.send(TRIAL, destination, 0);
            let mut reply = [0; 1500];
            let octets = recv(self.socket.as_raw_fd(), &mut reply, MsgFlags::empty()).unwrap_or(0);
            matches!(reply[..octets], [ECHO_REPLY, 0, _, _, high, low, ..]
                if [high, low] == TRIAL.to_be_bytes())
        });
        assert!(answers, "{destination} does not answer");
        timeout(TimeVal::seconds(PATIENCE_SECONDS));
    }

    /// How often each of `count` echo requests is answered. One by one, and then one more, by whose reply all duplicates of
    /// those before have arrived.
    pub fn replies(&self, destination: Ipv6Addr, count: u16) -> Vec<u32> {
        let mut replies = vec![0; usize::from(count) + 1];
        for sequence in 0..=count {
            self.send(self.identifier, destination, sequence);
            while replies[usize::from(sequence)] == 0 {
                replies[usize::from(self.receive())] += 1;
            }
        }
        replies.truncate(usize::from(count));
        replies
    }
}
