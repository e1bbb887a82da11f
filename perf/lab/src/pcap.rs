//! Capture files as tcpdump writes them: only what the lab needs to count signalling octets.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// A captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CapturedFrame {
    /// Time stamp, nanoseconds of `CLOCK_REALTIME`.
    pub realtime_ns: u64,
    /// Length on the wire without the Ethernet header: the IPv6 packet.
    pub ipv6_bytes: u64,
}

const ETHERNET_HEADER: u64 = 14;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Reads the frames' times and lengths, and gives what `keep` makes of each and its octets, from the Ethernet header on, as far as
/// they were captured.
pub fn read<T>(path: &Path, keep: impl FnMut(CapturedFrame, &[u8]) -> Option<T>) -> Result<Vec<T>> {
    let octets = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&octets, keep)
        .with_context(|| format!("{} is not a capture of this machine", path.display()))
}

fn parse<T>(
    octets: &[u8],
    mut keep: impl FnMut(CapturedFrame, &[u8]) -> Option<T>,
) -> Result<Vec<T>> {
    let nanoseconds_per_fraction = match word(octets, 0) {
        Some(0xa1b2_c3d4) => 1_000,
        Some(0xa1b2_3c4d) => 1,
        _ => bail!("no pcap magic in this machine's byte order"),
    };
    let mut frames = Vec::new();
    let mut at = FILE_HEADER;
    while let (Some(seconds), Some(fraction), Some(captured), Some(length)) = (
        word(octets, at),
        word(octets, at + 4),
        word(octets, at + 8),
        word(octets, at + 12),
    ) {
        let frame = CapturedFrame {
            realtime_ns: u64::from(seconds) * 1_000_000_000
                + u64::from(fraction) * nanoseconds_per_fraction,
            ipv6_bytes: u64::from(length).saturating_sub(ETHERNET_HEADER),
        };
        let begins = at.saturating_add(RECORD_HEADER);
        at = begins.saturating_add(usize::try_from(captured)?);
        // The last record may have been cut short.
        let body = octets.get(begins..at.min(octets.len()));
        frames.extend(keep(frame, body.unwrap_or_default()));
    }
    Ok(frames)
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_their_times() {
        let mut file = Vec::new();
        for value in [0xa1b2_c3d4_u32, 0, 0, 0, 0, 1] {
            file.extend_from_slice(&value.to_ne_bytes());
        }
        for length in [74_u32, 114] {
            for value in [5, 7, length, length] {
                file.extend_from_slice(&value.to_ne_bytes());
            }
            file.resize(file.len() + length as usize, 0);
        }
        let whole = |frame, octets: &[u8]| Some((frame, octets.len()));
        let (frames, lengths): (Vec<_>, Vec<_>) = parse(&file, whole).unwrap().into_iter().unzip();
        assert_eq!(lengths, [74, 114]);
        assert_eq!(frames.len(), 2);
        assert_eq!(
            frames[0],
            CapturedFrame {
                realtime_ns: 5_000_007_000,
                ipv6_bytes: 60
            }
        );
        assert!(parse(&file[..10], whole).is_ok_and(|frames| frames.is_empty()));
        assert!(parse(b"not a capture", whole).is_err());
    }
}
