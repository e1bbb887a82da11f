//! What the tests of a running `dhpd` share: network namespaces, the daemon, packets of their ends
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod daemon;
pub mod echo;
pub mod namespaces;
pub mod ping;
pub mod station;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything takes here, on a busy machine too: only a failure takes as long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether network namespaces can be made. Says so, if not.
pub fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("not root: network namespaces cannot be made, nothing was tested");
    }
    is_root
}

/// Look again and again until there is an answer: what kernels do takes its time.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: waited in vain");
        std::thread::yield_now();
    }
}

/// The same until it is so.
pub fn until_so(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, || is_so().then_some(()));
}

/// Ends what goes on until then in other threads, also where the test fails.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
