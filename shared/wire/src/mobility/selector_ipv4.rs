//! The binary traffic selector for IPv4 (RFC 6088 §3.1).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::selector_fields::{Reader, SelectorError, SelectorRange, Writer};

/// As [`super::TrafficSelector`], of IPv4 packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ipv4TrafficSelector {
    /// (A)(B): the correspondent.
    pub source: Option<SelectorRange<Ipv4Addr>>,
    /// (C)(D): the home address.
    pub destination: Option<SelectorRange<Ipv4Addr>>,
    /// (E)(F): IPsec SPI.
    pub spi: Option<SelectorRange<u32>>,
    /// (G)(H): the correspondent's port.
    pub source_port: Option<SelectorRange<u16>>,
    /// (I)(J): the mobile node's port.
    pub destination_port: Option<SelectorRange<u16>>,
    /// (K)(L): differentiated services code point, 6 bits; the low 2 bits of the field "MUST be ignored in any
    /// comparison".
    pub dscp: Option<SelectorRange<u8>>,
    /// (M)(N): Protocol.
    pub protocol: Option<SelectorRange<u8>>,
}

impl Ipv4TrafficSelector {
    /// TS Format of this selector.
    pub const FORMAT: u8 = 1;

    /// Reads what follows TS Format and its reserved octet.
    ///
    /// # Errors
    /// [`SelectorError`], with RFC 6089's flow status 130 for an answer.
    pub fn parse(selector: &[u8]) -> Result<Self, SelectorError> {
        let mut reader = Reader::new(selector)?;
        let parsed = Self {
            source: reader.range(<Ipv4Addr as From<[u8; 4]>>::from)?,
            destination: reader.range(<Ipv4Addr as From<[u8; 4]>>::from)?,
            spi: reader.range(u32::from_be_bytes)?,
            source_port: reader.range(u16::from_be_bytes)?,
            destination_port: reader.range(u16::from_be_bytes)?,
            dscp: reader.range(|[field]: [u8; 1]| field >> 2)?,
            protocol: reader.range(|[field]: [u8; 1]| field)?,
        };
        reader.end()?;
        Ok(parsed)
    }

    /// The selector as it follows TS Format and its reserved octet.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.range(self.source, |address| address.octets());
        writer.range(self.destination, |address| address.octets());
        writer.range(self.spi, u32::to_be_bytes);
        writer.range(self.source_port, u16::to_be_bytes);
        writer.range(self.destination_port, u16::to_be_bytes);
        writer.range(self.dscp, |dscp| [dscp << 2]);
        writer.range(self.protocol, |kind| [kind]);
        writer.into_octets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_round_trip() {
        let selector = Ipv4TrafficSelector {
            source: Some(SelectorRange {
                start: Ipv4Addr::new(192, 0, 2, 1),
                end: Some(Ipv4Addr::new(192, 0, 2, 9)),
            }),
            destination: Some(SelectorRange::one(Ipv4Addr::new(198, 51, 100, 1))),
            spi: Some(SelectorRange::one(256)),
            source_port: None,
            destination_port: Some(SelectorRange {
                start: 443,
                end: Some(444),
            }),
            dscp: Some(SelectorRange::one(46)),
            protocol: Some(SelectorRange {
                start: 6,
                end: Some(17),
            }),
        };
        let octets = selector.to_octets();
        assert_eq!(octets[..4], [0b1110_1000, 0b1110_1100, 0, 0]);
        assert_eq!(octets.len(), 4 + 8 + 4 + 4 + 4 + 1 + 2);
        assert_eq!(Ipv4TrafficSelector::parse(&octets), Ok(selector));
        for len in 0..octets.len() {
            assert_eq!(
                Ipv4TrafficSelector::parse(&octets[..len]),
                Err(SelectorError::Length),
                "{len}"
            );
        }
    }

    /// The two bits behind the flags are reserved.
    #[test]
    fn reserved_flags_mean_nothing() {
        assert_eq!(
            Ipv4TrafficSelector::parse(&[0, 3, 0, 0]),
            Ok(Ipv4TrafficSelector::default())
        );
        assert_eq!(
            Ipv4TrafficSelector::parse(&[0x40, 0, 0, 0, 1, 2, 3, 4]),
            Err(SelectorError::EndWithoutStart)
        );
    }
}
