//! The Mobility Header (RFC 6275 §6.1), its messages and options.
//!
//! In the order of RFC 6275 §9.2: verify the checksum ([`crate::packet::MobilityPacket::checksum_is_valid`]), then
//! [`MobilityHeader::parse`], then [`MobilityHeader::message`], whose [`Message::Other`] is the unknown type.

mod answer;
mod builder;
mod decode;
mod emit;
mod fields;
mod flow;
mod header;
mod heartbeat;
mod home_agent_switch;
mod message;
mod named_homes;
mod option;
mod options;
mod owned;
mod read;
mod revocation;
mod selector;
mod selector_fields;
mod selector_ipv4;

pub use answer::Answer;
pub use builder::{Builder, MAX_LEN};
pub use fields::{BuFlags, Lifetime, Mode, SessionType, ba_flag};
pub use flow::{Bids, FlowSubOption, FlowSubOptions};
pub(crate) use header::total_len;
pub use header::{MhError, MobilityHeader};
pub use heartbeat::{HeartbeatHeader, HeartbeatKind};
pub use home_agent_switch::HomeAgentSwitch;
pub use message::{BindingAcknowledgement, BindingUpdate, Dmip, DmipHeader, Message, MessageError};
pub use named_homes::{is_binding_update, named_dhoas};
pub use option::{AuthOption, FlowIds, MobilityOption};
pub use options::{OptionError, OptionErrorReason, OptionIter, Options};
pub use owned::{Fixed, OwnedMessage, OwnedOption};
pub use revocation::{RevocationFlags, RevocationHeader, RevocationKind};
pub use selector::TrafficSelector;
pub use selector_fields::{SelectorError, SelectorRange};
pub use selector_ipv4::Ipv4TrafficSelector;
