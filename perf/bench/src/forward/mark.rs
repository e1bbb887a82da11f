//! What the generator writes into a packet to know it again

/// Octets of Ethernet, IPv6 and UDP.
const BEFORE: usize = 14 + 40 + 8;
const TUNNEL: usize = 40;
/// Where the first IPv6 header says what follows it, and what it says of a tunnel.
const NEXT_HEADER: usize = 14 + 6;
const IPV6: u8 = 41;

/// In the first 16 octets of the UDP payload, inside a tunnel or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Of all trials of this process.
    pub trial: u32,
    /// Of the trial.
    pub number: u32,
    /// When it was sent, on the clock of `monotonic_ns`.
    pub sent_ns: u64,
}

impl Mark {
    /// Octets of a frame that have the mark among them, and all before it.
    pub const FRAME_START: usize = BEFORE + TUNNEL + 16;

    /// Write it into a frame that has room for it.
    pub fn write(self, frame: &mut [u8]) {
        let at = start(frame);
        if let Some(place) = frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            let Self {
                trial,
                number,
                sent_ns,
            } = self;
            let whole = u128::from(trial) << 96 | u128::from(number) << 64 | u128::from(sent_ns);
            *place = whole.to_be_bytes();
        }
    }

    /// That of a frame, if there is one.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let whole = u128::from_be_bytes(*frame.get(start(frame)..)?.first_chunk()?);
        // Each cast takes the bits that its field has.
        Some(Self {
            trial: (whole >> 96) as u32,
            number: (whole >> 64) as u32,
            sent_ns: whole as u64,
        })
    }
}

fn start(frame: &[u8]) -> usize {
    match frame.get(NEXT_HEADER) {
        Some(&IPV6) => BEFORE + TUNNEL,
        _ => BEFORE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::traffic::{Mix, SMALLEST, Traffic};
    use super::*;

    #[test]
    fn the_smallest_frames_keep_a_mark_in_and_out_of_the_tunnel() {
        let mark = Mark {
            trial: 7,
            number: u32::MAX,
            sent_ns: 1 << 63 | 5,
        };
        let mut traffic = Traffic::new(Mix::Size(SMALLEST), 10);
        for _ in 0..traffic.period() {
            let mut frame = traffic.next().expect("a packet").octets.to_vec();
            mark.write(&mut frame);
            assert_eq!(Mark::read(&frame), Some(mark));
            assert!(frame.len() <= Mark::FRAME_START);
        }
        assert_eq!(Mark::read(&[0; 60]), None);
    }
}
