//! The file that the correspondent serves: pseudo-random octets, the same in each run, of any length.

use sha2::{Digest, Sha256};

use crate::random::Random;

const SEED: u64 = 0xd1_57_1b_07_ed;
const BLOCK: usize = 64 * 1024;

/// The file's octets, in blocks.
#[derive(Debug)]
pub struct Content {
    random: Random,
    left: u64,
    block: Vec<u8>,
}

impl Content {
    /// A file of this many octets.
    pub fn new(length: u64) -> Self {
        Self {
            random: Random::new(SEED),
            left: length,
            block: vec![0; BLOCK],
        }
    }

    /// The next block; empty at the end.
    pub fn next_block(&mut self) -> &[u8] {
        let length = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        self.left = self.left.saturating_sub(length as u64);
        self.random.fill(&mut self.block);
        self.block.get(..length).unwrap_or_default()
    }
}

/// SHA-256 of the file of this length, in hexadecimal.
pub fn digest(length: u64) -> String {
    let mut content = Content::new(length);
    let mut hash = Sha256::new();
    loop {
        let block = content.next_block();
        if block.is_empty() {
            return hexadecimal(&hash.finalize());
        }
        hash.update(block);
    }
}

/// Octets in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_length_and_a_longer_one_begins_with_it() {
        let read = |length| {
            let mut content = Content::new(length);
            let mut all = Vec::new();
            loop {
                let block = content.next_block();
                if block.is_empty() {
                    return all;
                }
                all.extend_from_slice(block);
            }
        };
        let long = read(200_001);
        assert_eq!(long.len(), 200_001);
        assert_eq!(read(70_000), long[..70_000]);
        assert_ne!(digest(10), digest(11));
    }
}
