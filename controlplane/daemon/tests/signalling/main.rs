//! Signalling from a worker's port through the control plane and back, on ports in memory

#[path = "../support/journal_file.rs"]
mod journal_file;
#[path = "../support/memory_ports.rs"]
mod memory_ports;
mod rig;
mod traces;

mod answers;
mod api;
mod care_of_test;
mod correspondent;
mod directory;
mod discovery;
mod flows;
mod home_link;
mod listing;
mod long_answers;
mod mutations;
mod network;
mod restart;
