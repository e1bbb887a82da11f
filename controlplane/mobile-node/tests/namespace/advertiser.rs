//! A router that advertises a prefix to whoever solicits it.

use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use dhp_port_afpacket::Interface;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendmsg,
    setsockopt, socket, sockopt,
};

pub struct Advertiser {
    icmp: OwnedFd,
    index: u32,
    mac: [u8; 6],
}

impl Advertiser {
    /// At an interface of this thread's namespace.
    pub fn new(interface: &Interface) -> Self {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let icmp = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            flags,
            SockProtocol::IcmpV6,
        )
        .expect("a raw socket");
        setsockopt(&icmp, sockopt::Ipv6MulticastHops, &255).expect("a hop limit");
        Self {
            icmp,
            index: interface.index,
            mac: interface.mac,
        }
    }

    /// Answers the solicitations that have come.
    pub fn answer(&self, prefix: Option<Ipv6Addr>) {
        let mut buffer = [0; 4096];
        while let Ok(length) = recv(self.icmp.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            if let (Some(&133), Some(prefix)) = (buffer[..length].first(), prefix) {
                self.advertise(prefix);
            }
        }
    }

    fn advertise(&self, prefix: Ipv6Addr) {
        let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([
            3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
        ]);
        message.extend(prefix.octets());
        message.extend([1, 1]);
        message.extend(self.mac);
        let everyone = "ff02::1".parse().expect("an address");
        let to = SockaddrIn6::from(SocketAddrV6::new(everyone, 0, 0, self.index));
        let pieces = [IoSlice::new(&message)];
        let _ = sendmsg(
            self.icmp.as_raw_fd(),
            &pieces,
            &[],
            MsgFlags::empty(),
            Some(&to),
        );
    }
}

impl AsFd for Advertiser {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.icmp.as_fd()
    }
}
