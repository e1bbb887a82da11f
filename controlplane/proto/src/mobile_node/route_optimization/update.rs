//! A Binding Update to a correspondent that waits for its acknowledgement (RFC 6275 §11.7.2).

use core::net::Ipv6Addr;

use dhp_wire::mobility::Lifetime;

use super::retransmission::Retransmission;
use crate::auth::Key;

/// An update, and when it was sent with which Sequence #.
#[derive(Debug)]
pub(super) struct Update {
    /// What is asked for; zero deletes the binding.
    pub(super) lifetime: Lifetime,
    /// The address that the authenticators take: the care-of address, "or the home address of the mobile node if this option
    /// is used in de-registration" (§6.2.7).
    pub(super) mac_address: Ipv6Addr,
    /// The binding management key.
    pub(super) key: Key,
    /// Nonce indices of the home and of the care-of address.
    pub(super) nonces: (u16, u16),
    pub(super) sending: Retransmission,
    sent: Vec<(u16, u64)>,
}

impl Update {
    /// An update that is due at once.
    pub(super) fn new(
        now_ns: u64,
        lifetime: Lifetime,
        mac_address: Ipv6Addr,
        key: Key,
        nonces: (u16, u16),
    ) -> Self {
        Self {
            lifetime,
            mac_address,
            key,
            nonces,
            sending: Retransmission::new(now_ns),
            sent: Vec::new(),
        }
    }

    /// Whether it ends the binding.
    pub(super) fn deletes(&self) -> bool {
        self.lifetime.is_zero()
    }

    /// Notes a transmission; there are few.
    pub(super) fn transmitted(&mut self, sequence: u16, now_ns: u64) {
        self.sending.transmitted(now_ns);
        self.sent.push((sequence, now_ns));
    }

    /// When it was sent with this Sequence #; `None`: never.
    pub(super) fn sent_ns(&self, sequence: u16) -> Option<u64> {
        let mut sent = self.sent.iter();
        sent.find(|(with, _)| *with == sequence).map(|(_, at)| *at)
    }
}
