//! All mobile nodes move in the same moment, with three flows each, while correspondents go on sending

use std::time::{Duration, Instant};

use anyhow::ensure;
use dhp_engine::PuntRates;
use dhp_segment::DropReason;
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::Lifetime;
use etherparse::PacketBuilder;
use serde::Serialize;

use super::crew::{Crew, correspondent};
use super::fleet::is_at;
use super::scene::Scene;
use super::setting::Setting;
use super::site::Packet;

/// Flows of a mobile node, each to a correspondent of its own.
pub const FLOWS: u16 = 3;
/// Ten minutes: no binding is refreshed meanwhile.
const LIFETIME: Lifetime = Lifetime(150);
/// Mobile nodes that move between two rounds of the worker.
const BURST: u32 = 32;
/// Packets of correspondents between two rounds of the worker.
const PACKETS: u32 = 8;
/// What was sent is through by then.
const GRACE: Duration = Duration::from_secs(1);
/// Where the destination stands in an IPv6 header.
const DESTINATION: std::ops::Range<usize> = 24..40;

/// How many.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mobile_nodes: u32,
    /// When it is given up.
    pub patience: Duration,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub mobile_nodes: u32,
    pub flows_of_each: u16,
    /// From the first one's move until the last one's is acknowledged.
    pub seconds: f64,
    pub unfinished: u64,
    /// Bindings that ended, or are not where their mobile node is.
    pub bindings_lost: u64,
    /// Packets of correspondents during the handoffs: sent, and those that did not arrive where the mobile node is or just was.
    pub packets: u64,
    pub packets_lost: u64,
    /// Flows whose packets afterwards do not arrive where the mobile node is.
    pub flows_lost: u64,
    /// Signalling that the worker dropped, and mobile nodes sent again.
    pub dropped: u64,
}

/// Measure.
///
/// # Errors
/// The mobile nodes cannot register.
pub fn measure(plan: Plan, setting: Setting<'_>) -> anyhow::Result<Measured> {
    let count = plan.mobile_nodes;
    let mut scene = Scene::start(
        (count, FLOWS, LIFETIME),
        PuntRates::default(),
        setting,
        plan.patience,
    )?;
    let mut packets: Vec<_> = (0..FLOWS).map(packet_of).collect();
    let before = dropped(&scene);
    let (mut sent, mut arrived) = (0_u64, 0_u64);
    let (mut next, mut moved) = (0, 0);
    let started = Instant::now();
    let mut seconds = 0.0;
    while scene.crew.tally().moved < u64::from(count) && started.elapsed() < plan.patience {
        for _ in 0..BURST.min(count - moved) {
            scene.crew.move_one(moved);
            moved += 1;
        }
        for _ in 0..PACKETS {
            let flow = next as usize % packets.len();
            if let Some(packet) = packets.get_mut(flow) {
                sent += u64::from(send(&mut scene, packet, next));
            }
            next = (next + 1) % count;
        }
        scene.round(|crew, packet| arrived += u64::from(arrives(crew, packet).is_some()));
        seconds = started.elapsed().as_secs_f64();
    }
    // What is still on the wire.
    let until = Instant::now() + GRACE;
    while arrived < sent && Instant::now() < until {
        scene.round(|crew, packet| arrived += u64::from(arrives(crew, packet).is_some()));
    }
    let dropped = dropped(&scene) - before;
    let tally = scene.crew.tally();
    let followed = follow(&mut scene, &mut packets)?;
    let flows = u64::from(count) * u64::from(FLOWS);
    let measured = Measured {
        mobile_nodes: count,
        flows_of_each: FLOWS,
        seconds,
        unfinished: u64::from(count) - tally.moved,
        bindings_lost: tally.lost.max(scene.misplaced()?),
        packets: sent,
        packets_lost: sent.saturating_sub(arrived),
        flows_lost: flows.saturating_sub(followed),
        dropped,
    };
    scene.site.stop()?;
    Ok(measured)
}

/// A packet of each flow, one after the other: how many come out where the mobile node is.
fn follow(scene: &mut Scene, packets: &mut [Vec<u8>]) -> anyhow::Result<u64> {
    let mut followed = 0;
    for number in 0..scene.crew.len() {
        for packet in &mut *packets {
            ensure!(
                send(scene, packet, number),
                "a worker that has nothing to do has no room"
            );
            scene.round(|crew, packet| {
                followed += u64::from(arrives(crew, packet) == Some(Arrival::WhereItIs));
            });
        }
    }
    Ok(followed)
}

/// Sends a packet of a flow to a mobile node. `false`: there is no room on the wire now.
fn send(scene: &mut Scene, packet: &mut [u8], number: u32) -> bool {
    let address = scene.crew.addresses(number);
    if let (Some((home_address, _)), Some(place)) = (address, packet.get_mut(DESTINATION)) {
        place.copy_from_slice(&home_address.octets());
    }
    scene.site.push(packet)
}

/// Where a packet comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    WhereItIs,
    /// At the mobile node's other care-of address, from which it has come or to which it is going.
    WhereItWas,
}

/// `None`: not at its mobile node.
fn arrives(crew: &Crew, packet: &Packet) -> Option<Arrival> {
    let outer = Ipv6View::new(packet.octets()).ok()?;
    let inner = Ipv6View::new(outer.payload()).ok()?;
    let (number, _) = is_at(outer.destination());
    let (home_address, care_of) = crew.addresses(number)?;
    let is_its = inner.destination() == home_address;
    is_its.then_some(if outer.destination() == care_of {
        Arrival::WhereItIs
    } else {
        Arrival::WhereItWas
    })
}

/// A UDP packet of a flow's correspondent.
fn packet_of(flow: u16) -> Vec<u8> {
    let mut correspondent = correspondent(flow).network().octets();
    correspondent[15] = 80;
    let mut packet = Vec::new();
    // Writing to a vector cannot fail; what comes out is looked at.
    let _ = PacketBuilder::ipv6(correspondent, [0; 16], 64)
        .udp(443, 10_000)
        .write(&mut packet, &[0; 64]);
    packet
}

fn dropped(scene: &Scene) -> u64 {
    let reasons = [
        DropReason::PuntRateLimited,
        DropReason::PuntKnownLimited,
        DropReason::PuntHandoffLimited,
        DropReason::PuntBoundLimited,
        DropReason::RingFull,
    ];
    reasons
        .iter()
        .map(|reason| scene.site.dropped(*reason))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::site::Cores;
    use super::*;

    #[test]
    fn every_flow_follows_its_mobile_node() {
        let plan = Plan {
            mobile_nodes: 20,
            patience: Duration::from_secs(60),
        };
        let measured = measure(plan, Cores::choose().expect("cores").into()).expect("a handoff");
        assert_eq!(measured.unfinished + measured.bindings_lost, 0);
        assert_eq!((measured.packets_lost, measured.flows_lost), (0, 0));
        assert!(measured.packets > 0);
    }
}
