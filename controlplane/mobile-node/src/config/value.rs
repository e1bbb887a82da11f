//! Values of the file, each with what was expected in its place.

use std::fmt::Display;
use std::net::Ipv6Addr;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use dhp_proto::auth::Key;
use dhp_wire::ipv6::is_unicast_routable;
use toml::Spanned;

use super::problem::Problem;

/// Lifetime fields count units of 4 seconds in 16 bits; the largest value means for ever.
const LONGEST_LIFETIME_SECONDS: u64 = 0xfffe * 4;

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add<T>(
        &mut self,
        value: &Spanned<T>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.0.push(Problem::new(value.span(), message, expected));
    }

    /// A value that its type can parse.
    pub(super) fn parse<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        value: &Spanned<String>,
        expected: &str,
    ) -> Option<T> {
        match value.get_ref().parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let message = format!("`{key} = \"{}\"`: {error}", value.get_ref());
                self.add(value, message, expected);
                None
            }
        }
    }

    /// A unicast address that is not link-local.
    pub(super) fn address(&mut self, key: &str, value: &Spanned<String>) -> Option<Ipv6Addr> {
        let expected = "the global IPv6 address of one node, such as 2001:db8:1::1";
        let address = self.parse(key, value, expected)?;
        if is_unicast_routable(&address) {
            return Some(address);
        }
        let message = format!("`{key} = \"{address}\"` is not an address that routers forward to");
        self.add(value, message, expected);
        None
    }

    /// An integer of a range.
    pub(super) fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        value: &Spanned<i64>,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<T> {
        let number = *value.get_ref();
        if range.contains(&number)
            && let Ok(number) = T::try_from(number)
        {
            return Some(number);
        }
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.add(
            value,
            format!("`{key} = {number}` is out of range"),
            expected,
        );
        None
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        value: &Spanned<String>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = words.iter().find(|(word, _)| word == value.get_ref());
        if let Some((_, meaning)) = found {
            return Some(*meaning);
        }
        let expected: Vec<String> = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        let message = format!("`{key} = \"{}\"` is unknown", value.get_ref());
        self.add(value, message, expected.join(" or "));
        None
    }

    /// The name of an interface.
    pub(super) fn interface(&mut self, key: &str, value: &Spanned<String>) -> Option<String> {
        let name = value.get_ref();
        let sound = (1..16).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '/' | ':'))
            && !matches!(name.as_str(), "." | ".." | "all" | "default");
        if sound {
            return Some(name.clone());
        }
        let message = format!("`{key}`: \"{name}\" cannot be an interface");
        self.add(
            value,
            message,
            "a name of 1 to 15 characters, such as \"wlan0\"",
        );
        None
    }

    /// A lifetime in units of 4 seconds, from a number with s, m or h.
    pub(super) fn lifetime(&mut self, key: &str, value: &Spanned<String>) -> Option<u16> {
        let text = value.get_ref();
        let units = |number: &str, seconds: u64| {
            let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
            let in_range = (4..=LONGEST_LIFETIME_SECONDS).contains(&total);
            u16::try_from(total / 4).ok().filter(|_| in_range)
        };
        let lifetime = match text.strip_suffix(['s', 'm', 'h']) {
            Some(number) if text.ends_with('m') => units(number, 60),
            Some(number) if text.ends_with('h') => units(number, 3600),
            Some(number) => units(number, 1),
            None => None,
        };
        if lifetime.is_none() {
            let message = format!("`{key} = \"{text}\"` is no lifetime");
            self.add(
                value,
                message,
                "4 seconds to 72 hours, such as \"600s\" or \"10m\"",
            );
        }
        lifetime
    }

    /// A key in hex.
    pub(super) fn key(&mut self, key: &str, value: &Spanned<String>) -> Option<Key> {
        match key_from_hex(value.get_ref()) {
            Ok(found) => Some(found),
            Err(error) => {
                self.add(value, format!("`{key}`: {error}"), KEY_EXPECTED);
                None
            }
        }
    }

    /// A key in a file of its own, that nobody else may read.
    pub(super) fn key_file(&mut self, key: &str, value: &Spanned<String>) -> Option<Key> {
        let path = value.get_ref();
        let read = || {
            let mode = std::fs::metadata(path)
                .map_err(|error| error.to_string())?
                .mode();
            if mode & 0o077 != 0 {
                return Err(format!("others may use it (mode {:04o})", mode & 0o7777));
            }
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            key_from_hex(text.trim())
        };
        match read() {
            Ok(found) => Some(found),
            Err(error) => {
                let message = format!("`{key} = \"{path}\"`: {error}");
                self.add(
                    value,
                    message,
                    "a file with mode 0600 that holds a key in hex",
                );
                None
            }
        }
    }
}

const KEY_EXPECTED: &str = "16 to 64 octets in hexadecimal digits";

/// The key is never part of the message.
fn key_from_hex(text: &str) -> Result<Key, String> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits.ok_or("there is something else than hexadecimal digits")?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("half an octet is left over".to_owned());
    }
    if !(16..=64).contains(&pairs.len()) {
        return Err(format!("it has {} octets", pairs.len()));
    }
    let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    Ok(Key::new(octets))
}
