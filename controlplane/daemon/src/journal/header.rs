//! How a journal begins: what it is, and what holds for all of it
//!
//! | octets | what |
//! |---|---|
//! | 0–7 | `dhpd jnl` |
//! | 8–9 | version of the format, big-endian |
//! | 10–13 | restart counter (RFC 5847 §3.2) |
//! | 14–45 | secret of the interface identifiers |
//! | 46–49 | CRC-32 of the octets before |

use std::time::{SystemTime, UNIX_EPOCH};

use dhp_proto::anchor::IdentifierSecret;

use super::fields::Fields;

const MAGIC: &[u8; 8] = b"dhpd jnl";
/// Version 1 had fixed records of numbers alone, and no header.
const VERSION: u16 = 2;

/// Octets of a header.
pub const HEADER_LEN: usize = 50;
const CHECKSUM_LEN: usize = 4;

/// What holds for all of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What interface identifiers of DHoAs are made of.
    pub secret: IdentifierSecret,
    /// Number of the start that began it. RFC 5847 §3.2: the counter "MUST NOT be incremented if the recovery happens without
    /// losing state".
    pub restart_counter: u32,
}

/// Why a file has no header that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It is something else, or damaged where it begins.
    Foreign,
    /// It is a journal of this format, which is not known.
    Version(u16),
}

impl Header {
    /// The header of a journal that begins now.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        // Seconds of the clock rise from one beginning to the next, which is all that the counter has to do.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            secret: IdentifierSecret::new(secret),
            restart_counter: u32::try_from(since_epoch.as_secs()).unwrap_or(u32::MAX),
        })
    }

    /// Its octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = MAGIC.to_vec();
        octets.extend(VERSION.to_be_bytes());
        octets.extend(self.restart_counter.to_be_bytes());
        octets.extend(self.secret.octets());
        let checksum = crc32fast::hash(&octets);
        octets.extend(checksum.to_be_bytes());
        octets
    }

    /// Reads a header, and gives the octets behind it.
    ///
    /// # Errors
    /// [`HeaderFault`].
    pub fn decode(octets: &[u8]) -> Result<(Self, &[u8]), HeaderFault> {
        let (head, rest) = octets
            .split_at_checked(HEADER_LEN)
            .ok_or(HeaderFault::Foreign)?;
        let fields = head.strip_prefix(MAGIC).ok_or(HeaderFault::Foreign)?;
        Self::decode_fields(head, Fields(fields)).map(|header| (header, rest))
    }

    fn decode_fields(head: &[u8], mut fields: Fields<'_>) -> Result<Self, HeaderFault> {
        let version = fields.u16().ok_or(HeaderFault::Foreign)?;
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let mut read = || {
            let restart_counter = fields.u32()?;
            let secret = IdentifierSecret::new(fields.array()?);
            let (checked, checksum) = head.split_last_chunk::<CHECKSUM_LEN>()?;
            let is_sound = crc32fast::hash(checked).to_be_bytes() == *checksum;
            is_sound.then_some(Self {
                secret,
                restart_counter,
            })
        };
        read().ok_or(HeaderFault::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_not_if_an_octet_has_changed() {
        let header = Header::new().unwrap();
        let octets = header.encode();
        assert_eq!(octets.len(), HEADER_LEN);
        assert_eq!(Header::decode(&octets), Ok((header, &[][..])));
        for at in 0..HEADER_LEN {
            assert_eq!(Header::decode(&octets[..at]), Err(HeaderFault::Foreign));
            let mut octets = octets.clone();
            octets[at] ^= 1;
            let fault = match at {
                8 | 9 => HeaderFault::Version(VERSION ^ if at == 8 { 256 } else { 1 }),
                _ => HeaderFault::Foreign,
            };
            assert_eq!(Header::decode(&octets), Err(fault), "octet {at}");
        }
    }
}
