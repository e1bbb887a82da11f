//! Keys: as hex in the file, or in a file of their own that only its owner may read

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    /// The key file cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Others may read or change the key file.
    #[error("{path} has mode {mode:04o}: others than its owner may use it")]
    OpenMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is another user's.
    #[error("{path} belongs to user {owner}")]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
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

/// Read a key, in hex, from a file that belongs to this user or root and that nobody else may read or write.
///
/// # Errors
/// [`KeyError`] with the file's name.
pub fn from_file(path: &Path) -> Result<Key, KeyError> {
    let unreadable = |cause| KeyError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    // Of the opened file, not of the name, which might be another file by then.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::OpenMode {
            path: path.to_owned(),
            mode,
        });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(KeyError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    let mut text = String::new();
    file.by_ref()
        .take(4096)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    from_hex(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn a_key_file_is_private_or_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        writeln!(file, "{}", "0f".repeat(32)).expect("written");
        let set_mode = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode))
                .expect("mode set");
        };
        set_mode(0o640);
        assert!(matches!(
            from_file(file.path()),
            Err(KeyError::OpenMode { mode: 0o640, .. })
        ));
        set_mode(0o600);
        assert_eq!(from_file(file.path()).expect("a key").octets(), [0x0f; 32]);
        let missing = file.path().with_extension("gone");
        assert!(matches!(
            from_file(&missing),
            Err(KeyError::Unreadable { .. })
        ));
    }
}
