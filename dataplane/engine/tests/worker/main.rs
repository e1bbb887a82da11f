//! The worker between memory ports: packets in, packets and counters out

mod appliance;
mod bare_port;
mod batches;
mod conservation;
mod control_plane;
mod downlink;
mod drops;
mod errors;
mod flows;
mod forwarding;
mod local;
mod model;
mod mss_clamp;
mod mutation;
mod naive;
mod names;
mod packets;
mod permitted;
mod placements;
mod round_trip;
mod running;
mod strategies;
mod tunnel_errors;
mod uplink;
