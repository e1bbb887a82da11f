//! The raw socket that Router Solicitations and Neighbor Advertisements leave by and Router Advertisements come in.

use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::neighbor_discovery::{self, ALL_NODES, ALL_ROUTERS, Received};
use crate::readiness::watch;

/// "Hop Limit 255" (RFC 4861 §4.1).
const HOP_LIMIT: i32 = 255;
/// The longest message that is looked at; advertisements are shorter than the smallest MTU.
const LONGEST: usize = 2048;

/// A raw ICMPv6 socket; the kernel makes and checks the checksums.
#[derive(Debug)]
pub struct IcmpSocket {
    socket: AsyncFd<OwnedFd>,
}

impl IcmpSocket {
    /// Opens it, in the network namespace of this thread.
    ///
    /// # Errors
    /// CAP_NET_RAW is missing.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            flags,
            SockProtocol::IcmpV6,
        )?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        setsockopt(&socket, sockopt::Ipv6MulticastHops, &HOP_LIMIT)?;
        Ok(Self {
            socket: watch(socket)?,
        })
    }

    /// Asks for routers at an interface.
    ///
    /// # Errors
    /// What the kernel says, such as that the interface is down.
    pub fn solicit(&self, index: u32, link_layer_address: Option<[u8; 6]>) -> io::Result<()> {
        let message = neighbor_discovery::router_solicitation(link_layer_address);
        self.send(index, ALL_ROUTERS, &message)
    }

    /// Tells all nodes on the link of an interface that an address is this node's.
    ///
    /// # Errors
    /// What the kernel says, such as that the interface is down.
    pub fn advertise(
        &self,
        index: u32,
        target: Ipv6Addr,
        link_layer_address: [u8; 6],
    ) -> io::Result<()> {
        let message = neighbor_discovery::neighbor_advertisement(target, link_layer_address);
        self.send(index, ALL_NODES, &message)
    }

    fn send(&self, index: u32, to: Ipv6Addr, message: &[u8]) -> io::Result<()> {
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, index));
        sendto(
            self.socket.as_raw_fd(),
            message,
            &to,
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(())
    }

    /// The next message that matters, with the interface that it came in by.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn recv(&self) -> io::Result<(u32, Received)> {
        loop {
            let received = self.socket.async_io(Interest::READABLE, receive).await?;
            if let Some(received) = received {
                return Ok(received);
            }
        }
    }
}

fn receive(socket: &OwnedFd) -> io::Result<Option<(u32, Received)>> {
    let mut message = [0; LONGEST];
    let mut control = nix::cmsg_space!(i32);
    let mut pieces = [IoSliceMut::new(&mut message)];
    let received = recvmsg::<SockaddrIn6>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let hop_limit = received.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
        _ => None,
    });
    let (Some(source), Some(hop_limit)) = (received.address, hop_limit) else {
        return Ok(None);
    };
    let length = received.bytes;
    let read = message
        .get(..length)
        .and_then(|message| neighbor_discovery::read(message, source.ip(), hop_limit));
    Ok(read.map(|read| (source.scope_id(), read)))
}
