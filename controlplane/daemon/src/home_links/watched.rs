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
        let until = Instant::now() + PROBE_PATIENCE;
        self.lock().probed.insert(target, until);
    }

    /// Takes out the addresses whose probes are over, and came to nothing.
    pub(super) fn take_probed(&self) -> Vec<Ipv6Addr> {
        let now = Instant::now();
        let mut addresses = self.lock();
        let over = addresses.probed.extract_if(|_, until| *until <= now);
        over.map(|(target, _)| target).collect()
    }

    /// This address is answered for.
    pub(super) fn start_proxy(&self, address: Ipv6Addr) {
        let mut addresses = self.lock();
        addresses.probed.remove(&address);
        addresses.proxied.insert(address);
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

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 1, 0, 0, 0, 1);

    #[test]
    fn what_is_probed_concerns_but_is_not_answered_for() {
        let watched = Watched::default();
        assert!(!watched.concerns(&ADDRESS));
        watched.probe(ADDRESS);
        assert!(watched.concerns(&ADDRESS) && !watched.is_proxied(&ADDRESS));
        // The probe is still waited for.
        assert_eq!(watched.take_probed(), [Ipv6Addr::UNSPECIFIED; 0]);
    }

    #[test]
    fn a_proxy_ends_the_probe_and_ends_itself() {
        let watched = Watched::default();
        watched.probe(ADDRESS);
        watched.start_proxy(ADDRESS);
        assert!(watched.concerns(&ADDRESS) && watched.is_proxied(&ADDRESS));
        watched.stop_proxy(&ADDRESS);
        assert!(!watched.concerns(&ADDRESS) && !watched.is_proxied(&ADDRESS));
    }
}
