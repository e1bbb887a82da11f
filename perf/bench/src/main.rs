//! dhp-bench: forwarding and signalling benchmarks
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "dpdk"))]
mod bindings;
#[cfg(any(test, feature = "dpdk"))]
mod changes;
#[cfg(feature = "dpdk")]
mod dataplane;
#[cfg(feature = "dpdk")]
mod forward;
mod forward_af_packet;
mod namespace;
mod pcap;
mod recordings;
mod results;
mod routes;
#[cfg(feature = "dpdk")]
mod run_directory;
mod signalling;
mod statistics;

use std::process::ExitCode;

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
    /// Packets per second through workers on AF_PACKET ports, over veth pairs. Needs root, iproute2 and a quiet machine with
    /// two cores: where others compute, `chrt -r 1` keeps them from being measured.
    ForwardAfPacket(forward_af_packet::Arguments),
    /// Cycles per packet of a worker on a ring in memory, by DPDK: encapsulation and decapsulation, and beside them a loop that
    /// does nothing but swap MAC addresses.
    #[cfg(feature = "dpdk")]
    Dataplane(dataplane::Arguments),
    /// Packets per second and latency of the worker over a memif pair, with DPDK's testpmd beside it as generator and as measure.
    #[cfg(feature = "dpdk")]
    Forward(forward::Arguments),
    /// The device under test of `forward`.
    #[cfg(feature = "dpdk")]
    #[command(hide = true)]
    ForwardWorker(forward::WorkerArguments),
    /// Binding Updates per second through the engine and through both planes, how long each takes, and how much memory a binding.
    Signalling(signalling::Arguments),
    /// Recordings for a packet generator, and the configuration to go with them: Binding Updates that bind so many home addresses,
    /// packets to these, and packets out of their tunnels. See perf/recipes.
    Recordings(recordings::Arguments),
    /// Lookups and changes of the workers' route table, with 50 routes and with as many as the Internet has.
    Routes(routes::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().benchmark {
        Benchmark::ForwardAfPacket(arguments) => forward_af_packet::run(&arguments),
        #[cfg(feature = "dpdk")]
        Benchmark::Dataplane(arguments) => dataplane::run(&arguments),
        #[cfg(feature = "dpdk")]
        Benchmark::Forward(arguments) => forward::run(&arguments),
        #[cfg(feature = "dpdk")]
        Benchmark::ForwardWorker(arguments) => forward::run_worker(&arguments),
        Benchmark::Signalling(arguments) => signalling::run(&arguments),
        Benchmark::Recordings(arguments) => recordings::run(&arguments),
        Benchmark::Routes(arguments) => routes::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dhp-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
