//! The frames that the worker gets

use std::net::Ipv6Addr;

use etherparse::PacketBuilder;

use super::plan::{ANCHOR, CORRESPONDENT, Plan};

const ETHERNET_AND_IPV6: usize = 14 + 40;
const UDP: usize = 8;
const NEXT_HEADER_IPV6: u8 = 41;

/// Xorshift: fast, and the same in each run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub const fn new() -> Self {
        Self(88_172_645_463_325_252)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(limit.max(1))).unwrap_or(0)
    }
}

/// A frame for a binding of which only the addresses are still to be written.
#[derive(Debug)]
pub struct Frames {
    downlink: Vec<u8>,
    uplink: Vec<u8>,
}

impl Frames {
    /// Frames from and to a port with this MAC address; those to home addresses have `size` octets.
    pub fn new(mac: [u8; 6], size: usize) -> Self {
        let payload = vec![0; size.saturating_sub(ETHERNET_AND_IPV6 + UDP)];
        let correspondent = CORRESPONDENT.octets();
        let (mut downlink, mut inner, mut uplink) = (Vec::new(), Vec::new(), Vec::new());
        // Writing to a vector cannot fail; what comes out is looked at.
        let _ = PacketBuilder::ethernet2(mac, mac)
            .ipv6(correspondent, [0; 16], 64)
            .udp(443, 10_000)
            .write(&mut downlink, &payload);
        let _ = PacketBuilder::ipv6([0; 16], correspondent, 64)
            .udp(10_000, 443)
            .write(&mut inner, &payload);
        let _ = PacketBuilder::ethernet2(mac, mac)
            .ipv6([0; 16], ANCHOR.octets(), 64)
            .write(&mut uplink, NEXT_HEADER_IPV6.into(), &inner);
        Self { downlink, uplink }
    }

    /// A correspondent's packet to the home address of binding `number`.
    pub fn downlink(&mut self, plan: &Plan, number: u32) -> &[u8] {
        put(
            &mut self.downlink,
            ETHERNET_AND_IPV6 - 16,
            plan.home(number),
        );
        &self.downlink
    }

    /// A packet of the mobile node in its tunnel, from the care-of address of this generation.
    pub fn uplink(&mut self, plan: &Plan, number: u32, generation: u32) -> &[u8] {
        put(&mut self.uplink, 14 + 8, plan.care_of(number, generation));
        put(&mut self.uplink, ETHERNET_AND_IPV6 + 8, plan.home(number));
        &self.uplink
    }
}

/// Where a frame goes, by its first IPv6 header.
pub fn destination(frame: &[u8]) -> Option<Ipv6Addr> {
    let octets = frame.get(ETHERNET_AND_IPV6 - 16..)?.first_chunk::<16>()?;
    Some(Ipv6Addr::from(*octets))
}

fn put(frame: &mut [u8], offset: usize, address: Ipv6Addr) {
    if let Some(place) = frame.get_mut(offset..offset + 16) {
        place.copy_from_slice(&address.octets());
    }
}
