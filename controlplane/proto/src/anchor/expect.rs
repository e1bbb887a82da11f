//! Looking ahead: what some packets will need, all at once.
//!
//! With a million bindings nearly each lookup waits for memory, and a packet's lookups wait one after the other. Those of several
//! packets can wait at the same time, if each step is taken for all of them before the next. It changes nothing but what the
//! processor has at hand.

use core::hint::black_box;
use core::net::Ipv6Addr;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;

use super::Anchor;

/// What a packet will be looked up by.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    spi: u32,
    /// The first address that it is about.
    pub home_address: Ipv6Addr,
}

impl Expected {
    /// `None` where the packet is no authenticated update: others are few, or need little.
    fn of(packet: &[u8], code_points: &CodePoints) -> Option<Self> {
        let packet = MobilityPacket::parse(packet).ok()?;
        let header = MobilityHeader::parse(packet.mh).ok()?;
        let (options, home_address) = match header.message(code_points).ok()? {
            Message::BindingUpdate(update) => {
                (update.options, packet.home_address.unwrap_or(packet.source))
            }
            Message::Dmip(dmip) => {
                let dhoa = dmip.options.iter().find_map(|option| match option {
                    Ok(MobilityOption::Dhoa { address, .. }) => Some(address),
                    _ => None,
                });
                (dmip.options, dhoa?)
            }
            _ => return None,
        };
        Some(Self {
            spi: options.auth()?.spi,
            home_address,
        })
    }
}

impl Anchor {
    /// Looks ahead at packets that [`Anchor::handle_packet`] will be given next, at best four to sixteen of them. Leaves in
    /// `expected` what they will be looked up by, for others who look ahead.
    pub fn expect<'a>(
        &self,
        packets: impl Iterator<Item = &'a [u8]>,
        expected: &mut Vec<Expected>,
    ) {
        expected.clear();
        let code_points = &self.config.code_points;
        expected.extend(packets.filter_map(|packet| Expected::of(packet, code_points)));
        let mut seen = 0_usize;
        for Expected { spi, .. } in &*expected {
            seen ^= self.nodes.place_of_association(*spi).unwrap_or_default();
        }
        for Expected { home_address, .. } in &*expected {
            seen ^= self
                .cache
                .bindings
                .get_index_of(home_address)
                .unwrap_or_default();
        }
        for Expected { home_address, .. } in &*expected {
            seen ^= usize::from(self.nodes.owner(home_address).is_some());
            let sequence = self.cache.home_sequences.get(home_address);
            seen ^= sequence.map_or(0, |sequence| usize::from(sequence.last));
        }
        for Expected { spi, .. } in &*expected {
            let association = self.nodes.association(*spi);
            seen ^= association.map_or(0, |association| association.look_at());
        }
        for Expected { home_address, .. } in &*expected {
            let binding = self.cache.bindings.get(home_address);
            seen ^= binding.map_or(0, |binding| binding.flows.len() ^ binding.pool);
        }
        // Nobody needs the sum; that it may not be left out is all that it is for.
        black_box(seen);
    }
}
