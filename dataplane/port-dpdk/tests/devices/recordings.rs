//! Recordings played and made by `net_pcap`

mod format;

use dhp_engine::Port;
use dhp_port_dpdk::Mempool;

use crate::{attach, eal, frame, received, send};
use format::{recorded, recording};

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
