//! Recordings played and made by `net_pcap`

use std::path::Path;

use dhp_engine::Port;
use dhp_port_dpdk::Mempool;

use crate::{attach, eal, frame, received, send};

/// A recording in the classic format: a header, then each frame behind four numbers (seconds, microseconds, octets twice).
fn recording(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(number.to_ne_bytes());
    }
    for frame in frames {
        let octets = u32::try_from(frame.len()).expect("short");
        for number in [0, 0, octets, octets] {
            file.extend(number.to_ne_bytes());
        }
        file.extend(frame);
    }
    file
}

fn recorded(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).expect("the recording");
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let octets = u32::from_ne_bytes(header[8..12].try_into().expect("four octets"));
        let (frame, next) = behind.split_at(octets as usize);
        frames.push(frame.to_vec());
        rest = next;
    }
    frames
}

#[test]
fn a_recording_comes_in_and_one_of_what_went_out_is_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let (input, output) = (
        directory.path().join("in.pcap"),
        directory.path().join("out.pcap"),
    );
    let group = [0x33, 0x33, 0, 0, 0, 1];
    let mut long = frame(group, 2);
    long.resize(3_000, 2);
    let frames = [frame(group, 1), long, frame(group, 3)];
    std::fs::write(&input, recording(&frames)).expect("a file");
    let device = format!(
        "net_pcap_both,rx_pcap={},tx_pcap={}",
        input.display(),
        output.display()
    );
    let pool = Mempool::new(eal(), 600, 2_048, None).expect("memory");
    let mut ports = attach(&device)
        .start(std::slice::from_ref(&pool))
        .expect("a queue");
    let port = &mut ports[0];
    let came = received(port);
    // The second is longer than a buffer, and came in two.
    assert_eq!(came, [frames[0].clone(), frames[2].clone()]);
    assert_eq!((port.take_oversized(), port.take_oversized()), (1, 0));
    for frame in &came {
        send(port, frame);
    }
    assert_eq!(port.flush().sent, 2);
    drop(ports);
    assert_eq!(pool.in_use(), 0);
    assert_eq!(recorded(&output), came);
}
