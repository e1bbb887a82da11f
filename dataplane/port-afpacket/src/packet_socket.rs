//! What a host needs to see of the tunnels and the signalling that arrive at an interface

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockType, recvmsg};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::interface::Interface;
use crate::offload::ReceiveOffloadsOff;
use crate::socket::{attach_filter, bind_packet, open_packet, set_packet_option};
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// Receives a copy of each IPv6 packet that arrives at one interface and has tunnelled IPv6 (41), a routing header (43),
/// destination options (60) or mobility (135) as its first next header.
///
/// Non-blocking. As long as it lives, generic and large receive offload of the interface are off: the kernel would merge
/// the TCP segments of a tunnel into one packet that is longer than any link takes.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    interface: Interface,
    _offloads: ReceiveOffloadsOff,
}

impl PacketSocket {
    /// Listen at `interface`.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses a step; CAP_NET_RAW is needed.
    pub fn open(interface: &str) -> Result<Self, SetupError> {
        let interface = Interface::find(interface)?;
        let name = interface.name.as_str();
        let socket = open_packet(SockType::Raw).context(name, "open a packet socket")?;
        let fd = socket.as_fd();
        set_packet_option(fd, libc::PACKET_IGNORE_OUTGOING, 1).context(
            name,
            "ignore outgoing packets (PACKET_IGNORE_OUTGOING, Linux 4.20)",
        )?;
        set_packet_option(fd, libc::PACKET_VNET_HDR, 1).context(name, "ask for PACKET_VNET_HDR")?;
        attach_filter(fd, &filter::TUNNEL_AND_MOBILITY).context(name, "attach a packet filter")?;
        bind_packet(fd, interface.index, libc::ETH_P_ALL as u16)
            .context(name, "bind a packet socket")?;
        Ok(Self {
            socket,
            _offloads: ReceiveOffloadsOff::new(name).context(name, "open a control socket")?,
            interface,
        })
    }

    /// The interface, as it was when the socket was opened.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Receive one packet, from its IPv6 header on; the answer is its length in octets, link padding included. Packets that
    /// are longer than `packet`, or that were merged, are passed over.
    ///
    /// # Errors
    /// `WouldBlock`: none waits. `NetworkDown`, once each time that the interface goes down; the socket goes on when it comes
    /// up again, but not when it was removed.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut header = [0; VNET_HEADER_LEN];
            let mut link_header = [0; ETHERNET_LEN];
            let link_octets = self.interface.link_header_octets();
            let mut pieces = [
                IoSliceMut::new(&mut header),
                IoSliceMut::new(link_header.get_mut(..link_octets).unwrap_or_default()),
                IoSliceMut::new(packet),
            ];
            let received = recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut pieces,
                None,
                MsgFlags::MSG_DONTWAIT,
            );
            let (octets, cut) = match received {
                Ok(message) => (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC)),
                // EINVAL: merged in a way that the header cannot say; the kernel has thrown it away.
                Err(Errno::EINTR | Errno::EINVAL) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(length) = octets.checked_sub(VNET_HEADER_LEN + link_octets) else {
                continue;
            };
            let vnet = VnetHeader::read(&header).without_link_header(link_octets);
            let Some(whole) = packet.get_mut(..length) else {
                continue;
            };
            if cut || vnet.is_super_frame() || vnet.complete_checksum(whole).is_err() {
                continue;
            }
            return Ok(length);
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
