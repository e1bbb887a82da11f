//! The mobile node's side: Binding Updates, and the other end of the tunnel

use std::net::Ipv6Addr;

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader};
use dhp_wire::packet::{MobilityPacket, compose};

use crate::ANCHOR;
use crate::support::namespaces::Namespace;
use crate::support::station::Station;

pub const HOME_KEY: [u8; 32] = [0x42; 32];
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

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
            let answer = self.station.receive(|packet| {
                let outer = Ipv6View::new(packet).ok()?;
                let inner = (outer.next_header() == next_header::IPV6).then(|| outer.payload())?;
                Some((outer.destination(), echo_reply(inner, home)?))
            });
            let (care_of, reply) = answer;
            let mut tunnelled = vec![0x60, 0, 0, 0];
            let length = u16::try_from(reply.len()).expect("short");
            tunnelled.extend(length.to_be_bytes());
            tunnelled.extend([next_header::IPV6, 64]);
            tunnelled.extend(care_of.octets());
            tunnelled.extend(ANCHOR.octets());
            tunnelled.extend(reply);
            self.station.send(&tunnelled);
        }
    }
}

/// The reply to an echo request to `home`.
fn echo_reply(request: &[u8], home: Ipv6Addr) -> Option<Vec<u8>> {
    let view = Ipv6View::new(request).ok()?;
    let is_echo = view.next_header() == next_header::ICMPV6
        && view.payload().first() == Some(&ECHO_REQUEST)
        && view.destination() == home;
    if !is_echo {
        return None;
    }
    let (from, to) = (view.destination(), view.source());
    let mut reply = view.packet().to_vec();
    reply[8..24].copy_from_slice(&from.octets());
    reply[24..40].copy_from_slice(&to.octets());
    reply[HEADER_LEN] = ECHO_REPLY;
    reply[HEADER_LEN + 2..HEADER_LEN + 4].fill(0);
    let sum = upper_layer_checksum(&from, &to, next_header::ICMPV6, &reply[HEADER_LEN..]);
    reply[HEADER_LEN + 2..HEADER_LEN + 4].copy_from_slice(&sum.to_be_bytes());
    Some(reply)
}
