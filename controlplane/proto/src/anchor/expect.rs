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
use super::binding_cache::Binding;
use super::mobile_nodes::Association;

/// What a packet will be looked up by, and where that was found.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    spi: u32,
    /// The first address that it is about.
    pub home_address: Ipv6Addr,
    /// Whether it is a Binding Update of RFC 6275: its number is that of the home address.
    is_classic: bool,
    association: Option<usize>,
    binding: Option<usize>,
}

impl Expected {
    /// `None` where the packet is no authenticated update: others are few, or need little.
    fn of(packet: &[u8], code_points: &CodePoints) -> Option<Self> {
        let packet = MobilityPacket::parse(packet).ok()?;
        let header = MobilityHeader::parse(packet.mh).ok()?;
        let (options, home_address, is_classic) = match header.message(code_points).ok()? {
            Message::BindingUpdate(update) => {
                let home_address = packet.home_address.unwrap_or(packet.source);
                (update.options, home_address, true)
            }
            Message::Dmip(dmip) => {
                let dhoa = dmip.options.iter().find_map(|option| match option {
                    Ok(MobilityOption::Dhoa { address, .. }) => Some(address),
                    _ => None,
                });
                (dmip.options, dhoa?, false)
            }
            _ => return None,
        };
        Some(Self {
            spi: options.auth()?.spi,
            home_address,
            is_classic,
            association: None,
            binding: None,
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
        for one in &mut *expected {
            one.association = self.nodes.place_of_association(one.spi);
        }
        for one in &mut *expected {
            one.binding = self.cache.bindings.get_index_of(&one.home_address);
        }
        // Nobody needs what is read; that it may not be left out is all that `black_box` is for.
        for one in expected.iter().filter(|one| one.is_classic) {
            black_box(self.nodes.owner(&one.home_address));
            black_box(self.cache.home_sequences.get(&one.home_address));
            black_box(self.deliveries.look_at(&one.home_address));
        }
        // The shorter a loop, the more of its reads wait at the same time.
        let associations = || {
            let places = expected.iter().filter_map(|one| one.association);
            places.filter_map(|place| self.nodes.association_at(place))
        };
        for association in associations() {
            let Association {
                window,
                newest_timestamp,
                owner,
                ..
            } = association;
            black_box((window.highest(), newest_timestamp, owner));
        }
        for association in associations() {
            black_box((association.security.spi(), association.security.algorithm()));
            black_box(self.nodes.look_at_answers(association));
            black_box(self.nodes.look_at_node(association.owner));
        }
        for association in associations() {
            let id = association.security.mn_id();
            black_box(id.identifier.first());
        }
        for place in expected.iter().filter_map(|one| one.binding) {
            let binding = self.cache.bindings.get_index(place);
            black_box(binding.map(|(_, binding)| look_at(binding)));
        }
    }
}

/// Reads what lies in different cache lines of a binding, and gives a number that tells nothing.
fn look_at(binding: &Binding) -> usize {
    let [first, ..] = binding.care_of.octets();
    let is_there = [
        binding.timer.is_some(),
        binding.refresh_timer.is_some(),
        binding.order.is_some(),
        binding.expires_ns.is_some(),
        binding.steering.is_some(),
        binding.link_local,
    ];
    let seen = is_there.iter().filter(|is_there| **is_there).count();
    seen ^ binding.flows.len() ^ binding.pool ^ usize::from(first)
}
