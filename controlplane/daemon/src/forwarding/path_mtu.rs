//! The path MTUs that Packet Too Big messages from inside tunnels have told (RFC 2473 §7, RFC 8201)

use std::collections::{HashMap, VecDeque};
use std::net::Ipv6Addr;

use dhp_segment::MAX_CARE_OFS;

/// RFC 8201 §5.3: "Nodes ... wish to ... age ... PMTU values", and "it is recommended to set the timer to 10 minutes".
const AGE_NS: u64 = 600_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Learned {
    care_of: Ipv6Addr,
    mtu: u16,
    until_ns: u64,
}

/// Paths that one home address has learned of at once: those to its care-of addresses.
const PATHS: usize = MAX_CARE_OFS + 1;

/// Path MTUs by home address: a message names a tunnel packet and so a binding and its care-of address.
#[derive(Debug, Default)]
pub(super) struct PathMtus {
    learned: HashMap<Ipv6Addr, Vec<Learned>>,
    /// In the order of time; what was learned again since stands in it more than once.
    ends: VecDeque<(u64, Ipv6Addr)>,
}

impl PathMtus {
    /// The path to `care_of` takes no more than `mtu` octets for now. `false`: nothing new.
    pub(super) fn learn(
        &mut self,
        home_address: Ipv6Addr,
        care_of: Ipv6Addr,
        mtu: u16,
        now_ns: u64,
    ) -> bool {
        if self
            .get(home_address, care_of)
            .is_some_and(|known| known <= mtu)
        {
            return false;
        }
        let until_ns = now_ns.saturating_add(AGE_NS);
        let learned = Learned {
            care_of,
            mtu,
            until_ns,
        };
        let paths = self.learned.entry(home_address).or_default();
        paths.retain(|known| known.care_of != care_of);
        if paths.len() >= PATHS {
            paths.remove(0);
        }
        paths.push(learned);
        self.ends.push_back((until_ns, home_address));
        true
    }

    /// What is known of the path to `care_of`.
    pub(super) fn get(&self, home_address: Ipv6Addr, care_of: Ipv6Addr) -> Option<u16> {
        let mut paths = self.learned.get(&home_address)?.iter();
        let learned = paths.find(|learned| learned.care_of == care_of)?;
        Some(learned.mtu)
    }

    /// Forget what a binding has learned.
    pub(super) fn forget(&mut self, home_address: Ipv6Addr) {
        self.learned.remove(&home_address);
    }

    /// Forget what is too old; gives one home address of those whose path may be wider again.
    pub(super) fn expire(&mut self, now_ns: u64) -> Option<Ipv6Addr> {
        while let Some((end_ns, home_address)) = self.ends.front().copied() {
            if end_ns > now_ns {
                break;
            }
            self.ends.pop_front();
            let Some(paths) = self.learned.get_mut(&home_address) else {
                continue;
            };
            let known = paths.len();
            paths.retain(|learned| learned.until_ns > now_ns);
            let has_forgotten = paths.len() < known;
            if paths.is_empty() {
                self.learned.remove(&home_address);
            }
            if has_forgotten {
                return Some(home_address);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_only_get_narrower_until_they_are_forgotten() {
        let [home, here, there] = ["2001:db8:d:1::1", "2001:db8:a::7", "2001:db8:b::7"]
            .map(|address| address.parse::<Ipv6Addr>().unwrap());
        let mut paths = PathMtus::default();
        assert!(paths.learn(home, here, 1400, 0));
        assert!(!paths.learn(home, here, 1400, 1));
        assert!(!paths.learn(home, here, 1450, 1));
        assert_eq!(paths.get(home, here), Some(1400));
        assert_eq!(paths.get(home, there), None, "it has moved");
        assert!(paths.learn(home, here, 1300, 5));
        assert_eq!(paths.expire(AGE_NS), None, "that was the older one");
        assert_eq!(paths.get(home, here), Some(1300));
        assert_eq!(paths.expire(AGE_NS + 5), Some(home));
        assert_eq!(paths.get(home, here), None);
        assert_eq!(paths.expire(u64::MAX), None);
    }
}
