//! ICMPv6 errors that come back from inside a tunnel (RFC 2473 §8)
//!
//! A router between the anchor and a mobile node tells the anchor, the source of the tunnel packet; what it says concerns
//! the source of the packet inside. Anybody can send such a message: it is believed only if what it quotes went, or could
//! have gone, to the care-of address of the binding of the inner destination.

use dhp_segment::{Counter, DropReason, PuntKind};
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::icmpv6::{
    ADDRESS_UNREACHABLE, DESTINATION_UNREACHABLE, HOP_LIMIT_EXCEEDED, PACKET_TOO_BIG,
    PARAMETER_PROBLEM, TIME_EXCEEDED,
};
use dhp_wire::codepoints::next_header;
use dhp_wire::extension::HeaderChain;
use dhp_wire::icmpv6::{IcmpError, may_relay};
use dhp_wire::ipv6::{Ipv6View, MIN_MTU};
use dhp_wire::quoted::{Quote, QuotedTunnel};

use crate::origin::Origin;
use crate::path::Path;
use crate::{PacketBuf, Port};

/// What becomes of a believable message.
enum Verdict {
    /// The source of the inner packet is told.
    Relay(IcmpError),
    /// The path is narrower than was thought: the binding's tunnel MTU follows, and the source is told if it is to send less.
    Narrower(Option<IcmpError>),
    /// It says nothing to the source.
    Ignore,
}

impl<P: Port> Path<P> {
    /// An ICMPv6 message to the anchor: an error from a tunnel is ours, anything else the host's.
    pub(crate) fn receive_icmp(&mut self, packet: P::Buf, chain: &HeaderChain, origin: Origin) {
        // RFC 4443 §2.1: error messages have "a zero in the high-order bit of their message Type field values".
        let message = packet.bytes().get(chain.upper_offset..).unwrap_or_default();
        if !matches!(origin, Origin::Port(_)) || message.first().is_none_or(|kind| *kind >= 128) {
            return self.hand_to_host(packet, origin);
        }
        match Quote::read(message) {
            // Of the rest the kernel may make something.
            Quote::Type2(_) if self.is_narrow_path(packet.bytes(), chain) => {
                self.punt(packet, chain, PuntKind::IcmpError, origin);
            }
            Quote::Other | Quote::Type2(_) => self.hand_to_host(packet, origin),
            Quote::UnknownTunnel => self.discard(packet, DropReason::IcmpErrorUnrelated),
            Quote::Tunnel(quoted) => self.receive_tunnel_error(packet, chain, &quoted, origin),
        }
    }

    #[cold]
    fn receive_tunnel_error(
        &mut self,
        packet: P::Buf,
        chain: &HeaderChain,
        quoted: &QuotedTunnel,
        origin: Origin,
    ) {
        let message = packet.bytes().get(chain.upper_offset..).unwrap_or_default();
        let Some(tunnel_mtu) = self.mtu_of_quoted_tunnel(quoted) else {
            return self.discard(packet, DropReason::IcmpErrorUnrelated);
        };
        if !has_right_checksum(packet.bytes(), message) {
            return self.discard(packet, DropReason::IcmpErrorUnrelated);
        }
        let verdict = judge(quoted, tunnel_mtu);
        if let Verdict::Relay(error) | Verdict::Narrower(Some(error)) = verdict {
            let inner = message.get(quoted.inner_offset..).unwrap_or_default();
            let inner = inner.get(..quoted.inner_len).unwrap_or(inner);
            if may_relay(inner) {
                self.send_error(quoted.inner_source, inner, error);
            }
        }
        match verdict {
            Verdict::Narrower(_) => self.punt(packet, chain, PuntKind::IcmpError, origin),
            Verdict::Relay(_) => self.reader.count(Counter::RelayedErrors, 1),
            Verdict::Ignore => self.discard(packet, DropReason::IcmpErrorIgnored),
        }
    }

    /// The largest inner packet of the tunnel that is quoted, if it is a tunnel of ours. The care-of address before a handoff
    /// is good for its time: errors about packets in flight come late.
    fn mtu_of_quoted_tunnel(&self, quoted: &QuotedTunnel) -> Option<u16> {
        let home = self.reader.lookup_home(&quoted.inner_destination)?;
        let template = self.template_from(home, &quoted.exit)?;
        (template.source == quoted.entry).then_some(template.mtu)
    }
}

pub(crate) fn has_right_checksum(packet: &[u8], message: &[u8]) -> bool {
    Ipv6View::new(packet).is_ok_and(|view| {
        upper_layer_checksum(
            &view.source(),
            &view.destination(),
            next_header::ICMPV6,
            message,
        ) == 0
    })
}

fn judge(quoted: &QuotedTunnel, tunnel_mtu: u16) -> Verdict {
    // RFC 2473 §8.1: these "are reported to the source of the original IPv6 packet, as a tunnel generic "unreachable" problem
    // caused by a "link problem""; §8.2 gives type 1, code 3.
    let unreachable = Verdict::Relay(IcmpError::DestinationUnreachable {
        code: ADDRESS_UNREACHABLE,
    });
    match (quoted.kind, quoted.code) {
        (DESTINATION_UNREACHABLE, _) | (TIME_EXCEEDED, HOP_LIMIT_EXCEEDED) => unreachable,
        // "pointing to a valid Tunnel Encapsulation Limit destination header"
        (PARAMETER_PROBLEM, _) if points_to_limit(quoted) => unreachable,
        (PACKET_TOO_BIG, _) => too_big(quoted, tunnel_mtu),
        _ => Verdict::Ignore,
    }
}

fn points_to_limit(quoted: &QuotedTunnel) -> bool {
    quoted
        .encapsulation_limit
        .is_some_and(|offset| u32::try_from(offset) == Ok(quoted.word))
}

fn too_big(quoted: &QuotedTunnel, tunnel_mtu: u16) -> Verdict {
    let path_mtu = usize::try_from(quoted.word).unwrap_or(usize::MAX);
    // RFC 8201 §4: "If a node receives a Packet Too Big message reporting a next-hop MTU that is less than the IPv6 minimum
    // link MTU, it must discard it."
    if path_mtu < MIN_MTU {
        return Verdict::Ignore;
    }
    // RFC 2473 §8.2: "The MTU field from the tunnel ICMP message minus the length of the tunnel headers", to be sent "only if
    // the original packet size is larger than the minimum link MTU size required for IPv6".
    let room = path_mtu.saturating_sub(quoted.overhead);
    let error = (quoted.inner_len > MIN_MTU).then(|| IcmpError::PacketTooBig {
        mtu: u32::try_from(room.max(MIN_MTU)).unwrap_or(u32::MAX),
    });
    if room < usize::from(tunnel_mtu) {
        return Verdict::Narrower(error);
    }
    error.map_or(Verdict::Ignore, Verdict::Relay)
}
