//! ICMPv6 messages of home links and home agents to octets.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::body::{Body, mobile_prefix_flag, neighbor_flag};
use super::option::NdOption;
use crate::checksum;
use crate::codepoints::next_header;
use crate::ipv6::{HEADER_LEN, MIN_MTU};

/// Octets of the longest message: with its IPv6 header it goes over every link. RFC 6275 §10.5.1 has a Home Agent Address
/// Discovery Reply name no more home agents than fit into "the minimum IPv6 MTU".
pub const MAX_MESSAGE_LEN: usize = MIN_MTU - HEADER_LEN;

/// A message in the making. What does not fit any more, or must not be sent, is left out, and [`Builder::is_complete`] is
/// false from then on.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    bytes: Vec<u8>,
    complete: bool,
}

impl Builder {
    /// A message without options.
    pub fn new(body: &Body) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend([body.kind(), 0, 0, 0]);
        match *body {
            Body::RouterSolicitation => bytes.extend([0; 4]),
            Body::RouterAdvertisement(advertisement) => {
                bytes.extend([advertisement.hop_limit, advertisement.flags]);
                bytes.extend(advertisement.lifetime_s.to_be_bytes());
                bytes.extend(advertisement.reachable_ms.to_be_bytes());
                bytes.extend(advertisement.retransmit_ms.to_be_bytes());
            }
            Body::NeighborSolicitation { target } => {
                bytes.extend([0; 4]);
                bytes.extend(target.octets());
            }
            Body::NeighborAdvertisement { flags, target } => {
                bytes.extend([flags & neighbor_flag::ASSIGNED, 0, 0, 0]);
                bytes.extend(target.octets());
            }
            Body::HomeAgentDiscoveryRequest { identifier }
            | Body::HomeAgentDiscoveryReply { identifier }
            | Body::MobilePrefixSolicitation { identifier } => {
                bytes.extend(identifier.to_be_bytes());
                bytes.extend([0; 2]);
            }
            Body::MobilePrefixAdvertisement { identifier, flags } => {
                bytes.extend(identifier.to_be_bytes());
                bytes.extend([flags & mobile_prefix_flag::ASSIGNED, 0]);
            }
        }
        Self {
            bytes,
            complete: true,
        }
    }

    /// Appends an option.
    pub fn option<D: AsRef<[u8]>>(mut self, option: &NdOption<D>) -> Self {
        match option.encode() {
            Some(octets) => self.append(&octets),
            None => self.complete = false,
        }
        self
    }

    /// Appends the address of a home agent to a Home Agent Address Discovery Reply.
    pub fn address(mut self, address: &Ipv6Addr) -> Self {
        self.append(&address.octets());
        self
    }

    /// Whether all that was asked for is in.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Sets the checksum for these addresses: the home address in place of the source where a Home Address option goes
    /// along, the final destination where a type 2 routing header does.
    #[must_use]
    pub fn finish(mut self, source: &Ipv6Addr, destination: &Ipv6Addr) -> Vec<u8> {
        let sum =
            checksum::upper_layer_checksum(source, destination, next_header::ICMPV6, &self.bytes);
        if let Some(field) = self
            .bytes
            .get_mut(2..)
            .and_then(|rest| rest.first_chunk_mut())
        {
            *field = sum.to_be_bytes();
        }
        self.bytes
    }

    fn append(&mut self, octets: &[u8]) {
        if self.bytes.len() + octets.len() > MAX_MESSAGE_LEN {
            self.complete = false;
        } else {
            self.bytes.extend(octets);
        }
    }
}
