//! The ports of an appliance that is all in memory

use dhp_engine::{FramePool, Link, PortInfo};
use dhp_port_memory::{MemoryPort, MemoryWire};

/// Three ports with their far ends: core0, cn0, and dhp0 to the host. There are so many frames for all of them, and so many fit into
/// each wire.
pub fn ports(frames: usize, room: usize) -> (Vec<MemoryPort>, [MemoryWire; 3]) {
    let pool = FramePool::new(frames, 2048);
    let port = |name: &str, link| {
        let info = PortInfo {
            name: name.to_owned(),
            mac: [2, 0, 0, 0, 1, 2],
            mtu: 1500,
            link,
            host_has_copy: link == Link::Ethernet,
        };
        MemoryPort::new(info, pool.clone(), room)
    };
    let (core, core_wire) = port("core0", Link::Ethernet);
    let (cn, cn_wire) = port("cn0", Link::Ethernet);
    let (host, host_wire) = port("dhp0", Link::RawIp);
    (vec![core, cn, host], [core_wire, cn_wire, host_wire])
}
