//! What a host needs to see of the tunnels and the signalling that arrive at an interface

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::heard::Heard;
use crate::interface::Interface;
use crate::offload::ReceiveOffloadsOff;

/// Receives a copy of each IPv6 packet that arrives at one interface and has tunnelled IPv6 (41), a routing header (43),
/// destination options (60) or mobility (135) as its first next header, or is a Home Agent Address Discovery Reply or a Parameter
/// Problem.
///
/// Non-blocking. As long as it lives, generic and large receive offload of the interface are off: the kernel would merge
/// the TCP segments of a tunnel into one packet that is longer than any link takes.
#[derive(Debug)]
pub struct PacketSocket {
    heard: Heard,
    _offloads: ReceiveOffloadsOff,
}

impl PacketSocket {
    /// Listen at `interface`.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses a step; CAP_NET_RAW is needed.
    pub fn open(interface: &str) -> Result<Self, SetupError> {
        let interface = Interface::find(interface)?;
        let heard = Heard::open(interface, &filter::TUNNEL_AND_MOBILITY, |_| Ok(()))?;
        let name = heard.interface.name.as_str();
        Ok(Self {
            _offloads: ReceiveOffloadsOff::new(name).context(name, "open a control socket")?,
            heard,
        })
    }

    /// The interface, as it was when the socket was opened.
    pub fn interface(&self) -> &Interface {
        &self.heard.interface
    }

    /// Receive one packet, from its IPv6 header on; the answer is its length in octets, link padding included. Packets that
    /// are longer than `packet`, or that were merged, are passed over.
    ///
    /// # Errors
    /// `WouldBlock`: none waits. `NetworkDown`, once each time that the interface goes down; the socket goes on when it comes
    /// up again, but not when it was removed.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<usize> {
        self.heard.recv(packet).map(|(octets, _)| octets)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.socket.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.heard.socket.as_raw_fd()
    }
}
