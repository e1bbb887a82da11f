//! What names were resolved to before, however long ago: what is asked for again is likely to be the same.

use std::collections::HashMap;
use std::net::Ipv6Addr;

/// Names that are remembered; the one that was asked for longest ago makes room.
const MAX_NAMES: usize = 512;

#[derive(Debug)]
struct Known {
    addresses: Vec<Ipv6Addr>,
    /// Grows with each answer.
    learned: u64,
}

/// Names with the addresses of their last answers.
#[derive(Debug, Default)]
pub(super) struct KnownNames {
    names: HashMap<String, Known>,
    learned: u64,
}

impl KnownNames {
    /// Notes an answer.
    pub(super) fn learn(&mut self, name: &str, addresses: Vec<Ipv6Addr>) {
        let name = normal(name);
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(&name) {
            let oldest = self.names.iter().min_by_key(|(_, known)| known.learned);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.names.remove(&oldest);
            }
        }
        self.learned = self.learned.wrapping_add(1);
        let known = Known {
            addresses,
            learned: self.learned,
        };
        self.names.insert(name, known);
    }

    /// The addresses of the last answer; none, if there was no answer.
    pub(super) fn addresses(&self, name: &str) -> &[Ipv6Addr] {
        self.names
            .get(&normal(name))
            .map_or(&[], |known| known.addresses.as_slice())
    }
}

/// RFC 4343: letter case counts for nothing.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_is_remembered_and_the_oldest_name_makes_room() {
        let mut names = KnownNames::default();
        let (one, other) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
        names.learn("www.example", vec![one]);
        names.learn("WWW.Example.", vec![other]);
        assert_eq!(names.addresses("www.example"), [other]);
        for number in 0..MAX_NAMES {
            names.learn(&format!("{number}.example"), vec![one]);
        }
        assert_eq!(names.names.len(), MAX_NAMES);
        assert!(names.addresses("www.example").is_empty());
        assert_eq!(names.addresses("0.example"), [one]);
    }
}
