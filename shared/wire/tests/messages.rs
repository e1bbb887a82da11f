//! The messages and options that serve home agents and correspondents: byte by byte as the RFCs lay them out, and back.

mod support;

use std::net::Ipv6Addr;

use dhp_wire::Addresses;
use dhp_wire::codepoints::{CodePoints, Status, revocation_status, revocation_trigger};
use dhp_wire::mobility::{
    BuFlags, Builder, HeartbeatHeader, HeartbeatKind, Lifetime, MAX_LEN, Message, MessageError,
    MhError, MobilityHeader, MobilityOption, OptionErrorReason, RevocationFlags, RevocationHeader,
    RevocationKind,
};
use support::{hex, unhex};

const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
const CORRESPONDENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);

/// The finished header from its type on, the checksum left out, after having been checked.
fn octets(builder: Builder) -> String {
    assert!(builder.is_complete());
    let mh = builder.finish(&HOME, &CORRESPONDENT);
    let header = MobilityHeader::parse(&mh).expect("a Mobility Header");
    assert!(header.checksum_is_valid(&HOME, &CORRESPONDENT));
    assert_eq!((mh[0], header.bytes().len()), (59, mh.len()));
    format!("{} {}", hex(&mh[1..4]), hex(&mh[6..]))
}

fn read(mh: &[u8], then: impl FnOnce(Message<'_>)) {
    let header = MobilityHeader::parse(mh).expect("a Mobility Header");
    then(header.message(&CodePoints::default()).expect("a message"));
}

fn reread(builder: Builder, then: impl FnOnce(Message<'_>)) {
    read(&builder.finish(&HOME, &CORRESPONDENT), then);
}

/// The first option of a Heartbeat that has just this one.
fn option_error(octets: &str) -> Option<OptionErrorReason> {
    let mut mh = unhex("3b000d00000000000000000000");
    mh.truncate(12);
    mh.extend(unhex(octets));
    mh.resize(mh.len().next_multiple_of(8), 0);
    mh[1] = (mh.len() / 8 - 1).try_into().unwrap();
    let header = MobilityHeader::parse(&mh).unwrap();
    let message = header.message(&CodePoints::default()).unwrap();
    let first = message.options().unwrap().iter().next().unwrap();
    first.err().map(|error| error.reason)
}

// ---- return routability (RFC 6275 §6.1.2 to §6.1.6) ----

#[test]
fn the_messages_of_the_return_routability_procedure() {
    assert_eq!(
        hex(&Builder::binding_refresh_request().finish(&CORRESPONDENT, &HOME)),
        "3b00000067f90000"
    );
    let cookie = *b"cookie01";
    let token = *b"token-02";
    assert_eq!(
        octets(Builder::home_test_init(cookie)),
        "010100 0000636f6f6b69653031"
    );
    assert_eq!(
        octets(Builder::care_of_test_init(cookie)),
        "010200 0000636f6f6b69653031"
    );
    assert_eq!(
        octets(Builder::home_test(0x1234, cookie, token)),
        "020300 1234636f6f6b69653031746f6b656e2d3032"
    );
    assert_eq!(
        octets(Builder::care_of_test(0x1234, cookie, token)),
        "020400 1234636f6f6b69653031746f6b656e2d3032"
    );
    reread(Builder::home_test_init(cookie), |message| {
        assert!(matches!(message, Message::HomeTestInit { cookie: read, .. } if read == cookie));
    });
    reread(Builder::care_of_test_init(cookie), |message| {
        assert!(matches!(message, Message::CareOfTestInit { cookie: read, .. } if read == cookie));
    });
    reread(Builder::home_test(7, cookie, token), |message| {
        let Message::HomeTest {
            nonce_index,
            cookie: read,
            token: read_token,
            ..
        } = message
        else {
            panic!("{message:?}");
        };
        assert_eq!((nonce_index, read, read_token), (7, cookie, token));
    });
    reread(Builder::care_of_test(7, cookie, token), |message| {
        let Message::CareOfTest {
            nonce_index,
            cookie: read,
            token: read_token,
            ..
        } = message
        else {
            panic!("{message:?}");
        };
        assert_eq!((nonce_index, read, read_token), (7, cookie, token));
    });
}

/// RFC 6275 §6.2.7: the Authenticator covers the header up to itself, its Header Len as sent, its checksum 0.
#[test]
fn a_binding_update_to_a_correspondent_ends_with_its_authenticator() {
    let indices = MobilityOption::NonceIndices {
        home: 4,
        care_of: 5,
    };
    let mut covered = Vec::new();
    let authenticator = unhex("ef33d0e125f72c0f5d5327b8");
    let builder = Builder::binding_update(1, BuFlags::ACKNOWLEDGE, Lifetime(0x69))
        .option(&indices)
        .binding_authorization(|header| {
            covered = header.to_vec();
            authenticator.clone()
        });
    assert!(builder.is_complete());
    let late = builder.clone().option(&indices);
    assert!(!late.is_complete());
    let mh = late.finish(&HOME, &CORRESPONDENT);
    assert_eq!(mh, builder.finish(&HOME, &CORRESPONDENT));
    assert_eq!(hex(&covered), "3b0305000000000180000069040400040005050c");
    let header = MobilityHeader::parse(&mh).unwrap();
    let message = header.message(&CodePoints::default()).unwrap();
    let options: Vec<_> = message
        .options()
        .unwrap()
        .iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        options,
        [
            indices,
            MobilityOption::BindingAuthorizationData {
                authenticator: &authenticator,
                mac_input_len: 20,
                ends_header: true,
            }
        ]
    );
    assert_eq!(header.mac_input(20).concat(), covered);
}

#[test]
fn an_authenticator_with_something_behind_it_does_not_end_the_header() {
    for behind in ["01020000", "00000000", "02020001"] {
        let mut mh = unhex("3b030500000000010000000000");
        mh.truncate(12);
        mh.extend(unhex("050c"));
        mh.extend([7; 12]);
        mh.extend([0; 2]);
        mh.extend(unhex(behind));
        let header = MobilityHeader::parse(&mh).unwrap();
        let message = header.message(&CodePoints::default()).unwrap();
        assert!(matches!(
            message.options().unwrap().iter().next(),
            Some(Ok(MobilityOption::BindingAuthorizationData {
                ends_header: false,
                ..
            }))
        ));
    }
}

#[test]
fn an_authenticator_shorter_than_96_bits_does_not_go_out() {
    let builder = Builder::binding_update(1, BuFlags::default(), Lifetime(1))
        .binding_authorization(|_| [7; 11]);
    assert!(!builder.is_complete());
}

// ---- home agents among themselves and with mobile nodes ----

#[test]
fn home_agent_switch() {
    assert_eq!(octets(Builder::home_agent_switch(&[])), "000c00 0000");
    let advice = MobilityOption::BindingRefreshAdvice(Lifetime(30));
    let builder = Builder::home_agent_switch(&[HOME, CORRESPONDENT]).option(&advice);
    assert_eq!(
        octets(builder.clone()),
        "050c00 020020010db800010000000000000000010020010db8000300000000000000000001\
         0202001e01020000"
    );
    reread(builder, |message| {
        let Message::HomeAgentSwitch(switch) = message else {
            panic!("{message:?}");
        };
        assert_eq!(
            switch.addresses.iter().collect::<Vec<_>>(),
            [HOME, CORRESPONDENT]
        );
        assert_eq!(switch.options.iter().collect::<Vec<_>>(), [Ok(advice)]);
        assert_eq!(
            (switch.addresses.len(), switch.addresses.is_empty()),
            (2, false)
        );
    });
}

#[test]
fn a_home_agent_switch_too_short_for_its_addresses_points_at_header_len() {
    for (count, header_len) in [(1, 0), (1, 1), (2, 3), (255, 20)] {
        let mut mh = vec![59, header_len, 12, 0, 0, 0, count, 0];
        mh.resize((usize::from(header_len) + 1) * 8, 0);
        let header = MobilityHeader::parse(&mh).unwrap();
        assert_eq!(
            header.message(&CodePoints::default()).err(),
            Some(MessageError::HeaderLen { pointer: 1 }),
            "{count} {header_len}"
        );
    }
}

#[test]
fn a_home_agent_switch_names_as_many_home_agents_as_a_header_holds() {
    let builder = Builder::home_agent_switch(&[HOME; 128]);
    assert!(!builder.is_complete());
    let mh = builder.finish(&HOME, &CORRESPONDENT);
    assert!(mh.len() <= MAX_LEN);
    read(&mh, |message| {
        let Message::HomeAgentSwitch(switch) = message else {
            panic!("{message:?}");
        };
        assert_eq!(switch.addresses, Addresses::new(&[HOME.octets(); 127]));
    });
    assert!(Builder::home_agent_switch(&[HOME; 127]).is_complete());
}

#[test]
fn heartbeat() {
    let heartbeat = |kind| {
        Builder::heartbeat(HeartbeatHeader {
            kind,
            sequence: 0x0102_0304,
        })
    };
    assert_eq!(
        octets(heartbeat(HeartbeatKind::Request)),
        "010d00 00000102030401020000"
    );
    let counter = MobilityOption::RestartCounter(9);
    assert_eq!(
        octets(heartbeat(HeartbeatKind::Response).option(&counter)),
        "020d00 00010102030401001c040000000901020000"
    );
    let unsolicited = heartbeat(HeartbeatKind::UnsolicitedResponse).option(&counter);
    reread(unsolicited, |message| {
        let Message::Heartbeat { header, options } = message else {
            panic!("{message:?}");
        };
        let kind = HeartbeatKind::UnsolicitedResponse;
        let sequence = 0x0102_0304;
        assert_eq!(header, HeartbeatHeader { kind, sequence });
        assert_eq!(options.iter().collect::<Vec<_>>(), [Ok(counter)]);
    });
}

#[test]
fn binding_revocation() {
    let indication = RevocationHeader {
        kind: RevocationKind::Indication {
            trigger: revocation_trigger::ADMINISTRATIVE,
        },
        sequence: 0xabcd,
        flags: RevocationFlags(0xffff),
    };
    assert_eq!(
        octets(Builder::binding_revocation(indication)),
        "011000 0101abcde00001020000"
    );
    let acknowledgement = RevocationHeader {
        kind: RevocationKind::Acknowledgement {
            status: revocation_status::NO_BINDING,
        },
        sequence: 1,
        flags: RevocationFlags::PROXY | RevocationFlags::GLOBAL,
    };
    let bid = MobilityOption::BindingIdentifier {
        bid: 7,
        status: Status(0),
        home_flag: false,
        priority: 0,
        care_of: None,
    };
    let builder = Builder::binding_revocation(acknowledgement).option(&bid);
    assert_eq!(
        octets(builder.clone()),
        "021000 02800001a000230400070000010400000000"
    );
    reread(builder, |message| {
        let Message::BindingRevocation { header, options } = message else {
            panic!("{message:?}");
        };
        assert_eq!(header, acknowledgement);
        assert!(!header.flags.contains(RevocationFlags::IPV4_ONLY));
        assert_eq!(options.iter().collect::<Vec<_>>(), [Ok(bid)]);
    });
    read(&unhex("3b011000000003090001000000000000"), |message| {
        let Message::BindingRevocation { header, .. } = message else {
            panic!("{message:?}");
        };
        assert_eq!(header.kind, RevocationKind::Other { kind: 3, value: 9 });
    });
}

/// RFC 6275 §9.2 holds for these types as for its own.
#[test]
fn payload_proto_and_header_len_of_the_later_types() {
    for (mh_type, minimum) in [(12, 0), (13, 1), (16, 1)] {
        let mut mh = vec![0; 16];
        (mh[0], mh[1], mh[2]) = (6, 1, mh_type);
        assert_eq!(
            MobilityHeader::parse(&mh),
            Err(MhError::PayloadProto { pointer: 0 })
        );
        (mh[0], mh[1]) = (59, 0);
        let expected = (minimum > 0).then_some(MhError::HeaderLen { pointer: 1 });
        assert_eq!(MobilityHeader::parse(&mh).err(), expected, "type {mh_type}");
    }
}

// ---- options ----

#[test]
fn mobile_network_prefix_vendor_service_and_restart_counter() {
    let prefix = MobilityOption::MobileNetworkPrefix {
        prefix_len: 48,
        prefix: HOME,
    };
    let vendor = MobilityOption::VendorSpecific {
        vendor: 32473,
        sub_type: 2,
        data: &[9, 8, 7],
    };
    let service = MobilityOption::ServiceSelection("ims");
    let counter = MobilityOption::RestartCounter(0x0a0b_0c0d);
    let all = [prefix, vendor, service, counter];
    let builder = all.iter().fold(
        Builder::binding_update(1, BuFlags::ROUTER, Lifetime(1)),
        |builder, option| builder.option(option),
    );
    assert_eq!(
        octets(builder.clone()),
        concat!(
            "060500 000104000001",
            "0612003020010db8000100000000000000000100",
            "0100",
            "130800007ed902090807",
            "1403696d73",
            "00",
            "1c040a0b0c0d",
        )
    );
    reread(builder, |message| {
        let read: Vec<_> = message
            .options()
            .unwrap()
            .iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(read, all);
    });
}

#[test]
fn lengths_and_values_that_the_later_options_cannot_have() {
    use OptionErrorReason::{Length, Value};
    let prefix = |len: u8| format!("061200{len:02x}{}", "00".repeat(16));
    assert_eq!(option_error(&prefix(128)), None);
    assert_eq!(option_error(&prefix(129)), Some(Value));
    assert_eq!(option_error("06020000"), Some(Length));
    assert_eq!(option_error("130400000000"), Some(Length));
    assert_eq!(option_error("13050000000000"), None);
    assert_eq!(option_error("1400"), Some(Length));
    assert_eq!(option_error("1402c328"), Some(Value));
    assert_eq!(option_error("1402c3a9"), None);
    assert_eq!(option_error("1c03000000"), Some(Length));
    assert_eq!(option_error("1c050000000000"), Some(Length));
    let unwritable = [
        MobilityOption::ServiceSelection(""),
        MobilityOption::MobileNetworkPrefix {
            prefix_len: 129,
            prefix: HOME,
        },
    ];
    for option in unwritable {
        assert!(
            !Builder::binding_refresh_request()
                .option(&option)
                .is_complete()
        );
    }
}

/// RFC 5096's message and option are kept as they are where DMIPv6 has other numbers.
#[test]
fn experimental_messages_and_options_are_kept() {
    let elsewhere = CodePoints {
        mh_type: 240,
        option: 241,
    };
    let mh = Builder::other(11, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).finish(&HOME, &CORRESPONDENT);
    let header = MobilityHeader::parse(&mh).unwrap();
    let message = header.message(&elsewhere).unwrap();
    let Message::Other { mh_type: 11, data } = message else {
        panic!("{message:?}");
    };
    assert_eq!(data, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert!(message.options().is_none());
    assert!(!Builder::other(11, &[0; MAX_LEN]).is_complete());

    let mh = unhex("3b010000000000001203aabbcc010100");
    let header = MobilityHeader::parse(&mh).unwrap();
    let message = header.message(&elsewhere).unwrap();
    let kept = MobilityOption::Unknown {
        kind: 18,
        data: &[0xaa, 0xbb, 0xcc],
    };
    let options: Vec<_> = message.options().unwrap().iter().collect();
    assert_eq!(options, [Ok(kept)]);
}
