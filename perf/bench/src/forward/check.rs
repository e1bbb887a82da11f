//! Packets looked at closely before anything is measured: a benchmark of the wrong packets is worth nothing

use anyhow::{Context, ensure};
use etherparse::{NetSlice, SlicedPacket};

use super::device::Subject;
use super::generator::Generator;
use super::traffic::{Direction, Packet, Traffic};
use crate::bindings::{ANCHOR, Plan};

const ETHERNET: usize = 14;
const TUNNEL: usize = 40;
/// In an IPv6 header.
const HOP_LIMIT: usize = 7;

/// Send packets of all sizes and directions, one at a time, and check what comes of each.
///
/// # Errors
/// Nothing comes, or something else.
pub fn packets(
    subject: Subject,
    generator: &mut Generator,
    traffic: &mut Traffic,
) -> anyhow::Result<()> {
    for _ in 0..traffic.period() {
        let packet = traffic.next().context("no packet")?;
        let (direction, number, sent) = (packet.direction, packet.number, packet.octets.to_vec());
        let came = generator.send_one(&sent)?;
        let sent = Packet {
            octets: &sent,
            direction,
            number,
        };
        let checked = match subject {
            Subject::Testpmd => unchanged(&sent, &came),
            Subject::Worker => treated(&traffic.plan, &sent, &came),
        };
        checked.with_context(|| {
            format!("{}, {direction:?}: what came out is wrong", subject.name())
        })?;
    }
    Ok(())
}

fn unchanged(sent: &Packet<'_>, came: &[u8]) -> anyhow::Result<()> {
    ensure!(sent.octets == came, "not the same packet");
    Ok(())
}

/// The tunnel's header, or none, before the same inner packet with its hop limit decremented.
fn treated(plan: &Plan, sent: &Packet<'_>, came: &[u8]) -> anyhow::Result<()> {
    let (before, after) = match sent.direction {
        Direction::Downlink => {
            let Some(NetSlice::Ipv6(outer)) = SlicedPacket::from_ethernet(came)?.net else {
                anyhow::bail!("no IPv6");
            };
            let (source, destination) = (
                outer.header().source_addr(),
                outer.header().destination_addr(),
            );
            ensure!(source == ANCHOR, "outer source {source}");
            ensure!(
                destination == plan.care_of(sent.number, 0),
                "outer destination {destination}"
            );
            (ETHERNET, ETHERNET + TUNNEL)
        }
        Direction::Uplink => (ETHERNET + TUNNEL, ETHERNET),
    };
    let mut expected = sent.octets.get(before..).context("too short")?.to_vec();
    if let Some(hop_limit) = expected.get_mut(HOP_LIMIT) {
        *hop_limit -= 1;
    }
    ensure!(
        came.get(after..) == Some(expected.as_slice()),
        "not the same inner packet"
    );
    Ok(())
}
