//! Mobility Headers: what is refused, and with which pointer.

use std::net::Ipv6Addr;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{
    Answer, Bids, BuFlags, Builder, FlowSubOption, FlowSubOptions, Ipv4TrafficSelector, Lifetime,
    Message, MessageError, MhError, MobilityHeader, MobilityOption, Mode, OptionErrorReason,
    SelectorRange,
};

const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 1);

/// A Mobility Header of this type, its fixed part zero but for the DMIPv6 octets, with these options.
fn header(mh_type: u8, fixed: usize, options: &[u8]) -> Vec<u8> {
    let mut mh = vec![59, 0, mh_type, 0, 0, 0];
    mh.resize(fixed, 0);
    if mh_type == 11 {
        (mh[6], mh[7]) = (1, 0x10);
    }
    mh.extend(options);
    mh.resize(mh.len().next_multiple_of(8), 0);
    mh[1] = (mh.len() / 8 - 1).try_into().unwrap();
    mh
}

fn message_error(mh: &[u8]) -> Option<MessageError> {
    MobilityHeader::parse(mh)
        .unwrap()
        .message(&CodePoints::default())
        .err()
}

/// The first option of a DMIPv6 message that has just these octets.
fn first_option(option: &[u8]) -> Result<String, OptionErrorReason> {
    let mh = header(11, 16, option);
    let header = MobilityHeader::parse(&mh).unwrap();
    let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
        panic!("a DMIPv6 message");
    };
    let first = dmip.options.iter().next().expect("an option");
    first.map(|option| format!("{option:?}")).map_err(|error| {
        assert_eq!((error.kind, error.offset), (option[0], 16));
        error.reason
    })
}

// ---- the header ----

#[test]
fn minimum_header_len_of_every_type() {
    for (mh_type, minimum) in [
        (0, 0),
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
        (5, 1),
        (6, 1),
        (7, 2),
    ] {
        for len in 0..4u8 {
            let mut mh = vec![0; (usize::from(len) + 1) * 8];
            (mh[0], mh[1], mh[2]) = (59, len, mh_type);
            let parsed = MobilityHeader::parse(&mh);
            if len < minimum {
                assert_eq!(
                    parsed,
                    Err(MhError::HeaderLen { pointer: 1 }),
                    "type {mh_type} len {len}"
                );
            } else {
                let message = parsed.unwrap().message(&CodePoints::default());
                assert!(message.is_ok(), "type {mh_type} len {len}");
            }
        }
    }
    assert_eq!(
        message_error(&[59, 0, 11, 0, 0, 0, 1, 0x10]),
        Some(MessageError::HeaderLen { pointer: 1 })
    );
}

#[test]
fn payload_proto() {
    let mut mh = header(5, 12, &[]);
    mh[0] = 6;
    assert_eq!(
        MobilityHeader::parse(&mh),
        Err(MhError::PayloadProto { pointer: 0 })
    );
    let mut dmip = header(11, 16, &[]);
    dmip[0] = 6;
    assert_eq!(
        message_error(&dmip),
        Some(MessageError::PayloadProto { pointer: 0 })
    );
    // An unknown type is answered as such before its Payload Proto is looked at (RFC 6275 §9.2).
    let mut unknown = header(200, 8, &[]);
    unknown[0] = 6;
    let message = MobilityHeader::parse(&unknown)
        .unwrap()
        .message(&CodePoints::default());
    assert!(matches!(message, Ok(Message::Other { mh_type: 200, .. })));
}

#[test]
fn lengths() {
    assert_eq!(
        MobilityHeader::parse(&[59, 0, 0, 0, 0, 0, 0]),
        Err(MhError::TooShort)
    );
    assert_eq!(MobilityHeader::parse(&[]), Err(MhError::TooShort));
    let mut mh = header(5, 12, &[]);
    mh[1] = 2;
    assert_eq!(MobilityHeader::parse(&mh), Err(MhError::Truncated));
    mh[1] = 1;
    mh.extend([0xff; 5]);
    assert_eq!(MobilityHeader::parse(&mh).unwrap().bytes().len(), 16);
}

#[test]
fn dmip_version_type_and_code_points() {
    let with = |kind: u8, version: u8| {
        let mut mh = header(11, 16, &[]);
        (mh[6], mh[7]) = (kind, version);
        message_error(&mh)
    };
    assert_eq!(with(1, 0x10), None);
    // Reserved bits beside the version are ignored.
    assert_eq!(with(6, 0x1f), None);
    assert_eq!(with(1, 0x20), Some(MessageError::DmipVersion(2)));
    assert_eq!(with(1, 0x00), Some(MessageError::DmipVersion(0)));
    assert_eq!(with(0, 0x10), Some(MessageError::DmipType(0)));
    assert_eq!(with(7, 0x10), Some(MessageError::DmipType(7)));
    let elsewhere = CodePoints {
        mh_type: 240,
        option: 241,
    };
    let mh = header(11, 16, &[]);
    let message = MobilityHeader::parse(&mh).unwrap().message(&elsewhere);
    assert!(matches!(message, Ok(Message::Other { mh_type: 11, .. })));
}

#[test]
fn reserved_bits_are_ignored_and_not_sent() {
    let mut mh = header(5, 12, &[]);
    (mh[3], mh[8], mh[9]) = (0xff, 0xc0, 0x0f);
    let Ok(Message::BindingUpdate(update)) = MobilityHeader::parse(&mh)
        .unwrap()
        .message(&CodePoints::default())
    else {
        panic!("a Binding Update");
    };
    assert_eq!(update.flags, BuFlags::ACKNOWLEDGE | BuFlags::HOME);
    let sent = Builder::binding_update(0, BuFlags(0xffff), Lifetime(0)).finish(&ADDRESS, &ADDRESS);
    assert_eq!(sent[8..10], [0xff, 0xf0]);
}

// ---- the chain and the options in it ----

#[test]
fn a_broken_chain_fails_the_message_and_a_malformed_option_does_not() {
    // The second option's length reaches one octet beyond the header.
    let broken = header(11, 16, &[18, 3, 7, 0, 0, 99, 2, 0]);
    assert_eq!(
        message_error(&broken),
        Some(MessageError::OptionChain { offset: 21 })
    );
    // An option type as the last octet, without a length.
    let cut = header(11, 16, &[1, 5, 0, 0, 0, 0, 0, 9]);
    assert_eq!(
        message_error(&cut),
        Some(MessageError::OptionChain { offset: 23 })
    );
    // A DHoA of a wrong length in front of a sound option and an AUTH: both can be read.
    let mut options = vec![18, 2, 3, 0, 1, 2, 0, 0, 18, 4, 5, 1, 0, 9];
    options.resize(8 + 6 + 7, 0);
    options.extend([9, 17, 1, 0, 0, 1, 0]);
    options.extend([0xaa; 12]);
    let mh = header(11, 16, &options);
    let header = MobilityHeader::parse(&mh).unwrap();
    let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
        panic!("a DMIPv6 message");
    };
    let mut read = dmip.options.iter();
    let error = read.next().unwrap().unwrap_err();
    assert_eq!((error.kind, error.subtype, error.offset), (18, Some(3), 16));
    let mode = MobilityOption::CommunicationMode {
        mode: Mode::RouteOptimized,
        fid: 9,
    };
    assert_eq!(read.next(), Some(Ok(mode)));
    let auth = dmip.options.auth().unwrap();
    assert_eq!(
        (auth.spi, auth.data, auth.mac_input_len),
        (256, &[0xaa; 12][..], 16 + 21 + 7)
    );
    assert!(auth.ends_header && auth.is_last);
}

#[test]
fn lengths_and_values_that_options_cannot_have() {
    use OptionErrorReason::{Length, Value};
    let with = |kind: u8, data: &[u8]| {
        let mut option = vec![kind, data.len().try_into().unwrap()];
        option.extend(data);
        first_option(&option).err()
    };
    let zeros = |kind: u8, len: usize| with(kind, &vec![0; len]);
    // Each option at its length, one octet less and one more; 35 at each of its three.
    for (kind, len) in [(2, 2), (3, 16), (4, 4), (10, 8)] {
        assert_eq!(
            [len - 1, len, len + 1].map(|len| zeros(kind, len)),
            [Some(Length), None, Some(Length)],
            "{kind}"
        );
        assert_eq!(zeros(kind, 0), Some(Length));
    }
    for len in 0..=24 {
        let mut data = vec![0; len];
        if let Some(low) = data.get_mut(1) {
            *low = 1;
        }
        let expected = if matches!(len, 4 | 8 | 20) {
            None
        } else {
            Some(Length)
        };
        assert_eq!(with(35, &data), expected, "{len}");
    }
    assert_eq!(zeros(35, 20), Some(Value));
    assert_eq!(
        [
            zeros(5, 0),
            zeros(8, 0),
            zeros(8, 1),
            zeros(9, 5),
            zeros(9, 4)
        ],
        [Some(Length); 5]
    );
    assert_eq!(
        [zeros(5, 1), zeros(8, 2), zeros(9, 6), zeros(77, 0)],
        [None; 4]
    );
    // The options of the profile: none without a subtype, and each of its own length.
    assert_eq!(with(18, &[]), Some(Length));
    for (subtype, len) in [(1, 20), (2, 40), (3, 24), (4, 12), (5, 4)] {
        for wrong in [1, len - 1, len + 1, len + 4] {
            let mut data = vec![0; wrong];
            data[0] = subtype;
            assert_eq!(with(18, &data), Some(Length), "{subtype} {wrong}");
        }
        let mut data = vec![0; len];
        (data[0], data[1]) = (subtype, 1);
        assert_eq!(with(18, &data), None, "{subtype}");
    }
    for (len, expected) in [
        (0, Some(Length)),
        (7, Some(Length)),
        (8, None),
        (32, None),
        (33, Some(Length)),
    ] {
        let mut data = vec![6];
        data.resize(1 + len, 0);
        assert_eq!(with(18, &data), expected, "cookie of {len}");
    }
    assert_eq!(
        with(18, &[7, 1, 2, 3]),
        None,
        "an unknown subtype is skipped, not malformed"
    );
    // Values.
    let at = |len: usize, subtype: u8, at: usize, value: u8| {
        let mut data = vec![0; len];
        (data[0], data[at]) = (subtype, value);
        with(18, &data)
    };
    assert_eq!([at(20, 1, 1, 128), at(20, 1, 1, 129)], [None, Some(Value)]);
    assert_eq!([at(40, 2, 3, 128), at(40, 2, 3, 129)], [None, Some(Value)]);
    let sessions = [0, 1, 2, 3, 4].map(|session| at(12, 4, 1, session));
    assert_eq!(
        sessions,
        [Some(Value), None, Some(Value), None, Some(Value)]
    );
    assert_eq!(
        [0, 1, 2].map(|mode| at(4, 5, 1, mode)),
        [None, None, Some(Value)]
    );
}

/// RFC 6089 §4.2 and its §8 exchange 44 and 45; the registry has 44 for the summary. A body of the one under the
/// number of the other is not taken for what it is not.
#[test]
fn flow_summary_and_identification_are_not_exchanged() {
    let summary = [0, 3, 0, 4];
    let identification = [0, 3, 0, 10, 0, 0, 3, 8, 2, 0, 0, 0x82, 0, 0, 1, 0xbb];
    let option = |kind: u8, data: &[u8]| {
        let mut option = vec![kind, data.len().try_into().unwrap()];
        option.extend(data);
        first_option(&option)
    };
    assert_eq!(option(44, &summary), Ok("FlowSummary([3, 4])".into()));
    assert!(
        option(45, &identification)
            .unwrap()
            .starts_with("FlowIdentification { fid: 3, priority: 10,")
    );
    assert_eq!(option(45, &summary), Err(OptionErrorReason::Length));
    assert_eq!(option(44, &identification), Err(OptionErrorReason::Value));
    assert_eq!(option(44, &[0, 3, 0]), Err(OptionErrorReason::Length));
    assert_eq!(option(44, &[]), Err(OptionErrorReason::Length));
    assert_eq!(
        option(45, &[0, 0, 0, 1, 0, 0]),
        Err(OptionErrorReason::Value)
    );
}

#[test]
fn flow_sub_options() {
    // Pad1, PadN by its length octet, a reference to two bindings, an unknown one, a selector of an unknown format.
    let octets = [0, 1, 2, 0, 0, 2, 4, 0, 1, 0, 2, 200, 1, 5, 3, 3, 9, 0, 7];
    let read: Vec<_> = FlowSubOptions::new(&octets).map(Result::unwrap).collect();
    let [FlowSubOption::BindingReference(bids), unknown, selector] = read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(bids.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        unknown,
        FlowSubOption::Unknown {
            kind: 200,
            data: &[5]
        }
    );
    assert_eq!(
        selector,
        FlowSubOption::TrafficSelector {
            format: 9,
            selector: &[7]
        }
    );
    assert_eq!(selector.selector(), None);
    use OptionErrorReason::{Length, Value};
    for (octets, reason) in [
        (&[2, 3, 0, 1, 0][..], Length),
        (&[2, 0], Length),
        (&[3, 1, 2], Length),
        (&[3, 2, 0, 0], Value),
        (&[3, 9, 2, 0], Length),
        (&[2], Length),
    ] {
        let read: Vec<_> = FlowSubOptions::new(octets).collect();
        assert_eq!(read, [Err(reason)], "{octets:?}");
    }
}

#[test]
fn authentication_options_that_do_not_end_the_header() {
    let auth = |behind: &[u8]| {
        let mut options = vec![9, 6, 1, 0, 0, 1, 0, 0xaa];
        options.extend(behind);
        let mh = header(11, 16, &options);
        match MobilityHeader::parse(&mh)
            .unwrap()
            .message(&CodePoints::default())
        {
            Ok(Message::Dmip(dmip)) => dmip
                .options
                .auth()
                .map(|auth| (auth.ends_header, auth.is_last)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(auth(&[]), Some((true, true)));
    assert_eq!(auth(&[1, 6, 0, 0, 0, 0, 0, 0]), Some((false, true)));
    assert_eq!(auth(&[0; 8]), Some((false, true)));
    assert_eq!(auth(&[8, 6, 1, 1, 1, 1, 1, 1]), Some((false, false)));
    // The first one counts, and only one between mobile node and home agent.
    let mh = header(
        5,
        12,
        &[9, 6, 2, 0, 0, 0, 3, 1, 9, 6, 1, 0, 0, 1, 0, 2, 9, 2, 1, 0],
    );
    let Ok(Message::BindingUpdate(update)) = MobilityHeader::parse(&mh)
        .unwrap()
        .message(&CodePoints::default())
    else {
        panic!("a Binding Update");
    };
    assert_eq!(
        update.options.auth().map(|auth| (auth.spi, auth.data)),
        Some((256, &[2][..]))
    );
}

#[test]
fn flow_sub_options_that_are_written() {
    let bids = [[0, 7], [0, 9]];
    let reference = FlowSubOption::BindingReference(Bids::new(&bids).unwrap());
    let selector = Ipv4TrafficSelector {
        protocol: Some(SelectorRange::one(17)),
        ..Ipv4TrafficSelector::default()
    };
    let octets = selector.to_octets();
    let selecting = FlowSubOption::TrafficSelector {
        format: Ipv4TrafficSelector::FORMAT,
        selector: &octets,
    };
    let mut written = Vec::new();
    assert_eq!(reference.write(&mut written), Some(()));
    assert_eq!(selecting.write(&mut written), Some(()));
    assert_eq!(
        written,
        [2, 4, 0, 7, 0, 9, 3, 7, 1, 0, 0, 8, 0, 0, 17],
        "no padding"
    );
    let read: Vec<_> = FlowSubOptions::new(&written).map(Result::unwrap).collect();
    assert_eq!(read, [reference, selecting]);
    assert_eq!(selecting.ipv4_selector(), Some(Ok(selector)));
    assert_eq!(selecting.selector(), None);
    let before = written.clone();
    for unwritable in [
        FlowSubOption::Unknown { kind: 1, data: &[] },
        FlowSubOption::Unknown {
            kind: 200,
            data: &[0; 256],
        },
        FlowSubOption::TrafficSelector {
            format: 0,
            selector: &[],
        },
    ] {
        assert_eq!(unwritable.write(&mut written), None);
    }
    assert_eq!(written, before);
    assert_eq!((Bids::new(&[]), Bids::new(&[[0, 1]; 128])), (None, None));
}

// ---- answers ----

/// RFC 6275 §9.2: what is wrong with a header is answered with a Parameter Problem that points at it, an unknown type with a
/// Binding Error, and what is only cut short with nothing.
#[test]
fn errors_carry_their_answers() {
    let problem = |pointer| Some(Answer::ParameterProblem { code: 0, pointer });
    let of_header = |mh: &[u8]| MobilityHeader::parse(mh).unwrap_err().answer();
    assert_eq!(of_header(&[6, 0, 0, 0, 0, 0, 0, 0]), problem(0));
    assert_eq!(of_header(&[59, 0, 5, 0, 0, 0, 0, 0]), problem(1));
    assert_eq!(of_header(&[59, 1, 5, 0, 0, 0, 0, 0]), None);
    assert_eq!(of_header(&[59]), None);
    let of_message = |mh: &[u8]| message_error(mh).unwrap().answer();
    assert_eq!(of_message(&[59, 0, 12, 0, 0, 0, 1, 0]), problem(1));
    assert_eq!(of_message(&[59, 0, 11, 0, 0, 0, 1, 0x10]), problem(1));
    assert_eq!(of_message(&header(0, 8, &[9, 200])), None);
    let answer = |mh: &[u8]| {
        let header = MobilityHeader::parse(mh).unwrap();
        header.message(&CodePoints::default()).unwrap().answer()
    };
    let unknown = Answer::BindingError { status: 2 };
    assert_eq!(answer(&[6, 0, 200, 0, 0, 0, 0, 0]), Some(unknown));
    assert_eq!(answer(&[59, 0, 0, 0, 0, 0, 0, 0]), None);
}

/// The status that a Binding Acknowledgement, or a flow's own option, says of each malformed option.
#[test]
fn malformed_options_carry_their_status() {
    let of = |kind: u8, data: &[u8]| {
        let mut option = vec![kind, data.len().try_into().unwrap()];
        option.extend(data);
        let mh = header(5, 12, &option);
        let header = MobilityHeader::parse(&mh).unwrap();
        let message = header.message(&CodePoints::default()).unwrap();
        let first = message.options().unwrap().iter().next().unwrap();
        let error = first.expect_err("a malformed option");
        (error.status().map(|status| status.0), error.flow_status())
    };
    assert_eq!(of(3, &[1, 2]), (Some(128), None));
    assert_eq!(of(6, &[0, 200]), (Some(141), None));
    assert_eq!(of(20, &[0xff]), (Some(151), None));
    assert_eq!(of(35, &[0, 1, 2]), (Some(164), None));
    assert_eq!(of(18, &[3, 1]), (Some(195), None));
    assert_eq!(of(44, &[0]), (None, Some(130)));
    assert_eq!(of(45, &[0, 1]), (None, Some(130)));
}
