//! Status 16: answers that go to care-of addresses under test, each with the cookie of its test.

use core::net::Ipv6Addr;

use dhp_wire::ipv6::HEADER_LEN;

use super::Cookie;
use crate::anchor::Anchor;
use crate::anchor::answers::{KeptAnswer, RequestMac};
use crate::anchor::drop_reason::SignallingDrop;
use crate::anchor::reply::{Proof, answer_to};
use crate::anchor::request::Answer;
use crate::time::Now;

/// A care-of address under test, and what its mobile node must have received there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) care_of: Ipv6Addr,
    pub(crate) cookie: Cookie,
}

impl Anchor {
    /// The care-of addresses under test of these home addresses, each once.
    pub(crate) fn challenges(
        &self,
        home_addresses: impl Iterator<Item = Ipv6Addr>,
    ) -> Vec<Challenge> {
        let tests = &self.care_of_tests;
        let mut challenges: Vec<Challenge> = Vec::new();
        for home in home_addresses.filter_map(|address| tests.homes.get(&address)) {
            for care_of in &home.care_ofs {
                let is_known = challenges.iter().any(|known| known.care_of == *care_of);
                let trial = tests.trials.get(&(home.owner, *care_of));
                challenges.extend(trial.filter(|_| !is_known).map(|trial| Challenge {
                    care_of: *care_of,
                    cookie: trial.cookie,
                }));
            }
        }
        challenges
    }

    /// Answers a request that meets care-of addresses under test: "a 16 with its own Cookie goes to each new one". The sender of an
    /// echo, which is answered for the one that has passed by it, gets a 16 too, without a cookie.
    pub(crate) fn send_challenges(
        &mut self,
        now: Now,
        request: RequestMac,
        answer: &Answer<'_>,
    ) -> Result<(), SignallingDrop> {
        let outcome = &answer.outcome;
        let tested = outcome.challenges.iter();
        let tested = tested.map(|challenge| (challenge.care_of, Some(&challenge.cookie)));
        let to_sender = outcome.is_echo.then_some((answer.destination, None));
        let mut packets = Vec::new();
        for (destination, cookie) in to_sender.into_iter().chain(tested) {
            let cookie = cookie.map(|cookie| &cookie[..]);
            packets.push((destination, self.compose(answer, &destination, cookie)?));
        }
        let kept = packets.iter().filter_map(|(destination, packet)| {
            Some((*destination, packet.get(HEADER_LEN..)?.into()))
        });
        let kept = KeptAnswer::To(kept.collect());
        self.keep_answer(now, answer.security.spi(), request, kept);
        for (_, packet) in packets {
            let kind = answer_to(answer.request.kind).1;
            self.transmit(kind, answer.outcome.status, packet, Proof::Mac);
        }
        Ok(())
    }
}
