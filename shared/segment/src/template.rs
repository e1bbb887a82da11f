//! The rewrite template of a binding: what a packet for a home address gets in front of it.

use crate::layout::TEMPLATE_WORDS;
use crate::sync::{AtomicU64, Ordering};
use crate::view::{address_octets, address_words};
use core::net::Ipv6Addr;

/// Octets of the outer IPv6 header.
pub const OUTER_HEADER_LEN: usize = 40;

/// Version 6, traffic class and flow label 0 (the encapsulator's to set), payload length 0 (likewise), Next Header 41,
/// Hop Limit 64.
const OUTER_FIRST_WORD: [u8; 8] = [0x60, 0, 0, 0, 0, 0, 41, 64];

/// Words 8 and 9 hold a previous care-of address.
const FLAG_PREVIOUS: u16 = 1;

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
}

/// A binding's tunnel, ready to copy in front of a packet: 128 octets in the segment, of which the first 64 are all that a
/// packet needs unless its binding has just moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// The first eight octets of the outer header: version, traffic class 0, flow label 0, payload length 0, Next Header
    /// 41, Hop Limit 64.
    pub outer_first_word: [u8; 8],
    /// Outer source: the anchor.
    pub source: [u8; 16],
    /// Outer destination: the care-of address.
    pub destination: [u8; 16],
    /// Index of the next hop towards the care-of address.
    pub next_hop: u32,
    /// Largest inner packet in octets.
    pub mtu: u16,
    /// Bit 0: there is a previous care-of address.
    pub flags: u16,
    /// Until when packets from `previous_care_of` are good, in monotonic nanoseconds; 0 if there is none.
    pub previous_until_ns: u64,
    /// Number of the publication; rises with every change to any binding.
    pub generation: u64,
    /// The care-of address before the last handoff; all zero if there is none.
    pub previous_care_of: [u8; 16],
}

impl Template {
    pub(crate) fn new(tunnel: &Tunnel, generation: u64) -> Self {
        let (previous_care_of, previous_until_ns, flags) = match tunnel.previous {
            Some((address, until_ns)) => (address.octets(), until_ns, FLAG_PREVIOUS),
            None => ([0; 16], 0, 0),
        };
        Self {
            outer_first_word: OUTER_FIRST_WORD,
            source: tunnel.anchor.octets(),
            destination: tunnel.care_of.octets(),
            next_hop: tunnel.next_hop,
            mtu: tunnel.mtu,
            flags,
            previous_until_ns,
            generation,
            previous_care_of,
        }
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
    #[inline]
    pub fn outer_header(&self) -> [u8; OUTER_HEADER_LEN] {
        let mut header = [0; OUTER_HEADER_LEN];
        header[..8].copy_from_slice(&self.outer_first_word);
        header[8..24].copy_from_slice(&self.source);
        header[24..].copy_from_slice(&self.destination);
        header
    }

    /// The description that would make this template again.
    #[must_use]
    pub fn tunnel(&self) -> Tunnel {
        Tunnel {
            anchor: self.source.into(),
            care_of: self.destination.into(),
            next_hop: self.next_hop,
            mtu: self.mtu,
            previous: self.previous(),
        }
    }

    /// Writes the template into a slot that no reader can reach.
    pub(crate) fn store(&self, slot: &[AtomicU64; TEMPLATE_WORDS]) {
        let [source_0, source_1] = address_words(&self.source);
        let [destination_0, destination_1] = address_words(&self.destination);
        let [previous_0, previous_1] = address_words(&self.previous_care_of);
        let packed =
            u64::from(self.next_hop) << 32 | u64::from(self.mtu) << 16 | u64::from(self.flags);
        let words = [
            u64::from_be_bytes(self.outer_first_word),
            source_0,
            source_1,
            destination_0,
            destination_1,
            packed,
            self.previous_until_ns,
            self.generation,
            previous_0,
            previous_1,
        ];
        for (slot, word) in slot.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
    }

    /// Reads a template that stays as it is until this worker's next quiescent point. The second cache line is touched only
    /// for a binding with a previous care-of address.
    #[inline]
    pub(crate) fn load(slot: &[AtomicU64; TEMPLATE_WORDS]) -> Self {
        let word = |index: usize| slot[index].load(Ordering::Relaxed);
        let packed = word(5);
        let flags = packed as u16;
        let previous = if flags & FLAG_PREVIOUS == 0 {
            [0; 2]
        } else {
            [word(8), word(9)]
        };
        Self {
            outer_first_word: word(0).to_be_bytes(),
            source: address_octets([word(1), word(2)]),
            destination: address_octets([word(3), word(4)]),
            next_hop: (packed >> 32) as u32,
            mtu: (packed >> 16) as u16,
            flags,
            previous_until_ns: word(6),
            generation: word(7),
            previous_care_of: address_octets(previous),
        }
    }
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
        }
    }

    #[test]
    fn survives_the_segment() {
        let slot = core::array::from_fn(|_| AtomicU64::new(u64::MAX));
        for previous in [tunnel().previous, None] {
            let template = Template::new(
                &Tunnel {
                    previous,
                    ..tunnel()
                },
                42,
            );
            template.store(&slot);
            assert_eq!(Template::load(&slot), template);
            assert_eq!(
                template.tunnel(),
                Tunnel {
                    previous,
                    ..tunnel()
                }
            );
        }
    }

    #[test]
    fn the_previous_care_of_address_is_good_for_its_time_only() {
        let template = Template::new(&tunnel(), 1);
        let [care_of, previous, other] = ["2001:db8:a::7", "2001:db8:b::9", "::"]
            .map(|a| a.parse::<Ipv6Addr>().unwrap().octets());
        assert!(template.accepts_source(&care_of, u64::MAX));
        assert!(template.accepts_source(&previous, 4_999));
        assert!(!template.accepts_source(&previous, 5_000));
        assert!(!template.accepts_source(&other, 0));
        let unmoved = Template::new(
            &Tunnel {
                previous: None,
                ..tunnel()
            },
            1,
        );
        assert!(!unmoved.accepts_source(&other, 0));
    }

    #[test]
    fn the_outer_header_is_ready_to_copy() {
        let header = Template::new(&tunnel(), 1).outer_header();
        assert_eq!(header[..8], [0x60, 0, 0, 0, 0, 0, 41, 64]);
        assert_eq!(header[8..24], tunnel().anchor.octets());
        assert_eq!(header[24..], tunnel().care_of.octets());
    }
}
