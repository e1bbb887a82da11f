//! `seeds DIRECTORY [PCAP…]`: writes the scripts that fuzzing begins with
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dhp_engine_fuzz::appliance::{ANCHOR, CN, CORE, PORT_MACS, ethernet};
use dhp_engine_fuzz::packets::address;
use dhp_engine_fuzz::pcap::ipv6_packets;
use dhp_engine_fuzz::script::{Event, Script};
use dhp_engine_fuzz::seeds::seeds;

/// Packets of a capture in one script. Short scripts are faster to play and to mutate.
const PACKETS_PER_SCRIPT: usize = 8;
/// A capture of the same messages over and over is no better than its beginning.
const PACKETS_PER_CAPTURE: usize = 256;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().context("usage: seeds DIRECTORY [PCAP…]")?;
    std::fs::create_dir_all(&directory)?;
    let mut written = 0;
    for script in seeds() {
        write(&directory, &format!("seed-{written:04}"), &script)?;
        written += 1;
    }
    for capture in arguments {
        let packets = ipv6_packets(&capture)?;
        let packets = &packets[..packets.len().min(PACKETS_PER_CAPTURE)];
        for some in packets.chunks(PACKETS_PER_SCRIPT) {
            write(
                &directory,
                &format!("capture-{written:04}"),
                &captured(some),
            )?;
            written += 1;
        }
    }
    println!("{written} seeds in {}", directory.display());
    Ok(())
}

fn write(directory: &Path, name: &str, script: &Script) -> Result<()> {
    let file = directory.join(name);
    std::fs::write(&file, script.write())
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The packets as they were, as transit, and as if they had been for the anchor.
fn captured(packets: &[Vec<u8>]) -> Script {
    let frame = |port: usize, packet: &[u8]| Event::Frame {
        port,
        octets: ethernet(PORT_MACS[port], packet),
    };
    let events = packets.iter().flat_map(|packet| {
        let mut to_anchor = packet.clone();
        if let Some(destination) = to_anchor.get_mut(24..40) {
            destination.copy_from_slice(&address(ANCHOR).octets());
        }
        [frame(CN, packet), frame(CORE, &to_anchor)]
    });
    Script {
        setup: 0,
        events: events.collect(),
    }
}
