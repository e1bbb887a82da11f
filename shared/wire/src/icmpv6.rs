//! ICMPv6: error messages (RFC 4443), and the messages of home links and home agents (RFC 4861, RFC 6275 §6.5 to §7.4).

mod body;
mod builder;
mod message;
mod option;
mod owned;

pub use body::{Body, RouterAdvertisement, mobile_prefix_flag, neighbor_flag, router_flag};
pub use builder::{Builder, MAX_MESSAGE_LEN};
pub use message::{
    Envelope, Message, MessageError, ND_HOP_LIMIT, checksum_is_valid, is_solicited_node,
    solicited_node,
};
pub use option::{
    NdOption, NdOptionError, NdOptionIter, NdOptions, PrefixInformation, prefix_flag,
};
pub use owned::OwnedMessage;

use core::net::Ipv6Addr;

use crate::checksum;
use crate::codepoints::{icmpv6, next_header};
use crate::extension;
use crate::field::u8_at;
use crate::ipv6::{HEADER_LEN, Ipv6Header, Ipv6View, MIN_MTU};

/// Octets of an error message before the packet that it quotes.
const ERROR_HEADER_LEN: usize = 8;
/// Hop limit of what the anchor itself sends.
const HOP_LIMIT: u8 = 64;

/// The errors that an anchor sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// Type 1 (RFC 4443 §3.1).
    DestinationUnreachable {
        /// Why, e.g. [`icmpv6::ADDRESS_UNREACHABLE`].
        code: u8,
    },
    /// Type 2 (RFC 4443 §3.2).
    PacketTooBig {
        /// The largest packet that fits, in octets.
        mtu: u32,
    },
    /// Type 3 code 0, hop limit exceeded in transit (RFC 4443 §3.3).
    TimeExceeded,
    /// Type 3 code 1, fragment reassembly time exceeded (RFC 4443 §3.3).
    ReassemblyTimeExceeded,
    /// Type 4 (RFC 4443 §3.4).
    ParameterProblem {
        /// Which kind of problem.
        code: u8,
        /// The offending octet's offset in the packet.
        pointer: u32,
    },
}

impl IcmpError {
    /// Type, code and the 32-bit word behind the checksum.
    #[inline]
    const fn fields(self) -> (u8, u8, u32) {
        match self {
            Self::DestinationUnreachable { code } => (icmpv6::DESTINATION_UNREACHABLE, code, 0),
            Self::PacketTooBig { mtu } => (icmpv6::PACKET_TOO_BIG, 0, mtu),
            Self::TimeExceeded => (icmpv6::TIME_EXCEEDED, icmpv6::HOP_LIMIT_EXCEEDED, 0),
            Self::ReassemblyTimeExceeded => {
                (icmpv6::TIME_EXCEEDED, icmpv6::REASSEMBLY_TIME_EXCEEDED, 0)
            }
            Self::ParameterProblem { code, pointer } => (icmpv6::PARAMETER_PROBLEM, code, pointer),
        }
    }

    /// Whether a packet to a multicast address may be answered with this error: RFC 4443 §2.4(e.3) excepts Packet
    /// Too Big and Parameter Problem code 2.
    #[inline]
    const fn answers_multicast(self) -> bool {
        matches!(
            self,
            Self::PacketTooBig { .. }
                | Self::ParameterProblem {
                    code: icmpv6::UNRECOGNIZED_OPTION,
                    ..
                }
        )
    }
}

/// Writes a whole IPv6 packet with the error, quoting "As much of invoking packet as possible without the ICMPv6
/// packet exceeding the minimum IPv6 MTU" and without exceeding `out`. Returns its length in octets, or nothing if
/// `out` has no room for the headers. Ask [`may_answer`] first.
#[inline]
#[must_use]
pub fn write_error(
    out: &mut [u8],
    src: &Ipv6Addr,
    dst: &Ipv6Addr,
    error: IcmpError,
    offending: &[u8],
) -> Option<usize> {
    let room = out.len().min(MIN_MTU);
    let quoted = room
        .checked_sub(HEADER_LEN + ERROR_HEADER_LEN)?
        .min(offending.len());
    let payload_len = ERROR_HEADER_LEN + quoted;
    let (header, rest) = out.split_first_chunk_mut::<HEADER_LEN>()?;
    let message = rest.get_mut(..payload_len)?;
    Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(payload_len).ok()?,
        next_header: next_header::ICMPV6,
        hop_limit: HOP_LIMIT,
        source: *src,
        destination: *dst,
    }
    .emit(header);
    let (kind, code, word) = error.fields();
    let [w0, w1, w2, w3] = word.to_be_bytes();
    let (head, body) = message.split_first_chunk_mut::<ERROR_HEADER_LEN>()?;
    *head = [kind, code, 0, 0, w0, w1, w2, w3];
    body.copy_from_slice(offending.get(..quoted)?);
    let [c0, c1] =
        checksum::upper_layer_checksum(src, dst, next_header::ICMPV6, message).to_be_bytes();
    let (head, _) = message.split_first_chunk_mut::<ERROR_HEADER_LEN>()?;
    *head = [kind, code, c0, c1, w0, w1, w2, w3];
    Some(HEADER_LEN + payload_len)
}

/// Whether RFC 4443 §2.4(e) lets a node answer `offending` (a packet from its IPv6 header on) with `error`: never an
/// ICMPv6 error or Redirect, nor a packet to a multicast address but for the two exceptions, nor one whose "source
/// address does not uniquely identify a single node".
///
/// Of an ICMPv6 message whose type cannot be seen (a later fragment, or cut short) the answer is no.
#[inline]
#[must_use]
pub fn may_answer(offending: &[u8], error: IcmpError) -> bool {
    let Ok(view) = Ipv6View::new(offending) else {
        return false;
    };
    let source = view.source();
    if source.is_unspecified() || source.is_multicast() || source.is_loopback() {
        return false;
    }
    if view.destination().is_multicast() && !error.answers_multicast() {
        return false;
    }
    upper_layer_may_be_answered(view.packet())
}

/// As [`may_answer`], of a packet that an ICMPv6 error quotes and that may be cut short at its end. A multicast destination
/// is not looked at: whoever relays an error knows that the packet was for one node.
#[must_use]
pub fn may_relay(quoted: &[u8]) -> bool {
    let Some(source) = crate::field::address_at(quoted, 8) else {
        return false;
    };
    let is_one_node = !source.is_unspecified() && !source.is_multicast() && !source.is_loopback();
    is_one_node && upper_layer_may_be_answered(quoted)
}

fn upper_layer_may_be_answered(packet: &[u8]) -> bool {
    let Ok(chain) = extension::walk(packet) else {
        // What cannot be walked cannot be an ICMPv6 error that any node would act on.
        return true;
    };
    if chain.upper_protocol != next_header::ICMPV6 {
        return true;
    }
    if chain.fragment.is_some_and(|fragment| fragment.offset != 0) {
        return false;
    }
    // RFC 4443 §2.1: error messages have "a zero in the high-order bit of their message Type field values".
    u8_at(packet, chain.upper_offset).is_some_and(|kind| kind >= 128 && kind != icmpv6::REDIRECT)
}
