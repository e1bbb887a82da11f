//! Prefixes of a home link that other home agents advertise (RFC 6275 §10.6.1): "the home agent monitors prefixes advertised by
//! itself and other home agents on the home link". Its own are those that are configured.

use dhp_wire::icmpv6::{PrefixInformation, prefix_flag};
use ipnet::Ipv6Net;

use crate::time::{NANOS_PER_SECOND, Now};

/// Prefixes of one home agent that there is room for.
const MAX_PREFIXES: usize = 16;
/// By how much the end of a lifetime may wander that is counted down in real time.
const SLACK_NS: u64 = 2 * NANOS_PER_SECOND;

/// A lifetime as it was advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Advertised {
    /// `u32::MAX` is infinity.
    seconds: u32,
    end_ns: u64,
}

impl Advertised {
    fn new(seconds: u32, now: Now) -> Self {
        let end_ns = match seconds {
            u32::MAX => u64::MAX,
            _ => now.deadline_ns(u64::from(seconds).saturating_mul(NANOS_PER_SECOND)),
        };
        Self { seconds, end_ns }
    }

    fn left_s(self, now: Now) -> u32 {
        match self.end_ns {
            u64::MAX => u32::MAX,
            end => u32::try_from(end.saturating_sub(now.mono_ns) / NANOS_PER_SECOND)
                .unwrap_or(u32::MAX - 1),
        }
    }

    /// Whether another one "changes for any reason other than advancing real time" (§10.6.2). RFC 4861 §6.2.1 has routers
    /// either repeat a lifetime or count it down.
    fn differs(self, new: Self) -> bool {
        self.seconds != new.seconds && self.end_ns.abs_diff(new.end_ns) > SLACK_NS
    }
}

/// A prefix that another home agent advertises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkPrefix {
    pub(super) prefix: Ipv6Net,
    flags: u8,
    valid: Advertised,
    preferred: Advertised,
}

impl LinkPrefix {
    /// What a Prefix Information option says; nothing of one that is no prefix.
    pub(super) fn read(option: &PrefixInformation, now: Now) -> Option<Self> {
        let prefix = Ipv6Net::new(option.prefix, option.prefix_len).ok()?.trunc();
        // RFC 4861 §6.3.4: "If the prefix is the link-local prefix, silently ignore the Prefix Information option."
        if prefix.prefix_len() == 0 || prefix.network().is_unicast_link_local() {
            return None;
        }
        Some(Self {
            prefix,
            // The address that goes with the R bit is the other home agent's.
            flags: option.flags & (prefix_flag::ON_LINK | prefix_flag::AUTONOMOUS),
            valid: Advertised::new(option.valid_lifetime_s, now),
            preferred: Advertised::new(option.preferred_lifetime_s, now),
        })
    }

    pub(super) fn is_valid(&self, now: Now) -> bool {
        self.valid.end_ns > now.mono_ns
    }

    /// As a Mobile Prefix Advertisement has it.
    pub(super) fn information(&self, now: Now) -> PrefixInformation {
        PrefixInformation {
            prefix_len: self.prefix.prefix_len(),
            flags: self.flags,
            valid_lifetime_s: self.valid.left_s(now),
            preferred_lifetime_s: self.preferred.left_s(now),
            prefix: self.prefix.network(),
        }
    }

    fn differs(&self, new: &Self) -> bool {
        self.flags != new.flags
            || self.valid.differs(new.valid)
            || self.preferred.differs(new.preferred)
    }
}

/// The prefixes of one home agent.
#[derive(Debug, Default)]
pub(super) struct LinkPrefixes(Vec<LinkPrefix>);

impl LinkPrefixes {
    /// Whether mobile nodes would have to be told of a prefix.
    pub(super) fn is_news(&self, new: &LinkPrefix, now: Now) -> bool {
        let known = self.0.iter().find(|known| known.prefix == new.prefix);
        match known.filter(|known| known.is_valid(now)) {
            Some(known) => known.differs(new),
            None => new.is_valid(now) && self.has_room(now),
        }
    }

    /// Takes a prefix as it is advertised now.
    pub(super) fn learn(&mut self, new: LinkPrefix, now: Now) {
        self.0
            .retain(|known| known.prefix != new.prefix && known.is_valid(now));
        if new.is_valid(now) && self.has_room(now) {
            self.0.push(new);
        }
    }

    pub(super) fn valid(&self, now: Now) -> impl Iterator<Item = &LinkPrefix> {
        self.0.iter().filter(move |known| known.is_valid(now))
    }

    fn has_room(&self, now: Now) -> bool {
        self.valid(now).count() < MAX_PREFIXES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(valid: u32, at_s: u64) -> (LinkPrefix, Now) {
        let now = Now {
            mono_ns: at_s * NANOS_PER_SECOND,
            ntp: 0,
        };
        let option = PrefixInformation {
            prefix_len: 64,
            flags: prefix_flag::ON_LINK,
            valid_lifetime_s: valid,
            preferred_lifetime_s: 60,
            prefix: "2001:db8::7".parse().unwrap(),
        };
        (LinkPrefix::read(&option, now).unwrap(), now)
    }

    #[test]
    fn a_lifetime_that_is_repeated_or_counted_down_is_no_news() {
        let mut known = LinkPrefixes::default();
        let (first, now) = prefix(100, 0);
        assert!(known.is_news(&first, now));
        known.learn(first, now);
        for (valid, at_s) in [(100, 50), (50, 50), (49, 50)] {
            let (again, now) = prefix(valid, at_s);
            assert!(!known.is_news(&again, now), "{valid} at {at_s}");
        }
        let (cut, now) = prefix(20, 50);
        assert!(known.is_news(&cut, now));
        let (again, now) = prefix(100, 100);
        assert!(known.is_news(&again, now), "it had ended meanwhile");
    }

    #[test]
    fn a_prefix_that_is_taken_back_is_news_once() {
        let mut known = LinkPrefixes::default();
        let (first, now) = prefix(u32::MAX, 0);
        known.learn(first, now);
        let (gone, now) = prefix(0, 9);
        assert!(known.is_news(&gone, now));
        known.learn(gone, now);
        assert!(!known.is_news(&gone, now));
        assert_eq!(known.valid(now).count(), 0);
    }

    #[test]
    fn what_is_no_prefix_of_a_link_is_passed_over() {
        let (_, now) = prefix(9, 0);
        for (address, prefix_len) in [("fe80::", 64), ("2001:db8::", 0), ("2001:db8::", 129)] {
            let option = PrefixInformation {
                prefix_len,
                flags: 0,
                valid_lifetime_s: 9,
                preferred_lifetime_s: 9,
                prefix: address.parse().unwrap(),
            };
            assert_eq!(LinkPrefix::read(&option, now), None);
        }
    }

    #[test]
    fn one_home_agent_has_so_many_prefixes() {
        let mut known = LinkPrefixes::default();
        for number in 0..20_u16 {
            let (mut one, now) = prefix(9, 0);
            let network = core::net::Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0);
            one.prefix = Ipv6Net::new(network, 64).unwrap();
            assert_eq!(known.is_news(&one, now), usize::from(number) < MAX_PREFIXES);
            known.learn(one, now);
        }
        let (_, later) = prefix(9, 8);
        assert_eq!(known.valid(later).count(), MAX_PREFIXES);
    }
}
