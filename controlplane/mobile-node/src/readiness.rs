//! Sockets that tokio waits for.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::unix::AsyncFd;

/// Registers a non-blocking socket with the runtime.
///
/// # Errors
/// The kernel cannot watch it.
#[expect(
    deprecated,
    reason = "its replacement is an unsafe function; what has AsFd keeps one descriptor open while it lives, as that demands"
)]
pub fn watch<T: AsFd + AsRawFd>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(socket)
}
