//! Ports on DPDK devices; empty without the feature `dpdk`
//!
//! [`Eal`] is DPDK itself, [`Mempool`] the memory of a worker's packets ([`Mbuf`]), [`DpdkDevice`] a network card or one of DPDK's
//! virtual devices, and [`DpdkPort`] a queue pair of it, the engine's port. Whoever calls a port from a thread of their own calls
//! `Port::enter_thread` there first, as the engine's `Worker::run` does.
//!
//! # The host kernel beside a device
//!
//! A device of DPDK's is not an interface of the kernel. Yet neighbour discovery, ping, SSH and routing protocols are the
//! kernel's, and its routes and neighbours are what the workers forward by. So each device `n` gets a TAP interface with its
//! own MAC address and MTU, its *exception port* ([`KernelPort::tap`]), and the kernel believes the TAP to be the link:
//!
//! ```text
//!        host kernel: addresses, neighbours, routes, sockets
//!      tap n │ ▲ ARP, ND, multicast, to the box         │ ▲ dhp0 (TUN)
//!            │ │ … with their Ethernet header            │ │ from tunnels, to neighbours not known yet
//!            ▼ │                                         ▼ │ to home addresses
//!   ┌──────────────────── worker ─────────────────────────────┐
//!   │ unchanged, not routed        │ classify → … → frame     │
//!   └────────┼─▲─────────────────────────┼─▲──────────────────┘
//!            ▼ │ device n                ▼ │ device m
//! ```
//!
//! * What arrives on device `n` and is for the box, link-scope, multicast or no IPv6 goes to TAP `n` as it was received: the
//!   kernel sees the right link, the right group address, and everybody's MAC address. The worker had taken the Ethernet header
//!   off; `PacketBuf` promises that what `trim_front` has taken off is there again after `prepend`.
//! * What the kernel sends on TAP `n` has its Ethernet header and has been routed: it leaves on device `n` as it is.
//! * What the kernel has not seen on the link in that form is not TAP `n`'s: packets out of tunnels, what the workers
//!   make themselves, packets whose neighbour the kernel has still to find. They take the TUN interface `dhp0`, as with any
//!   other driver, and the kernel sends what it makes of them on a TAP. Packets to home addresses come from the kernel by
//!   `dhp0` too, since that is where it has the pools' routes.
//!
//! To the control plane the port's interface is the TAP: the kernel's neighbours on it become next hops at the device.
#![cfg_attr(
    not(feature = "dpdk"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "there is nothing to link to"
    )
)]

#[cfg(feature = "dpdk")]
mod device;
#[cfg(feature = "dpdk")]
mod eal;
#[cfg(feature = "dpdk")]
mod error;
#[cfg(feature = "dpdk")]
mod find;
#[cfg(feature = "dpdk")]
mod kernel_port;
#[cfg(feature = "dpdk")]
mod mbuf;
#[cfg(feature = "dpdk")]
mod mempool;
#[cfg(feature = "dpdk")]
mod port;
#[cfg(feature = "dpdk")]
mod queues;
#[cfg(feature = "dpdk")]
mod statistics;
#[cfg(feature = "dpdk")]
mod thread;
#[cfg(feature = "dpdk")]
mod worker_port;

#[cfg(feature = "dpdk")]
pub use {
    device::{Capabilities, DeviceSettings, DpdkDevice, LinkState},
    eal::Eal,
    error::DpdkError,
    kernel_port::KernelPort,
    mbuf::Mbuf,
    mempool::Mempool,
    port::DpdkPort,
    thread::ThreadRegistration,
    worker_port::DpdkWorkerPort,
};
