//! The published vectors: octets to typed fields, and typed fields to the same octets.

mod support;

use std::net::{IpAddr, Ipv6Addr};

use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::mobility::{
    BuFlags, Builder, DmipHeader, FlowSubOption, FlowSubOptions, Lifetime, Message, MobilityHeader,
    MobilityOption, Mode, SelectorRange, SessionType, TrafficSelector,
};
use serde_json::{Map, Value, json};
use support::{Algorithm, Vector, hex, unhex, vectors};

const COA: &str = "2001:db8:a::100";
const COA2: &str = "2001:db8:b::100";
const DHP: &str = "2001:db8:d::1";
const HOA: &str = "2001:db8:1::100";
const KEY: [u8; 16] = [0x11; 16];
const TIMESTAMP: u64 = 0xE5A1_B2C3_8000_0000;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// The care-of and home address inputs of a vector's MAC: the MN's address and the DHP's in DMIPv6 messages, the
/// addresses proper in RFC 4285's.
fn mac_addresses(vector: &Vector) -> (Ipv6Addr, Ipv6Addr) {
    if vector.name.starts_with("rfc") {
        (ip(COA), ip(HOA))
    } else if vector.src == ip(DHP) {
        (vector.dst, vector.src)
    } else {
        (vector.src, vector.dst)
    }
}

/// Key and algorithm; vectors that do not name them use those of the exchange that they belong to.
fn security(vector: &Vector) -> (Vec<u8>, Algorithm) {
    let text = |field: &str| vector.fields.get(field).and_then(Value::as_str);
    match (text("key"), text("algorithm"), vector.name.as_str()) {
        (Some(key), Some(algorithm), _) => (unhex(key), Algorithm::named(algorithm)),
        (_, _, "dhp-binding-confirmation-care-of-test") => {
            ((0..32).collect(), Algorithm::HmacSha256_128)
        }
        _ => (KEY.to_vec(), Algorithm::HmacSha1_96),
    }
}

// ---- octets to fields ----

fn set(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    fields.insert(name.into(), value.into());
}

/// What the typed message says, in the names of the vectors' `fields`.
fn fields_of(vector: &Vector, message: &Message<'_>) -> Map<String, Value> {
    let mut f = Map::new();
    match message {
        Message::Dmip(dmip) => {
            set(&mut f, "seq", dmip.header.sequence);
            let flag = |bit: u16| dmip.header.flags & bit != 0;
            match dmip.header.kind {
                DmipType::DhoaRequest => set(&mut f, "dedicated", flag(dmip_flag::DEDICATED)),
                DmipType::BindingUpdate => {
                    set(&mut f, "ack", flag(dmip_flag::ACKNOWLEDGE));
                    set(&mut f, "replace", flag(dmip_flag::REPLACE));
                }
                DmipType::DhoaResponse => {
                    set(&mut f, "ro_permitted", flag(dmip_flag::ROUTE_OPTIMIZATION))
                }
                _ => {}
            }
            set(&mut f, "status", dmip.header.status.0);
            set(&mut f, "lifetime", dmip.header.lifetime.0);
        }
        Message::BindingUpdate(update) => {
            set(&mut f, "seq", update.sequence);
            set(&mut f, "lifetime", update.lifetime.0);
            let letters = [
                ("A", BuFlags::ACKNOWLEDGE),
                ("H", BuFlags::HOME),
                ("L", BuFlags::LINK_LOCAL),
                ("K", BuFlags::KEY_MANAGEMENT),
            ];
            let flags = letters
                .into_iter()
                .filter(|(_, bit)| update.flags.contains(*bit));
            set(
                &mut f,
                "flags",
                flags.map(|(letter, _)| letter).collect::<String>(),
            );
        }
        Message::BindingAcknowledgement(ack) => {
            set(&mut f, "seq", ack.sequence);
            set(&mut f, "status", ack.status.0);
            set(&mut f, "lifetime", ack.lifetime.0);
        }
        Message::BindingError {
            status,
            home_address,
            ..
        } => {
            set(&mut f, "status", *status);
            assert!(home_address.is_unspecified());
        }
        other => panic!("{}: {other:?}", vector.name),
    }
    for option in message.options().iter().flat_map(|options| options.iter()) {
        option_fields(&mut f, option.expect("a sound option"));
    }
    f
}

fn option_fields(f: &mut Map<String, Value>, option: MobilityOption<'_>) {
    match option {
        MobilityOption::Correspondent {
            prefix_len: 128,
            address,
        } => set(f, "cn", address.to_string()),
        MobilityOption::FlowRequirements {
            session,
            dscp,
            min_bandwidth_kbps,
            max_latency_ms,
            max_loss_permille,
        } => set(
            f,
            "requirements",
            json!({
                "session": session as u8, "dscp": dscp, "min_kbps": min_bandwidth_kbps,
                "max_latency_ms": max_latency_ms, "max_loss_permille": max_loss_permille,
            }),
        ),
        MobilityOption::DhpInformation { .. } => {
            let so_far = f.get("candidates").and_then(Value::as_u64).unwrap_or(0);
            set(f, "candidates", so_far + 1);
        }
        MobilityOption::MnId {
            subtype: 1,
            identifier,
        } => {
            set(
                f,
                "nai",
                String::from_utf8(identifier.to_vec()).expect("UTF-8"),
            );
        }
        MobilityOption::Dhoa {
            status,
            fid,
            address,
            lifetime,
        } => {
            let address = address.to_string();
            set(f, "dhoa", address.clone());
            set(f, "dhoa_lifetime", lifetime.0);
            if fid != 0 {
                set(f, "fid", fid);
            }
            f.entry("dhoas")
                .or_insert_with(|| json!([]))
                .as_array_mut()
                .unwrap()
                .push(json!(address));
            f.entry("statuses").or_insert_with(|| json!({}))[address] = json!(status.0);
        }
        MobilityOption::CommunicationMode { mode, fid } => {
            set(f, "mode", mode as u8);
            set(f, "mode_fid", fid);
        }
        MobilityOption::Cookie(cookie) => set(f, "cookie", hex(cookie)),
        MobilityOption::MesgId(timestamp) => assert_eq!(timestamp, TIMESTAMP),
        MobilityOption::Auth(auth) => {
            assert!(auth.ends_header && auth.is_last && auth.subtype == 1);
            set(f, "spi", auth.spi);
        }
        MobilityOption::AlternateCareOf(address) => {
            // Some vectors that have it do not say so.
            assert_eq!(address, ip(COA));
            set(f, "alt_coa", address.to_string());
        }
        MobilityOption::BindingIdentifier { bid, care_of, .. } => {
            f.entry("bids").or_insert_with(|| json!({}))[bid.to_string()] =
                json!(care_of.unwrap().to_string());
        }
        MobilityOption::FlowIdentification {
            fid,
            priority,
            status,
            sub_options,
        } => {
            assert_eq!((priority, status), (10, 0));
            set(f, "fid", fid);
            for sub in FlowSubOptions::new(sub_options) {
                let sub = sub.expect("a sound sub-option");
                if let Some(selector) = sub.selector() {
                    assert_eq!(selector, Ok(https_selector()));
                }
                if let FlowSubOption::BindingReference(bids) = sub {
                    set(f, "flow_bid", bids.iter().next());
                }
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_vector_decodes_into_its_fields() {
    for vector in vectors() {
        let header = MobilityHeader::parse(&vector.mh).expect(&vector.name);
        assert_eq!(header.bytes(), vector.mh, "{}", vector.name);
        assert!(
            header.checksum_is_valid(&vector.src, &vector.dst),
            "{}",
            vector.name
        );
        assert!(
            !header.checksum_is_valid(&vector.src, &ip("2001:db8::bad")),
            "{}",
            vector.name
        );
        let message = header.message(&CodePoints::default()).expect(&vector.name);
        let read = fields_of(&vector, &message);
        for (name, expected) in vector.fields.as_object().expect("fields") {
            match name.as_str() {
                // Verified below, with the MAC.
                "key" | "algorithm" => {}
                "mn_id" => assert!(expected.is_null() && !read.contains_key("nai")),
                _ => assert_eq!(read.get(name), Some(expected), "{}: {name}", vector.name),
            }
        }
        // And nothing that the vector does not have: an identifier, a cookie, a flow.
        for optional in ["nai", "cookie", "bids", "requirements", "flow_bid"] {
            assert_eq!(
                read.contains_key(optional),
                vector.fields.get(optional).is_some(),
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn every_mac_verifies_over_the_mac_input() {
    let mut verified = 0;
    for vector in vectors() {
        let header = MobilityHeader::parse(&vector.mh).unwrap();
        let message = header.message(&CodePoints::default()).unwrap();
        let Some(auth) = message.options().and_then(|options| options.auth()) else {
            continue;
        };
        let (key, algorithm) = security(&vector);
        let (coa, hoa) = mac_addresses(&vector);
        let mac = algorithm.mac(&key, &coa, &hoa, &header.mac_input(auth.mac_input_len));
        assert_eq!(mac, auth.data, "{}", vector.name);
        verified += 1;
    }
    assert_eq!(verified, 6);
}

// ---- fields to octets ----

fn https_selector() -> TrafficSelector {
    TrafficSelector {
        source_port: Some(SelectorRange::one(443)),
        next_header: Some(SelectorRange::one(6)),
        ..TrafficSelector::default()
    }
}

/// Sub-options of a flow whose packets come from port 443, bound to these bindings.
fn https_flow(bids: &[u16]) -> Vec<u8> {
    let mut sub_options = Vec::new();
    if !bids.is_empty() {
        sub_options.extend([2, 2 * u8::try_from(bids.len()).unwrap()]);
        sub_options.extend(bids.iter().flat_map(|bid| bid.to_be_bytes()));
    }
    let selector = https_selector().to_octets();
    sub_options.extend([
        3,
        2 + u8::try_from(selector.len()).unwrap(),
        TrafficSelector::FORMAT,
        0,
    ]);
    sub_options.extend(selector);
    sub_options
}

fn flow<'a>(sub_options: &'a [u8]) -> MobilityOption<'a> {
    MobilityOption::FlowIdentification {
        fid: 3,
        priority: 10,
        status: 0,
        sub_options,
    }
}

fn dhoa(address: &str, status: u8, fid: u16, lifetime: u16) -> MobilityOption<'static> {
    MobilityOption::Dhoa {
        status: Status(status),
        fid,
        address: ip(address),
        lifetime: Lifetime(lifetime),
    }
}

fn dmip(kind: DmipType, sequence: u16, lifetime: u16, flags: u16, status: u8) -> Builder {
    let header = DmipHeader {
        kind,
        sequence,
        lifetime: Lifetime(lifetime),
        flags,
        status: Status(status),
    };
    Builder::dmip(&CodePoints::default(), header)
}

fn authenticated(builder: Builder, vector: &Vector, spi: u32) -> Builder {
    let (key, algorithm) = security(vector);
    let (coa, hoa) = mac_addresses(vector);
    builder.auth(spi, algorithm.len(), |input| {
        algorithm.mac(&key, &coa, &hoa, &[input])
    })
}

fn built(vector: &Vector) -> Builder {
    const CN: &str = "2001:db8:c::80";
    const DHOA: &str = "2001:db8:d:1::7";
    const DHOA2: &str = "2001:db8:d:1::8";
    let cookie: Vec<u8> = (0xc0..0xd0).collect();
    let correspondent = MobilityOption::Correspondent {
        prefix_len: 128,
        address: ip(CN),
    };
    let alternate = MobilityOption::AlternateCareOf(ip(COA));
    let home = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
    match vector.name.as_str() {
        "dhp-query" => dmip(DmipType::DhpQuery, 1, 0, 0, 0)
            .option(&correspondent)
            .option(&MobilityOption::FlowRequirements {
                session: SessionType::SessionLasting,
                dscp: 46,
                min_bandwidth_kbps: 128,
                max_latency_ms: 150,
                max_loss_permille: 10,
            }),
        "dhp-query-reply" => {
            let candidate = |preference, load, address, prefix, prefix_len, path_rtt_us| {
                MobilityOption::DhpInformation {
                    preference,
                    load,
                    prefix_len,
                    address: ip(address),
                    prefix: ip(prefix),
                    path_rtt_us,
                }
            };
            dmip(DmipType::DhpQueryReply, 1, 75, 0, 0)
                .option(&candidate(200, 12, DHP, "2001:db8:c::", 48, 850))
                .option(&candidate(100, 40, "2001:db8:e::1", "2001:db8::", 32, 0))
        }
        "dhoa-request" => {
            let message = dmip(DmipType::DhoaRequest, 7, 150, dmip_flag::DEDICATED, 0)
                .option(&MobilityOption::MnId {
                    subtype: 1,
                    identifier: b"mn1@example.net",
                })
                .option(&correspondent)
                .option(&dhoa("::", 0, 3, 0))
                .option(&flow(&https_flow(&[])))
                .option(&MobilityOption::MesgId(TIMESTAMP));
            authenticated(message, vector, 256)
        }
        "dhoa-response" => {
            let message = dmip(
                DmipType::DhoaResponse,
                7,
                150,
                dmip_flag::ROUTE_OPTIMIZATION,
                0,
            )
            .option(&dhoa(DHOA, 0, 3, 150))
            .option(&MobilityOption::CommunicationMode {
                mode: Mode::Proxy,
                fid: 3,
            })
            .option(&MobilityOption::MesgId(TIMESTAMP));
            authenticated(message, vector, 256)
        }
        "dhp-binding-update" => {
            let flags = dmip_flag::ACKNOWLEDGE | dmip_flag::REPLACE;
            let message = dmip(DmipType::BindingUpdate, 8, 150, flags, 0)
                .option(&dhoa(DHOA, 0, 3, 150))
                .option(&dhoa(DHOA2, 0, 0, 150));
            authenticated(message, vector, 257)
        }
        "dhp-binding-confirmation-care-of-test" => {
            let message = dmip(DmipType::BindingConfirmation, 8, 150, 0, 16)
                .option(&dhoa(DHOA, 0, 3, 150))
                .option(&dhoa(DHOA2, 194, 0, 0))
                .option(&MobilityOption::Cookie(&cookie));
            authenticated(message, vector, 257)
        }
        "dhoa-response-cookie-required" => {
            dmip(DmipType::DhoaResponse, 7, 0, 0, 193).option(&MobilityOption::Cookie(&cookie))
        }
        "rfc6275-home-bu-alt-coa" => {
            Builder::binding_update(1, home | BuFlags::LINK_LOCAL, Lifetime(900)).option(&alternate)
        }
        "rfc4285-home-bu" => authenticated(
            Builder::binding_update(2, home, Lifetime(900)).option(&alternate),
            vector,
            256,
        ),
        "rfc4285-ba" => authenticated(
            Builder::binding_acknowledgement(Status(0), 0, 2, Lifetime(900)),
            vector,
            256,
        ),
        "rfc6089-bu-two-coas-one-flow" => {
            let bid = |bid, priority, care_of| MobilityOption::BindingIdentifier {
                bid,
                status: Status(0),
                home_flag: false,
                priority,
                care_of: Some(IpAddr::V6(ip(care_of))),
            };
            Builder::binding_update(3, home, Lifetime(900))
                .option(&bid(1, 5, COA))
                .option(&bid(2, 9, COA2))
                .option(&flow(&https_flow(&[2])))
        }
        "rfc6275-be-unknown-mh" => Builder::binding_error(2, &Ipv6Addr::UNSPECIFIED),
        other => panic!("a vector that this test does not build: {other}"),
    }
}

#[test]
fn every_vector_is_built_from_typed_values() {
    for vector in vectors() {
        let builder = built(&vector);
        assert!(builder.is_complete(), "{}", vector.name);
        let mh = builder.finish(&vector.src, &vector.dst);
        assert_eq!(hex(&mh), hex(&vector.mh), "{}", vector.name);
    }
}

/// Vectors of a Binding Update and Acknowledgement exchange that other decoders have confirmed: Alternate Care-of
/// Address alone, with MN-HA authentication, and the return routability one with its authorization data.
#[test]
fn neighbours_of_the_vectors() {
    let (hoa, coa, cn) = (ip(HOA), ip("2001:db8:2::100"), ip("2001:db8:3::1"));
    let home = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
    let alternate = || {
        Builder::binding_update(1, home | BuFlags::LINK_LOCAL, Lifetime(900))
            .option(&MobilityOption::AlternateCareOf(coa))
    };
    assert_eq!(
        hex(&alternate().finish(&hoa, &cn)),
        "3b0305004c8d0001e00003840100031020010db8000200000000000000000100"
    );
    let mac = |input: &[u8]| Algorithm::HmacSha1_96.mac(&KEY, &coa, &hoa, &[input]);
    assert_eq!(
        hex(&alternate().auth(256, 12, mac).finish(&hoa, &cn)),
        "3b060500f52d0001e00003840100031020010db8000200000000000000000100010300000009110100000100c7b4ba2073e01230361d0634"
    );
    assert_eq!(
        hex(&Builder::binding_refresh_request().finish(&cn, &hoa)),
        "3b00000067f90000"
    );
    let authenticator = unhex("ef33d0e125f72c0f5d5327b8");
    let to_correspondent = Builder::binding_update(1, BuFlags::ACKNOWLEDGE, Lifetime(105))
        .option(&MobilityOption::NonceIndices {
            home: 5,
            care_of: 5,
        })
        .option(&MobilityOption::BindingAuthorizationData {
            authenticator: &authenticator,
            mac_input_len: 0,
            ends_header: false,
        })
        .finish(&hoa, &cn);
    assert_eq!(
        hex(&to_correspondent),
        "3b0305004232000180000069040400050005050cef33d0e125f72c0f5d5327b8"
    );
    // RFC 6275 §6.2.7: HMAC_SHA1 (Kbm, care-of address | correspondent | the header up to the authenticator).
    let kbm = unhex("107fe33421edc4608b8d943cf33d442670130f7d");
    let header = MobilityHeader::parse(&to_correspondent).unwrap();
    let Ok(Message::BindingUpdate(update)) = header.message(&CodePoints::default()) else {
        panic!("a Binding Update");
    };
    let covered = update.options.iter().find_map(|option| match option {
        Ok(MobilityOption::BindingAuthorizationData { mac_input_len, .. }) => Some(mac_input_len),
        _ => None,
    });
    let input = header.mac_input(covered.unwrap());
    assert_eq!(
        Algorithm::HmacSha1_96.mac(&kbm, &coa, &cn, &input),
        authenticator
    );
}
