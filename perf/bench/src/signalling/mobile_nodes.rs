//! Mobile nodes that hand off in turns, as RFC 6275 ones do

use std::net::Ipv6Addr;

use anyhow::{Context, ensure};
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::ethernet::HEADER_LEN;
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};

use super::appliance::{ANCHOR, ETHERNET, home_address};

const FIRST_SPI: u32 = 256;
const ALGORITHM: Algorithm = Algorithm::HmacSha1_96;

struct MobileNode {
    home_address: Ipv6Addr,
    care_of: Ipv6Addr,
    key: Vec<u8>,
    association: SecurityAssociation,
    sequence: u16,
}

/// All of them.
pub struct MobileNodes {
    nodes: Vec<MobileNode>,
    turn: usize,
    lifetime: Lifetime,
}

impl MobileNodes {
    /// Each with an address and a key of its own. They ask for bindings of this lifetime.
    pub fn new(count: u16, lifetime: Lifetime) -> anyhow::Result<Self> {
        let nodes = (0..count)
            .map(|number| {
                let home_address = home_address(number);
                let mut key = vec![0x5a; ALGORITHM.key_len()];
                key.splice(..2, number.to_be_bytes());
                let permissions = Permissions {
                    home_addresses: vec![home_address],
                    ..Permissions::default()
                };
                let association = SecurityAssociation::new(
                    FIRST_SPI + u32::from(number),
                    MnId::nai(&identifier(number)),
                    Key::new(key.clone()),
                    ALGORITHM,
                    permissions,
                )?;
                Ok(MobileNode {
                    home_address,
                    care_of: home_address,
                    key,
                    association,
                    sequence: 0,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            nodes,
            turn: 0,
            lifetime,
        })
    }

    /// What the anchor must know of them.
    pub fn security_associations(&self) -> Vec<SecurityAssociation> {
        self.nodes
            .iter()
            .map(|node| node.association.clone())
            .collect()
    }

    /// The same, as `dhpd` reads it from its configuration.
    pub fn configuration(&self) -> String {
        let mut text = String::new();
        for (number, node) in (0..).zip(&self.nodes) {
            let key: String = node
                .key
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            text += &format!(
                "[[mobile-node]]\nid = \"{}\"\nspi = {}\nalgorithm = \"hmac-sha1-96\"\nkey = \"{key}\"\nhome-address = \"{}\"\n\n",
                identifier(number),
                node.association.spi(),
                node.home_address,
            );
        }
        text
    }

    /// Home address and care-of address of each, after the updates so far.
    pub fn addresses(&self) -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr)> {
        self.nodes
            .iter()
            .map(|node| (node.home_address, node.care_of))
    }

    /// The frame with which the next one moves to its other care-of address.
    pub fn next_update(&mut self) -> Vec<u8> {
        let count = self.nodes.len();
        let Some(node) = self.nodes.get_mut(self.turn) else {
            return Vec::new();
        };
        self.turn = (self.turn + 1) % count;
        node.sequence = node.sequence.wrapping_add(1);
        let mut care_of = node.home_address.segments();
        care_of[2] = if node.sequence.is_multiple_of(2) {
            0xa
        } else {
            0xb
        };
        let care_of = Ipv6Addr::from(care_of);
        node.care_of = care_of;
        let mh = Builder::binding_update(
            node.sequence,
            BuFlags::ACKNOWLEDGE | BuFlags::HOME,
            self.lifetime,
        )
        .option(&MobilityOption::AlternateCareOf(care_of))
        .auth(node.association.spi(), ALGORITHM.mac_len(), |octets| {
            node.association.mac(&care_of, &node.home_address, octets)
        })
        .finish(&node.home_address, &ANCHOR);
        let packet = compose(&care_of, &ANCHOR, Some(&node.home_address), None, &mh);
        [&ETHERNET[..], &packet].concat()
    }

    /// That a frame is an accepted Binding Acknowledgement.
    pub fn check_acknowledgement(&self, frame: &[u8]) -> anyhow::Result<()> {
        let packet = frame.get(HEADER_LEN..).context("a short frame")?;
        let packet = MobilityPacket::parse(packet).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let header =
            MobilityHeader::parse(packet.mh).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        match header.message(&CodePoints::default()) {
            Ok(Message::BindingAcknowledgement(acknowledgement)) => {
                ensure!(
                    acknowledgement.status.is_accepted(),
                    "a Binding Update was refused: {}",
                    acknowledgement.status
                );
                Ok(())
            }
            other => anyhow::bail!("not a Binding Acknowledgement: {other:?}"),
        }
    }
}

fn identifier(number: u16) -> String {
    format!("mn{number}@example.net")
}
