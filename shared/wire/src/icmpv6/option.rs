//! Neighbor Discovery options (RFC 4861 §4.6, RFC 6275 §7.2 to §7.4).

use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use crate::codepoints::nd_option;
use crate::field::{address_at, octets, u8_at, u16_at, u32_at};

/// Octets of a unit of an option's length.
const UNIT: usize = 8;

/// Bits of a Prefix Information option.
pub mod prefix_flag {
    /// `L` on-link.
    pub const ON_LINK: u8 = 0x80;
    /// `A` autonomous address configuration.
    pub const AUTONOMOUS: u8 = 0x40;
    /// `R` the prefix field is the router's own address (RFC 6275 §7.2).
    pub const ROUTER_ADDRESS: u8 = 0x20;
    pub(super) const ASSIGNED: u8 = 0xe0;
}

/// A Prefix Information option (RFC 4861 §4.6.2, RFC 6275 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// At most 128.
    pub prefix_len: u8,
    /// See [`prefix_flag`]; other bits are neither read nor sent.
    pub flags: u8,
    /// Valid Lifetime in seconds, all ones for ever.
    pub valid_lifetime_s: u32,
    /// Preferred Lifetime in seconds, all ones for ever.
    pub preferred_lifetime_s: u32,
    /// The prefix, or with [`prefix_flag::ROUTER_ADDRESS`] the address of a router in it.
    pub prefix: Ipv6Addr,
}

/// An option. `D` is `&[u8]` where it is read, and what owns the octets where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdOption<D> {
    /// Source Link-Layer Address of an IEEE 802 interface.
    SourceLinkLayer([u8; 6]),
    /// Target Link-Layer Address of an IEEE 802 interface.
    TargetLinkLayer([u8; 6]),
    /// Prefix Information.
    Prefix(PrefixInformation),
    /// MTU of the link in octets (RFC 4861 §4.6.4).
    Mtu(u32),
    /// Advertisement Interval in milliseconds (RFC 6275 §7.3).
    AdvertisementInterval(u32),
    /// Home Agent Information (RFC 6275 §7.4).
    HomeAgent {
        /// Higher is better; 0 where the option is missing.
        preference: u16,
        /// Home Agent Lifetime in seconds: "A value of 0 MUST NOT be used." It is read all the same, and ends the home
        /// agent's place in the list (RFC 6275 §10.5.1); it is not written.
        lifetime_s: u16,
    },
    /// An option that is not known here, or a link-layer address of another kind of link; to be ignored.
    Unknown {
        /// Option type.
        kind: u8,
        /// Option data without type and length: 6 octets more than a multiple of 8.
        data: D,
    },
}

/// What is wrong with one option whose place in the chain is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdOptionError {
    /// The option's type.
    pub kind: u8,
    /// Offset of the type from the message's first octet.
    pub offset: usize,
}

impl fmt::Display for NdOptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, offset } = self;
        write!(
            f,
            "neighbor discovery option {kind} at octet {offset}: wrong length or value"
        )
    }
}

impl core::error::Error for NdOptionError {}

impl<'a> NdOption<&'a [u8]> {
    /// Reads an option of whole units; nothing if it is one that this type of option cannot be.
    fn decode(option: &'a [u8]) -> Option<Self> {
        let kind = u8_at(option, 0)?;
        let data = option.get(2..)?;
        let units = option.len() / UNIT;
        match kind {
            nd_option::SOURCE_LINK_LAYER if units == 1 => {
                octets(option, 2).map(Self::SourceLinkLayer)
            }
            nd_option::TARGET_LINK_LAYER if units == 1 => {
                octets(option, 2).map(Self::TargetLinkLayer)
            }
            nd_option::PREFIX_INFORMATION => {
                let prefix_len = u8_at(option, 2)?;
                (units == 4 && prefix_len <= 128).then_some(())?;
                Some(Self::Prefix(PrefixInformation {
                    prefix_len,
                    flags: u8_at(option, 3)? & prefix_flag::ASSIGNED,
                    valid_lifetime_s: u32_at(option, 4)?,
                    preferred_lifetime_s: u32_at(option, 8)?,
                    prefix: address_at(option, 16)?,
                }))
            }
            nd_option::MTU | nd_option::ADVERTISEMENT_INTERVAL | nd_option::HOME_AGENT
                if units != 1 =>
            {
                None
            }
            nd_option::MTU => u32_at(option, 4).map(Self::Mtu),
            nd_option::ADVERTISEMENT_INTERVAL => u32_at(option, 4).map(Self::AdvertisementInterval),
            nd_option::HOME_AGENT => Some(Self::HomeAgent {
                preference: u16_at(option, 4)?,
                lifetime_s: u16_at(option, 6)?,
            }),
            _ => Some(Self::Unknown { kind, data }),
        }
    }
}

impl<D: AsRef<[u8]>> NdOption<D> {
    /// The option with its data owned.
    #[must_use]
    pub fn to_owned_data(&self) -> NdOption<Vec<u8>> {
        match self {
            Self::SourceLinkLayer(address) => NdOption::SourceLinkLayer(*address),
            Self::TargetLinkLayer(address) => NdOption::TargetLinkLayer(*address),
            Self::Prefix(prefix) => NdOption::Prefix(*prefix),
            Self::Mtu(mtu) => NdOption::Mtu(*mtu),
            Self::AdvertisementInterval(interval) => NdOption::AdvertisementInterval(*interval),
            Self::HomeAgent {
                preference,
                lifetime_s,
            } => NdOption::HomeAgent {
                preference: *preference,
                lifetime_s: *lifetime_s,
            },
            Self::Unknown { kind, data } => NdOption::Unknown {
                kind: *kind,
                data: data.as_ref().to_vec(),
            },
        }
    }

    /// The option's octets; nothing if it is one that must not be sent, or data that does not fill its units.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(4 * UNIT);
        match self {
            Self::SourceLinkLayer(address) => {
                out.extend([nd_option::SOURCE_LINK_LAYER, 0]);
                out.extend(address);
            }
            Self::TargetLinkLayer(address) => {
                out.extend([nd_option::TARGET_LINK_LAYER, 0]);
                out.extend(address);
            }
            Self::Prefix(prefix) => {
                (prefix.prefix_len <= 128).then_some(())?;
                let flags = prefix.flags & prefix_flag::ASSIGNED;
                out.extend([nd_option::PREFIX_INFORMATION, 0, prefix.prefix_len, flags]);
                out.extend(prefix.valid_lifetime_s.to_be_bytes());
                out.extend(prefix.preferred_lifetime_s.to_be_bytes());
                out.extend([0; 4]);
                out.extend(prefix.prefix.octets());
            }
            Self::Mtu(mtu) => {
                out.extend([nd_option::MTU, 0, 0, 0]);
                out.extend(mtu.to_be_bytes());
            }
            Self::AdvertisementInterval(interval) => {
                out.extend([nd_option::ADVERTISEMENT_INTERVAL, 0, 0, 0]);
                out.extend(interval.to_be_bytes());
            }
            Self::HomeAgent {
                preference,
                lifetime_s,
            } => {
                (*lifetime_s != 0).then_some(())?;
                out.extend([nd_option::HOME_AGENT, 0, 0, 0]);
                out.extend(preference.to_be_bytes());
                out.extend(lifetime_s.to_be_bytes());
            }
            Self::Unknown { kind, data } => {
                out.extend([*kind, 0]);
                out.extend(data.as_ref());
            }
        }
        (out.len() % UNIT == 0).then_some(())?;
        *out.get_mut(1)? = u8::try_from(out.len() / UNIT).ok()?;
        Some(out)
    }
}

/// The options of a message, whose chain has been found sound.
#[derive(Clone, Copy)]
pub struct NdOptions<'a> {
    message: &'a [u8],
    start: usize,
}

impl<'a> NdOptions<'a> {
    /// Walks the chain once; nothing if an option has a length of 0 or reaches beyond the message.
    pub(super) fn new(message: &'a [u8], start: usize) -> Option<Self> {
        let mut at = start;
        while at < message.len() {
            at = option_at(message, at)?.1;
        }
        Some(Self { message, start })
    }

    /// The options in their order.
    #[must_use]
    pub const fn iter(&self) -> NdOptionIter<'a> {
        NdOptionIter {
            message: self.message,
            at: self.start,
        }
    }
}

impl<'a> IntoIterator for &NdOptions<'a> {
    type Item = Result<NdOption<&'a [u8]>, NdOptionError>;
    type IntoIter = NdOptionIter<'a>;

    fn into_iter(self) -> NdOptionIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for NdOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over [`NdOptions`].
#[derive(Clone, Debug)]
pub struct NdOptionIter<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Iterator for NdOptionIter<'a> {
    type Item = Result<NdOption<&'a [u8]>, NdOptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (option, end) = option_at(self.message, self.at)?;
        let offset = self.at;
        self.at = end;
        let kind = u8_at(option, 0)?;
        Some(NdOption::decode(option).ok_or(NdOptionError { kind, offset }))
    }
}

/// The option at `at` and where the next one begins. RFC 4861 §4.6: "Nodes MUST silently discard an ND packet that
/// contains an option with length zero."
fn option_at(message: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let units = u8_at(message, at + 1).filter(|units| *units != 0)?;
    let end = at + usize::from(units) * UNIT;
    Some((message.get(at..end)?, end))
}
