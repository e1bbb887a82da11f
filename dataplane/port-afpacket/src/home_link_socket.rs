//! What a home agent hears and says on a home link

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use dhp_wire::ethernet::{HEADER_LEN as ETHERNET_LEN, MacAddr};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockType, recvmsg, send};

use crate::error::{Context, SetupError};
use crate::filter;
use crate::interface::Interface;
use crate::socket::{
    attach_filter, bind_packet, open_packet, receive_all_groups, set_packet_option,
};
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// Receives a copy of each Router Advertisement, Neighbor Solicitation, Neighbor Advertisement, packet with a Mobility Header
/// or Destination Options, and packet to a link-local address that arrives at one Ethernet interface, and sends frames there.
///
/// Non-blocking. As long as it lives, the interface takes in all multicast: the solicited-node groups of all addresses that
/// are answered for. What is sent from this host is not heard.
#[derive(Debug)]
pub struct HomeLinkSocket {
    socket: OwnedFd,
    interface: Interface,
}

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
        let socket = open_packet(SockType::Raw).context(name, "open a packet socket")?;
        let fd = socket.as_fd();
        set_packet_option(fd, libc::PACKET_IGNORE_OUTGOING, 1).context(
            name,
            "ignore outgoing packets (PACKET_IGNORE_OUTGOING, Linux 4.20)",
        )?;
        // A veth's peer leaves the checksum of what its own kernel sends to be completed.
        set_packet_option(fd, libc::PACKET_VNET_HDR, 1).context(name, "ask for PACKET_VNET_HDR")?;
        attach_filter(fd, &filter::NEIGHBORS_AND_MOBILITY)
            .context(name, "attach a packet filter")?;
        receive_all_groups(fd, interface.index).context(name, "take in all multicast")?;
        bind_packet(fd, interface.index, libc::ETH_P_ALL as u16)
            .context(name, "bind a packet socket")?;
        Ok(Self { socket, interface })
    }

    /// The interface, as it was when the socket was opened.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Receive one packet, from its IPv6 header on. What is longer than `packet` is passed over.
    ///
    /// # Errors
    /// `WouldBlock`: none waits. `NetworkDown`, once each time that the interface goes down; the socket goes on when it comes
    /// up again, but not when it was removed.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<HeardPacket> {
        loop {
            let mut vnet = [0; VNET_HEADER_LEN];
            let mut header = [0; ETHERNET_LEN];
            let mut pieces = [
                IoSliceMut::new(&mut vnet),
                IoSliceMut::new(&mut header),
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
            let Some(octets) = octets.checked_sub(VNET_HEADER_LEN + ETHERNET_LEN) else {
                continue;
            };
            let Some(whole) = packet.get_mut(..octets).filter(|_| !cut) else {
                continue;
            };
            let vnet = VnetHeader::read(&vnet).without_link_header(ETHERNET_LEN);
            if vnet.is_super_frame() || vnet.complete_checksum(whole).is_err() {
                continue;
            }
            let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = header;
            let from = MacAddr([a, b, c, d, e, f]);
            return Ok(HeardPacket { from, octets });
        }
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
                self.socket.as_raw_fd(),
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
        self.socket.as_fd()
    }
}

impl AsRawFd for HomeLinkSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
