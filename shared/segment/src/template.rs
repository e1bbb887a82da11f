//! The rewrite template of a binding: what a packet for a home address gets in front of it.

use crate::address_words::AddressWords;
use crate::layout::{PAST_WORDS, TEMPLATE_WORDS};
use crate::slot::Plain;
use crate::sync::{AtomicU64, Ordering};
use core::net::Ipv6Addr;

/// Octets of the outer IPv6 header.
pub const OUTER_HEADER_LEN: usize = 40;

/// Version 6, traffic class and flow label 0 (the encapsulator's to set), payload length 0 (likewise), Next Header 41,
/// Hop Limit 64.
const OUTER_FIRST_WORD: [u8; 8] = [0x60, 0, 0, 0, 0, 0, 41, 64];

/// The past holds a previous care-of address.
const FLAG_PREVIOUS: u16 = 1;
/// The care-of address has not been tested: it gets its credit.
const FLAG_TEST: u16 = 2;

/// Words of a template.
const SOURCE: usize = 0;
const DESTINATION: usize = 2;
/// Next hop (high 32 bits), MTU (16), flags (16).
const PACKED: usize = 4;
/// The meter + 1 (low 32 bits), the template of the tested care-of address + 1 (high).
const LIMITS: usize = 5;
/// The cap on the rate, in octets per second (low 32 bits), the number of the care-of address (the 8 above).
const RATE: usize = 6;
const GENERATION: usize = 7;

/// Words of its past: the previous care-of address, and until when it is good.
const PREVIOUS: usize = 0;
const PREVIOUS_UNTIL: usize = 2;

/// The tunnel of one binding, as the control plane describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// The anchor's address: source of the outer header.
    pub anchor: Ipv6Addr,
    /// The care-of address: destination of the outer header.
    pub care_of: Ipv6Addr,
    /// Index of the next hop towards the care-of address.
    pub next_hop: u32,
    /// Largest inner packet in octets: the path MTU − 40.
    pub mtu: u16,
    /// The care-of address before, and until when (monotonic nanoseconds) packets are still taken from it.
    pub previous: Option<(Ipv6Addr, u64)>,
    /// What the mobile node sends is accounted for, so that a care-of address can be tested. Implied by the next two.
    pub metered: bool,
    /// Octets that the mobile node gets per second at most, outer headers included.
    pub rate_cap: Option<u32>,
    /// The care-of address is being tested (DMIPv6 profile 1, section 6.4).
    pub test: Option<CareOfTest>,
}

/// A care-of address that has not been tested gets no more than its credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CareOfTest {
    /// Where goes what exceeds it; `None`: nowhere.
    pub tested: Option<TestedCareOf>,
}

/// The care-of address that was there before the one that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestedCareOf {
    /// The address.
    pub care_of: Ipv6Addr,
    /// Index of the next hop towards it.
    pub next_hop: u32,
    /// Largest inner packet in octets.
    pub mtu: u16,
}

impl Tunnel {
    /// Whether workers must account for the packets of the binding.
    pub(crate) const fn is_metered(&self) -> bool {
        self.metered || self.rate_cap.is_some() || self.test.is_some()
    }

    /// Whether the tunnel of this home address ends where it begins, or goes where its packets do.
    pub(crate) fn is_loop(&self, home: &[u8; 16]) -> bool {
        self.care_of == self.anchor || self.care_of.octets() == *home
    }

    /// The tunnel to the tested care-of address of this one's test.
    pub(crate) fn to_tested(self) -> Option<Self> {
        let tested = self.test?.tested?;
        Some(Self {
            care_of: tested.care_of,
            next_hop: tested.next_hop,
            mtu: tested.mtu,
            previous: None,
            test: None,
            ..self
        })
    }
}

/// A binding's tunnel, ready to copy in front of a packet: 64 octets in the segment, all that a packet needs unless its binding
/// has just moved, and 32 beside them for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Outer source: the anchor.
    pub source: [u8; 16],
    /// Outer destination: the care-of address.
    pub destination: [u8; 16],
    /// Index of the next hop towards the care-of address.
    pub next_hop: u32,
    /// Largest inner packet in octets.
    pub mtu: u16,
    /// Bit 0: there is a previous care-of address. Bit 1: the care-of address is being tested.
    pub flags: u16,
    /// The meter of the binding, see [`crate::Reader::meter`].
    pub meter: Option<u32>,
    /// The template of the tested care-of address, while another one is being tested.
    pub tested: Option<u32>,
    /// 0 for the default care-of address, else its position in the flow set + 1.
    pub number: u8,
    /// Octets per second that the mobile node gets; 0: as many as there are.
    pub rate_cap: u32,
    /// Number of the publication; rises with every change to any binding.
    pub generation: u64,
    /// The care-of address before the last handoff; all zero if there is none.
    pub previous_care_of: [u8; 16],
    /// Until when packets from `previous_care_of` are good, in monotonic nanoseconds; 0 if there is none.
    pub previous_until_ns: u64,
}

impl Template {
    pub(crate) fn new(
        tunnel: &Tunnel,
        account: Account,
        tested: Option<u32>,
        generation: u64,
    ) -> Self {
        let (previous_care_of, previous_until_ns, previous) = match tunnel.previous {
            Some((address, until_ns)) => (address.octets(), until_ns, FLAG_PREVIOUS),
            None => ([0; 16], 0, 0),
        };
        let test = if tunnel.test.is_some() { FLAG_TEST } else { 0 };
        Self {
            source: tunnel.anchor.octets(),
            destination: tunnel.care_of.octets(),
            next_hop: tunnel.next_hop,
            mtu: tunnel.mtu,
            flags: previous | test,
            meter: account.meter,
            tested,
            number: account.number,
            rate_cap: tunnel.rate_cap.unwrap_or(0),
            generation,
            previous_care_of,
            previous_until_ns,
        }
    }

    /// The template of a plain binding, from what its slot says.
    pub(crate) fn plain(
        anchor: [u8; 16],
        care_of: [u8; 16],
        plain: Plain,
        generation: u64,
        (previous_care_of, previous_until_ns): ([u8; 16], u64),
    ) -> Self {
        Self {
            source: anchor,
            destination: care_of,
            next_hop: plain.next_hop,
            mtu: plain.mtu,
            flags: if plain.has_previous { FLAG_PREVIOUS } else { 0 },
            meter: None,
            tested: None,
            number: 0,
            rate_cap: 0,
            generation,
            previous_care_of,
            previous_until_ns,
        }
    }

    /// What of it a slot keeps in its state, where a slot has room for all there is.
    pub(crate) fn as_plain(&self, anchor: impl FnOnce([u8; 16]) -> Option<u8>) -> Option<Plain> {
        let is_plain = self.meter.is_none()
            && self.tested.is_none()
            && self.rate_cap == 0
            && self.number == 0
            && !self.is_tested_now();
        if !is_plain {
            return None;
        }
        Some(Plain {
            next_hop: self.next_hop,
            mtu: self.mtu,
            anchor: anchor(self.source)?,
            has_previous: self.flags & FLAG_PREVIOUS != 0,
        })
    }

    /// The previous care-of address and the end of its time, if the binding has moved.
    #[must_use]
    pub fn previous(&self) -> Option<(Ipv6Addr, u64)> {
        (self.flags & FLAG_PREVIOUS != 0).then(|| {
            (
                Ipv6Addr::from(self.previous_care_of),
                self.previous_until_ns,
            )
        })
    }

    /// Whether the care-of address is being tested.
    #[must_use]
    #[inline]
    pub const fn is_tested_now(&self) -> bool {
        self.flags & FLAG_TEST != 0
    }

    /// Whether a tunnelled packet with this outer source comes from the binding: from its care-of address, or from the
    /// previous one within its time.
    #[must_use]
    #[inline]
    pub fn accepts_source(&self, outer_source: &[u8; 16], now_ns: u64) -> bool {
        if *outer_source == self.destination {
            return true;
        }
        self.flags & FLAG_PREVIOUS != 0
            && now_ns < self.previous_until_ns
            && *outer_source == self.previous_care_of
    }

    /// The outer header, but for traffic class, flow label and payload length.
    #[must_use]
    #[inline(always)]
    pub fn outer_header(&self) -> [u8; OUTER_HEADER_LEN] {
        let mut header = [0; OUTER_HEADER_LEN];
        header[..8].copy_from_slice(&OUTER_FIRST_WORD);
        header[8..24].copy_from_slice(&self.source);
        header[24..].copy_from_slice(&self.destination);
        header
    }

    /// The description that would make this template again, but for the tested care-of address, which has a template of its own.
    #[must_use]
    pub fn tunnel(&self) -> Tunnel {
        Tunnel {
            anchor: self.source.into(),
            care_of: self.destination.into(),
            next_hop: self.next_hop,
            mtu: self.mtu,
            previous: self.previous(),
            metered: self.meter.is_some(),
            rate_cap: (self.rate_cap != 0).then_some(self.rate_cap),
            test: self.is_tested_now().then_some(CareOfTest { tested: None }),
        }
    }

    /// Writes the template into slots that no reader can reach.
    pub(crate) fn store(&self, place: Place<'_>) {
        let [source_0, source_1] = AddressWords::from(self.source).0;
        let [destination_0, destination_1] = AddressWords::from(self.destination).0;
        let [previous_0, previous_1] = AddressWords::from(self.previous_care_of).0;
        let mut words = [0; TEMPLATE_WORDS];
        words[SOURCE] = source_0;
        words[SOURCE + 1] = source_1;
        words[DESTINATION] = destination_0;
        words[DESTINATION + 1] = destination_1;
        words[PACKED] =
            u64::from(self.next_hop) << 32 | u64::from(self.mtu) << 16 | u64::from(self.flags);
        words[LIMITS] = link(self.tested) << 32 | link(self.meter);
        words[RATE] = u64::from(self.number) << 32 | u64::from(self.rate_cap);
        words[GENERATION] = self.generation;
        let mut past = [0; PAST_WORDS];
        past[PREVIOUS] = previous_0;
        past[PREVIOUS + 1] = previous_1;
        past[PREVIOUS_UNTIL] = self.previous_until_ns;
        let places = place.template.iter().chain(place.past);
        for (place, word) in places.zip(words.into_iter().chain(past)) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Reads a template that stays as it is until this worker's next quiescent point. Its past is touched only for a binding
    /// with a previous care-of address.
    #[inline(always)]
    pub(crate) fn load<'a>(
        template: &[AtomicU64; TEMPLATE_WORDS],
        past: impl FnOnce() -> Option<&'a [AtomicU64; PAST_WORDS]>,
    ) -> Self {
        let word = |index: usize| template[index].load(Ordering::Relaxed);
        let packed = word(PACKED);
        let flags = packed as u16;
        let past = match flags & FLAG_PREVIOUS {
            0 => None,
            _ => past(),
        };
        let past = |index: usize| past.map_or(0, |words| words[index].load(Ordering::Relaxed));
        let (limits, rate) = (word(LIMITS), word(RATE));
        Self {
            source: AddressWords([word(SOURCE), word(SOURCE + 1)]).octets(),
            destination: AddressWords([word(DESTINATION), word(DESTINATION + 1)]).octets(),
            next_hop: (packed >> 32) as u32,
            mtu: (packed >> 16) as u16,
            flags,
            meter: (limits as u32).checked_sub(1),
            tested: ((limits >> 32) as u32).checked_sub(1),
            number: (rate >> 32) as u8,
            rate_cap: rate as u32,
            generation: word(GENERATION),
            previous_care_of: AddressWords([past(PREVIOUS), past(PREVIOUS + 1)]).octets(),
            previous_until_ns: past(PREVIOUS_UNTIL),
        }
    }
}

/// Where the packets of a template are accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Account {
    pub(crate) meter: Option<u32>,
    pub(crate) number: u8,
}

/// Where a template is kept.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) template: &'a [AtomicU64; TEMPLATE_WORDS],
    pub(crate) past: &'a [AtomicU64; PAST_WORDS],
}

fn link(index: Option<u32>) -> u64 {
    index.map_or(0, |index| u64::from(index) + 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tunnel() -> Tunnel {
        Tunnel {
            anchor: "2001:db8:d::1".parse().unwrap(),
            care_of: "2001:db8:a::7".parse().unwrap(),
            next_hop: 0xdead_beef,
            mtu: 1460,
            previous: Some(("2001:db8:b::9".parse().unwrap(), 5_000)),
            metered: false,
            rate_cap: None,
            test: None,
        }
    }

    #[test]
    fn survives_the_segment() {
        let template = core::array::from_fn(|_| AtomicU64::new(u64::MAX));
        let past = core::array::from_fn(|_| AtomicU64::new(u64::MAX));
        let place = Place {
            template: &template,
            past: &past,
        };
        let tested = TestedCareOf {
            care_of: "2001:db8:b::9".parse().unwrap(),
            next_hop: 3,
            mtu: 1440,
        };
        for (previous, rate_cap, test, meter, tested) in [
            (tunnel().previous, None, None, None, None),
            (None, Some(u32::MAX), None, Some(0), None),
            (
                None,
                None,
                Some(CareOfTest {
                    tested: Some(tested),
                }),
                Some(u32::MAX - 1),
                Some(7),
            ),
        ] {
            let described = Tunnel {
                previous,
                rate_cap,
                test,
                ..tunnel()
            };
            let account = Account { meter, number: 5 };
            let template = Template::new(&described, account, tested, 42);
            template.store(place);
            assert_eq!(
                Template::load(place.template, || Some(place.past)),
                template
            );
            assert_eq!(template.previous(), previous);
            let again = template.tunnel();
            assert_eq!((again.previous, again.rate_cap), (previous, rate_cap));
            assert_eq!(again.test.is_some(), test.is_some());
            assert_eq!(again.metered, meter.is_some());
        }
    }

    #[test]
    fn the_previous_care_of_address_is_good_for_its_time_only() {
        let template = Template::new(&tunnel(), Account::default(), None, 1);
        let [care_of, previous, other] = ["2001:db8:a::7", "2001:db8:b::9", "::"]
            .map(|a| a.parse::<Ipv6Addr>().unwrap().octets());
        assert!(template.accepts_source(&care_of, u64::MAX));
        assert!(template.accepts_source(&previous, 4_999));
        assert!(!template.accepts_source(&previous, 5_000));
        assert!(!template.accepts_source(&other, 0));
        let unmoved = Tunnel {
            previous: None,
            ..tunnel()
        };
        let unmoved = Template::new(&unmoved, Account::default(), None, 1);
        assert!(!unmoved.accepts_source(&other, 0));
    }

    #[test]
    fn the_outer_header_is_ready_to_copy() {
        let header = Template::new(&tunnel(), Account::default(), None, 1).outer_header();
        assert_eq!(header[..8], [0x60, 0, 0, 0, 0, 0, 41, 64]);
        assert_eq!(header[8..24], tunnel().anchor.octets());
        assert_eq!(header[24..], tunnel().care_of.octets());
    }
}
