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

/// Octets of a Mobility Header that are kept in place: what a DHP Binding Confirmation of one address has, and some more.
const SHORT: usize = 78;

/// An answer: a Mobility Header.
#[derive(Debug)]
enum Answer {
    /// The request wanted none.
    None,
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl Answer {
    fn new(octets: Option<&[u8]>) -> Self {
        let Some(octets) = octets else {
            return Self::None;
        };
        let mut short = [0; SHORT];
        match (short.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(octets);
                Self::Short(len, short)
            }
            _ => Self::Long(octets.into()),
        }
    }

    fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Short(len, octets) => octets.get(..usize::from(*len)),
            Self::Long(octets) => Some(octets),
        }
    }
}

#[derive(Debug)]
struct Stored {
    request: RequestMac,
    answer: Answer,
    until_ns: u64,
    /// The next one of the same association, or of those that are free.
    next: u32,
}

/// Of no answer.
const NONE: u32 = u32::MAX;

/// The last answers of one security association, oldest first, as a chain in [`Answers`].
///
/// DMIPv6 profile 1, section 4.1: "The DHP keeps, after the MAC has verified, the last 8 answers per SA for 64 s:
/// identical octets get the stored answer again and act only once".
#[derive(Debug)]
pub(crate) struct StoredAnswers {
    oldest: u32,
    newest: u32,
    count: u8,
}

impl Default for StoredAnswers {
    fn default() -> Self {
        Self {
            oldest: NONE,
            newest: NONE,
            count: 0,
        }
    }
}

/// The stored answers of all associations. Each update brings one and takes one away, of millions: places that come and go in one
/// table cost the allocator nothing.
#[derive(Debug)]
pub(crate) struct Answers {
    places: Vec<Stored>,
    free: u32,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: NONE,
        }
    }
}

impl Answers {
    /// Takes space for so many more.
    pub(crate) fn reserve(&mut self, answers: usize) {
        self.places.reserve(answers);
    }

    /// The answer to a request that has been seen: `Some(None)` where it got none. The same Mobility Header from
    /// another address is another request, else its answer would go where its sender likes.
    pub(crate) fn find(
        &self,
        of: &StoredAnswers,
        request: &RequestMac,
        now_ns: u64,
    ) -> Option<Option<&[u8]>> {
        self.chain(of)
            .find(|stored| stored.until_ns > now_ns && stored.request == *request)
            .map(|stored| stored.answer.octets())
    }

    /// Reads what the next request of an association will need, and gives a number that tells nothing.
    pub(crate) fn look_at(&self, of: &StoredAnswers) -> u32 {
        let newest = self.place(of.newest).map_or(0, |stored| stored.next);
        let oldest = self.place(of.oldest).map_or(0, |stored| stored.next);
        newest ^ oldest
    }

    /// Keeps an answer; the oldest makes room.
    pub(crate) fn keep(
        &mut self,
        of: &mut StoredAnswers,
        request: RequestMac,
        answer: Option<&[u8]>,
        now_ns: u64,
    ) {
        if usize::from(of.count) >= KEPT {
            self.forget_oldest(of);
        }
        let stored = Stored {
            request,
            answer: Answer::new(answer),
            until_ns: now_ns.saturating_add(KEPT_NS),
            next: NONE,
        };
        let place = self.put(stored);
        match self.place_mut(of.newest) {
            Some(newest) => newest.next = place,
            None => of.oldest = place,
        }
        of.newest = place;
        of.count = of.count.saturating_add(1);
    }

    /// Forgets what is old and gives the moment at which the next answer gets old.
    pub(crate) fn forget_old(&mut self, of: &mut StoredAnswers, now_ns: u64) -> Option<u64> {
        loop {
            let until_ns = self.place(of.oldest)?.until_ns;
            if until_ns > now_ns {
                return Some(until_ns);
            }
            self.forget_oldest(of);
        }
    }

    /// Forgets all of an association.
    pub(crate) fn forget_all(&mut self, of: &mut StoredAnswers) {
        while of.count > 0 {
            self.forget_oldest(of);
        }
    }

    fn forget_oldest(&mut self, of: &mut StoredAnswers) {
        let (index, free) = (of.oldest, self.free);
        if let Some(oldest) = self.place_mut(index) {
            oldest.answer = Answer::None;
            of.oldest = core::mem::replace(&mut oldest.next, free);
            self.free = index;
        }
        if of.oldest == NONE {
            of.newest = NONE;
        }
        of.count = of.count.saturating_sub(1);
    }

    fn put(&mut self, stored: Stored) -> u32 {
        let index = self.free;
        if let Some(place) = self.place_mut(index) {
            let was_free = core::mem::replace(place, stored);
            self.free = was_free.next;
            return index;
        }
        let index = u32::try_from(self.places.len()).unwrap_or(NONE);
        self.places.push(stored);
        index
    }

    fn chain(&self, of: &StoredAnswers) -> impl Iterator<Item = &Stored> {
        core::iter::successors(self.place(of.oldest), |stored| self.place(stored.next))
    }

    fn place(&self, index: u32) -> Option<&Stored> {
        self.places.get(index as usize)
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Stored> {
        self.places.get_mut(index as usize)
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
        let (mut all, mut mine) = (Answers::default(), StoredAnswers::default());
        for n in 0..9u8 {
            all.keep(&mut mine, request(n), Some(&[n]), u64::from(n));
        }
        assert_eq!(all.find(&mine, &request(0), 9), None);
        assert_eq!(all.find(&mine, &request(1), 9), Some(Some(&[1][..])));
        assert_eq!(all.find(&mine, &request(1), KEPT_NS + 1), None);
        assert_eq!(all.forget_old(&mut mine, KEPT_NS + 1), Some(KEPT_NS + 2));
        assert_eq!(all.forget_old(&mut mine, KEPT_NS + 8), None);
        assert_eq!(all.find(&mine, &request(8), 0), None);
    }

    #[test]
    fn another_source_is_another_request() {
        let (mut all, mut mine) = (Answers::default(), StoredAnswers::default());
        all.keep(&mut mine, request(1), None, 0);
        assert_eq!(all.find(&mine, &request(1), 1), Some(None));
        let elsewhere = RequestMac::new(Ipv6Addr::LOCALHOST, &[1; 12]);
        assert_eq!(all.find(&mine, &elsewhere, 1), None);
    }

    /// An answer may be as long as a Mobility Header can be.
    #[test]
    fn answers_of_any_length_come_back_as_they_were() {
        let octets: Vec<u8> = (0..2048_u16).map(|n| n.to_be_bytes()[1]).collect();
        for len in [0, 1, SHORT - 1, SHORT, SHORT + 1, 255, 256, 2048] {
            let (mut all, mut mine) = (Answers::default(), StoredAnswers::default());
            all.keep(&mut mine, request(1), Some(&octets[..len]), 0);
            let found = all.find(&mine, &request(1), 1);
            assert_eq!(found, Some(Some(&octets[..len])));
        }
    }

    #[test]
    fn places_of_forgotten_answers_are_used_again_and_nobody_sees_anothers() {
        let mut all = Answers::default();
        let mut associations: Vec<_> = (0..5).map(|_| StoredAnswers::default()).collect();
        for round in 0..40_u8 {
            for (n, of) in (0..).zip(&mut associations) {
                all.keep(
                    of,
                    request(round * 5 + n),
                    Some(&[round, n]),
                    u64::from(round),
                );
                if n == round % 5 {
                    all.forget_all(of);
                }
            }
        }
        assert!(all.places.len() <= 5 * KEPT, "{}", all.places.len());
        for (n, of) in (0..).zip(&associations) {
            let theirs = |round: u8| all.find(of, &request(round * 5 + n), 40);
            // The last two rounds ended with those of the fourth and the fifth forgotten.
            assert_eq!(theirs(38).is_some(), n < 3);
            let others = (0..5).filter(|other| *other != n);
            for other in others {
                assert_eq!(all.find(of, &request(38 * 5 + other), 40), None);
            }
        }
    }

    /// There may be millions.
    #[test]
    fn a_stored_answer_is_two_cache_lines() {
        assert_eq!(size_of::<Stored>(), 128);
    }
}
