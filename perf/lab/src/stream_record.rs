//! What the two ends of a UDP stream saw, and what a handoff did to it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

const MAGIC: [u8; 8] = *b"DHPLAB01";

/// A received packet; times in monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number, from 0.
    pub sequence: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When it was received.
    pub received_ns: u64,
}

/// One end's notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRecord {
    /// When each packet was sent; the index is its sequence number.
    pub sent: Vec<u64>,
    /// What was received, in order of arrival.
    pub received: Vec<Arrival>,
}

impl StreamRecord {
    /// Writes the notes to a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let mut file = BufWriter::new(File::create(path)?);
            file.write_all(&MAGIC)?;
            file.write_all(&(self.sent.len() as u64).to_le_bytes())?;
            for sent_ns in &self.sent {
                file.write_all(&sent_ns.to_le_bytes())?;
            }
            for arrival in &self.received {
                for word in [arrival.sequence, arrival.sent_ns, arrival.received_ns] {
                    file.write_all(&word.to_le_bytes())?;
                }
            }
            file.flush()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads notes from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut octets = Vec::new();
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        BufReader::new(file).read_to_end(&mut octets)?;
        let body = octets
            .strip_prefix(&MAGIC)
            .with_context(|| format!("{} is not a stream record", path.display()))?;
        let mut words = body
            .chunks_exact(8)
            .filter_map(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)));
        let sent = usize::try_from(words.next().unwrap_or(0))?;
        let sent = words.by_ref().take(sent).collect();
        let mut received = Vec::new();
        while let (Some(sequence), Some(sent_ns), Some(received_ns)) =
            (words.next(), words.next(), words.next())
        {
            received.push(Arrival {
                sequence,
                sent_ns,
                received_ns,
            });
        }
        Ok(Self { sent, received })
    }
}

/// What one handoff did to one direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interruption {
    /// Packets that never arrived.
    pub lost: u64,
    /// How long nothing arrived.
    pub gap_ns: u64,
    /// When the arrivals began again after that gap, monotonic; `None` if they did not.
    pub restored_ns: Option<u64>,
}

/// One direction: what one end sent, what the other received.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// When each packet was sent.
    pub sent: &'a [u64],
    /// What arrived, in order of arrival.
    pub arrivals: &'a [Arrival],
}

impl Direction<'_> {
    /// The longest silence between two moments, and what was lost until its end.
    pub fn longest_silence(&self, from_ns: u64, until_ns: u64) -> Interruption {
        let window = from_ns..until_ns;
        let mut silence = Interruption {
            lost: 0,
            gap_ns: 0,
            restored_ns: None,
        };
        let mut since = from_ns;
        for arrival in self
            .arrivals
            .iter()
            .filter(|arrival| window.contains(&arrival.received_ns))
        {
            let gap_ns = arrival.received_ns.saturating_sub(since);
            if gap_ns > silence.gap_ns {
                silence.gap_ns = gap_ns;
                silence.restored_ns = Some(arrival.received_ns);
            }
            since = arrival.received_ns;
        }
        if until_ns.saturating_sub(since) > silence.gap_ns {
            silence.gap_ns = until_ns.saturating_sub(since);
            silence.restored_ns = None;
        }
        silence.lost = self.lost(from_ns, silence.restored_ns.unwrap_or(until_ns));
        silence
    }

    /// Packets that never arrived, of those sent before `until_ns` and not long before `from_ns`: what was under way
    /// at the cut is lost with it.
    fn lost(&self, from_ns: u64, until_ns: u64) -> u64 {
        const UNDER_WAY_NS: u64 = 200_000_000;
        let window = from_ns.saturating_sub(UNDER_WAY_NS)..until_ns;
        let arrived: HashSet<u64> = self
            .arrivals
            .iter()
            .map(|arrival| arrival.sequence)
            .collect();
        let sent = (0_u64..)
            .zip(self.sent)
            .filter(|(_, sent_ns)| window.contains(sent_ns));
        sent.filter(|(sequence, _)| !arrived.contains(sequence))
            .count() as u64
    }

    /// The median one-way delay of packets sent before a time.
    pub fn median_delay_ns(&self, before_ns: u64) -> Option<u64> {
        let mut delays: Vec<u64> = self
            .arrivals
            .iter()
            .filter(|arrival| arrival.sent_ns < before_ns)
            .map(|arrival| arrival.received_ns.saturating_sub(arrival.sent_ns))
            .collect();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// 100 packets, one a millisecond, 10 ms under way; those of `lost` do not arrive.
    fn stream(lost: std::ops::Range<u64>) -> (Vec<u64>, Vec<Arrival>) {
        let sent: Vec<u64> = (0..100).map(|index| index * MS).collect();
        let arrivals = (0..100)
            .filter(|sequence| !lost.contains(sequence))
            .map(|sequence| Arrival {
                sequence,
                sent_ns: sequence * MS,
                received_ns: (sequence + 10) * MS,
            })
            .collect();
        (sent, arrivals)
    }

    #[test]
    fn a_cut_is_the_silence_and_the_missing_numbers() {
        let (sent, arrivals) = stream(30..50);
        let direction = Direction {
            sent: &sent,
            arrivals: &arrivals,
        };
        // Cut at 30 ms: what was sent until then is still under way for 10 ms.
        let seen = direction.longest_silence(30 * MS, 90 * MS);
        assert_eq!(
            seen,
            Interruption {
                lost: 20,
                gap_ns: 21 * MS,
                restored_ns: Some(60 * MS)
            }
        );
        assert_eq!(direction.median_delay_ns(u64::MAX), Some(10 * MS));
    }

    #[test]
    fn packets_under_way_at_the_cut_are_lost_with_it() {
        let (sent, arrivals) = stream(25..50);
        let direction = Direction {
            sent: &sent,
            arrivals: &arrivals,
        };
        assert_eq!(direction.longest_silence(30 * MS, 90 * MS).lost, 25);
    }

    #[test]
    fn a_stream_that_stays_away_is_not_restored() {
        let (sent, arrivals) = stream(30..100);
        let direction = Direction {
            sent: &sent,
            arrivals: &arrivals,
        };
        let expected = Interruption {
            lost: 70,
            gap_ns: 61 * MS,
            restored_ns: None,
        };
        assert_eq!(direction.longest_silence(30 * MS, 100 * MS), expected);
    }

    #[test]
    fn the_longest_silence_of_an_undisturbed_stream_is_its_spacing() {
        let (sent, arrivals) = stream(0..0);
        let seen = Direction {
            sent: &sent,
            arrivals: &arrivals,
        }
        .longest_silence(30 * MS, 90 * MS);
        assert_eq!((seen.lost, seen.gap_ns), (0, MS));
    }

    #[test]
    fn records_survive_the_file() {
        let (sent, received) = stream(3..9);
        let record = StreamRecord { sent, received };
        let file = tempfile::NamedTempFile::new().unwrap();
        record.write(file.path()).unwrap();
        assert_eq!(StreamRecord::read(file.path()).unwrap(), record);
    }
}
