//! The mobile node's side: Binding Updates, and the other end of the tunnel

use std::net::Ipv6Addr;

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader};
use dhp_wire::packet::{MobilityPacket, compose};

use crate::ANCHOR;
use crate::support::echo::tunnelled_echo_reply;
use crate::support::namespaces::Namespace;
use crate::support::station::Station;

pub const HOME_KEY: [u8; 32] = [0x42; 32];

/// Who a mobile node is.
pub struct Identity {
    security: SecurityAssociation,
    home: Ipv6Addr,
}

impl Identity {
    pub fn new(spi: u32, home: Ipv6Addr) -> Self {
        let id = MnId::nai(&format!("mn{spi}@example.net"));
        let (key, algorithm) = (Key::new(HOME_KEY), Algorithm::HmacSha256_128);
        let permissions = Permissions::default();
        let security =
            SecurityAssociation::from_home_key(spi, id, &key, &ANCHOR, algorithm, permissions);
        let security = security.expect("right");
        Self { security, home }
    }

    /// A Binding Update; at home, without Home Address option (RFC 6275 §11.5.5).
    pub fn update(&self, sequence: u16, care_of: Ipv6Addr, lifetime: Lifetime) -> Vec<u8> {
        self.update_with(BuFlags::default(), sequence, care_of, lifetime)
    }

    /// The same with more flags than A and H.
    pub fn update_with(
        &self,
        flags: BuFlags,
        sequence: u16,
        care_of: Ipv6Addr,
        lifetime: Lifetime,
    ) -> Vec<u8> {
        let security = &self.security;
        let mac = |mh: &[u8]| security.mac(&care_of, &self.home, mh);
        let flags = flags | BuFlags::ACKNOWLEDGE | BuFlags::HOME;
        let mh = Builder::binding_update(sequence, flags, lifetime)
            .auth(security.spi(), security.algorithm().mac_len(), mac)
            .finish(&self.home, &ANCHOR);
        let option = (care_of != self.home).then_some(&self.home);
        compose(&care_of, &ANCHOR, option, None, &mh)
    }
}

/// A mobile node's attachment to a link.
pub struct MobileNode {
    station: Station,
}

impl MobileNode {
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            station: Station::new(namespace),
        }
    }

    /// Send a Binding Update; status and lifetime of its acknowledgement.
    pub fn register(&self, update: &[u8]) -> (u8, Lifetime) {
        self.station.send(update);
        self.station.receive(|packet| {
            let parsed = MobilityPacket::parse(packet).ok()?;
            let header = MobilityHeader::parse(parsed.mh).ok()?;
            match header.message(&CodePoints::default()) {
                Ok(Message::BindingAcknowledgement(acknowledgement)) => {
                    Some((acknowledgement.status.0, acknowledgement.lifetime))
                }
                _ => None,
            }
        })
    }

    /// Answer so many echo requests that come to `home` by the tunnel, through the tunnel.
    pub fn answer_echoes(&self, home: Ipv6Addr, count: usize) {
        for _ in 0..count {
            let answer = self
                .station
                .receive(|packet| tunnelled_echo_reply(packet, home));
            self.station.send(&answer);
        }
    }
}
