//! What is known of one correspondent, for one home address: an entry of the Binding Update List (RFC 6275 §11.1).

use core::net::Ipv6Addr;

use dhp_wire::codepoints::constants::MAX_RO_FAILURE;

use super::ProxyReason;
use super::token_test::TokenTest;
use super::update::Update;
use crate::time::NANOS_PER_SECOND;

/// After a failure the next attempt waits so long, after each further one twice as long as before.
const FIRST_RETRY_NS: u64 = 30 * NANOS_PER_SECOND;
/// And at most so many times that.
const MAX_DOUBLINGS: u32 = 5;
/// Answers that make us begin again at once before only the retry timer does: a correspondent that always forgets, or a forger,
/// cannot make us send without end.
const MAX_RESTARTS: u32 = MAX_RO_FAILURE;

/// A binding that the correspondent has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RouteBinding {
    pub(super) care_of: Ipv6Addr,
    pub(super) expires_ns: u64,
    /// When to ask for a new lifetime.
    pub(super) refresh_ns: u64,
}

/// A home address and a correspondent.
#[derive(Debug)]
pub(super) struct Route {
    /// When somebody last asked for it; `None`: it is to be proxied again.
    pub(super) wanted_ns: Option<u64>,
    /// The care-of address that all below is about.
    pub(super) care_of: Option<Ipv6Addr>,
    pub(super) home_test: TokenTest,
    pub(super) care_of_test: TokenTest,
    pub(super) update: Option<Update>,
    pub(super) binding: Option<RouteBinding>,
    /// Until when the correspondent may have a binding, confirmed or not.
    pub(super) told_until_ns: Option<u64>,
    /// Whether the correspondent has ever answered.
    pub(super) is_capable: bool,
    /// The Sequence # of the last update.
    pub(super) sequence: u16,
    /// Before that nothing is tried.
    pub(super) retry_ns: u64,
    /// When something is due next.
    pub(super) due_ns: Option<u64>,
    /// The mode that was confirmed last; a movement does not change it.
    pub(super) is_optimized: bool,
    /// Why it is proxied, as it was told last.
    pub(super) proxied: Option<ProxyReason>,
    failures: u32,
    restarts: u32,
}

impl Route {
    /// A route that nothing was done for. `sequence`: RFC 6275 §11.7.2: "If the sending mobile node has no Binding Update List
    /// entry, the Sequence Number SHOULD start at a random value."
    pub(super) fn new(sequence: u16, retry_ns: u64) -> Self {
        Self {
            wanted_ns: None,
            care_of: None,
            home_test: TokenTest::default(),
            care_of_test: TokenTest::default(),
            update: None,
            binding: None,
            told_until_ns: None,
            is_capable: false,
            sequence,
            retry_ns,
            due_ns: None,
            is_optimized: false,
            proxied: None,
            failures: 0,
            restarts: 0,
        }
    }

    /// Goes on from another care-of address, or without any. A new network is a new attempt, unless the correspondent itself is
    /// the reason why there was none.
    pub(super) fn moved(&mut self, care_of: Option<Ipv6Addr>, retry_ns: u64) {
        self.care_of = care_of;
        self.care_of_test = TokenTest::default();
        self.home_test.stop();
        self.update = None;
        self.binding = None;
        self.failures = 0;
        self.restarts = 0;
        self.retry_ns = retry_ns;
    }

    /// Stops what is under way.
    pub(super) fn stop(&mut self) {
        self.home_test.stop();
        self.care_of_test.stop();
        self.update = None;
    }

    /// An attempt has failed: gives the time to the next one.
    pub(super) fn fail(&mut self, now_ns: u64) {
        self.stop();
        let doublings = self.failures.min(MAX_DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        self.restarts = 0;
        self.retry_ns = now_ns.saturating_add(FIRST_RETRY_NS << doublings);
    }

    /// Begins again because of an answer. False if that has happened too often.
    pub(super) fn restart(&mut self) -> bool {
        self.update = None;
        self.restarts = self.restarts.saturating_add(1);
        self.restarts <= MAX_RESTARTS
    }

    /// A binding was refreshed: the correspondent neither forgets nor refuses.
    pub(super) fn is_steady(&mut self) {
        self.failures = 0;
        self.restarts = 0;
    }

    /// Whether an answer of the correspondent is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.update.is_some() || self.home_test.is_asking() || self.care_of_test.is_asking()
    }

    /// The next Sequence #, "greater than the Sequence Number value sent in the previous Binding Update".
    pub(super) fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer() {
        let mut route = Route::new(0, 0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            route.fail(0);
            waits.push(route.retry_ns / NANOS_PER_SECOND);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 960, 960]);
        route.moved(None, 0);
        assert_eq!(route.retry_ns, 0);
        route.fail(0);
        assert_eq!(route.retry_ns, FIRST_RETRY_NS);
    }

    #[test]
    fn answers_can_restart_a_registration_only_so_often() {
        let mut route = Route::new(0, 0);
        assert!((0..3).all(|_| route.restart()));
        assert!(!route.restart());
        route.is_steady();
        assert!(route.restart());
    }
}
