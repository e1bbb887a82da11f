//! Sending many frames with one system call
//!
//! `sendmmsg` and not a transmit ring: over veth a ring's zero-copy pages are copied again on the way to the receiver, and
//! it came out slower (0.6 against 0.8–0.9 Mpps of 128-octet frames).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use dhp_engine::{FlushReport, PacketBuf};
use nix::errno::Errno;
use nix::sys::socket::{SockType, setsockopt, sockopt};

use crate::error::{Context, SetupError};
use crate::interface::Interface;
use crate::socket::{bind_packet, open_packet, set_packet_option};

/// Frames for one system call.
const CHUNK: usize = 64;
/// Room in the kernel for frames on their way out, in octets.
const SOCKET_BUFFER_OCTETS: usize = 8 << 20;

/// Sends frames at one interface, past its queueing discipline.
#[derive(Debug)]
pub struct FrameSender {
    socket: OwnedFd,
}

impl FrameSender {
    /// A sender at `interface` of the network namespace of the calling thread.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses a step; CAP_NET_RAW is needed.
    pub fn open(interface: &str) -> Result<Self, SetupError> {
        Self::at(&Interface::find(interface)?)
    }

    pub(crate) fn at(interface: &Interface) -> Result<Self, SetupError> {
        let name = interface.name.as_str();
        let socket = open_packet(SockType::Raw).context(name, "open a packet socket")?;
        set_packet_option(socket.as_fd(), libc::PACKET_QDISC_BYPASS, 1).context(
            name,
            "send past the queueing discipline (PACKET_QDISC_BYPASS)",
        )?;
        // As much as the host allows.
        let _ = setsockopt(&socket, sockopt::SndBuf, &SOCKET_BUFFER_OCTETS);
        bind_packet(socket.as_fd(), interface.index, 0).context(name, "bind a packet socket")?;
        Ok(Self { socket })
    }

    /// Send `frames`, link header included, in order. One that the kernel refuses is counted as failed, and the ones behind
    /// it are still sent. Never blocks.
    pub fn send<B: PacketBuf>(&self, frames: &[B]) -> FlushReport {
        let mut report = FlushReport::default();
        for chunk in frames.chunks(CHUNK) {
            send_chunk(self.socket.as_fd(), chunk, &mut report);
        }
        report
    }
}

fn send_chunk<B: PacketBuf>(socket: BorrowedFd<'_>, frames: &[B], report: &mut FlushReport) {
    const EMPTY: libc::iovec = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    let mut pieces = [EMPTY; CHUNK];
    // SAFETY: `mmsghdr` is integers and pointers, for all of which zero is a value.
    let mut messages: [libc::mmsghdr; CHUNK] = unsafe { std::mem::zeroed() };
    for ((frame, piece), message) in frames.iter().zip(&mut pieces).zip(&mut messages) {
        let octets = frame.bytes();
        piece.iov_base = octets.as_ptr().cast_mut().cast();
        piece.iov_len = octets.len();
        message.msg_hdr.msg_iov = piece;
        message.msg_hdr.msg_iovlen = 1;
    }
    let mut rest = frames.len().min(CHUNK);
    while let Some(first) = messages.get_mut(frames.len().min(CHUNK) - rest..)
        && rest > 0
    {
        // SAFETY: `first` starts `rest` messages, each with one piece, which is a frame that `frames` borrows for longer than
        // the call; the kernel only reads the pieces of messages to be sent, and writes to nothing but `msg_len`.
        let answer = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                first.as_mut_ptr(),
                rest as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        let done = match Errno::result(answer) {
            Ok(sent @ 1..) => {
                let sent = usize::try_from(sent).unwrap_or(0).min(rest);
                report.sent += sent as u64;
                report.bytes += first
                    .iter()
                    .take(sent)
                    .map(|message| u64::from(message.msg_len))
                    .sum::<u64>();
                sent
            }
            Err(Errno::EINTR) => 0,
            // The answer is about the first frame alone: the link's queue is full, the link is down, the frame too long.
            Ok(_) | Err(_) => {
                report.failed += 1;
                1
            }
        };
        rest -= done;
    }
}
