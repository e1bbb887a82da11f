//! What a care-of address under test gets (DMIPv6 profile 1, section 6.4; RFC 4866 §2.6)

const SECOND_NS: u64 = 1_000_000_000;
/// "in the last 8 s", which are this second and the seven before
const SECONDS: u64 = 8;
/// "plus 3,000"
const INITIAL: u64 = 3_000;

/// The credit of a DHoA.
#[derive(Debug, Clone, Default)]
pub struct Credit {
    /// When the mobile node sent how many octets.
    received: Vec<(u64, u64)>,
    /// When it was last given in full: not more than once in 8 s.
    given_ns: Option<u64>,
    spent: u64,
}

impl Credit {
    /// A test begins.
    pub fn begin(&mut self, now_ns: u64) {
        let is_fresh = |given_ns: u64| now_ns - given_ns < SECONDS * SECOND_NS;
        if !self.given_ns.is_some_and(is_fresh) {
            self.given_ns = Some(now_ns);
            self.spent = 0;
        }
    }

    pub fn receive(&mut self, octets: u64, now_ns: u64) {
        self.received.push((now_ns / SECOND_NS, octets));
    }

    /// Whether so many octets more may be sent to the care-of address.
    pub fn spend(&mut self, octets: u64, now_ns: u64) -> bool {
        let now = now_ns / SECOND_NS;
        let recent = self.received.iter();
        let recent = recent.filter(|(second, _)| second + SECONDS > now);
        let credit = INITIAL + recent.map(|(_, octets)| octets).sum::<u64>();
        let may = self.spent + octets <= credit;
        if may {
            self.spent += octets;
        }
        may
    }
}
