//! The mobile node's side of the return routability procedure.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use dhp_proto::anchor::AnchorAction;
use dhp_proto::auth::Key;
use dhp_proto::return_routability::{
    KeygenToken, authenticator, management_key, verify_authenticator,
};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Builder, Lifetime, Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;

use crate::address;
use crate::mobile_node::flags;
use crate::packet::{Way, damage, wrap};
use crate::words::{Words, octets};

/// What a mobile node has learned: nonce index and token by address, of home and of care-of tests.
#[derive(Debug, Default)]
pub struct Tokens {
    home: HashMap<Ipv6Addr, (u16, [u8; 8])>,
    care_of: HashMap<Ipv6Addr, (u16, [u8; 8])>,
    /// The key of the last update, and the addresses that its authenticators take: the mobile node's and the correspondent's.
    last: Option<(Key, Ipv6Addr, Ipv6Addr)>,
}

impl Tokens {
    /// Learns from what the anchor sends.
    pub fn learn(&mut self, actions: &[AnchorAction]) {
        for action in actions {
            let AnchorAction::Transmit(packet) = action else {
                continue;
            };
            let Ok(parsed) = MobilityPacket::parse(packet) else {
                continue;
            };
            let header = MobilityHeader::parse(parsed.mh).unwrap();
            match header.message(&CodePoints::default()).unwrap() {
                Message::HomeTest {
                    nonce_index, token, ..
                } => self.home.insert(parsed.destination, (nonce_index, token)),
                Message::CareOfTest {
                    nonce_index, token, ..
                } => self
                    .care_of
                    .insert(parsed.destination, (nonce_index, token)),
                _ => None,
            };
        }
    }

    /// `good` or `wrong`: the authenticator of an answer, by the key of the last update.
    pub fn verdict(&self, mh: &[u8], received: &[u8]) -> &'static str {
        let is_good = self
            .last
            .as_ref()
            .is_some_and(|(key, care_of, to)| verify_authenticator(key, care_of, to, mh, received));
        if is_good { "good" } else { "wrong" }
    }

    /// `cnbu seq=`: a Binding Update to a correspondent.
    ///
    /// `home=`, `from=`, `to=`, `alt=`, `life=`, `flags=` (A) as in `bu`; the tokens are those learned for its addresses, or for
    /// `token-of=` a home address and `care-of-token-of=`. `home-off=`, `care-off=` is added to the nonce indices; `no-nonces`,
    /// `no-bad`, `forged`, `home-key` (of the home token alone), `trailing` spoil it.
    pub fn binding_update(&mut self, words: &Words) -> Vec<u8> {
        let home = words.address("home").unwrap_or(address::read("HOME"));
        let source = if words.has("at-home") {
            home
        } else {
            address::read("COA")
        };
        let way = Way::read(
            words,
            &source.to_string(),
            (!words.has("at-home")).then_some(home),
        );
        let alternate = words.address("alt");
        let care_of = alternate.unwrap_or(way.source);
        let lifetime = Lifetime(words.number_or("life", 100) as u16);
        let deletes = lifetime.is_zero() || care_of == home;
        let home_of = words.address("token-of").unwrap_or(home);
        let care_of_of = words.address("care-of-token-of").unwrap_or(care_of);
        let (home_index, home_token) = self.home.get(&home_of).copied().unwrap_or_default();
        let care_of_test = self.care_of.get(&care_of_of).copied();
        let (care_of_index, care_of_token) = care_of_test.unwrap_or_default();
        let care_of_token = KeygenToken::from_octets(care_of_token);
        let with_care_of = (!deletes && !words.has("home-key")).then_some(&care_of_token);
        let key = management_key(&KeygenToken::from_octets(home_token), with_care_of);
        let mac_address = if deletes { home } else { care_of };

        let flags = flags(words.get("flags").unwrap_or("A"));
        let mut builder =
            Builder::binding_update(words.number_or("seq", 1) as u16, flags, lifetime);
        if let Some(alternate) = alternate {
            builder = builder.option(&MobilityOption::AlternateCareOf(alternate));
        }
        if !words.has("no-nonces") {
            let off = |index: u16, key| index.wrapping_add(words.number_or(key, 0) as u16);
            builder = builder.option(&MobilityOption::NonceIndices {
                home: off(home_index, "home-off"),
                care_of: off(care_of_index, "care-off"),
            });
        }
        if !words.has("no-bad") {
            let forged = u8::from(words.has("forged"));
            builder = builder.binding_authorization(|mh| {
                let mut mh = mh.to_vec();
                damage(&mut mh, words);
                let mac = authenticator(&key, &mac_address, &way.destination, &mh);
                let mut mac = mac.as_ref().to_vec();
                mac[0] ^= forged;
                mac
            });
        }
        self.last = Some((key, mac_address, way.destination));
        let mut mh = builder.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED);
        if words.has("trailing") {
            mh.extend([1, 6, 0, 0, 0, 0, 0, 0]);
            mh[1] += 1;
        }
        damage(&mut mh, words);
        wrap(way, mh, words)
    }
}

/// `hoti [from=HOME] [cookie=]` and `coti [from=COA] [cookie=]`.
pub fn test_init(words: &Words) -> Vec<u8> {
    let cookie = octets(words.get("cookie").unwrap_or("0102030405060708"));
    let cookie: [u8; 8] = cookie.try_into().unwrap();
    let (builder, source) = if words.kind() == "hoti" {
        (Builder::home_test_init(cookie), "HOME")
    } else {
        (Builder::care_of_test_init(cookie), "COA")
    };
    let mh = builder.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED);
    wrap(Way::read(words, source, None), mh, words)
}
