//! Signalling from a worker's port through the control plane and back, on ports in memory

mod rig;
mod traces;

mod answers;
mod api;
mod correspondent;
mod discovery;
mod flows;
mod home_link;
mod listing;
mod mutations;
mod network;
mod restart;
