//! A host that answers echo requests (RFC 4443 §4) late

use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, bind, recvfrom, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::support::namespaces::Namespace;

/// Answers on a thread of its own, until it is stopped or the test ends.
pub struct LateHost {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LateHost {
    pub fn start(namespace: &Namespace, address: Ipv6Addr, delay: Duration) -> Self {
        let socket = namespace.within(|| {
            let (family, flags) = (AddressFamily::Inet6, SockFlag::SOCK_CLOEXEC);
            socket(family, SockType::Raw, flags, SockProtocol::IcmpV6).expect("root may")
        });
        let own = SockaddrIn6::from(SocketAddrV6::new(address, 0, 0, 0));
        bind(socket.as_raw_fd(), &own).expect("its address");
        // Between two looks at whether it is to stop.
        let look = TimeVal::milliseconds(50);
        setsockopt(&socket, sockopt::ReceiveTimeout, &look).expect("a timeout");
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Acquire) {
                answer(&socket, delay);
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }

    /// Not one answer leaves after this.
    pub fn stop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it did not panic");
        }
    }
}

impl Drop for LateHost {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Takes what comes next, if anything does, and answers if it is an echo request.
fn answer(socket: &OwnedFd, delay: Duration) {
    let mut message = [0; 1500];
    let Ok((octets, Some(from))) = recvfrom::<SockaddrIn6>(socket.as_raw_fd(), &mut message) else {
        return;
    };
    if message[0] != 128 {
        return;
    }
    // Each answer is late by this, which is what is measured.
    std::thread::sleep(delay);
    message[0] = 129;
    let sent = sendto(
        socket.as_raw_fd(),
        &message[..octets],
        &from,
        MsgFlags::empty(),
    );
    sent.expect("sent");
}
