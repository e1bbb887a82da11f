//! Ports on Linux interfaces that need nothing installed: AF_PACKET and TUN
//!
//! [`AfPacketPort`] is a queue of an Ethernet interface, [`TunPort`] the exception interface to the host kernel, and
//! [`LinuxPort`] either. An AF_PACKET port sees a copy of what the kernel sees, so that a [`KernelGuard`] has to keep the
//! kernel from forwarding and answering it too. [`PacketSocket`] and [`RawIpv6Sender`] are what a host, not a router,
//! needs for tunnels and signalling, [`HomeLinkSocket`] what a home agent needs on a home link.

mod af_packet;
mod error;
mod ethtool;
mod filter;
mod frame_sender;
mod guard;
mod heard;
mod home_link_socket;
mod interface;
mod linux_port;
mod missed;
mod offload;
mod packet_socket;
mod raw_sender;
mod receiver;
mod rx_ring;
mod socket;
mod super_frame;
mod tun;
mod vnet_header;

pub use af_packet::AfPacketPort;
pub use error::SetupError;
pub use frame_sender::FrameSender;
pub use guard::{KernelGuard, Profile};
pub use home_link_socket::{HeardPacket, HomeLinkSocket};
pub use interface::Interface;
pub use linux_port::LinuxPort;
pub use missed::MissedFrames;
pub use packet_socket::PacketSocket;
pub use raw_sender::RawIpv6Sender;
pub use receiver::AfPacketStats;
pub use tun::TunPort;
