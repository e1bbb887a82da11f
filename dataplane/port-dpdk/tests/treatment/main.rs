//! The worker treats packets on DPDK ports as it does on those in memory: the same packets leave, in the same order, and all
//! counters are the same
//!
//! The engine's own tests say what is right; here their packets, and thousands of mutations, go both ways. The links are
//! recordings: `net_pcap` devices play what arrives and record what leaves.
#![cfg(feature = "dpdk")]

#[path = "../../../engine/tests/worker/appliance.rs"]
#[allow(dead_code, reason = "the engine's tests use all of it")]
mod appliance;
mod host_port;
#[path = "../../../engine/tests/worker/mutation.rs"]
#[allow(dead_code, reason = "the engine's tests use all of it")]
mod mutation;
mod on_dpdk;
#[path = "../../../engine/tests/worker/packets.rs"]
#[allow(dead_code, reason = "the engine's tests use all of it")]
mod packets;
#[path = "../devices/recordings/format.rs"]
mod recording;

use dhp_engine::{PuntRates, WorkerConfig};
use dhp_segment::{CounterSnapshot, PuntKind, PuntMeta};

use appliance::{ANCHOR, Appliance, CN, CORE, HOST, START_NS, Setup};
use mutation::{Numbers, corpus, mutate};
use packets::address;

/// Packets of each port, and room for whatever is made of them.
const MOST: usize = 4_096;
/// Rounds in which 64 packets of each port come in.
const ROUNDS: usize = MOST / 64;

/// A port, and a packet from its IPv6 header on.
type Packets = Vec<(usize, Vec<u8>)>;

/// What became of packets.
struct Outcome {
    /// What left by each port, from the EtherType on: the addresses before it are those of the devices.
    sent: [Vec<Vec<u8>>; 3],
    /// Why, at which port, and the packet.
    punted: Vec<(PuntKind, u16, Vec<u8>)>,
    counters: CounterSnapshot,
}

/// An appliance that has room for all, and punts all that is to be punted: who is limited depends on whom the segment takes for
/// known, which with some strangers is up to its secret seed.
fn setup() -> Setup {
    Setup {
        config: WorkerConfig {
            anchor_addresses: vec![address(ANCHOR)],
            punt_rates: PuntRates::UNLIMITED,
            ..WorkerConfig::default()
        },
        ring_slots: MOST as u32,
        wire_depth: 4 * MOST,
        frames: 8 * MOST,
        ..Setup::default()
    }
}

/// So long between two rounds that not all errors and punts are above the limits of the rates.
fn time_ns(round: usize) -> u64 {
    START_NS + round as u64 * 50_000_000
}

fn in_memory(packets: &Packets) -> Outcome {
    let mut appliance = Appliance::with(setup());
    for (port, packet) in packets {
        appliance.receive(*port, packet);
    }
    for round in 0..ROUNDS {
        appliance.now_ns = time_ns(round);
        appliance.poll();
    }
    let sent = |port: usize| {
        let frames = std::iter::from_fn(|| appliance.wires[port].pop());
        frames
            .map(|frame| without_addresses(port, &frame))
            .collect()
    };
    Outcome {
        sent: [CORE, CN, HOST].map(sent),
        punted: appliance.punted().into_iter().map(punt).collect(),
        counters: appliance.counters(),
    }
}

fn punt((meta, packet): (PuntMeta, Vec<u8>)) -> (PuntKind, u16, Vec<u8>) {
    (meta.kind, meta.port, packet)
}

fn without_addresses(port: usize, frame: &[u8]) -> Vec<u8> {
    match port {
        HOST => frame.to_vec(),
        _ => frame.get(12..).unwrap_or_default().to_vec(),
    }
}

fn assert_same(packets: &Packets) {
    let (memory, dpdk) = (in_memory(packets), on_dpdk::outcome(packets));
    assert_eq!(memory.counters, dpdk.counters);
    assert_same_rows("punted", &memory.punted, &dpdk.punted);
    for port in [CORE, CN, HOST] {
        let what = format!("sent on port {port}");
        assert_same_rows(&what, &memory.sent[port], &dpdk.sent[port]);
        assert!(!memory.sent[port].is_empty(), "nothing is {what}");
    }
}

fn assert_same_rows<T: PartialEq + std::fmt::Debug>(what: &str, memory: &[T], dpdk: &[T]) {
    for (number, (memory, dpdk)) in memory.iter().zip(dpdk).enumerate() {
        assert_eq!(memory, dpdk, "packet {number} {what}");
    }
    assert_eq!(memory.len(), dpdk.len(), "packets {what}");
}

#[test]
fn one_packet_of_each_treatment_is_treated_alike() {
    assert_same(&corpus());
}

#[test]
fn mutated_packets_are_treated_alike() {
    let (corpus, mut numbers) = (corpus(), Numbers(0x6d69_7036));
    let mut packets = Packets::new();
    for round in 0..4_000 {
        let (port, mut packet) = corpus[round % corpus.len()].clone();
        mutate(&mut packet, &mut numbers);
        packets.push((port, packet));
    }
    assert_same(&packets);
}
