//! The binary traffic selector for IPv6 (RFC 6088 §3.2).

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::selector_fields::{Reader, SelectorError, SelectorRange, Writer};

/// Which packets from correspondent to mobile node, as the anchor sees them, are of a flow. A field that is not there
/// matches all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TrafficSelector {
    /// (A)(B): the correspondent.
    pub source: Option<SelectorRange<Ipv6Addr>>,
    /// (C)(D): the home address.
    pub destination: Option<SelectorRange<Ipv6Addr>>,
    /// (E)(F): IPsec SPI.
    pub spi: Option<SelectorRange<u32>>,
    /// (G)(H): flow label, 20 bits.
    pub flow_label: Option<SelectorRange<u32>>,
    /// (I)(J): the correspondent's port.
    pub source_port: Option<SelectorRange<u16>>,
    /// (K)(L): the mobile node's port.
    pub destination_port: Option<SelectorRange<u16>>,
    /// (M)(N): differentiated services code point, 6 bits; the low 2 bits of the field "MUST be ignored in any
    /// comparison".
    pub dscp: Option<SelectorRange<u8>>,
    /// (O)(P): Next Header.
    pub next_header: Option<SelectorRange<u8>>,
}

/// RFC 6088 §3.2 takes the flow label for 24 bits long; it has 20 (RFC 8200 §3).
const FLOW_LABEL: u32 = 0x000f_ffff;

impl TrafficSelector {
    /// TS Format of this selector.
    pub const FORMAT: u8 = 2;

    /// Reads what follows TS Format and its reserved octet.
    ///
    /// # Errors
    /// [`SelectorError`], with RFC 6089's flow status 130 for an answer.
    pub fn parse(selector: &[u8]) -> Result<Self, SelectorError> {
        let mut reader = Reader::new(selector)?;
        let parsed = Self {
            source: reader.range(<Ipv6Addr as From<[u8; 16]>>::from)?,
            destination: reader.range(<Ipv6Addr as From<[u8; 16]>>::from)?,
            spi: reader.range(u32::from_be_bytes)?,
            flow_label: reader.range(|field| u32::from_be_bytes(field) & FLOW_LABEL)?,
            source_port: reader.range(u16::from_be_bytes)?,
            destination_port: reader.range(u16::from_be_bytes)?,
            dscp: reader.range(|[field]: [u8; 1]| field >> 2)?,
            next_header: reader.range(|[field]: [u8; 1]| field)?,
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
        writer.range(self.flow_label, |label| (label & FLOW_LABEL).to_be_bytes());
        writer.range(self.source_port, u16::to_be_bytes);
        writer.range(self.destination_port, u16::to_be_bytes);
        writer.range(self.dscp, |dscp| [dscp << 2]);
        writer.range(self.next_header, |kind| [kind]);
        writer.into_octets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_round_trip() {
        let address = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        let selector = TrafficSelector {
            source: Some(SelectorRange {
                start: address(1),
                end: Some(address(9)),
            }),
            destination: Some(SelectorRange::one(address(7))),
            spi: Some(SelectorRange {
                start: 256,
                end: Some(512),
            }),
            flow_label: Some(SelectorRange::one(0xabcde)),
            source_port: Some(SelectorRange {
                start: 443,
                end: Some(444),
            }),
            destination_port: None,
            dscp: Some(SelectorRange::one(46)),
            next_header: Some(SelectorRange {
                start: 6,
                end: Some(17),
            }),
        };
        let octets = selector.to_octets();
        assert_eq!(octets[..4], [0b1110_1110, 0b1100_1011, 0, 0]);
        assert_eq!(octets.len(), 4 + 48 + 12 + 4 + 3);
        assert_eq!(TrafficSelector::parse(&octets), Ok(selector));
        for len in 0..octets.len() {
            assert_eq!(
                TrafficSelector::parse(&octets[..len]),
                Err(SelectorError::Length),
                "{len}"
            );
        }
    }

    #[test]
    fn refuses_an_end_alone_and_what_is_left_over() {
        assert_eq!(
            TrafficSelector::parse(&[0, 0x01, 0, 0, 6]),
            Err(SelectorError::EndWithoutStart)
        );
        assert_eq!(
            TrafficSelector::parse(&[0, 0x02, 0, 0, 6, 6]),
            Err(SelectorError::Length)
        );
        assert_eq!(
            TrafficSelector::parse(&[0, 0, 0, 0]),
            Ok(TrafficSelector::default())
        );
    }

    #[test]
    fn the_first_bits_of_a_flow_label_and_the_last_of_a_traffic_class_mean_nothing() {
        let label = TrafficSelector::parse(&[0x02, 0, 0, 0, 0xff, 0xfa, 0xbc, 0xde]).unwrap();
        assert_eq!(label.flow_label, Some(SelectorRange::one(0xabcde)));
        let class = TrafficSelector::parse(&[0, 0x08, 0, 0, 0xbb]).unwrap();
        assert!(class.dscp.unwrap().contains(46));
    }
}
