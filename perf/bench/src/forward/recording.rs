//! Traffic as both generators have it: made beforehand, and sent over and over

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use anyhow::Context;

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
    pub fn file(&self) -> anyhow::Result<PcapFile> {
        let mut pcap = Pcap::new();
        for frame in &self.frames {
            pcap.push(frame)?;
        }
        let mut file = tempfile::tempfile().context("make a file for the recording")?;
        file.write_all(&pcap.into_octets())
            .context("write the recording")?;
        Ok(PcapFile(file))
    }
}

/// A recording in a file without a name, which is gone with this process, whatever way it ends.
#[derive(Debug)]
pub struct PcapFile(File);

impl PcapFile {
    /// Where other processes find it as long as this is there.
    pub fn path(&self) -> PathBuf {
        let (process, descriptor) = (std::process::id(), self.0.as_raw_fd());
        format!("/proc/{process}/fd/{descriptor}").into()
    }
}
