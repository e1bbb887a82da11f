//! dhp-bench: forwarding and signalling benchmarks
#![forbid(unsafe_code)]

mod forward_af_packet;
mod namespace;
mod statistics;

use clap::{Parser, Subcommand};

/// Measures what the Distributed Home-Proxy does per second.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Packets per second through workers on AF_PACKET ports, over veth pairs; needs root and iproute2.
    ForwardAfPacket(forward_af_packet::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::ForwardAfPacket(arguments) => forward_af_packet::run(&arguments),
    }
}
