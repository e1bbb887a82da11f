//! One packet looked at closely: a benchmark of the wrong packets is worth nothing

use std::os::fd::AsFd;

use anyhow::{Context, ensure};
use dhp_engine::{Batch, FramePool, PacketBuf, Port};
use dhp_port_afpacket::AfPacketPort;
use etherparse::{NetSlice, SlicedPacket};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::plan::{ANCHOR, Direction, Plan};
use super::traffic::Traffic;
use crate::namespace::Namespace;

const HOP_LIMIT: usize = 7;
const ETHERNET: usize = 14;
const TUNNEL: usize = 40;
const TIMEOUT_MS: u16 = 2_000;

/// Send one packet of `direction` and check what comes out: the tunnel's header, or none, before the same inner packet with
/// its hop limit decremented.
pub fn one_packet(
    plan: &Plan,
    outside: &Namespace,
    traffic: &Traffic,
    direction: Direction,
) -> anyhow::Result<()> {
    let (_, interface) = direction.interfaces();
    let mut tap = outside
        .run(|| AfPacketPort::open(interface, &[FramePool::new(64, 2048)], 64))??
        .pop()
        .context("a port has one queue")?;
    let mut expected = traffic.send_one(direction).context("send a packet")?;
    if let Some(hop_limit) = expected.get_mut(HOP_LIMIT) {
        *hop_limit -= 1;
    }
    let name = direction.name();
    let mut batch = Batch::new();
    loop {
        tap.rx_burst(&mut batch);
        for frame in batch.drain() {
            // The appliance's kernel speaks there too, to multicast groups.
            if frame.bytes().first().is_some_and(|octet| octet & 1 == 0) {
                return check(plan, frame.bytes(), &expected, direction).with_context(|| {
                    format!("{name}: the worker sent another packet than it should")
                });
            }
        }
        let fd = tap.poll_fd().context("a packet port has a descriptor")?;
        let mut wanted = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut wanted, PollTimeout::from(TIMEOUT_MS))?;
        ensure!(ready > 0, "{name}: the worker forwards nothing");
    }
}

fn check(plan: &Plan, frame: &[u8], expected: &[u8], direction: Direction) -> anyhow::Result<()> {
    let start = match direction {
        Direction::Uplink => ETHERNET,
        Direction::Downlink => {
            let outer = SlicedPacket::from_ethernet(frame)?;
            let Some(NetSlice::Ipv6(outer)) = outer.net else {
                anyhow::bail!("no IPv6");
            };
            let header = outer.header();
            ensure!(
                header.source_addr() == ANCHOR,
                "outer source {}",
                header.source_addr()
            );
            let care_of = plan.care_of(0);
            ensure!(
                header.destination_addr() == care_of,
                "outer destination {}",
                header.destination_addr()
            );
            ETHERNET + TUNNEL
        }
    };
    ensure!(
        frame.get(start..) == Some(expected),
        "not the same inner packet"
    );
    Ok(())
}
