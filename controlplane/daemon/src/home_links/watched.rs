//! The addresses of a link that the protocol engine wants to hear about

use std::collections::{HashMap, HashSet};
use std::net::Ipv6Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer to a probe is waited for: the engine's RETRANS_TIMER of one second, and as much again.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Shared by the control thread, which says what is wanted, and the listener, which passes over the rest: a link may be full
/// of solicitations for others.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<Addresses>);

#[derive(Debug, Default)]
struct Addresses {
    proxied: HashSet<Ipv6Addr>,
    /// Those that were asked for, and until when that matters.
    probed: HashMap<Ipv6Addr, Instant>,
}

impl Watched {
    /// Somebody may claim this address now.
    pub(super) fn probe(&self, target: Ipv6Addr) {
        let now = Instant::now();
        let mut addresses = self.lock();
        addresses.probed.retain(|_, until| *until > now);
        addresses.probed.insert(target, now + PROBE_PATIENCE);
    }

    /// This address is answered for.
    pub(super) fn start_proxy(&self, address: Ipv6Addr) {
        self.lock().proxied.insert(address);
    }

    /// It no longer is.
    pub(super) fn stop_proxy(&self, address: &Ipv6Addr) {
        self.lock().proxied.remove(address);
    }

    /// Whether it is.
    pub(super) fn is_proxied(&self, address: &Ipv6Addr) -> bool {
        self.lock().proxied.contains(address)
    }

    /// Whether what is said about this address matters.
    pub(super) fn concerns(&self, target: &Ipv6Addr) -> bool {
        let addresses = self.lock();
        addresses.proxied.contains(target) || addresses.probed.contains_key(target)
    }

    fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
