//! A host on a link whose kernel leaves all mobility to the test

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dhp_port_afpacket::{KernelGuard, PacketSocket, Profile, RawIpv6Sender};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::PATIENCE;
use super::namespaces::Namespace;

/// After that, a question is repeated, as a mobile node does.
const AGAIN: Duration = Duration::from_secs(1);

/// `eth0` of a namespace.
pub struct Station {
    socket: PacketSocket,
    sender: RawIpv6Sender,
    _guard: KernelGuard,
}

impl Station {
    pub fn new(namespace: &Namespace) -> Self {
        namespace.within(|| Self {
            socket: PacketSocket::open("eth0").expect("root may listen"),
            sender: RawIpv6Sender::open(Some("eth0")).expect("root may send"),
            _guard: KernelGuard::new(Profile::MobileNode, &["eth0"]).expect("root may guard"),
        })
    }

    pub fn send(&self, packet: &[u8]) {
        self.sender.send(packet).expect("sent");
    }

    /// Sends a packet, now and again, until something comes of which `read` makes an answer.
    pub fn ask<T>(&self, packet: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.send(packet);
            if let Some(answer) = self.receive_until(Instant::now() + AGAIN, &read) {
                return answer;
            }
        }
        panic!("no answer came");
    }

    /// The first packet of which `read` makes something.
    pub fn receive<T>(&self, read: impl FnMut(&[u8]) -> Option<T>) -> T {
        let received = self.receive_until(Instant::now() + PATIENCE, read);
        received.expect("something comes")
    }

    /// The same, if it comes in time.
    pub fn receive_until<T>(
        &self,
        deadline: Instant,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(octets) => {
                    let found = buffer.get(..octets).and_then(&mut read);
                    if found.is_some() {
                        return found;
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let timeout = PollTimeout::try_from(left).expect("short");
                    let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                    poll(&mut watched, timeout).expect("polled");
                }
            }
        }
    }
}
