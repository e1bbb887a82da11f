//! Stateless cookies: what a storm of first messages costs (DMIPv6 profile 1, section 6.5).
//!
//! Anybody can send DHP Queries and DHoA Requests, under any source and any SPI, and the MAC of each would have to be looked at. Where
//! there are too many, the sender first has to show that it receives what is sent to its address. Nothing is remembered of who
//! was asked.

use core::net::Ipv6Addr;

use dhp_wire::codepoints::{DmipType, Status, status};
use dhp_wire::mobility::{Dmip, DmipHeader, Lifetime, MobilityOption};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Anchor;
use super::drop_reason::SignallingDrop;
use super::receive::Received;
use super::reply::answer_to;
use crate::time::{NANOS_PER_SECOND, Now};

/// "HMAC over source, type and a 60 s slot; current and previous slot valid".
const SLOT_NS: u64 = 60 * NANOS_PER_SECOND;

/// A cookie, half of the HMAC.
type Cookie = [u8; 16];

/// The secret of the cookies, and how many messages come.
pub(crate) struct Cookies {
    secret: [u8; 32],
    arrivals: Arrivals,
}

impl core::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cookies")
            .field("arrivals", &self.arrivals)
            .finish_non_exhaustive()
    }
}

impl Cookies {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            arrivals: Arrivals::default(),
        }
    }

    fn of_slot(&self, slot: u64, source: &Ipv6Addr, kind: DmipType) -> Cookie {
        let mut cookie = [0; 16];
        // An HMAC key may have any length, so this constructor has no error to report.
        if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.secret) {
            hmac.update(&source.octets());
            hmac.update(&[kind as u8]);
            hmac.update(&slot.to_be_bytes());
            for (to, from) in cookie.iter_mut().zip(hmac.finalize().into_bytes()) {
                *to = from;
            }
        }
        cookie
    }

    fn make(&self, now: Now, source: &Ipv6Addr, kind: DmipType) -> Cookie {
        self.of_slot(now.mono_ns / SLOT_NS, source, kind)
    }

    fn is_good(&self, now: Now, source: &Ipv6Addr, kind: DmipType, cookie: &[u8]) -> bool {
        let slot = now.mono_ns / SLOT_NS;
        [Some(slot), slot.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|slot| self.of_slot(slot, source, kind).ct_eq(cookie).into())
    }
}

/// Messages of this second, and of the one before.
#[derive(Debug, Default)]
struct Arrivals {
    second: u64,
    now: u32,
    before: u32,
}

impl Arrivals {
    /// One more. Whether there were more than `rate` in this second or in the one before, so that who asks at the beginning of a
    /// second is treated as who asks at its end.
    fn exceed(&mut self, now: Now, rate: u32) -> bool {
        let second = now.mono_ns / NANOS_PER_SECOND;
        if second != self.second {
            let follows = self.second.checked_add(1) == Some(second);
            self.before = if follows { self.now } else { 0 };
            self.now = 0;
            self.second = second;
        }
        self.now = self.now.saturating_add(1);
        self.now.max(self.before) > rate
    }
}

/// What a message's cookie says of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reachable {
    /// It has received what was sent to it.
    Proved,
    /// It may be anybody's.
    Unproved,
}

impl Anchor {
    /// Looks at the cookie of a DHP Query or DHoA Request, and asks for one where there are too many of them.
    ///
    /// # Errors
    /// The message needs a cookie, for which its source was asked.
    pub(crate) fn check_cookie(
        &mut self,
        now: Now,
        received: &Received<'_>,
        dmip: &Dmip<'_>,
    ) -> Result<Reachable, SignallingDrop> {
        let (source, kind) = (&received.source, dmip.header.kind);
        let is_storm = self.cookies.arrivals.exceed(now, self.config.cookies_above);
        let given = dmip.options.iter().find_map(|option| match option {
            Ok(MobilityOption::Cookie(cookie)) => Some(cookie),
            _ => None,
        });
        if given.is_some_and(|cookie| self.cookies.is_good(now, source, kind, cookie)) {
            return Ok(Reachable::Proved);
        }
        if !is_storm {
            return Ok(Reachable::Unproved);
        }
        let (kind, counted) = answer_to(kind);
        let status = status::COOKIE_REQUIRED;
        let header = DmipHeader {
            kind,
            sequence: dmip.header.sequence,
            lifetime: Lifetime::ZERO,
            flags: 0,
            status: Status(status),
        };
        let cookie = self.cookies.make(now, source, dmip.header.kind);
        // "with status 146 …, never with 193": no MAC, for which the association would have to be looked up.
        let packet = self.dmip_answer(source, header, &[MobilityOption::Cookie(&cookie)], None)?;
        self.transmit(counted, status, packet, received.unproved());
        Err(SignallingDrop::CookieRequired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 2);

    fn at(mono_ns: u64) -> Now {
        Now { mono_ns, ntp: 0 }
    }

    #[test]
    fn a_cookie_is_good_for_its_source_its_type_its_slot_and_the_next() {
        let cookies = Cookies::new([3; 32]);
        let query = DmipType::DhpQuery;
        let made = cookies.make(at(SLOT_NS - 1), &SOURCE, query);
        for (now_ns, good) in [
            (0, true),
            (SLOT_NS, true),
            (2 * SLOT_NS - 1, true),
            (2 * SLOT_NS, false),
        ] {
            assert_eq!(
                cookies.is_good(at(now_ns), &SOURCE, query, &made),
                good,
                "{now_ns}"
            );
        }
        assert!(!cookies.is_good(at(0), &OTHER, query, &made));
        assert!(!cookies.is_good(at(0), &SOURCE, DmipType::DhoaRequest, &made));
        assert!(!cookies.is_good(at(0), &SOURCE, query, &made[..15]));
        assert!(!Cookies::new([4; 32]).is_good(at(0), &SOURCE, query, &made));
    }

    #[test]
    fn a_storm_is_one_for_the_second_after_it() {
        let mut arrivals = Arrivals::default();
        let second = |second: u64| at(second * NANOS_PER_SECOND);
        let mut come = |at, number: usize| (0..number).filter(|_| arrivals.exceed(at, 10)).count();
        assert_eq!(come(second(5), 10), 0);
        assert_eq!(come(second(6), 13), 3);
        assert_eq!(come(second(7), 2), 2, "the second before was one");
        assert_eq!(come(second(8), 10), 0);
        assert_eq!(come(second(9), 11), 1);
        assert_eq!(come(second(11), 1), 0, "a second without any");
    }
}
