//! The mobile nodes of the cases and the Binding Updates that they send.

use std::net::Ipv6Addr;

use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::mobility::{BuFlags, Builder, FlowIds, Lifetime, MobilityOption};

use crate::address;
use crate::packet::{Way, damage, wrap};
use crate::steering;
use crate::words::{Words, number, octets};

/// The association of mobile node 1 (owns HOME and DHOA), 2 (owns HOME2), or another that no anchor knows.
pub fn association(number: u8) -> SecurityAssociation {
    association_with(number, &[])
}

/// The same, with more home addresses.
pub fn association_with(number: u8, more: &[&str]) -> SecurityAssociation {
    let home_addresses: &[&str] = match number {
        1 => &["HOME", "DHOA"],
        2 => &["HOME2"],
        _ => &[],
    };
    let permissions = Permissions {
        home_addresses: home_addresses
            .iter()
            .chain(more)
            .map(|name| address::read(name))
            .collect(),
        max_dhoas: 4,
        ..Permissions::default()
    };
    let algorithm = if number == 2 {
        Algorithm::HmacSha256_128
    } else {
        Algorithm::HmacSha1_96
    };
    let key = Key::new(vec![number; algorithm.key_len()]);
    let id = MnId::nai(&format!("mn{number}@example.net"));
    SecurityAssociation::new(255 + u32::from(number), id, key, algorithm, permissions).unwrap()
}

/// Flags by their letters.
pub fn flags(letters: &str) -> BuFlags {
    letters.chars().fold(BuFlags::default(), |flags, letter| {
        flags.union(match letter {
            'A' => BuFlags::ACKNOWLEDGE,
            'H' => BuFlags::HOME,
            'L' => BuFlags::LINK_LOCAL,
            'K' => BuFlags::KEY_MANAGEMENT,
            'M' => BuFlags::MAP,
            'R' => BuFlags::ROUTER,
            'P' => BuFlags::PROXY,
            'O' => BuFlags::OVERWRITE,
            _ => BuFlags::default(),
        })
    })
}

/// `bu seq=…`: a Binding Update for a home registration.
///
/// `by=`: 1, 2, 8 (whom the anchor does not know), `none` (no authentication) or `forged` (a wrong MAC); by default the owner
/// of `home=` (HOME). `life=` in 4 s units, `flags=` in letters (AH), `alt=` an Alternate Care-of Address, `at-home` without
/// Home Address option, `mac-home` authenticated with the home address for the care-of address, and options: `mesgid=`
/// seconds off the anchor's time, `nonces=home,care-of`, `mn-id=`, `bid=`, `flow=` and `keep=` (see `steering`), `option=type:octets`,
/// `trailing` behind AUTH.
pub fn binding_update(words: &Words, now_ntp: u64) -> Vec<u8> {
    let home = words.address("home").unwrap_or(address::read("HOME"));
    let at_home = words.has("at-home");
    let source = if at_home { home } else { address::read("COA") };
    let way = Way::read(words, &source.to_string(), (!at_home).then_some(home));
    let alternate = words.address("alt");
    let care_of = alternate.unwrap_or(way.source);
    let mut builder = Builder::binding_update(
        words.number_or("seq", 1) as u16,
        flags(words.get("flags").unwrap_or("AH")),
        Lifetime(words.number_or("life", 150) as u16),
    );
    if let Some(alternate) = alternate {
        builder = builder.option(&MobilityOption::AlternateCareOf(alternate));
    }
    builder = options(builder, words, now_ntp);
    let by = words.get("by").unwrap_or(match words.get("home") {
        Some("HOME2") => "2",
        _ => "1",
    });
    let mac_care_of = if words.has("mac-home") { home } else { care_of };
    let mh = finish(builder, words, by, [mac_care_of, home]);
    wrap(way, mh, words)
}

/// The message with its authentication option by `by`, of a care-of and a home address, and what else the words want behind it.
pub fn finish(
    mut builder: Builder,
    words: &Words,
    by: &str,
    [care_of, home]: [Ipv6Addr; 2],
) -> Vec<u8> {
    if by != "none" {
        let signer = association(if by == "forged" { 1 } else { number(by) as u8 });
        let mac = |mh: &[u8]| {
            let mut mh = mh.to_vec();
            damage(&mut mh, words);
            let mac = signer.mac(&care_of, &home, &mh);
            let mut mac = mac.as_ref().to_vec();
            mac[0] ^= u8::from(by == "forged");
            mac
        };
        builder = builder.auth(signer.spi(), signer.algorithm().mac_len(), mac);
    }
    assert!(builder.is_complete(), "{words}");
    let mut mh = builder.finish(&Ipv6Addr::UNSPECIFIED, &Ipv6Addr::UNSPECIFIED);
    if words.has("trailing") {
        // An unknown option of 8 octets behind the authentication.
        mh.extend([99, 6, 0, 0, 0, 0, 0, 0]);
        mh[1] += 1;
    }
    damage(&mut mh, words);
    mh
}

/// Appends those options of a line that other messages have as well.
pub fn options(mut builder: Builder, words: &Words, now_ntp: u64) -> Builder {
    for (key, value) in words.pairs() {
        let mn;
        let data;
        let fids;
        let option = match key {
            "mesgid" => {
                let seconds: i64 = value.parse().unwrap();
                MobilityOption::MesgId(now_ntp.wrapping_add_signed(seconds << 32))
            }
            "nonces" => {
                let (home, care_of) = value.split_once(',').unwrap();
                MobilityOption::NonceIndices {
                    home: number(home) as u16,
                    care_of: number(care_of) as u16,
                }
            }
            "mn-id" => {
                mn = association(number(value) as u8);
                MobilityOption::MnId {
                    subtype: mn.mn_id().subtype,
                    identifier: &mn.mn_id().identifier,
                }
            }
            "bid" => steering::identifier(value),
            "flow" => {
                data = steering::sub_options(value);
                steering::flow(value, &data)
            }
            "keep" => {
                fids = steering::fids(value);
                MobilityOption::FlowSummary(FlowIds::new(&fids).unwrap())
            }
            "option" => {
                let (kind, text) = value.split_once(':').unwrap();
                data = octets(text);
                MobilityOption::Unknown {
                    kind: number(kind) as u8,
                    data: &data,
                }
            }
            _ => continue,
        };
        builder = builder.option(&option);
    }
    builder
}
