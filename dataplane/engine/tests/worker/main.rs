//! The worker between memory ports: packets in, packets and counters out

mod appliance;
mod downlink;
mod packets;
