//! The worker between memory ports: packets in, packets and counters out

mod appliance;
mod bare_port;
mod batches;
mod conservation;
mod control_plane;
mod downlink;
mod drops;
mod errors;
mod exception_ports;
mod flows;
mod forwarding;
mod limits;
mod local;
mod mss_clamp;
mod mutation;
mod packets;
mod reassembly;
mod running;
mod threads;
mod trace;
mod tunnel_errors;
mod uplink;
