//! The answers that are kept so that a retransmitted request acts once.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::DmipType;
use dhp_wire::packet::compose;

use super::Anchor;
use super::drop_reason::SignallingDrop;
use super::reply::{Proof, answer_to};
use super::timers::Timer;
use crate::time::{NANOS_PER_SECOND, Now};

/// Where the Status of a DMIP message stands in its Mobility Header.
const STATUS_OFFSET: usize = 14;

/// Answers kept per security association.
const KEPT: usize = 8;

/// How long an answer is kept.
const KEPT_NS: u64 = 64 * NANOS_PER_SECOND;

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

/// The Mobility Headers that have answered a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeptAnswer {
    /// It wanted none.
    None,
    /// One to its source.
    ToSource(Box<[u8]>),
    /// To these addresses, which are under test.
    To(Box<[(Ipv6Addr, Box<[u8]>)]>),
}

#[derive(Debug, Clone)]
struct Stored {
    request: RequestMac,
    answer: KeptAnswer,
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
    /// The answer to a request that has been seen. The same Mobility Header from
    /// another address is another request, else its answer would go where its sender likes.
    pub(crate) fn find(&self, request: &RequestMac, now_ns: u64) -> Option<&KeptAnswer> {
        self.answers
            .iter()
            .find(|stored| stored.until_ns > now_ns && stored.request == *request)
            .map(|stored| &stored.answer)
    }

    /// Reads what the next request will need, and gives a number that tells nothing.
    pub(crate) fn look_at(&self) -> usize {
        let last = self.answers.last();
        last.map_or(0, |stored| usize::from(stored.answer != KeptAnswer::None))
    }

    /// Keeps an answer; the oldest makes room.
    pub(crate) fn keep(&mut self, request: RequestMac, answer: KeptAnswer, now_ns: u64) {
        if self.answers.len() >= KEPT {
            self.answers.remove(0);
        }
        // Most mobile nodes never have more than one, and there may be a million of them.
        self.answers.reserve_exact(1);
        self.answers.push(Stored {
            request,
            answer,
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

impl Anchor {
    /// Keeps an answer for retransmissions of its request.
    pub(crate) fn keep_answer(
        &mut self,
        now: Now,
        spi: u32,
        request: RequestMac,
        answer: KeptAnswer,
    ) {
        let Some(association) = self.nodes.association_mut(spi) else {
            return;
        };
        association.answers.keep(request, answer, now.mono_ns);
        if !core::mem::replace(&mut association.answers_timer, true) {
            let at = now.deadline_ns(KEPT_NS);
            self.timers.schedule(at, Timer::AnswersGetOld(spi));
        }
    }

    /// The packets of a kept answer, each with its status.
    pub(crate) fn again(&self, source: &Ipv6Addr, answer: &KeptAnswer) -> Vec<(Vec<u8>, u8)> {
        let packet = |destination: &Ipv6Addr, mh: &[u8]| {
            let status = mh.get(STATUS_OFFSET).copied().unwrap_or_default();
            let own = &self.config.address;
            (compose(own, destination, None, None, mh), status)
        };
        match answer {
            KeptAnswer::None => Vec::new(),
            KeptAnswer::ToSource(mh) => vec![packet(source, mh)],
            KeptAnswer::To(answers) => {
                let answers = answers.iter();
                answers.map(|(to, mh)| packet(to, mh)).collect()
            }
        }
    }

    /// Answers a retransmission.
    pub(crate) fn send_again(
        &mut self,
        request: DmipType,
        again: Vec<(Vec<u8>, u8)>,
    ) -> Result<(), SignallingDrop> {
        if again.is_empty() {
            return Err(SignallingDrop::Retransmission);
        }
        for (packet, status) in again {
            self.transmit(answer_to(request).1, status, packet, Proof::Mac);
        }
        Ok(())
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
            answers.keep(
                request(n),
                KeptAnswer::ToSource(Box::from([n])),
                u64::from(n),
            );
        }
        assert_eq!(answers.find(&request(0), 9), None);
        assert_eq!(
            answers.find(&request(1), 9),
            Some(&KeptAnswer::ToSource(Box::from([1])))
        );
        assert_eq!(answers.find(&request(1), KEPT_NS + 1), None);
        assert_eq!(answers.forget_old(KEPT_NS + 1), Some(KEPT_NS + 2));
        assert_eq!(answers.forget_old(KEPT_NS + 8), None);
    }

    #[test]
    fn another_source_is_another_request() {
        let mut answers = StoredAnswers::default();
        answers.keep(request(1), KeptAnswer::None, 0);
        assert_eq!(answers.find(&request(1), 1), Some(&KeptAnswer::None));
        let elsewhere = RequestMac::new(Ipv6Addr::LOCALHOST, &[1; 12]);
        assert_eq!(answers.find(&elsewhere, 1), None);
    }
}
