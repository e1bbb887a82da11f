//! The anchor as the network sees it: packets in, packets and events out. Each case has a line that names the duty.

mod answer;
mod batches;
mod binding_update;
mod cookies;
mod correspondent;
mod dhoa_request;
mod directory;
mod expect;
mod harness;
mod home_registration;
mod key_change;
mod lifetimes;
mod load;
mod message;
mod operator;
mod query;
mod query_replies;
mod random;
mod receive;
mod reconfigure;
mod replay;
mod several_care_ofs;
mod steering;
mod steering_model;
mod vectors;
