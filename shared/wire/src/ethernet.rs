//! Ethernet II framing (RFC 2464: IPv6 is EtherType 0x86dd).

use core::fmt;
use core::str::FromStr;

/// Octets of an Ethernet II header.
pub const HEADER_LEN: usize = 14;
/// EtherType of IPv6 (RFC 2464 §3).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// A 48-bit link-layer address, as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The all-ones address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set (multicast or broadcast).
    #[inline]
    #[must_use]
    pub const fn is_multicast(&self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The multicast address that an IPv6 multicast address maps to: 33-33 and its last four octets (RFC 2464 §7).
    #[must_use]
    pub const fn of_multicast(address: &core::net::Ipv6Addr) -> Self {
        let a = address.octets();
        Self([0x33, 0x33, a[12], a[13], a[14], a[15]])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not six colon-separated pairs of hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddrError;

impl fmt::Display for MacAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a link-layer address such as 02:00:5e:10:00:01")
    }
}

impl core::error::Error for MacAddrError {}

impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(text: &str) -> Result<Self, MacAddrError> {
        let mut address = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut address {
            let part = parts.next().ok_or(MacAddrError)?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(MacAddrError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| MacAddrError)?;
        }
        parts
            .next()
            .is_none()
            .then_some(Self(address))
            .ok_or(MacAddrError)
    }
}

/// The three fields of an Ethernet II header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Who is to take the frame.
    pub destination: MacAddr,
    /// Who sent it.
    pub source: MacAddr,
    /// What it carries.
    pub ether_type: u16,
}

impl EthernetHeader {
    /// Reads the header; nothing if the frame is shorter than [`HEADER_LEN`].
    #[inline]
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let h = frame.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            destination: MacAddr([h[0], h[1], h[2], h[3], h[4], h[5]]),
            source: MacAddr([h[6], h[7], h[8], h[9], h[10], h[11]]),
            ether_type: u16::from_be_bytes([h[12], h[13]]),
        })
    }

    /// Writes the header at the front of `frame`; false, and nothing written, if there is no room.
    #[inline]
    pub fn write(&self, frame: &mut [u8]) -> bool {
        let Some(out) = frame.first_chunk_mut::<HEADER_LEN>() else {
            return false;
        };
        out[..6].copy_from_slice(&self.destination.0);
        out[6..12].copy_from_slice(&self.source.0);
        out[12..].copy_from_slice(&self.ether_type.to_be_bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn header_round_trip() {
        let header = EthernetHeader {
            destination: MacAddr([0x33, 0x33, 0, 0, 0, 1]),
            source: MacAddr([2, 0, 0x5e, 0x10, 0, 1]),
            ether_type: ETHERTYPE_IPV6,
        };
        let mut frame = [0u8; 20];
        assert!(header.write(&mut frame));
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        assert_eq!(EthernetHeader::read(&frame), Some(header));
        assert_eq!(EthernetHeader::read(&frame[..13]), None);
        assert!(!header.write(&mut frame[..13]));
    }

    #[test]
    fn address_text() {
        let address: MacAddr = "02:00:5E:10:00:0a".parse().unwrap();
        assert_eq!(address.to_string(), "02:00:5e:10:00:0a");
        for wrong in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:0a:0b",
            "2:0:5e:10:0:a",
            "+2:00:5e:10:00:0a",
            "02-00-5e-10-00-0a",
        ] {
            assert_eq!(wrong.parse::<MacAddr>(), Err(MacAddrError), "{wrong}");
        }
    }

    #[test]
    fn multicast_mapping() {
        let all_nodes = "ff02::1".parse().unwrap();
        assert_eq!(
            MacAddr::of_multicast(&all_nodes),
            MacAddr([0x33, 0x33, 0, 0, 0, 1])
        );
        assert!(MacAddr::BROADCAST.is_multicast());
    }
}
