//! Keys in hexadecimal digits

use dhp_proto::auth::Key;

/// Why a key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A character that is no hexadecimal digit.
    #[error("character {position} is not a hexadecimal digit")]
    NotHex {
        /// Counted from 1.
        position: usize,
    },
    /// Half an octet is left over.
    #[error("{digits} hexadecimal digits are no whole number of octets")]
    HalfOctet {
        /// How many digits there are.
        digits: usize,
    },
    /// Shorter than the algorithm's strength asks.
    #[error("too short: {octets} of at least {SHORTEST_KEY} octets")]
    TooShort {
        /// How many there are.
        octets: usize,
    },
    /// Longer than any key can sensibly be.
    #[error("too long: {octets} of at most {LONGEST_KEY} octets")]
    TooLong {
        /// How many there are.
        octets: usize,
    },
}

/// The fewest octets a key may have: HMAC-SHA1-96's security associations of RFC 4285 commonly have 16.
pub const SHORTEST_KEY: usize = 16;
/// The most octets a key may have: HMAC's block size; longer ones would only be hashed down.
pub const LONGEST_KEY: usize = 64;

/// Parse a key of 16 to 64 octets in hex.
///
/// # Errors
/// [`KeyError`], never with a digit of the key in it.
pub fn from_hex(text: &str) -> Result<Key, KeyError> {
    let text = text.trim();
    let mut nibbles = Vec::with_capacity(text.len());
    for (index, character) in text.chars().enumerate() {
        let digit = character
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok());
        nibbles.push(digit.ok_or(KeyError::NotHex {
            position: index + 1,
        })?);
    }
    let (pairs, rest) = nibbles.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(KeyError::HalfOctet {
            digits: nibbles.len(),
        });
    }
    let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    match octets.len() {
        ..SHORTEST_KEY => Err(KeyError::TooShort {
            octets: octets.len(),
        }),
        SHORTEST_KEY..=LONGEST_KEY => Ok(Key::new(octets)),
        _ => Err(KeyError::TooLong {
            octets: octets.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_decoded_and_measured() {
        let key = from_hex("000102030405060708090a0b0c0d0eFf").expect("a key");
        assert_eq!(key.octets().len(), 16);
        assert_eq!(key.octets().last(), Some(&0xff));
        assert!(matches!(
            from_hex("00zz"),
            Err(KeyError::NotHex { position: 3 })
        ));
        assert!(matches!(
            from_hex("000"),
            Err(KeyError::HalfOctet { digits: 3 })
        ));
        assert!(matches!(
            from_hex("0011"),
            Err(KeyError::TooShort { octets: 2 })
        ));
        assert!(matches!(
            from_hex(&"00".repeat(65)),
            Err(KeyError::TooLong { octets: 65 })
        ));
    }
}
