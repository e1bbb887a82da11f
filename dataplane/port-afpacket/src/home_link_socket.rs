//! What a home agent hears and says on a home link

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use dhp_wire::ethernet::MacAddr;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::heard::Heard;
use crate::interface::Interface;
use crate::socket::receive_all_groups;
use crate::vnet_header::VNET_HEADER_LEN;

/// Receives a copy of each Router Advertisement, Neighbor Solicitation, Neighbor Advertisement, packet with a Mobility Header
/// or Destination Options, and packet to a link-local address that arrives at one Ethernet interface, and sends frames there.
///
/// Non-blocking. As long as it lives, the interface takes in all multicast: the solicited-node groups of all addresses that
/// are answered for. What is sent from this host is not heard.
#[derive(Debug)]
pub struct HomeLinkSocket(Heard);

/// A packet from a home link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardPacket {
    /// Whose interface has sent the frame.
    pub from: MacAddr,
    /// Octets of the IPv6 packet, link padding included.
    pub octets: usize,
}

impl HomeLinkSocket {
    /// Listen and speak at `interface`.
    ///
    /// # Errors
    /// There is no such interface, it is no Ethernet, or the kernel refuses a step; CAP_NET_RAW is needed.
    pub fn open(interface: &str) -> Result<Self, SetupError> {
        let interface = Interface::find(interface)?;
        let name = interface.name.as_str();
        if interface.hardware != libc::ARPHRD_ETHER {
            return Err(io::Error::from(Errno::EAFNOSUPPORT)).context(name, "use as an Ethernet");
        }
        let heard = Heard::open(
            interface.clone(),
            &filter::NEIGHBORS_AND_MOBILITY,
            |socket| {
                receive_all_groups(socket.as_fd(), interface.index)
                    .context(name, "take in all multicast")
            },
        )?;
        Ok(Self(heard))
    }

    /// The interface, as it was when the socket was opened.
    pub fn interface(&self) -> &Interface {
        &self.0.interface
    }

    /// Receive one packet, from its IPv6 header on. What is longer than `packet` is passed over.
    ///
    /// # Errors
    /// `WouldBlock`: none waits. `NetworkDown`, once each time that the interface goes down; the socket goes on when it comes
    /// up again, but not when it was removed.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<HeardPacket> {
        let (octets, header) = self.0.recv(packet)?;
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = header;
        let from = MacAddr([a, b, c, d, e, f]);
        Ok(HeardPacket { from, octets })
    }

    /// Send one frame, link header included.
    ///
    /// # Errors
    /// `WouldBlock`: the socket's buffer is full. `NetworkDown`: so is the link. EMSGSIZE: longer than its MTU.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // No offload is asked for.
        let with_header = [&[0; VNET_HEADER_LEN], frame].concat();
        loop {
            match send(
                self.0.socket.as_raw_fd(),
                &with_header,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for HomeLinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

impl AsRawFd for HomeLinkSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.socket.as_raw_fd()
    }
}
