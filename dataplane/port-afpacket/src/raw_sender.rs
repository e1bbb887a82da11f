//! Sending whole IPv6 packets through the host's routing

use std::ffi::OsString;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt,
    socket, sockopt,
};

use crate::error::{Context, SetupError};

/// Where the destination is in an IPv6 header (RFC 8200 §3).
const DESTINATION: std::ops::Range<usize> = 24..40;

/// Sends packets that bring their own IPv6 header. The kernel routes by the destination, resolves the neighbour, and
/// changes nothing.
#[derive(Debug)]
pub struct RawIpv6Sender {
    socket: OwnedFd,
}

impl RawIpv6Sender {
    /// With an `interface`, packets leave there and only there, by the routes that have it.
    ///
    /// # Errors
    /// There is no such interface, or CAP_NET_RAW is missing.
    pub fn open(interface: Option<&str>) -> Result<Self, SetupError> {
        let subject = interface.unwrap_or("any interface");
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // raw(7): IPPROTO_RAW implies that the header is included.
        let socket = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            flags,
            SockProtocol::Raw,
        )
        .context(subject, "open a raw IPv6 socket")?;
        if let Some(name) = interface {
            setsockopt(&socket, sockopt::BindToDevice, &OsString::from(name))
                .context(name, "bind to the interface")?;
        }
        Ok(Self { socket })
    }

    /// Send one IPv6 packet.
    ///
    /// # Errors
    /// `InvalidInput`: shorter than an IPv6 header. `WouldBlock`: the socket's buffer is full. Else what routing says, such as
    /// `NetworkUnreachable`, or EMSGSIZE for a packet longer than the MTU of the link.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let destination = packet
            .get(DESTINATION)
            .and_then(<[u8]>::first_chunk::<16>)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let destination = SocketAddrV6::new(Ipv6Addr::from(*destination), 0, 0, 0);
        loop {
            let sent = sendto(
                self.socket.as_raw_fd(),
                packet,
                &SockaddrIn6::from(destination),
                MsgFlags::MSG_DONTWAIT,
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for RawIpv6Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for RawIpv6Sender {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
