//! The mobile node's side of route optimization, on the packets of an interface whose kernel knows nothing of it

use std::net::Ipv6Addr;

use dhp_proto::auth::Key;
use dhp_proto::return_routability::{KeygenToken, authenticator, management_key};
use dhp_wire::checksum::upper_layer_checksum;
use dhp_wire::codepoints::{CodePoints, next_header};
use dhp_wire::extension;
use dhp_wire::ipv6::{HEADER_LEN, Ipv6View};
use dhp_wire::mobility::{BuFlags, Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::{MobilityPacket, compose};

use crate::support::echo::{ECHO_REPLY, ECHO_REQUEST};
use crate::support::namespaces::Namespace;
use crate::support::station::Station;
use crate::{CARE_OF, HOME};

/// What proves to a correspondent who and where the mobile node is.
pub struct Proof {
    home: (u16, KeygenToken),
    care_of: (u16, KeygenToken),
}

pub struct MobileNode {
    station: Station,
}

impl MobileNode {
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            station: Station::new(namespace),
        }
    }

    /// The return routability procedure (RFC 6275 §5.2.5).
    pub fn prove(&self, correspondent: Ipv6Addr) -> Proof {
        let ask = |source: Ipv6Addr, builder: Builder| {
            let mh = builder.finish(&source, &correspondent);
            let packet = compose(&source, &correspondent, None, None, &mh);
            self.station
                .ask(&packet, |packet| match message(packet, correspondent)? {
                    Message::HomeTest {
                        nonce_index, token, ..
                    } if source == HOME => Some((nonce_index, KeygenToken::from_octets(token))),
                    Message::CareOfTest {
                        nonce_index, token, ..
                    } if source == CARE_OF => Some((nonce_index, KeygenToken::from_octets(token))),
                    _ => None,
                })
        };
        Proof {
            home: ask(HOME, Builder::home_test_init([1; 8])),
            care_of: ask(CARE_OF, Builder::care_of_test_init([2; 8])),
        }
    }

    /// The status of a registration.
    pub fn register(&self, correspondent: Ipv6Addr, proof: &Proof, sequence: u16) -> u8 {
        let key = management_key(&proof.home.1, Some(&proof.care_of.1));
        let nonces = (proof.home.0, proof.care_of.0);
        self.update(
            correspondent,
            (&key, CARE_OF),
            nonces,
            sequence,
            Lifetime(100),
        )
    }

    /// The status of a deletion.
    pub fn deregister(&self, correspondent: Ipv6Addr, sequence: u16) -> u8 {
        let proof = self.prove(correspondent);
        let key = management_key(&proof.home.1, None);
        let nonces = (proof.home.0, 0);
        self.update(
            correspondent,
            (&key, HOME),
            nonces,
            sequence,
            Lifetime::ZERO,
        )
    }

    fn update(
        &self,
        correspondent: Ipv6Addr,
        (key, address): (&Key, Ipv6Addr),
        (home, care_of): (u16, u16),
        sequence: u16,
        lifetime: Lifetime,
    ) -> u8 {
        let mh = Builder::binding_update(sequence, BuFlags::ACKNOWLEDGE, lifetime)
            .option(&MobilityOption::NonceIndices { home, care_of })
            .binding_authorization(|mh| authenticator(key, &address, &correspondent, mh))
            .finish(&HOME, &correspondent);
        let packet = compose(&CARE_OF, &correspondent, Some(&HOME), None, &mh);
        self.station
            .ask(&packet, |packet| match message(packet, correspondent)? {
                Message::BindingAcknowledgement(answer) if answer.sequence == sequence => {
                    Some(answer.status.0)
                }
                _ => None,
            })
    }

    /// Status and home address of the Binding Error that an echo from the care-of address is answered with.
    pub fn binding_error(&self, correspondent: Ipv6Addr) -> (u8, Ipv6Addr) {
        self.station.ask(&echo_request(correspondent), |packet| {
            match message(packet, correspondent)? {
                Message::BindingError {
                    status,
                    home_address,
                    ..
                } => Some((status, home_address)),
                _ => None,
            }
        })
    }

    /// An echo from the care-of address, of which the answer comes there with a type 2 routing header.
    pub fn echo(&self, correspondent: Ipv6Addr) {
        self.station.ask(&echo_request(correspondent), |packet| {
            let view = Ipv6View::new(packet).ok()?;
            let chain = extension::walk(view.packet()).ok()?;
            let routing = chain.routing?;
            let upper = view.packet().get(chain.upper_offset..)?;
            let is_reply = (view.source(), view.destination()) == (correspondent, CARE_OF)
                && (routing.kind, routing.segments_left, routing.home) == (2, 1, Some(HOME))
                && upper.first() == Some(&ECHO_REPLY);
            let sum = upper_layer_checksum(&correspondent, &HOME, next_header::ICMPV6, upper);
            (is_reply && sum == 0).then_some(())
        });
    }
}

/// What a correspondent says, if the packet is from it and sound.
fn message(packet: &[u8], correspondent: Ipv6Addr) -> Option<Message<'_>> {
    let parsed = MobilityPacket::parse(packet).ok()?;
    if parsed.source != correspondent || !parsed.checksum_is_valid() {
        return None;
    }
    let header = MobilityHeader::parse(parsed.mh).ok()?;
    header.message(&CodePoints::default()).ok()
}

/// An echo request from the care-of address, with the home address in a Home Address option.
fn echo_request(correspondent: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1];
    message.extend([0x55; 16]);
    let sum = upper_layer_checksum(&HOME, &correspondent, next_header::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut option = vec![next_header::ICMPV6, 2, 1, 2, 0, 0, 0xc9, 16];
    option.extend(HOME.octets());
    let mut packet = vec![0x60, 0, 0, 0];
    let length = u16::try_from(option.len() + message.len()).expect("short");
    packet.extend(length.to_be_bytes());
    packet.extend([next_header::DESTINATION, 64]);
    packet.extend(CARE_OF.octets());
    packet.extend(correspondent.octets());
    assert_eq!(packet.len(), HEADER_LEN);
    packet.extend(option);
    packet.extend(message);
    packet
}
