//! The IPv6 header (RFC 8200 §3), its addresses, and what a tunnel does with its traffic class and flow label.

mod address;
mod ecn;
mod flow_label;

pub use address::{home_agents_anycast, is_unicast_routable};
pub use ecn::{decap_traffic_class, encap_traffic_class};
pub use flow_label::{flow_label_hash, flow_label_of};

use core::fmt;
use core::net::Ipv6Addr;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// The smallest link MTU of IPv6 (RFC 8200 §5).
pub const MIN_MTU: usize = 1280;

/// Why octets are not an IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Error {
    /// Fewer than 40 octets.
    TooShort,
    /// The version field is not 6.
    Version(u8),
    /// Payload Length says more than the buffer holds.
    PayloadLength {
        /// What the header says, in octets.
        stated: u16,
        /// What there is behind the header, in octets.
        available: usize,
    },
}

impl fmt::Display for Ipv6Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("shorter than an IPv6 header"),
            Self::Version(version) => write!(f, "IP version {version}"),
            Self::PayloadLength { stated, available } => {
                write!(f, "payload length {stated} with {available} octets there")
            }
        }
    }
}

impl core::error::Error for Ipv6Error {}

/// A packet whose header has been checked: the accessors cannot fail.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6View<'a> {
    header: &'a [u8; HEADER_LEN],
    packet: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv6View<'a> {
    /// Checks version and lengths. What stands behind the stated payload (link padding) is left out.
    ///
    /// # Errors
    /// [`Ipv6Error`], naming the check that failed.
    #[inline]
    pub fn new(buffer: &'a [u8]) -> Result<Self, Ipv6Error> {
        let Some((header, rest)) = buffer.split_first_chunk::<HEADER_LEN>() else {
            return Err(Ipv6Error::TooShort);
        };
        if header[0] >> 4 != 6 {
            return Err(Ipv6Error::Version(header[0] >> 4));
        }
        let stated = u16::from_be_bytes([header[4], header[5]]);
        let total = HEADER_LEN + usize::from(stated);
        match (rest.get(..usize::from(stated)), buffer.get(..total)) {
            (Some(payload), Some(packet)) => Ok(Self {
                header,
                packet,
                payload,
            }),
            _ => Err(Ipv6Error::PayloadLength {
                stated,
                available: rest.len(),
            }),
        }
    }

    /// DSCP and ECN.
    #[inline]
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        self.header[0] << 4 | self.header[1] >> 4
    }

    /// The 20-bit flow label.
    #[inline]
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.header[1] & 0x0f, self.header[2], self.header[3]])
    }

    /// Octets behind the fixed header.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// The type of the first header behind this one.
    #[inline]
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.header[6]
    }

    /// The hop limit as received.
    #[inline]
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    /// The source address.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(*self.source_octets())
    }

    /// The destination address.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(*self.destination_octets())
    }

    /// The source address where it stands, as the tables' key.
    #[inline]
    #[must_use]
    pub fn source_octets(&self) -> &'a [u8; 16] {
        let (_, behind) = self
            .header
            .split_first_chunk::<8>()
            .unwrap_or((&[0; 8], &[]));
        behind.first_chunk::<16>().unwrap_or(&[0; 16])
    }

    /// The destination address where it stands, as the tables' key.
    #[inline]
    #[must_use]
    pub fn destination_octets(&self) -> &'a [u8; 16] {
        self.header.last_chunk::<16>().unwrap_or(&[0; 16])
    }

    /// Octets of header and payload.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.packet.len()
    }

    /// What follows the fixed header, extension headers included.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The packet without link padding.
    #[inline]
    #[must_use]
    pub fn packet(&self) -> &'a [u8] {
        self.packet
    }
}

/// The fixed header as values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// 20 bits; higher bits are not sent.
    pub flow_label: u32,
    /// Octets behind this header.
    pub payload_len: u16,
    /// Type of the next header.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
}

impl Ipv6Header {
    /// Writes the header.
    #[inline]
    pub fn emit(&self, out: &mut [u8; HEADER_LEN]) {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | (self.flow_label & 0x000f_ffff);
        let [v0, v1, v2, v3] = first.to_be_bytes();
        let [l0, l1] = self.payload_len.to_be_bytes();
        let head = [v0, v1, v2, v3, l0, l1, self.next_header, self.hop_limit];
        let addresses = self
            .source
            .octets()
            .into_iter()
            .chain(self.destination.octets());
        for (to, from) in out.iter_mut().zip(head.into_iter().chain(addresses)) {
            *to = from;
        }
    }
}

impl From<&Ipv6View<'_>> for Ipv6Header {
    fn from(view: &Ipv6View<'_>) -> Self {
        Self {
            traffic_class: view.traffic_class(),
            flow_label: view.flow_label(),
            payload_len: view.payload_len(),
            next_header: view.next_header(),
            hop_limit: view.hop_limit(),
            source: view.source(),
            destination: view.destination(),
        }
    }
}
