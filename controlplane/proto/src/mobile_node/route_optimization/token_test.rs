//! One half of the return routability procedure: a Test Init until the Test comes, and the token that it brings (RFC 6275
//! §5.2.5, §11.6).

use dhp_wire::codepoints::constants::MAX_TOKEN_LIFETIME;

use super::retransmission::Retransmission;
use crate::return_routability::KeygenToken;
use crate::time::nanos;

/// A token that a correspondent has given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) keygen: KeygenToken,
    /// Names the nonce that it was made of.
    pub(super) nonce_index: u16,
    /// Until when it can be used.
    pub(super) until_ns: u64,
}

/// A question that waits for its Test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    pub(super) cookie: [u8; 8],
    pub(super) sending: Retransmission,
    began_ns: u64,
}

/// The test of one address.
#[derive(Debug, Default)]
pub(super) struct TokenTest {
    asking: Option<Asking>,
    token: Option<Token>,
}

impl TokenTest {
    /// The token, if it is good for `left_ns` more.
    pub(super) fn token(&self, now_ns: u64, left_ns: u64) -> Option<Token> {
        self.token
            .filter(|token| token.until_ns > now_ns.saturating_add(left_ns))
    }

    /// Whether a question is out.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// The question that is out.
    pub(super) fn asking(&mut self) -> Option<&mut Asking> {
        self.asking.as_mut()
    }

    /// When the question is due again.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.asking.map(|asking| asking.sending.next_ns())
    }

    /// Begins to ask, unless that is going on.
    pub(super) fn ask(&mut self, now_ns: u64, cookie: u64) {
        self.asking.get_or_insert(Asking {
            cookie: cookie.to_be_bytes(),
            sending: Retransmission::new(now_ns),
            began_ns: now_ns,
        });
    }

    /// Asks no more.
    pub(super) fn stop(&mut self) {
        self.asking = None;
    }

    /// Forgets the token.
    pub(super) fn forget(&mut self) {
        self.token = None;
    }

    /// Takes a Test. False if it answers no question; §11.6.2: "Any … message not satisfying all of these tests MUST be
    /// silently ignored." The token's time counts from the first question with its cookie.
    pub(super) fn answered(&mut self, cookie: [u8; 8], nonce_index: u16, token: [u8; 8]) -> bool {
        let matching = self.asking.filter(|asking| asking.cookie == cookie);
        let Some(asking) = matching else { return false };
        self.asking = None;
        self.token = Some(Token {
            keygen: KeygenToken::from_octets(token),
            nonce_index,
            until_ns: asking.began_ns.saturating_add(nanos(MAX_TOKEN_LIFETIME)),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NANOS_PER_SECOND;

    const SECOND: u64 = NANOS_PER_SECOND;

    #[test]
    fn a_token_is_good_for_210_seconds_from_its_question() {
        let mut test = TokenTest::default();
        test.ask(SECOND, 7);
        assert!(!test.answered(8_u64.to_be_bytes(), 1, [1; 8]), "a forgery");
        assert!(test.answered(7_u64.to_be_bytes(), 1, [1; 8]));
        assert!(!test.answered(7_u64.to_be_bytes(), 1, [2; 8]), "a second");
        assert!(test.token(211 * SECOND - 1, 0).is_some());
        assert!(test.token(211 * SECOND, 0).is_none());
        assert!(test.token(151 * SECOND, 60 * SECOND).is_none());
    }

    #[test]
    fn the_old_token_is_kept_while_a_new_one_is_asked_for() {
        let mut test = TokenTest::default();
        test.ask(0, 7);
        test.answered(7_u64.to_be_bytes(), 1, [1; 8]);
        test.ask(SECOND, 8);
        test.ask(2 * SECOND, 9);
        let held = test.token(3 * SECOND, 0).expect("the old one");
        assert_eq!(held.nonce_index, 1);
        assert!(test.answered(8_u64.to_be_bytes(), 2, [2; 8]));
        let held = test.token(3 * SECOND, 0).expect("the new one");
        assert_eq!(held.nonce_index, 2);
    }
}
