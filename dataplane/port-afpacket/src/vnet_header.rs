//! `struct virtio_net_hdr`: what the sender of a packet left for its device to do

use dhp_wire::checksum;

/// Octets of the header before each packet of a socket with `PACKET_VNET_HDR`.
pub(crate) const VNET_HEADER_LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;

/// The header, in host order. Offsets count from the first octet of the packet as it was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VnetHeader {
    pub(crate) flags: u8,
    pub(crate) gso_type: u8,
    pub(crate) gso_size: u16,
    pub(crate) checksum_start: u16,
    pub(crate) checksum_offset: u16,
}

/// The packet names a place for its checksum that lies outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChecksumOutside;

impl VnetHeader {
    /// Packet sockets give the fields in host order (virtio's legacy layout on the guest's own machine).
    pub(crate) fn read(octets: &[u8; VNET_HEADER_LEN]) -> Self {
        let [
            flags,
            gso_type,
            _,
            _,
            size0,
            size1,
            start0,
            start1,
            offset0,
            offset1,
        ] = *octets;
        Self {
            flags,
            gso_type,
            gso_size: u16::from_ne_bytes([size0, size1]),
            checksum_start: u16::from_ne_bytes([start0, start1]),
            checksum_offset: u16::from_ne_bytes([offset0, offset1]),
        }
    }

    /// The same for the packet behind a link header of so many octets.
    pub(crate) fn without_link_header(self, octets: usize) -> Self {
        Self {
            checksum_start: usize::from(self.checksum_start).saturating_sub(octets) as u16,
            ..self
        }
    }

    /// Whether the checksum field holds only the sum of the pseudo-header, as for packets of a local sender.
    pub(crate) fn needs_checksum(&self) -> bool {
        self.flags & NEEDS_CHECKSUM != 0
    }

    /// Whether this is a super-frame that the device was to split.
    pub(crate) fn is_super_frame(&self) -> bool {
        self.gso_type != 0
    }

    /// Do what the device would have done: sum from `checksum_start` to the end, where the field already holds the
    /// sum of the pseudo-header.
    pub(crate) fn complete_checksum(&self, packet: &mut [u8]) -> Result<(), ChecksumOutside> {
        if !self.needs_checksum() {
            return Ok(());
        }
        let covered = packet
            .get_mut(usize::from(self.checksum_start)..)
            .ok_or(ChecksumOutside)?;
        let value = match checksum::fold(checksum::ones_complement(0, covered)) {
            // RFC 8200 §8.1: "if that computation yields a result of zero, it must be changed to hex FFFF for placement
            // in the UDP header." In the other protocols the two stand for the same number.
            0 => 0xffff,
            value => value,
        };
        let offset = usize::from(self.checksum_offset);
        let field = covered
            .get_mut(offset..)
            .and_then(<[u8]>::first_chunk_mut::<2>);
        *field.ok_or(ChecksumOutside)? = value.to_be_bytes();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{PacketBuilder, TransportSlice};

    /// A UDP packet over Ethernet whose checksum field holds the pseudo-header's sum alone, as a local sender leaves it.
    fn unfinished_udp(payload: &[u8]) -> (Vec<u8>, VnetHeader, u16) {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv6([0x20; 16], [0x21; 16], 64)
            .udp(1000, 2000)
            .write(&mut frame, payload)
            .expect("memory");
        let right = u16::from_be_bytes([frame[60], frame[61]]);
        let length = u32::try_from(payload.len() + 8).expect("short");
        let pseudo =
            checksum::pseudo_header_sum(&[0x20; 16].into(), &[0x21; 16].into(), length, 17);
        frame[60..62].copy_from_slice(&(!checksum::fold(pseudo)).to_be_bytes());
        let header = VnetHeader {
            flags: NEEDS_CHECKSUM,
            checksum_start: 54,
            checksum_offset: 6,
            ..VnetHeader::default()
        };
        (frame, header, right)
    }

    #[test]
    fn an_unfinished_checksum_is_completed() {
        for payload in [&b"even"[..], b"odd", b""] {
            let (mut frame, header, right) = unfinished_udp(payload);
            header.complete_checksum(&mut frame).expect("inside");
            let sliced = etherparse::SlicedPacket::from_ethernet(&frame).expect("well formed");
            let Some(TransportSlice::Udp(udp)) = sliced.transport else {
                panic!("no UDP in {sliced:?}");
            };
            assert_eq!(udp.checksum(), right);
        }
    }

    #[test]
    fn a_finished_packet_is_left_alone() {
        let (mut frame, header, _) = unfinished_udp(b"data");
        let before = frame.clone();
        let finished = VnetHeader { flags: 0, ..header };
        assert_eq!(finished.complete_checksum(&mut frame), Ok(()));
        assert_eq!(frame, before);
    }

    #[test]
    fn a_checksum_outside_of_the_packet_is_refused() {
        let (frame, header, _) = unfinished_udp(b"data");
        for (start, offset) in [(54, 65_535), (60, 12), (65_535, 0)] {
            let header = VnetHeader {
                checksum_start: start,
                checksum_offset: offset,
                ..header
            };
            assert_eq!(
                header.complete_checksum(&mut frame.clone()),
                Err(ChecksumOutside)
            );
        }
    }

    #[test]
    fn fields_are_in_host_order() {
        let mut octets = [0; VNET_HEADER_LEN];
        octets[0] = 1;
        octets[1] = 4;
        octets[4..6].copy_from_slice(&1440u16.to_ne_bytes());
        octets[6..8].copy_from_slice(&54u16.to_ne_bytes());
        octets[8..10].copy_from_slice(&16u16.to_ne_bytes());
        let header = VnetHeader::read(&octets);
        assert!(header.needs_checksum() && header.is_super_frame());
        assert_eq!(
            (
                header.gso_size,
                header.checksum_start,
                header.checksum_offset
            ),
            (1440, 54, 16)
        );
    }
}
