//! A line of a case: a word, and what belongs to it.

use std::fmt;
use std::net::Ipv6Addr;

use crate::address;

/// The words of a line: `kind key=value flag`.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<String>);

impl Words {
    pub fn read(line: &str) -> Self {
        Self(line.split_whitespace().map(str::to_owned).collect())
    }

    /// These, and behind them others, which matter where these say nothing.
    pub fn before(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).cloned().collect())
    }

    /// The first word.
    pub fn kind(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The second word, where a line has a subject.
    pub fn subject(&self) -> &str {
        self.0.get(1).map_or("", String::as_str)
    }

    /// `key=value` pairs, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|word| word.split_once('='))
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Every value of a key that may stand more than once.
    pub fn all(&self, key: &str) -> Vec<&str> {
        let named = self.pairs().filter(|(name, _)| *name == key);
        named.map(|(_, value)| value).collect()
    }

    pub fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag)
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key).map(number)
    }

    pub fn number_or(&self, key: &str, default: u64) -> u64 {
        self.number(key).unwrap_or(default)
    }

    pub fn address(&self, key: &str) -> Option<Ipv6Addr> {
        self.get(key).map(address::read)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// A number in decimal, or in hexadecimal behind `0x`.
pub fn number(text: &str) -> u64 {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.unwrap_or_else(|_| panic!("{text} is no number"))
}

/// Octets in hexadecimal; `00*250` is 250 times the same.
pub fn octets(text: &str) -> Vec<u8> {
    if let Some((octet, times)) = text.split_once('*') {
        return octets(octet).repeat(number(times) as usize);
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("{text}")))
        .collect()
}

/// `offset:octets` pairs.
pub fn edits(texts: &[&str]) -> Vec<(usize, Vec<u8>)> {
    let edit = |text: &&str| {
        let (at, with) = text.split_once(':').unwrap_or_else(|| panic!("{text}"));
        (number(at) as usize, octets(with))
    };
    texts.iter().map(edit).collect()
}
