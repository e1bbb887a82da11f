//! A file as tcpdump writes it

/// Frames with a microsecond between them: generators set the pace themselves.
#[derive(Debug)]
pub struct Pcap {
    octets: Vec<u8>,
    frames: u32,
}

impl Pcap {
    /// Without a frame.
    pub fn new() -> Self {
        let mut octets = Vec::new();
        // Magic, version 2.4, no time zone, no accuracy, longest frame, Ethernet.
        for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
            octets.extend_from_slice(&word.to_le_bytes());
        }
        Self { octets, frames: 0 }
    }

    /// One more.
    ///
    /// # Errors
    /// It is longer than a file can say.
    pub fn push(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let length = u32::try_from(frame.len())?;
        for word in [
            self.frames / 1_000_000,
            self.frames % 1_000_000,
            length,
            length,
        ] {
            self.octets.extend_from_slice(&word.to_le_bytes());
        }
        self.octets.extend_from_slice(frame);
        self.frames += 1;
        Ok(())
    }

    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_follows_its_record() {
        let mut pcap = Pcap::new();
        pcap.push(b"one").expect("short");
        pcap.push(b"three").expect("short");
        let octets = pcap.into_octets();
        assert_eq!(octets.len(), 24 + 16 + 3 + 16 + 5);
        assert_eq!(
            octets.get(..8),
            Some(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0][..])
        );
        assert!(octets.ends_with(b"three"));
    }
}
