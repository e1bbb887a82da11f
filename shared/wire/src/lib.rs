//! IPv6, Mobile IPv6 (RFC 6275 and its successors) and DMIPv6 profile 1 wire formats.
//!
//! Everything here is checked once and then read through accessors that cannot fail; nothing panics on any
//! input, and nothing on the packet path ([`ethernet`], [`ipv6`], [`extension`], [`checksum`], [`icmpv6`])
//! allocates. Only what makes signalling messages ([`mobility::Builder`], [`icmpv6::Builder`], [`packet::compose`]) and what
//! keeps them ([`mobility::OwnedMessage`], [`icmpv6::OwnedMessage`]) does.
//!
//! DMIPv6 profile 1 is this project's own profile: the published DMIPv6 drafts do not lay out their messages.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod addresses;
pub mod checksum;
pub mod codepoints;
pub mod ethernet;
pub mod extension;
mod field;
pub mod icmpv6;
pub mod ipv6;
pub mod mobility;
pub mod packet;
pub mod quoted;

pub use addresses::Addresses;
