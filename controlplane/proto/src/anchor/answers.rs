//! The answers that are kept so that a retransmitted request acts once.

use core::net::Ipv6Addr;

use crate::time::NANOS_PER_SECOND;

/// Answers kept per security association.
const KEPT: usize = 8;

/// How long an answer is kept.
pub(crate) const KEPT_NS: u64 = 64 * NANOS_PER_SECOND;

/// A request whose MAC has verified, by that MAC: it covers every octet but the checksum, which follows from them, so that
/// other octets have another one. The source is not among them where the request names its care-of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestMac {
    source: Ipv6Addr,
    octets: [u8; LONGEST_MAC],
}

/// Octets of the longest authentication data.
const LONGEST_MAC: usize = 16;

impl RequestMac {
    /// Of the authentication data of a request.
    pub(crate) fn new(source: Ipv6Addr, mac: &[u8]) -> Self {
        let mut octets = [0; LONGEST_MAC];
        octets
            .iter_mut()
            .zip(mac)
            .for_each(|(to, from)| *to = *from);
        Self { source, octets }
    }
}

#[derive(Debug, Clone)]
struct Stored {
    request: RequestMac,
    /// The Mobility Header; `None` where the request wanted no answer.
    answer: Option<Box<[u8]>>,
    until_ns: u64,
}

/// The last answers of one security association, oldest first.
///
/// DMIPv6 profile 1, section 4.1: "The DHP keeps, after the MAC has verified, the last 8 answers per SA for 64 s:
/// identical octets get the stored answer again and act only once".
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredAnswers {
    answers: Vec<Stored>,
}

impl StoredAnswers {
    /// The answer to a request that has been seen: `Some(None)` where it got none. The same Mobility Header from
    /// another address is another request, else its answer would go where its sender likes.
    pub(crate) fn find(&self, request: &RequestMac, now_ns: u64) -> Option<Option<&[u8]>> {
        self.answers
            .iter()
            .find(|stored| stored.until_ns > now_ns && stored.request == *request)
            .map(|stored| stored.answer.as_deref())
    }

    /// Reads what the next request will need, and gives a number that tells nothing.
    pub(crate) fn look_at(&self) -> usize {
        let last = self.answers.last();
        last.map_or(0, |stored| usize::from(stored.answer.is_some()))
    }

    /// Keeps an answer; the oldest makes room.
    pub(crate) fn keep(&mut self, request: RequestMac, answer: Option<&[u8]>, now_ns: u64) {
        if self.answers.len() >= KEPT {
            self.answers.remove(0);
        }
        // Most mobile nodes never have more than one, and there may be a million of them.
        self.answers.reserve_exact(1);
        self.answers.push(Stored {
            request,
            answer: answer.map(Box::from),
            until_ns: now_ns.saturating_add(KEPT_NS),
        });
    }

    /// Forgets what is old and gives the moment at which the next answer gets old.
    pub(crate) fn forget_old(&mut self, now_ns: u64) -> Option<u64> {
        self.answers.retain(|stored| stored.until_ns > now_ns);
        self.answers.shrink_to_fit();
        self.answers.first().map(|stored| stored.until_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1);

    fn request(number: u8) -> RequestMac {
        RequestMac::new(SOURCE, &[number; 12])
    }

    #[test]
    fn the_last_eight_are_kept_for_64_seconds() {
        let mut answers = StoredAnswers::default();
        for n in 0..9u8 {
            answers.keep(request(n), Some(&[n]), u64::from(n));
        }
        assert_eq!(answers.find(&request(0), 9), None);
        assert_eq!(answers.find(&request(1), 9), Some(Some(&[1][..])));
        assert_eq!(answers.find(&request(1), KEPT_NS + 1), None);
        assert_eq!(answers.forget_old(KEPT_NS + 1), Some(KEPT_NS + 2));
        assert_eq!(answers.forget_old(KEPT_NS + 8), None);
    }

    #[test]
    fn another_source_is_another_request() {
        let mut answers = StoredAnswers::default();
        answers.keep(request(1), None, 0);
        assert_eq!(answers.find(&request(1), 1), Some(None));
        let elsewhere = RequestMac::new(Ipv6Addr::LOCALHOST, &[1; 12]);
        assert_eq!(answers.find(&elsewhere, 1), None);
    }
}
