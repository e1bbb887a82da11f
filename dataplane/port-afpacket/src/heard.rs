//! Copies of what arrives at an interface, for the sockets that read one packet at a time

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use libc::sock_filter;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockType, recvmsg};

use crate::error::{Context, SetupError};
use crate::interface::Interface;
use crate::socket::{attach_filter, bind_packet, open_packet, set_packet_option};
use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

/// A non-blocking packet socket that hears what a filter lets pass, and not what this host sends.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) socket: OwnedFd,
    pub(crate) interface: Interface,
}

impl Heard {
    /// Hear at `interface` what `filter` lets pass. `prepare` is called before anything can arrive.
    pub(crate) fn open(
        interface: Interface,
        filter: &[sock_filter],
        prepare: impl FnOnce(&OwnedFd) -> Result<(), SetupError>,
    ) -> Result<Self, SetupError> {
        let name = interface.name.as_str();
        let socket = open_packet(SockType::Raw).context(name, "open a packet socket")?;
        let fd = socket.as_fd();
        set_packet_option(fd, libc::PACKET_IGNORE_OUTGOING, 1).context(
            name,
            "ignore outgoing packets (PACKET_IGNORE_OUTGOING, Linux 4.20)",
        )?;
        // A veth's peer leaves the checksum of what its own kernel sends to be completed.
        set_packet_option(fd, libc::PACKET_VNET_HDR, 1).context(name, "ask for PACKET_VNET_HDR")?;
        attach_filter(fd, filter).context(name, "attach a packet filter")?;
        prepare(&socket)?;
        bind_packet(fd, interface.index, libc::ETH_P_ALL as u16)
            .context(name, "bind a packet socket")?;
        Ok(Self { socket, interface })
    }

    /// Receive one packet, from its IPv6 header on: its length in octets, link padding included, and the link header that stood
    /// before it, zero where the link has none. What is longer than `packet`, or was merged, is passed over.
    ///
    /// # Errors
    /// `WouldBlock`: none waits. `NetworkDown`, once each time that the interface goes down.
    pub(crate) fn recv(&self, packet: &mut [u8]) -> io::Result<(usize, [u8; ETHERNET_LEN])> {
        let link_octets = self.interface.link_header_octets();
        loop {
            let mut vnet = [0; VNET_HEADER_LEN];
            let mut link = [0; ETHERNET_LEN];
            let mut pieces = [
                IoSliceMut::new(&mut vnet),
                IoSliceMut::new(link.get_mut(..link_octets).unwrap_or_default()),
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
            let Some(whole) = packet.get_mut(..length).filter(|_| !cut) else {
                continue;
            };
            let vnet = VnetHeader::read(&vnet).without_link_header(link_octets);
            if vnet.is_super_frame() || vnet.complete_checksum(whole).is_err() {
                continue;
            }
            return Ok((length, link));
        }
    }
}
