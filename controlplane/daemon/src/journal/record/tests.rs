use std::net::Ipv6Addr;
use std::sync::Arc;

use dhp_proto::anchor::{
    FlowBinding, FlowMode, FlowSelector, KeptBinding, KeptCareOf, KeptOrder, KeptQuarantine,
    KeptTime, PoolKind,
};
use dhp_proto::security_association::MnId;
use dhp_wire::mobility::{Ipv4TrafficSelector, Mode, SelectorRange, TrafficSelector};

use super::*;

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn binding() -> KeptBinding {
    KeptBinding {
        home_address: address("2001:db8:d:1::7"),
        kind: PoolKind::Dhoa,
        mn: Arc::new(MnId::nai("mn1@example.net")),
        care_of: address("2001:db8:a::7"),
        ends: Some(KeptTime(0x0102_0304_0506_0708)),
        kept: KeptTime(0x0102_0304_0000_0000),
        changed_by: None,
        link_local: false,
        dedicated: None,
        flows: Box::default(),
        care_ofs: Vec::new(),
        flow_bindings: Vec::new(),
    }
}

/// With all that a binding can have.
fn full() -> KeptBinding {
    let ports = Some(SelectorRange {
        start: 80,
        end: Some(443),
    });
    let ipv6 = TrafficSelector {
        source: Some(SelectorRange::one(address("2001:db8:c::80"))),
        source_port: ports,
        ..TrafficSelector::default()
    };
    let ipv4 = Ipv4TrafficSelector {
        protocol: Some(SelectorRange::one(6)),
        ..Ipv4TrafficSelector::default()
    };
    let flow = |fid, selector| FlowBinding {
        fid,
        priority: fid * 10,
        selector,
        bids: vec![1, fid],
    };
    let care_of = |bid, ends| KeptCareOf {
        bid,
        priority: 9,
        address: address("2001:db8:b::9"),
        ends,
    };
    KeptBinding {
        ends: None,
        changed_by: Some(KeptOrder {
            spi: 0xdead_beef,
            number: 65_535,
        }),
        link_local: true,
        dedicated: Some(77),
        flows: [(0, Mode::Proxy), (77, Mode::RouteOptimized)]
            .map(|(fid, mode)| FlowMode { fid, mode })
            .into(),
        care_ofs: vec![care_of(1, Some(KeptTime(5))), care_of(2, None)],
        flow_bindings: vec![
            flow(2, FlowSelector::Ipv6(ipv6)),
            flow(3, FlowSelector::Ipv4(ipv4)),
        ],
        ..binding()
    }
}

fn records() -> Vec<Record> {
    let home_address = address("2001:db8:1::1");
    let numbers = [
        UsedNumber::Home {
            home_address,
            last: 0xfffe,
            newest_timestamp: Some(u64::MAX),
        },
        UsedNumber::Association {
            spi: 0x0102_0304,
            highest: 7,
            newest_timestamp: None,
            is_restarted: false,
        },
        UsedNumber::Association {
            spi: 0x0102_0305,
            highest: 8,
            newest_timestamp: Some(9),
            is_restarted: true,
        },
        UsedNumber::Lost { spi: 0x0102_0306 },
        UsedNumber::Forgotten { home_address },
    ];
    let numbers = numbers.map(|number| Record::Number {
        number,
        is_guarded: matches!(number, UsedNumber::Association { .. }),
    });
    let quarantine = KeptQuarantine {
        home_address,
        mn: Arc::new(MnId {
            subtype: 2,
            identifier: Vec::new(),
        }),
        ends: KeptTime(u64::MAX),
        kept: KeptTime(1),
    };
    let moved = KeptBinding {
        care_of: address("2001:db8:b::9"),
        kept: KeptTime(9),
        ..binding()
    };
    let addresses = [
        Record::Address(Kept::Bound(binding())),
        Record::Address(Kept::Bound(KeptBinding {
            kind: PoolKind::Home,
            ..full()
        })),
        Record::Refreshed(Refresh::between(&binding(), &moved).unwrap()),
        Record::Address(Kept::Quarantined(quarantine)),
        Record::Address(Kept::Free { home_address }),
        Record::Distrusted(KeptDistrust {
            until: KeptTime(600),
            kept: KeptTime(2),
        }),
        Record::Clock(ClockReading {
            boot: BootId([0xb0; 16]),
            mono_ns: 1,
            time: KeptTime(2),
            ahead: u64::MAX,
        }),
        Record::Closed,
    ];
    numbers.into_iter().chain(addresses).collect()
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut octets = Vec::new();
    record.encode(&mut octets);
    octets
}

#[test]
fn what_is_written_is_read_and_nothing_that_was_cut_short_is() {
    for record in records() {
        let octets = encoded(&record);
        let followed = [&octets[..], b"next"].concat();
        assert_eq!(Record::decode(&followed), Some((record, &b"next"[..])));
        for len in 0..octets.len() {
            assert_eq!(Record::decode(&octets[..len]), None, "{len} octets");
        }
    }
}

#[test]
fn a_changed_octet_is_noticed() {
    for record in records() {
        let octets = encoded(&record);
        for at in 0..octets.len() {
            let mut octets = octets.clone();
            octets[at] ^= 0x10;
            assert_eq!(Record::decode(&octets), None, "{record:?}, octet {at}");
        }
    }
}

#[test]
fn a_handoff_is_a_short_record_and_another_owner_none() {
    let moved = KeptBinding {
        care_of: address("2001:db8:b::9"),
        changed_by: Some(KeptOrder {
            spi: 256,
            number: 2,
        }),
        ..binding()
    };
    let refresh = Refresh::between(&binding(), &moved).unwrap();
    assert_eq!(encoded(&Record::Refreshed(refresh)).len(), 64);
    let mut before = binding();
    refresh.apply(&mut before);
    assert_eq!(before, moved);
    let other = KeptBinding {
        mn: Arc::new(MnId::nai("mn2@example.net")),
        ..binding()
    };
    for (before, now) in [(binding(), other), (full(), binding()), (binding(), full())] {
        assert_eq!(Refresh::between(&before, &now), None);
    }
}
