//! What an operator sees of mobile nodes and flows, and how long signalling waits for it

use dhp_proto::anchor::AnchorConfig;
use dhp_proto::auth::{Algorithm, Key};
use dhp_proto::security_association::{MnId, Permissions, SecurityAssociation};
use dhp_wire::mobility::{SelectorRange, TrafficSelector};
use dhpctl::{Flow, FlowMode, FlowTable, MobileNode, Window};
use dhpd::flow_row::{self, Wanted};
use dhpd::mobile_node_row;

use crate::flows::{ask, bid, flow, sub_options, to_port, update};
use crate::rig::*;

/// A mobile node that nobody hears of.
fn silent(number: u32) -> SecurityAssociation {
    SecurityAssociation::new(
        1_000 + number,
        MnId::nai(&format!("silent{number}@example.net")),
        Key::new([7; 32]),
        Algorithm::HmacSha256_128,
        Permissions::default(),
    )
    .expect("right")
}

/// The mobile node of [`rig`](crate::rig) behind and before so many others.
fn among(before: u32, behind: u32) -> Rig {
    let others = |numbers: std::ops::Range<u32>| numbers.map(silent);
    let all = others(0..before)
        .chain([security()])
        .chain(others(before..before + behind));
    let config = AnchorConfig {
        security_associations: all.collect(),
        ..anchor_config()
    };
    Rig::with(config, territory())
}

/// All of them, piece by piece; and the largest piece.
fn all_nodes(rig: &mut Rig, wanted: Option<&MnId>) -> (Vec<MobileNode>, usize, usize) {
    let (mut rows, mut next, mut pieces, mut largest) = (Vec::new(), Some(0), 0, 0);
    while let Some(from) = next {
        let (some, further) = mobile_node_row::some(&mut rig.signalling, from, wanted, 512);
        assert!(further.is_none_or(|further| further > from), "it goes on");
        (pieces, largest) = (pieces + 1, largest.max(some.len()));
        rows.extend(some);
        next = further;
    }
    (rows, pieces, largest)
}

#[test]
fn a_mobile_node_is_told_with_all_that_it_has() {
    let mut rig = among(1, 1);
    let (rows, ..) = all_nodes(&mut rig, None);
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "silent0@example.net",
            "mn1@example.net",
            "silent1@example.net"
        ]
    );
    let untouched = rows.get(1).expect("three").clone();
    assert_eq!(
        (untouched.last_heard_seconds, untouched.last_used_spi),
        (None, None)
    );
    assert_eq!(untouched.associations[0].window, Window::Empty);

    rig.core
        .push(&frame(&binding_update(1, CARE_OF)))
        .expect("room");
    rig.core
        .push(&frame(&dhoa_request(77, OTHER_CARE_OF)))
        .expect("room");
    rig.settle();
    let impostor = security_with([9; 32]);
    rig.core
        .push(&frame(&binding_update_by(&impostor, 2, CARE_OF)))
        .expect("room");
    rig.settle();
    rig.pass(3_000_000_000);
    let (rows, ..) = all_nodes(&mut rig, Some(&MnId::nai("mn1@example.net")));
    let [row] = &rows[..] else {
        panic!("one, not {rows:?}")
    };
    assert_eq!(row.last_used_spi, Some(256));
    assert_eq!(row.last_heard_seconds, Some(3));
    assert_eq!(row.home_addresses, [HOME]);
    assert_eq!((row.dhoas, row.max_dhoas, row.quarantined), (1, 16, 0));
    assert_eq!(row.care_of_addresses, [CARE_OF, OTHER_CARE_OF]);
    let association = row.associations.first().expect("one");
    assert_eq!(
        (
            association.window,
            association.sequence,
            association.refused
        ),
        (Window::Known, Some(77), 1)
    );
    assert_eq!(association.algorithm, "hmac-sha256-128");

    let (none, ..) = all_nodes(&mut rig, Some(&MnId::nai("mn2@example.net")));
    assert_eq!(none, []);
    let beyond = mobile_node_row::some(&mut rig.signalling, u32::MAX, None, 512);
    assert_eq!(beyond, (Vec::new(), None));
}

/// However many there are, a piece has few; and of who looks for one, so have the pieces in which there is none.
#[test]
fn signalling_goes_on_between_small_pieces() {
    let mut rig = among(2_000, 3_000);
    let (rows, pieces, largest) = all_nodes(&mut rig, None);
    assert_eq!(rows.len(), 5_001);
    assert!(
        largest <= 64 && pieces == 5_001_usize.div_ceil(64),
        "{largest} {pieces}"
    );
    let (rows, pieces, _) = all_nodes(&mut rig, Some(&MnId::nai("mn1@example.net")));
    assert_eq!((rows.len(), pieces), (1, 2), "until it was found");
    let (rows, pieces, _) = all_nodes(&mut rig, Some(&MnId::nai("mn2@example.net")));
    assert_eq!((rows.len(), pieces), (0, 5));
}

fn flows(rig: &mut Rig, wanted: &Wanted) -> Vec<Flow> {
    let (rows, next) = flow_row::some(&mut rig.signalling, None, wanted);
    assert_eq!(next, None);
    rows
}

#[test]
fn a_flow_is_told_with_its_packets_and_where_they_go() {
    let mut rig = Rig::new();
    let call = TrafficSelector {
        source: Some(SelectorRange::one(CORRESPONDENT)),
        source_port: Some(SelectorRange::one(5060)),
        destination_port: Some(SelectorRange::one(5060)),
        next_header: Some(SelectorRange::one(17)),
        ..TrafficSelector::default()
    };
    let (call, https) = (sub_options(&call, &[2]), to_port(443, &[2, 1]));
    let options = [
        bid(1, CARE_OF),
        bid(2, OTHER_CARE_OF),
        flow(4, &https),
        flow(5, &call),
    ];
    assert_eq!(ask(&mut rig, &update(1, 150, &options)).0, 0);
    let rows = flows(&mut rig, &Wanted::default());
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let targets = row.targets.iter();
            let targets: Vec<_> = targets.map(|target| (target.bid, target.care_of)).collect();
            (row.fid, row.selector.as_deref(), row.table, targets)
        })
        .collect();
    let call_in_words =
        format!("from {CORRESPONDENT} source-port 5060 destination-port 5060 protocol 17");
    assert_eq!(
        told,
        [
            (
                4,
                Some("destination-port 443 protocol 17"),
                Some(FlowTable::Range),
                vec![(Some(1), Some(CARE_OF)), (Some(2), Some(OTHER_CARE_OF))]
            ),
            (
                5,
                Some(call_in_words.as_str()),
                Some(FlowTable::Exact),
                vec![(Some(2), Some(OTHER_CARE_OF))]
            ),
        ]
    );
    let row = rows.first().expect("two");
    assert_eq!((row.home_address, row.mode), (HOME, FlowMode::Proxy));
    assert_eq!(
        (row.mobile_node.as_str(), row.priority),
        ("mn1@example.net", Some(40))
    );

    let of_node = |id: &str| Wanted {
        node: Some(MnId::nai(id)),
        home_address: None,
    };
    assert_eq!(flows(&mut rig, &of_node("mn1@example.net")).len(), 2);
    assert_eq!(flows(&mut rig, &of_node("mn2@example.net")), []);
    let of_address = |home_address| Wanted {
        node: None,
        home_address: Some(home_address),
    };
    assert_eq!(flows(&mut rig, &of_address(HOME)).len(), 2);
    assert_eq!(flows(&mut rig, &of_address(CARE_OF)), []);
}

/// All its packets go there, whatever the rule says.
#[test]
fn a_flow_of_the_only_care_of_address_needs_no_table() {
    let mut rig = Rig::new();
    let https = to_port(443, &[1]);
    let options = [bid(1, CARE_OF), flow(4, &https)];
    assert_eq!(ask(&mut rig, &update(1, 150, &options)).0, 0);
    let rows = flows(&mut rig, &Wanted::default());
    let [row] = &rows[..] else {
        panic!("one, not {rows:?}")
    };
    assert_eq!((row.fid, row.table), (4, None));
}

/// A DHoA has the flow 0, which stands for all that are not identified.
#[test]
fn a_dhoa_tells_its_mode() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&dhoa_request(1, CARE_OF)))
        .expect("room");
    rig.settle();
    let rows = flows(&mut rig, &Wanted::default());
    let [row] = &rows[..] else {
        panic!("one, not {rows:?}")
    };
    assert_eq!((row.fid, row.mode), (0, FlowMode::Proxy));
    assert_eq!((row.priority, row.table), (None, None));
    assert_eq!(
        row.targets.first().and_then(|target| target.care_of),
        Some(CARE_OF)
    );
}
