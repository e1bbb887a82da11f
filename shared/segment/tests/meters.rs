//! Limited bindings: whose meter is whose, and what becomes of it.

mod support;

use core::net::Ipv6Addr;
use dhp_segment::{CareOfTest, Geometry, Segment, SegmentError, Table, TestedCareOf, Tunnel};
use support::{SMALL, home, tunnel};

const TWO: Geometry = Geometry { meters: 2, ..SMALL };

fn tested(n: u64) -> TestedCareOf {
    TestedCareOf {
        care_of: Ipv6Addr::from_bits(0x2001_0db8_000b << 80 | u128::from(n)),
        next_hop: 7,
        mtu: 1_400,
    }
}

fn on_trial(n: u64, generation: u64) -> Tunnel {
    Tunnel {
        test: Some(CareOfTest {
            tested: Some(tested(n)),
        }),
        ..tunnel(n, generation)
    }
}

#[test]
fn a_binding_keeps_its_meter_until_it_ends_and_the_next_one_begins_at_nothing() {
    let segment = Segment::anonymous(&TWO).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    let meter = |home: Ipv6Addr| {
        let entry = reader.lookup_home(&home.octets()).unwrap();
        reader.tunnel(&entry).unwrap().meter
    };
    writer.publish_binding(home(1), &on_trial(1, 1)).unwrap();
    let first = meter(home(1)).unwrap();
    assert!(reader.meter(first).unwrap().spend(0, 3_000, 0));
    // Neither a handoff nor the end of the test takes it away.
    writer.publish_binding(home(1), &tunnel(1, 2)).unwrap();
    assert_eq!(meter(home(1)), Some(first));
    assert!(writer.remove_binding(home(1)));
    reader.quiescent();
    writer.publish_binding(home(2), &on_trial(2, 1)).unwrap();
    reader.quiescent();
    writer.publish_binding(home(3), &on_trial(3, 1)).unwrap();
    for home in [home(2), home(3)] {
        let meter = meter(home).unwrap();
        assert!(reader.meter(meter).unwrap().spend(0, 3_000, 0));
        assert!(!reader.meter(meter).unwrap().spend(0, 1, 0));
    }
}

#[test]
fn more_limited_bindings_than_declared_are_refused_and_nothing_changes() {
    let segment = Segment::anonymous(&TWO).unwrap();
    let mut writer = segment.writer().unwrap();
    for n in 1..=2 {
        writer.publish_binding(home(n), &on_trial(n, 1)).unwrap();
    }
    writer.publish_binding(home(3), &tunnel(3, 1)).unwrap();
    let refused = writer.publish_binding(home(3), &on_trial(3, 2));
    assert!(
        matches!(
            refused,
            Err(SegmentError::Full {
                table: Table::Meters,
                capacity: 2
            })
        ),
        "{refused:?}"
    );
    assert_eq!(writer.binding(home(3)).unwrap().tunnel(), tunnel(3, 1));
    assert!(writer.remove_binding(home(1)));
    writer.publish_binding(home(3), &on_trial(3, 2)).unwrap();
}

#[test]
fn another_route_changes_nothing_of_a_test() {
    let segment = Segment::anonymous(&TWO).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    writer.publish_binding(home(1), &on_trial(1, 1)).unwrap();
    assert!(writer.retarget(home(1), 9, 1_300).unwrap());
    let template = writer.binding(home(1)).unwrap();
    assert!(template.is_tested_now());
    assert_eq!((template.next_hop, template.mtu), (9, 1_300));
    let behind = reader.template(template.tested.unwrap()).unwrap();
    assert_eq!(Ipv6Addr::from(behind.destination), tested(1).care_of);
    assert_eq!((behind.next_hop, behind.mtu), (7, 1_400));
    assert_eq!(behind.meter, template.meter);
}

/// A tested care-of address has a template of its own that only another template names.
#[test]
fn a_new_writer_finds_meters_and_tested_care_of_addresses_in_use() {
    let segment = Segment::anonymous(&TWO).unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    writer.publish_binding(home(1), &on_trial(1, 1)).unwrap();
    drop(writer);
    let mut writer = segment.writer().unwrap();
    for generation in 1..200 {
        reader.quiescent();
        writer
            .publish_binding(home(2), &on_trial(2, generation))
            .unwrap();
    }
    let first = writer.binding(home(1)).unwrap();
    assert_ne!(first.meter, writer.binding(home(2)).unwrap().meter);
    let behind = reader.template(first.tested.unwrap()).unwrap();
    assert_eq!(Ipv6Addr::from(behind.destination), tested(1).care_of);
}

#[test]
fn further_care_of_addresses_use_the_meter_of_their_binding() {
    let segment = Segment::anonymous(&Geometry {
        flow_sets: 2,
        ..TWO
    })
    .unwrap();
    let mut writer = segment.writer().unwrap();
    let reader = segment.reader(0).unwrap();
    writer.publish_binding(home(1), &tunnel(1, 1)).unwrap();
    let care_ofs = [(10, tunnel(1, 3)), (11, on_trial(1, 4))];
    let refused = writer.publish_flows(home(1), &care_ofs, &[]);
    assert!(
        matches!(refused, Err(SegmentError::NotMetered(at)) if at == home(1)),
        "{refused:?}"
    );
    let metered = Tunnel {
        metered: true,
        ..tunnel(1, 2)
    };
    writer.publish_binding(home(1), &metered).unwrap();
    assert!(writer.publish_flows(home(1), &care_ofs, &[]).unwrap());
    let entry = reader.lookup_home(&home(1).octets()).unwrap();
    let templates: Vec<_> = reader
        .flow_set(entry.flows().unwrap())
        .unwrap()
        .templates()
        .map(|id| reader.template(id).unwrap())
        .collect();
    let default = reader.tunnel(&entry).unwrap();
    let accounts: Vec<_> = [default]
        .iter()
        .chain(&templates)
        .map(|template| (template.meter, template.number))
        .collect();
    let meter = default.meter;
    assert_eq!(accounts, [(meter, 0), (meter, 1), (meter, 2)]);
    assert!(meter.is_some());
    // What is sent to the one under test is accounted for apart.
    let meter = reader.meter(meter.unwrap()).unwrap();
    assert!(meter.spend(2, 3_000, 0));
    assert!(meter.spend(1, 3_000, 0));
    assert!(!meter.spend(2, 1, 0));
}
