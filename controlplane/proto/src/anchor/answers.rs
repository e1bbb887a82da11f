//! The answers that are kept so that a retransmitted request acts once.

use core::net::Ipv6Addr;
use std::collections::VecDeque;

use crate::time::NANOS_PER_SECOND;

/// Answers kept per security association.
const KEPT: usize = 8;

/// How long an answer is kept.
pub(crate) const KEPT_NS: u64 = 64 * NANOS_PER_SECOND;

#[derive(Debug, Clone)]
struct Stored {
    source: Ipv6Addr,
    request: Box<[u8]>,
    /// `None` where the request wanted no answer.
    answer: Option<Vec<u8>>,
    until_ns: u64,
}

/// The last answers of one security association.
///
/// DMIPv6 profile 1, section 4.1: "The DHP keeps, after the MAC has verified, the last 8 answers per SA for 64 s:
/// identical octets get the stored answer again and act only once".
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredAnswers {
    answers: VecDeque<Stored>,
}

impl StoredAnswers {
    /// The answer to a request that has been seen: `Some(None)` where it got none. The same Mobility Header from
    /// another address is another request, else its answer would go where its sender likes.
    pub(crate) fn find(
        &self,
        source: &Ipv6Addr,
        request: &[u8],
        now_ns: u64,
    ) -> Option<Option<&Vec<u8>>> {
        self.answers
            .iter()
            .find(|stored| {
                stored.until_ns > now_ns && stored.source == *source && *stored.request == *request
            })
            .map(|stored| stored.answer.as_ref())
    }

    /// Keeps an answer; the oldest makes room.
    pub(crate) fn keep(
        &mut self,
        source: Ipv6Addr,
        request: &[u8],
        answer: Option<Vec<u8>>,
        now_ns: u64,
    ) {
        if self.answers.len() >= KEPT {
            self.answers.pop_front();
        }
        let until_ns = now_ns.saturating_add(KEPT_NS);
        self.answers.push_back(Stored {
            source,
            request: request.into(),
            answer,
            until_ns,
        });
    }

    /// Forgets what is old and gives the moment at which the next answer gets old.
    pub(crate) fn forget_old(&mut self, now_ns: u64) -> Option<u64> {
        while self
            .answers
            .front()
            .is_some_and(|stored| stored.until_ns <= now_ns)
        {
            self.answers.pop_front();
        }
        self.answers.front().map(|stored| stored.until_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1);

    #[test]
    fn the_last_eight_are_kept_for_64_seconds() {
        let mut answers = StoredAnswers::default();
        for n in 0..9u8 {
            answers.keep(SOURCE, &[n], Some(vec![n]), u64::from(n));
        }
        assert_eq!(answers.find(&SOURCE, &[0], 9), None);
        assert_eq!(answers.find(&SOURCE, &[1], 9), Some(Some(&vec![1])));
        assert_eq!(answers.find(&SOURCE, &[1], KEPT_NS + 1), None);
        assert_eq!(answers.forget_old(KEPT_NS + 1), Some(KEPT_NS + 2));
        assert_eq!(answers.forget_old(KEPT_NS + 8), None);
    }

    #[test]
    fn another_source_is_another_request() {
        let mut answers = StoredAnswers::default();
        answers.keep(SOURCE, &[1], None, 0);
        assert_eq!(answers.find(&SOURCE, &[1], 1), Some(None));
        assert_eq!(answers.find(&Ipv6Addr::LOCALHOST, &[1], 1), None);
    }
}
