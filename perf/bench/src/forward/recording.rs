//! Traffic as a file that testpmd's pcap device sends over and over

use std::io::Write;

use anyhow::Context;
use tempfile::NamedTempFile;

use super::traffic::Traffic;

/// Frames of a recording, or a few more: such as a cache holds, since a packet that comes from memory is not what is measured.
const FRAMES: usize = 1_000;
/// Time stamps are in microseconds, and numbers in this machine's order of octets.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
/// Time zone and accuracy, which nobody tells, longest frame, Ethernet.
const REST_OF_HEADER: [u32; 4] = [0, 0, 65_535, 1];

/// Whole periods of the traffic.
///
/// # Errors
/// The file cannot be written.
pub fn write(traffic: &mut Traffic) -> anyhow::Result<NamedTempFile> {
    let mut octets = Vec::new();
    put(&mut octets, &[MAGIC]);
    octets.extend(VERSION.iter().flat_map(|number| number.to_ne_bytes()));
    put(&mut octets, &REST_OF_HEADER);
    for _ in 0..FRAMES.next_multiple_of(traffic.period()) {
        let frame = traffic.next().context("no packet")?.octets;
        let length = u32::try_from(frame.len())?;
        put(&mut octets, &[0, 0, length, length]);
        octets.extend_from_slice(frame);
    }
    let mut file = tempfile::Builder::new()
        .prefix("dhp-bench-")
        .suffix(".pcap")
        .tempfile()
        .context("make a file for the recording")?;
    file.write_all(&octets).context("write the recording")?;
    Ok(file)
}

fn put(octets: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        octets.extend_from_slice(&word.to_ne_bytes());
    }
}
