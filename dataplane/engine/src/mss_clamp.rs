//! TCP's maximum segment size, lowered to what a tunnel takes
//!
//! Where Packet Too Big messages do not get through, TCP would send segments that no tunnel takes, for ever. A SYN says how
//! large the segments may be that its receiver sends (RFC 9293 §3.7.1); lowering that on both ways keeps all of a
//! connection's segments within the tunnel.

use dhp_wire::codepoints::next_header;
use dhp_wire::extension;
use dhp_wire::ipv6::Ipv6View;

/// Octets of an IPv6 and a TCP header without options: what RFC 9293 §3.7.1 leaves out of the MSS.
const HEADERS_LEN: u16 = 60;
/// Offsets in the TCP header (RFC 9293 §3.1).
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const CHECKSUM: usize = 16;
const OPTIONS: usize = 20;
const SYN: u8 = 0x02;
/// Option kinds.
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;

/// Lower the MSS option of a SYN or SYN/ACK to what a tunnel for inner packets of `tunnel_mtu` octets takes. Any other packet
/// stays as it is, and so does a SYN without the option: its receiver takes 1220, which every tunnel does (RFC 9293 §3.7.1).
#[inline]
pub(crate) fn clamp_mss(packet: &mut [u8], tunnel_mtu: u16) {
    if let Some(segment) = tcp_segment(packet) {
        clamp_segment(segment, tunnel_mtu.saturating_sub(HEADERS_LEN));
    }
}

#[inline]
fn tcp_segment(packet: &mut [u8]) -> Option<&mut [u8]> {
    let view = Ipv6View::new(packet).ok()?;
    let offset = match view.next_header() {
        next_header::TCP => dhp_wire::ipv6::HEADER_LEN,
        // The common case is over quickly.
        other if !extension::is_extension_header(other) => return None,
        _ => {
            let chain = extension::walk(view.packet()).ok()?;
            if chain.upper_protocol != next_header::TCP || chain.fragment.is_some() {
                return None;
            }
            chain.upper_offset
        }
    };
    packet.get_mut(offset..)
}

#[inline]
fn clamp_segment(segment: &mut [u8], limit: u16) {
    if segment.get(FLAGS).is_none_or(|flags| flags & SYN == 0) {
        return;
    }
    let Some(at) = find_mss(segment) else {
        return;
    };
    let Some([high, low]) = segment.get(at..).and_then(<[u8]>::first_chunk::<2>) else {
        return;
    };
    let old = u16::from_be_bytes([*high, *low]);
    if old <= limit {
        return;
    }
    if let Some(field) = segment.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = limit.to_be_bytes();
    }
    // Options need not be aligned: at an odd offset both octets stand in the other half of a word.
    let word = |value: u16| {
        if at.is_multiple_of(2) {
            value
        } else {
            value.swap_bytes()
        }
    };
    if let Some(field) = segment
        .get_mut(CHECKSUM..)
        .and_then(<[u8]>::first_chunk_mut::<2>)
    {
        *field = updated_checksum(u16::from_be_bytes(*field), word(old), word(limit)).to_be_bytes();
    }
}

/// Where the value of the MSS option stands. There are at most 40 octets of options.
fn find_mss(segment: &[u8]) -> Option<usize> {
    let header_len = usize::from(segment.get(DATA_OFFSET)? >> 4).saturating_mul(4);
    let header = segment.get(..header_len)?;
    let mut at = OPTIONS;
    loop {
        match *header.get(at)? {
            END => return None,
            NO_OPERATION => at = at.saturating_add(1),
            kind => {
                let length = usize::from(*header.get(at.saturating_add(1))?);
                if kind == MAXIMUM_SEGMENT_SIZE && length == 4 {
                    let value = at.saturating_add(2);
                    return (value.saturating_add(2) <= header_len).then_some(value);
                }
                // A length of 0 or 1 would not get any further.
                if length < 2 {
                    return None;
                }
                at = at.saturating_add(length);
            }
        }
    }
}

/// RFC 1624 §3, equation 3: `HC' = ~(~HC + ~m + m')`.
fn updated_checksum(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    !(twice as u16)
}
