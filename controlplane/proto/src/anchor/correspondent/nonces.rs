//! Node keys and nonces (RFC 6275 §5.2.1, §5.2.2, §5.2.7).

use core::net::Ipv6Addr;
use std::collections::VecDeque;

use crate::random::Random;
use crate::return_routability::{KeygenToken, NodeKey, Nonce, TokenKind};
use crate::time::{NANOS_PER_SECOND, Now};

/// RFC 6275 §5.2.7: "a convenient way to enforce the above lifetimes is to generate a new nonce every 30 seconds".
const NONCE_PERIOD_NS: u64 = 30 * NANOS_PER_SECOND;
/// "The node can then continue to accept tokens that have been based on the last 8 (MAX_NONCE_LIFETIME / 30) nonces."
const ACCEPTED: u64 = 8;

/// The nonce and the node key of 30 s: "An update of Kcn SHOULD be done at the same time as an update of a nonce, so
/// that nonce indices can identify both the nonce and the key."
#[derive(Clone)]
struct Period {
    index: u16,
    /// The period of 30 s that it was made in.
    period: u64,
    node_key: NodeKey,
    nonce: Nonce,
}

/// The nonces that are good; none is made while nobody asks.
pub(crate) struct Nonces {
    random: Random,
    last_index: u16,
    newest_last: VecDeque<Period>,
}

impl core::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Nonces")
            .field("last_index", &self.last_index)
            .finish_non_exhaustive()
    }
}

impl Nonces {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        // Indices of an earlier start would be taken for those of this one; from a random one on they rarely are.
        let last_index = u16::try_from(random.below(1 << 16)).unwrap_or_default();
        Self {
            random,
            last_index,
            newest_last: VecDeque::new(),
        }
    }

    /// The token of an address by the newest nonce, and the index of that.
    pub(crate) fn token(
        &mut self,
        now: Now,
        address: &Ipv6Addr,
        purpose: TokenKind,
    ) -> (u16, KeygenToken) {
        self.forget_old(now);
        let period = now.mono_ns / NONCE_PERIOD_NS;
        if self
            .newest_last
            .back()
            .is_none_or(|nonce| nonce.period != period)
        {
            let nonce = self.make(period);
            self.newest_last.push_back(nonce);
        }
        let Some(newest) = self.newest_last.back() else {
            return (self.last_index, KeygenToken::from_octets([0; 8]));
        };
        let token = KeygenToken::derive(&newest.node_key, address, &newest.nonce, purpose);
        (newest.index, token)
    }

    /// The token of an address again, by the nonce of an index; `None` if that is not recognized.
    pub(crate) fn token_again(
        &mut self,
        now: Now,
        index: u16,
        address: &Ipv6Addr,
        purpose: TokenKind,
    ) -> Option<KeygenToken> {
        self.forget_old(now);
        let nonce = self.newest_last.iter().find(|nonce| nonce.index == index)?;
        Some(KeygenToken::derive(
            &nonce.node_key,
            address,
            &nonce.nonce,
            purpose,
        ))
    }

    /// Until when the nonce of an index is good.
    pub(crate) fn good_until_ns(&self, index: u16) -> Option<u64> {
        let nonce = self.newest_last.iter().find(|nonce| nonce.index == index)?;
        Some(
            nonce
                .period
                .saturating_add(ACCEPTED)
                .saturating_mul(NONCE_PERIOD_NS),
        )
    }

    fn make(&mut self, period: u64) -> Period {
        self.last_index = self.last_index.wrapping_add(1);
        let mut node_key = [0; 20];
        for (to, from) in node_key.iter_mut().zip(self.random.next_block()) {
            *to = from;
        }
        Period {
            index: self.last_index,
            period,
            node_key: NodeKey::new(node_key),
            nonce: self.random.next_u64().to_be_bytes(),
        }
    }

    fn forget_old(&mut self, now: Now) {
        let period = now.mono_ns / NONCE_PERIOD_NS;
        self.newest_last
            .retain(|nonce| nonce.period.saturating_add(ACCEPTED) > period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);

    fn at(seconds: u64) -> Now {
        Now {
            mono_ns: seconds * NANOS_PER_SECOND,
            ntp: 0,
        }
    }

    #[test]
    fn a_nonce_serves_for_thirty_seconds() {
        let mut nonces = Nonces::new([1; 32]);
        let first = nonces.token(at(0), &HOME, TokenKind::Home);
        assert_eq!(nonces.token(at(29), &HOME, TokenKind::Home), first);
        let second = nonces.token(at(30), &HOME, TokenKind::Home);
        assert_eq!(second.0, first.0.wrapping_add(1));
        assert_ne!(second.1, first.1);
    }

    #[test]
    fn a_token_is_good_for_210_to_240_seconds() {
        let mut nonces = Nonces::new([1; 32]);
        let early = nonces.token(at(300), &HOME, TokenKind::Home);
        let again = |nonces: &mut Nonces, seconds| {
            nonces.token_again(at(seconds), early.0, &HOME, TokenKind::Home)
        };
        assert_eq!(nonces.good_until_ns(early.0), Some(540 * NANOS_PER_SECOND));
        assert_eq!(again(&mut nonces, 539), Some(early.1));
        assert_eq!(again(&mut nonces, 540), None);
    }

    #[test]
    fn tokens_differ_by_address_and_purpose() {
        let mut nonces = Nonces::new([1; 32]);
        let home = nonces.token(at(0), &HOME, TokenKind::Home).1;
        assert_ne!(home, nonces.token(at(0), &HOME, TokenKind::CareOf).1);
        assert_ne!(
            home,
            nonces.token(at(0), &Ipv6Addr::LOCALHOST, TokenKind::Home).1
        );
    }

    #[test]
    fn no_more_than_eight_nonces_are_kept() {
        let mut nonces = Nonces::new([1; 32]);
        for period in 0..100 {
            nonces.token(at(period * 30), &HOME, TokenKind::Home);
            assert!(nonces.newest_last.len() <= 8);
        }
    }
}
