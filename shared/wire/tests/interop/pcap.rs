//! A capture file of IPv6 packets.

/// LINKTYPE_IPV6: "the packet begins with an IPv6 header".
const LINK_TYPE: u32 = 229;

/// The octets of a classic pcap file.
pub fn pcap<'a>(packets: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut words = |words: &[u32], octets: &[u8]| {
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        file.extend(octets);
    };
    // Magic, version 2.4, time zone, accuracy, snapshot length, link type.
    words(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, LINK_TYPE], &[]);
    for packet in packets {
        let len = u32::try_from(packet.len()).expect("a packet");
        words(&[0, 0, len, len], packet);
    }
    file
}
