//! Traffic as both generators have it: made beforehand, and sent over and over

use std::io::Write;

use anyhow::Context;
use tempfile::NamedTempFile;

use super::traffic::Traffic;
use crate::pcap::Pcap;

/// Frames of a recording, or a few more: such as a cache holds, since packets that come from memory are not what is measured.
const FRAMES: usize = 1_000;

/// Frames in their order.
#[derive(Debug)]
pub struct Recording {
    frames: Vec<Vec<u8>>,
}

impl Recording {
    /// Whole periods of the traffic.
    ///
    /// # Errors
    /// The traffic is none.
    pub fn of(traffic: &mut Traffic) -> anyhow::Result<Self> {
        let count = FRAMES.next_multiple_of(traffic.period().max(1));
        let frames = (0..count).map(|_| traffic.next().map(|packet| packet.octets.to_vec()));
        let frames: Option<Vec<_>> = frames.collect();
        Ok(Self {
            frames: frames.context("no packet")?,
        })
    }

    /// The frame that is sent as the `number`th.
    pub fn frame(&self, number: usize) -> Option<&[u8]> {
        self.frames.get(number).map(Vec::as_slice)
    }

    /// Frames until it is the first one's turn again.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// For testpmd's pcap device.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn file(&self) -> anyhow::Result<NamedTempFile> {
        let mut pcap = Pcap::new();
        for frame in &self.frames {
            pcap.push(frame)?;
        }
        let mut file = tempfile::Builder::new()
            .prefix("dhp-bench-")
            .suffix(".pcap")
            .tempfile()
            .context("make a file for the recording")?;
        file.write_all(&pcap.into_octets())
            .context("write the recording")?;
        Ok(file)
    }
}
