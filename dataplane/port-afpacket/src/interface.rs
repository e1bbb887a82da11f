//! A network interface, as the kernel describes it

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use dhp_wire::ethernet::HEADER_LEN;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::{Context, SetupError};

/// The step in which an interface that is not there is missed.
pub(crate) const FIND_INTERFACE: &str = "find the interface";

/// An interface of the network namespace of the calling thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name when it was looked up.
    pub name: String,
    /// Its index, which a change of the name does not change.
    pub index: u32,
    /// Its hardware address; zero where it has none.
    pub mac: [u8; 6],
    /// The largest IP packet it carries, in octets.
    pub mtu: u16,
    /// What kind of link it is: one of `ARPHRD_…`.
    pub hardware: u16,
}

impl Interface {
    /// Look an interface up by its name.
    ///
    /// # Errors
    /// There is none of that name, or the kernel does not tell its MTU or hardware address.
    pub fn find(name: &str) -> Result<Self, SetupError> {
        let index = nix::net::if_::if_nametoindex(name).context(name, FIND_INTERFACE)?;
        let channel = control_channel().context(name, "open a control socket")?;
        let mut request = request_for(name).context(name, "use the name")?;
        // SAFETY: SIOCGIFMTU reads the name and writes `ifru_mtu` of the `ifreq` that the pointer is to.
        let answer =
            unsafe { libc::ioctl(channel.as_raw_fd(), libc::SIOCGIFMTU as _, &raw mut request) };
        nix::errno::Errno::result(answer).context(name, "read the MTU")?;
        // SAFETY: after SIOCGIFMTU the union holds an integer.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };

        let mut request = request_for(name).context(name, "use the name")?;
        // SAFETY: SIOCGIFHWADDR reads the name and writes `ifru_hwaddr` of the `ifreq` that the pointer is to.
        let answer = unsafe {
            libc::ioctl(
                channel.as_raw_fd(),
                libc::SIOCGIFHWADDR as _,
                &raw mut request,
            )
        };
        nix::errno::Errno::result(answer).context(name, "read the hardware address")?;
        // SAFETY: after SIOCGIFHWADDR the union holds a `sockaddr`.
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        let mut mac = [0; 6];
        if address.sa_family == libc::ARPHRD_ETHER {
            for (octet, data) in mac.iter_mut().zip(address.sa_data) {
                *octet = data.cast_unsigned();
            }
        }
        Ok(Self {
            name: name.to_owned(),
            index,
            mac,
            // Loopback has 65,536, beyond what an IPv6 packet without jumbo payload option can be.
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            hardware: address.sa_family,
        })
    }

    /// Octets of the link header before each packet: Ethernet's, or nothing as with point-to-point links.
    pub(crate) fn link_header_octets(&self) -> usize {
        match self.hardware {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => HEADER_LEN,
            _ => 0,
        }
    }
}

/// A socket for `ioctl`; its interfaces are those of the namespace in which it was made.
pub(crate) fn control_channel() -> io::Result<OwnedFd> {
    socket(
        AddressFamily::Inet6,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(io::Error::from)
}

pub(crate) fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: `ifreq` is integers and a union of integers and pointers, for all of which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last octet stays zero: the kernel wants the name terminated.
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (place, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = octet.cast_signed() as libc::c_char;
    }
    Ok(request)
}
