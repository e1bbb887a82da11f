//! The anchor as the network sees it: packets in, packets and events out. Each case has a line that names the duty.

mod answer;
mod binding_update;
mod cookies;
mod correspondent;
mod dhoa_request;
mod expect;
mod harness;
mod home_registration;
mod key_change;
mod lifetimes;
mod message;
mod operator;
mod query;
mod random;
mod receive;
mod reconfigure;
mod replay;
mod several_care_ofs;
mod steering;
mod steering_model;
mod vectors;
