//! What every packet socket here needs of the socket API beyond what `nix` has

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// A packet socket that receives nothing until it is bound: it has no protocol yet.
pub(crate) fn open_packet(kind: SockType) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Packet, kind, flags, None).map_err(io::Error::from)
}

/// Bind a packet socket to an interface and to `protocol`, an Ethertype in host order; zero is for sending only.
pub(crate) fn bind_packet(socket: BorrowedFd<'_>, index: u32, protocol: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the pointer is to a `sockaddr_ll` that outlives the call, and the length is its size.
    let answer = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    Errno::result(answer)?;
    Ok(())
}

/// A type whose octets the kernel may read or write as the value of a socket option.
///
/// # Safety
/// Every bit pattern is a value and there is no padding.
pub(crate) unsafe trait OptionValue: Copy {}
// SAFETY: an integer.
unsafe impl OptionValue for libc::c_int {}
// SAFETY: four integers of 32 bits.
unsafe impl OptionValue for libc::tpacket_req {}
// SAFETY: two integers of 16 bits and one of 32.
unsafe impl OptionValue for libc::fanout_args {}
// SAFETY: two integers of 32 bits.
unsafe impl OptionValue for libc::tpacket_stats {}
// SAFETY: an integer of 32 bits, two of 16 and eight octets.
unsafe impl OptionValue for libc::packet_mreq {}

/// Set an option of level `SOL_PACKET`.
pub(crate) fn set_packet_option<T: OptionValue>(
    socket: BorrowedFd<'_>,
    name: libc::c_int,
    value: T,
) -> io::Result<()> {
    // SAFETY: the pointer is to a `T` that outlives the call, the length is its size, and `OptionValue` has no padding.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            (&raw const value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    Errno::result(answer)?;
    Ok(())
}

/// Have an interface take in frames to all groups, as long as the socket lives.
pub(crate) fn receive_all_groups(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index.cast_signed(),
        mr_type: libc::PACKET_MR_ALLMULTI as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, request)
}

/// Read an option of level `SOL_PACKET` over `value`.
pub(crate) fn packet_option<T: OptionValue>(
    socket: BorrowedFd<'_>,
    name: libc::c_int,
    mut value: T,
) -> io::Result<T> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets to a `T`, of which every bit pattern is a value.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    Errno::result(answer)?;
    Ok(value)
}

/// Have the kernel run a classic BPF program on each packet; it keeps as many octets as the program returns.
pub(crate) fn attach_filter(
    socket: BorrowedFd<'_>,
    program: &[libc::sock_filter],
) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from(Errno::EINVAL))?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies `len` instructions from `filter`, which is the slice of that length, and does not write.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    Errno::result(answer)?;
    Ok(())
}
