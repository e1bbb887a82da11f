//! Any number of mobile nodes with one binding each, of which only numbers are kept: their messages are made when they are needed
//!
//! Even ones hold a DHoA and send DHP Binding Updates, odd ones hold a home address and send RFC 6275 Binding Updates with the
//! options of RFC 4283 and RFC 4285. Each one's first update registers it, then handoffs and refreshes take turns.

use std::net::Ipv6Addr;

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{
    FIRST_UNRESERVED_SPI, MnId, Permissions, SecurityAssociation,
};
use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::mobility::{
    BuFlags, Builder, DmipHeader, Lifetime, Message, MobilityHeader, MobilityOption,
};
use dhp_wire::packet::{MobilityPacket, compose};

use super::appliance::ANCHOR;

/// RFC 4285's own.
pub const ALGORITHM: Algorithm = Algorithm::HmacSha1_96;
/// Ten minutes: no binding ends while it is measured.
pub const LIFETIME: Lifetime = Lifetime(150);
/// Mobile nodes of one access link, a /64.
const ON_A_LINK: u32 = 256;
/// The identifiers of home addresses begin here: those near 0 are anycast addresses.
const FIRST_IDENTIFIER: u64 = 1 << 32;

/// The mobile nodes.
pub struct Fleet {
    /// The number of each one's last update, 0 before the first.
    sequences: Vec<u16>,
    turn: u32,
    /// No two after each other are neighbours in any table.
    stride: u32,
}

impl Fleet {
    /// So many, none of them registered.
    pub fn new(count: u32) -> Self {
        Self {
            sequences: vec![0; count as usize],
            turn: 0,
            stride: coprime_stride(count),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.sequences.len()).unwrap_or(u32::MAX)
    }

    /// What the anchor must know of them.
    pub fn security_associations(&self) -> anyhow::Result<Vec<SecurityAssociation>> {
        (0..self.len())
            .map(|number| association(number, vec![home_address(number)]))
            .collect()
    }

    /// The packet with which the next one registers, moves or refreshes its binding.
    pub fn next_update(&mut self) -> Vec<u8> {
        let number = self.turn;
        self.turn = (self.turn + self.stride) % self.len();
        let Some(sequence) = self.sequences.get_mut(number as usize) else {
            return Vec::new();
        };
        *sequence = sequence.wrapping_add(1);
        // 1: a, 2 and 3: b, 4 and 5: a …
        let is_on_b = *sequence / 2 % 2 == 1;
        update(number, *sequence, care_of(number, u16::from(is_on_b)))
    }
}

/// A step through all numbers below `count` that is far from small.
pub fn coprime_stride(count: u32) -> u32 {
    let common = |mut a: u32, mut b: u32| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // The golden section spreads any number of steps evenly.
    let golden = (f64::from(count) * 0.618) as u32;
    (golden..count)
        .find(|step| common(*step, count) == 1)
        .unwrap_or(1)
}

/// The index of a mobile node's security association.
pub fn spi(number: u32) -> u32 {
    FIRST_UNRESERVED_SPI.saturating_add(number)
}

/// A mobile node's identity.
pub fn identity(number: u32) -> MnId {
    MnId::nai(&format!("mn{number}@example.net"))
}

/// A mobile node's key.
pub fn key(number: u32) -> Key {
    let mut octets = vec![0x5a; ALGORITHM.key_len()];
    octets.splice(..4, number.to_be_bytes());
    Key::new(octets)
}

/// A mobile node's security association.
///
/// # Errors
/// None: key and SPI are as they have to be.
pub fn association(
    number: u32,
    home_addresses: Vec<Ipv6Addr>,
) -> anyhow::Result<SecurityAssociation> {
    let permissions = Permissions {
        home_addresses,
        ..Permissions::default()
    };
    Ok(SecurityAssociation::new(
        spi(number),
        identity(number),
        key(number),
        ALGORITHM,
        permissions,
    )?)
}

/// The address that a mobile node keeps.
fn home_address(number: u32) -> Ipv6Addr {
    let prefix = if number.is_multiple_of(2) {
        super::network::DHOAS
    } else {
        super::network::HOMES
    };
    let identifier = FIRST_IDENTIFIER + u64::from(number);
    Ipv6Addr::from_bits(prefix.network().to_bits() | u128::from(identifier))
}

/// Where a mobile node is: on one of two access networks.
pub fn care_of(number: u32, network: u16) -> Ipv6Addr {
    let [_, _, high, low] = number.to_be_bytes().map(u16::from);
    let link = u16::try_from(number / ON_A_LINK % 0x1_0000).unwrap_or(0);
    let upper = u16::try_from(number >> 16).unwrap_or(0);
    Ipv6Addr::new(
        0x2001,
        0xdb8,
        0xa + network,
        link,
        0,
        0,
        upper,
        high << 8 | low,
    )
}

/// Whose care-of address it is, and on which access network: of [`care_of`].
pub fn is_at(address: Ipv6Addr) -> (u32, u16) {
    let [_, _, network, _, _, _, upper, lower] = address.segments();
    (
        u32::from(upper) << 16 | u32::from(lower),
        network.wrapping_sub(0xa),
    )
}

fn update(number: u32, sequence: u16, care_of: Ipv6Addr) -> Vec<u8> {
    let (identity, key) = (identity(number), key(number));
    let home_address = home_address(number);
    let mn_id = MobilityOption::MnId {
        subtype: identity.subtype,
        identifier: &identity.identifier,
    };
    let seal = |builder: Builder, home: &Ipv6Addr| {
        builder.auth(spi(number), ALGORITHM.mac_len(), |octets| {
            dhp_proto::auth::mac(ALGORITHM, &key, &care_of, home, octets)
        })
    };
    if number.is_multiple_of(2) {
        let header = DmipHeader {
            kind: DmipType::BindingUpdate,
            sequence,
            lifetime: LIFETIME,
            flags: dmip_flag::ACKNOWLEDGE,
            status: Status(0),
        };
        let dhoa = MobilityOption::Dhoa {
            status: Status(0),
            fid: 0,
            address: home_address,
            lifetime: LIFETIME,
        };
        let builder = Builder::dmip(&CodePoints::default(), header)
            .option(&mn_id)
            .option(&dhoa);
        let mh = seal(builder, &ANCHOR).finish(&care_of, &ANCHOR);
        return compose(&care_of, &ANCHOR, None, None, &mh);
    }
    let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
    let builder = Builder::binding_update(sequence, flags, LIFETIME)
        .option(&MobilityOption::AlternateCareOf(care_of))
        .option(&mn_id);
    let mh = seal(builder, &home_address).finish(&home_address, &ANCHOR);
    compose(&care_of, &ANCHOR, Some(&home_address), None, &mh)
}

/// Whether a packet of the anchor's accepts an update of one of these.
pub fn is_accepted(packet: &[u8]) -> bool {
    let status = MobilityPacket::parse(packet).ok().and_then(|packet| {
        let header = MobilityHeader::parse(packet.mh).ok()?;
        match header.message(&CodePoints::default()).ok()? {
            Message::BindingAcknowledgement(acknowledgement) => Some(acknowledgement.status),
            Message::Dmip(dmip) if dmip.header.kind == DmipType::BindingConfirmation => {
                Some(dmip.header.status)
            }
            _ => None,
        }
    });
    status.is_some_and(|status| status.is_accepted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_before_any_has_a_second() {
        for count in [1, 2, 10, 1000, 1001] {
            let mut fleet = Fleet::new(count);
            for _ in 0..count {
                fleet.next_update();
            }
            assert!(
                fleet.sequences.iter().all(|sequence| *sequence == 1),
                "{count}"
            );
        }
    }

    #[test]
    fn a_care_of_address_tells_whose_it_is() {
        for number in [0, 255, 256, 65_535, 65_536, 999_999] {
            assert_eq!(is_at(care_of(number, 1)), (number, 1));
            assert_ne!(care_of(number, 0), care_of(number, 1));
        }
    }

    #[test]
    fn updates_of_both_kinds_are_well_formed_and_no_acknowledgements() {
        let mut fleet = Fleet::new(2);
        for _ in 0..2 {
            let update = fleet.next_update();
            assert!(MobilityPacket::parse(&update).is_ok_and(|packet| packet.checksum_is_valid()));
            assert!(!is_accepted(&update));
        }
    }
}
