//! Splitting what a local sender or a merging driver left as one: TCP and UDP segmentation in software
//!
//! A sender behind veth hands over up to 64 KiB as one packet and counts on a device to segment it. The port is that
//! device.

use dhp_engine::PacketBuf;
use dhp_wire::checksum;
use dhp_wire::ethernet::HEADER_LEN as ETHERNET_LEN;
use dhp_wire::ipv6::HEADER_LEN as IPV6_LEN;

use crate::vnet_header::{VNET_HEADER_LEN, VnetHeader};

const GSO_TCP_V6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

const TCP_MIN_LEN: usize = 20;
const TCP_CHECKSUM: usize = 16;
const TCP_FLAGS: usize = 13;
/// FIN and PSH belong to the last octet of data.
const TCP_LAST_ONLY: u8 = 0x01 | 0x08;
/// RFC 3168 §6.1.2: CWR answers an ECN echo once, on the first segment.
const TCP_FIRST_ONLY: u8 = 0x80;
const UDP_LEN: usize = 8;
const UDP_CHECKSUM: usize = 6;

/// The longest that is split: an IPv6 packet without jumbo payload option, its Ethernet header, and the header before it.
const STORAGE: usize = VNET_HEADER_LEN + ETHERNET_LEN + IPV6_LEN + u16::MAX as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// Why a super-frame cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsplittable {
    /// Neither TCP over IPv6 nor UDP, or its headers are not what the sender says they are.
    Kind,
    /// A segment would not fit in a frame.
    SegmentTooLong,
}

/// A super-frame on its way through a port, and how far it has been split.
#[derive(Debug)]
pub(crate) struct SuperFrame {
    storage: Box<[u8]>,
    length: usize,
    transport: Transport,
    /// Where the transport header begins, from the link header on.
    transport_start: usize,
    /// Where the data begins.
    data_start: usize,
    segment_octets: usize,
    /// The first octet of data that has not been given out; `length` when nothing is left.
    next: usize,
}

impl SuperFrame {
    pub(crate) fn new() -> Self {
        Self {
            storage: vec![0; STORAGE].into_boxed_slice(),
            length: 0,
            transport: Transport::Udp,
            transport_start: 0,
            data_start: 0,
            segment_octets: 0,
            next: 0,
        }
    }

    /// Memory for what `recv(2)` gives: the header of [`VnetHeader`], then the frame.
    pub(crate) fn storage(&mut self) -> &mut [u8] {
        self.next = 0;
        self.length = 0;
        &mut self.storage
    }

    /// Put a frame into the storage as if it had been received with `vnet` before it.
    pub(crate) fn copy_in(&mut self, frame: &[u8]) -> bool {
        let place = self
            .storage()
            .get_mut(VNET_HEADER_LEN..)
            .and_then(|storage| storage.get_mut(..frame.len()));
        place.map(|place| place.copy_from_slice(frame)).is_some()
    }

    /// The frame in the storage, of `length` octets beside the header before it, is to be split into frames of at most
    /// `frame_octets` octets.
    pub(crate) fn begin(
        &mut self,
        length: usize,
        vnet: &VnetHeader,
        frame_octets: usize,
    ) -> Result<(), Unsplittable> {
        self.next = 0;
        self.length = 0;
        let transport_start = usize::from(vnet.checksum_start);
        let frame = self
            .storage
            .get(VNET_HEADER_LEN..)
            .and_then(|storage| storage.get(..length))
            .ok_or(Unsplittable::Kind)?;
        let header = frame.get(transport_start..).ok_or(Unsplittable::Kind)?;
        let (transport, header_octets, checksum_offset) = match vnet.gso_type & !GSO_ECN {
            GSO_TCP_V6 => {
                let offset = header.get(12).ok_or(Unsplittable::Kind)? >> 4;
                let octets = usize::from(offset) * 4;
                if octets < TCP_MIN_LEN {
                    return Err(Unsplittable::Kind);
                }
                (Transport::Tcp, octets, TCP_CHECKSUM)
            }
            GSO_UDP_L4 => (Transport::Udp, UDP_LEN, UDP_CHECKSUM),
            _ => return Err(Unsplittable::Kind),
        };
        let data_start = transport_start + header_octets;
        let segment_octets = usize::from(vnet.gso_size);
        if !vnet.needs_checksum()
            || usize::from(vnet.checksum_offset) != checksum_offset
            || transport_start < ETHERNET_LEN + IPV6_LEN
            || data_start >= length
            || segment_octets == 0
        {
            return Err(Unsplittable::Kind);
        }
        if data_start + segment_octets > frame_octets {
            return Err(Unsplittable::SegmentTooLong);
        }
        self.length = length;
        self.transport = transport;
        self.transport_start = transport_start;
        self.data_start = data_start;
        self.segment_octets = segment_octets;
        self.next = data_start;
        Ok(())
    }

    /// Whether all has been given out.
    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.length
    }

    /// Write the next segment to `segment`. `false`: there is none, or it does not fit.
    pub(crate) fn next_segment<B: PacketBuf>(&mut self, segment: &mut B) -> bool {
        if self.is_done() {
            return false;
        }
        let end = (self.next + self.segment_octets).min(self.length);
        let written = self.write_segment(end, segment).is_some();
        self.next = end;
        written
    }

    fn write_segment<B: PacketBuf>(&self, end: usize, segment: &mut B) -> Option<()> {
        let frame = self.storage.get(VNET_HEADER_LEN..)?;
        let headers = frame.get(..self.data_start)?;
        let data = frame.get(self.next..end)?;
        if !segment.set_len(headers.len() + data.len()) {
            return None;
        }
        let (to_headers, to_data) = segment.bytes_mut().split_at_mut_checked(headers.len())?;
        to_headers.copy_from_slice(headers);
        to_data.copy_from_slice(data);

        let whole = segment.bytes_mut();
        let payload = u16::try_from(whole.len().checked_sub(ETHERNET_LEN + IPV6_LEN)?).ok()?;
        write_u16(whole, ETHERNET_LEN + 4, payload)?;
        let message = whole.get_mut(self.transport_start..)?;
        let length = u16::try_from(message.len()).ok()?;
        // The field holds the sum of the pseudo-header with the length of the whole: take that out, put this one's in. So
        // the addresses of the pseudo-header, which a routing header may change, need not be known.
        let whole_length = u16::try_from(self.length.checked_sub(self.transport_start)?).ok()?;
        let checksum_offset = match self.transport {
            Transport::Tcp => {
                self.continue_tcp(end, message)?;
                TCP_CHECKSUM
            }
            Transport::Udp => {
                write_u16(message, 4, length)?;
                UDP_CHECKSUM
            }
        };
        let pseudo = u32::from(read_u16(message, checksum_offset)?);
        write_u16(message, checksum_offset, 0)?;
        let sum = pseudo + u32::from(!whole_length) + u32::from(length);
        let value = match checksum::fold(checksum::ones_complement(sum, message)) {
            // RFC 8200 §8.1, as in `VnetHeader::complete_checksum`.
            0 => 0xffff,
            value => value,
        };
        write_u16(message, checksum_offset, value)
    }

    /// What a segment's TCP header has different from the whole's.
    fn continue_tcp(&self, end: usize, header: &mut [u8]) -> Option<()> {
        let offset = (self.next - self.data_start) as u32;
        let sequence = header.get_mut(4..)?.first_chunk_mut::<4>()?;
        *sequence = u32::from_be_bytes(*sequence)
            .wrapping_add(offset)
            .to_be_bytes();
        let flags = header.get_mut(TCP_FLAGS)?;
        if end < self.length {
            *flags &= !TCP_LAST_ONLY;
        }
        if offset > 0 {
            *flags &= !TCP_FIRST_ONLY;
        }
        Some(())
    }
}

fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets
        .get(at..)?
        .first_chunk::<2>()
        .copied()
        .map(u16::from_be_bytes)
}

fn write_u16(octets: &mut [u8], at: usize, value: u16) -> Option<()> {
    *octets.get_mut(at..)?.first_chunk_mut::<2>()? = value.to_be_bytes();
    Some(())
}

#[cfg(test)]
#[path = "super_frame_tests.rs"]
mod tests;
