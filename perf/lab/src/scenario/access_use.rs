//! Which access the packets of a flow took, where the mobile node is on two at once: counted outside it, by tunnel packets.

use std::net::Ipv6Addr;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::access::Interface;
use crate::capture::Capture;
use crate::lab::Lab;
use crate::stop::Stop;
use crate::streams::Way;

use super::model::Scenario;
use super::network::Place;
use super::run::Findings;
use super::traffic::protocol_and_port;

/// TCP and UDP inside a tunnel.
const TUNNELLED: &str = "ip6 and ip6[6] == 41 and (ip6[46] == 6 or ip6[46] == 17)";
/// So long after a flow was taken to another access, packets may still come by the old one.
const SETTLED_NS: u64 = 500_000_000;

/// A packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPacket {
    /// When, monotonic.
    pub at_ns: u64,
    /// The flow's number.
    pub flow: usize,
    /// Where it was seen.
    pub interface: Interface,
    /// Which way.
    pub way: Way,
}

/// How a flow used the accesses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessUse {
    /// How often the agent took it to another access.
    pub moves: usize,
    /// Part of the packets that took the access which the agent said, the worse way; none if there were none one way.
    pub share: Option<f64>,
    /// Packets on each access, each way.
    pub packets: Vec<AccessCount>,
}

/// Packets of a flow on an access.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessCount {
    /// The access network.
    pub access: String,
    /// Which way.
    pub way: Way,
    /// How many.
    pub packets: usize,
}

/// A capture of tunnel packets at the mobile node's interfaces.
#[derive(Debug)]
pub struct TunnelCapture(Capture);

impl TunnelCapture {
    /// Starts it.
    pub fn start(lab: &Lab, directory: &Path, stop: &Stop) -> Result<Self> {
        Capture::start(lab, directory, "tunnels", TUNNELLED, stop).map(Self)
    }

    /// Ends it, and gives the packets of flows that have a choice of access.
    pub fn finish(self, scenario: &Scenario) -> Result<Vec<FlowPacket>> {
        let ends = ends(scenario);
        self.0.finish(|interface, at_ns, _, frame| {
            let (flow, way) = flow_of(frame, &ends)?;
            Some(FlowPacket {
                at_ns,
                flow,
                interface,
                way,
            })
        })
    }
}

/// The far end of a flow.
#[derive(Clone, Copy, Debug)]
struct FarEnd {
    flow: usize,
    protocol: u8,
    address: Ipv6Addr,
    port: u16,
}

fn ends(scenario: &Scenario) -> Vec<FarEnd> {
    let flows = scenario.flows.iter().enumerate();
    let flows = flows.filter(|(_, flow)| !flow.access.is_empty());
    let end = flows.filter_map(|(index, flow)| {
        let (_, protocol, port) = protocol_and_port(flow.kind, index);
        let place = Place(scenario.region(&flow.to).ok()?);
        Some(FarEnd {
            flow: index,
            protocol,
            address: place.address(flow.session).parse().ok()?,
            port,
        })
    });
    end.collect()
}

/// The flow of an Ethernet frame with an IPv6 tunnel packet, without extension headers, and its way.
fn flow_of(frame: &[u8], ends: &[FarEnd]) -> Option<(usize, Way)> {
    const INNER: usize = 14 + 40;
    let inner = frame.get(INNER..)?;
    let protocol = *inner.get(6)?;
    let address = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = *inner.get(at..)?.first_chunk()?;
        Some(octets.into())
    };
    let port = |at: usize| -> Option<u16> {
        let octets = inner.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*octets))
    };
    let sides = [
        (Way::Downlink, address(8)?, port(40)?),
        (Way::Uplink, address(24)?, port(42)?),
    ];
    ends.iter().find_map(|end| {
        let mut sides = sides.iter();
        let far = (end.address, end.port);
        let found = sides.find(|(_, address, port)| (*address, *port) == far);
        let (way, ..) = found.filter(|_| end.protocol == protocol)?;
        Some((end.flow, *way))
    })
}

impl AccessUse {
    /// That of a flow; none if it has no choice.
    pub fn of(scenario: &Scenario, findings: &Findings, flow: usize) -> Option<Self> {
        scenario
            .flows
            .get(flow)
            .filter(|flow| !flow.access.is_empty())?;
        // The rules of the agent are in this order, and count from 1.
        let before = scenario.flows.iter().take(flow);
        let rule = 1 + before.filter(|flow| !flow.access.is_empty()).count() as u64;
        let mut chosen: Vec<(u64, Interface)> = Vec::new();
        let mut events = findings.events.clone();
        events.sort_by_key(|event| event.at_ns);
        for event in events {
            let of = event.fields.get("rule").and_then(|rule| rule.as_u64());
            if event.name != "flow_access" || of != Some(rule) {
                continue;
            }
            let interface = match event.text("interface") {
                Some("wwan0") => Interface::Wwan0,
                _ => Interface::Wlan0,
            };
            // The same access may be chosen for another reason.
            if chosen.last().is_none_or(|(_, last)| *last != interface) {
                chosen.push((event.at_ns, interface));
            }
        }
        let moved = |(at_ns, _): &&(u64, Interface)| *at_ns > findings.start_ns;
        let moves = chosen.iter().filter(moved).count();
        let packets: Vec<FlowPacket> = findings
            .packets
            .iter()
            .filter(|packet| packet.flow == flow)
            .copied()
            .collect();
        let shares = Way::BOTH.map(|way| share(&chosen, &packets, way));
        let [up, down] = shares;
        let accesses = [Interface::Wlan0, Interface::Wwan0].map(|interface| {
            let first = scenario.accesses.first().map(|access| access.name.clone());
            let name = match interface {
                Interface::Wlan0 => first,
                Interface::Wwan0 => scenario.second_access.clone(),
            };
            Way::BOTH.map(|way| AccessCount {
                access: name.clone().unwrap_or_default(),
                way,
                packets: packets
                    .iter()
                    .filter(|packet| (packet.interface, packet.way) == (interface, way))
                    .count(),
            })
        });
        Some(Self {
            moves,
            share: up.zip(down).map(|(up, down)| up.min(down)),
            packets: accesses.concat(),
        })
    }
}

/// The part of the packets one way that took the access which was chosen, where that had settled.
fn share(chosen: &[(u64, Interface)], packets: &[FlowPacket], way: Way) -> Option<f64> {
    let (mut right, mut all) = (0_u32, 0_u32);
    for packet in packets.iter().filter(|packet| packet.way == way) {
        let before = chosen.iter().rev();
        let mut before = before.skip_while(|(at_ns, _)| *at_ns > packet.at_ns);
        let Some((at_ns, interface)) = before.next() else {
            continue;
        };
        if packet.at_ns < at_ns.saturating_add(SETTLED_NS) {
            continue;
        }
        all = all.saturating_add(1);
        right = right.saturating_add(u32::from(packet.interface == *interface));
    }
    (all > 0).then(|| f64::from(right) / f64::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_tunnel_packet_is_told_by_its_far_end() {
        let end = FarEnd {
            flow: 3,
            protocol: 17,
            address: Ipv6Addr::LOCALHOST,
            port: 7003,
        };
        let mut frame = vec![0; 14 + 40 + 48];
        frame[54 + 6] = 17;
        frame[54 + 24..54 + 40].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        frame[54 + 42..54 + 44].copy_from_slice(&7003_u16.to_be_bytes());
        assert_eq!(flow_of(&frame, &[end]), Some((3, Way::Uplink)));
        let tcp = FarEnd { protocol: 6, ..end };
        assert_eq!(flow_of(&frame, &[tcp]), None);
        assert_eq!(flow_of(&frame[..90], &[end]), None, "cut short");
    }

    #[test]
    fn packets_count_on_the_access_that_was_chosen_before_them() {
        let packet = |at_ms: u64, interface| FlowPacket {
            at_ns: at_ms * MS,
            flow: 0,
            interface,
            way: Way::Uplink,
        };
        let chosen = [(0, Interface::Wwan0), (2000 * MS, Interface::Wlan0)];
        let mut packets = vec![
            packet(1000, Interface::Wwan0),
            packet(2100, Interface::Wwan0),
            packet(2600, Interface::Wlan0),
        ];
        assert_eq!(share(&chosen, &packets, Way::Uplink), Some(1.0));
        packets.extend([
            packet(2700, Interface::Wwan0),
            packet(900, Interface::Wwan0),
        ]);
        assert_eq!(share(&chosen, &packets, Way::Uplink), Some(0.75));
        assert_eq!(share(&chosen, &packets, Way::Downlink), None);
    }
}
