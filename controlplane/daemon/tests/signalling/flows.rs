//! Several care-of addresses and flow bindings: from the Binding Update into the tunnels of packets

use std::net::Ipv6Addr;

use dhp_proto::anchor::{AnchorConfig, Limits};
use dhp_wire::codepoints::{CodePoints, Status};
use dhp_wire::icmpv6::{IcmpError, write_error};
use dhp_wire::mobility::{
    Bids, BuFlags, Builder, FlowIds, FlowSubOption, Lifetime, Message, MobilityHeader,
    MobilityOption, SelectorRange, TrafficSelector,
};
use dhp_wire::packet::{MobilityPacket, compose};
use dhpd::binding_row::BindingRow;
use dhpd::forwarding::TunnelLimits;
use dhpd::mirror::{Change, KernelRoute};

use crate::rig::*;

const THIRD_CARE_OF: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, 9);

pub fn bid(bid: u16, care_of: Ipv6Addr) -> MobilityOption<'static> {
    MobilityOption::BindingIdentifier {
        bid,
        status: Status(0),
        home_flag: false,
        priority: u8::try_from(bid * 10).expect("small"),
        care_of: Some(care_of.into()),
    }
}

/// Sub-options of a flow: UDP packets to this port of the mobile node, to these BIDs.
pub fn to_port(port: u16, bids: &[u16]) -> Vec<u8> {
    let selector = TrafficSelector {
        destination_port: Some(SelectorRange::one(port)),
        next_header: Some(SelectorRange::one(17)),
        ..TrafficSelector::default()
    };
    sub_options(&selector, bids)
}

pub fn sub_options(selector: &TrafficSelector, bids: &[u16]) -> Vec<u8> {
    let mut octets = Vec::new();
    let bids: Vec<[u8; 2]> = bids.iter().map(|bid| bid.to_be_bytes()).collect();
    FlowSubOption::BindingReference(Bids::new(&bids).expect("some"))
        .write(&mut octets)
        .expect("room");
    FlowSubOption::TrafficSelector {
        format: TrafficSelector::FORMAT,
        selector: &selector.to_octets(),
    }
    .write(&mut octets)
    .expect("room");
    octets
}

/// A flow; those of lower numbers go first.
pub fn flow(fid: u16, sub_options: &[u8]) -> MobilityOption<'_> {
    MobilityOption::FlowIdentification {
        fid,
        priority: fid * 10,
        status: 0,
        sub_options,
    }
}

/// A Binding Update from [`CARE_OF`] with these options.
pub fn update(sequence: u16, lifetime: u16, options: &[MobilityOption<'_>]) -> Vec<u8> {
    let security = security();
    let mac = |mh: &[u8]| security.mac(&CARE_OF, &HOME, mh);
    let flags = BuFlags::ACKNOWLEDGE | BuFlags::HOME;
    let mut builder = Builder::binding_update(sequence, flags, Lifetime(lifetime));
    for option in options {
        builder = builder.option(option);
    }
    let mh = builder
        .auth(security.spi(), security.algorithm().mac_len(), mac)
        .finish(&HOME, &ANCHOR);
    compose(&CARE_OF, &ANCHOR, Some(&HOME), None, &mh)
}

/// Status, and the status of each flow, of the acknowledgement.
pub fn ask(rig: &mut Rig, packet: &[u8]) -> (u8, Vec<(u16, u8)>) {
    rig.core.push(&frame(packet)).expect("room");
    rig.settle();
    let answer = rig.core.pop().expect("an acknowledgement");
    assert_eq!(ends(&answer).2, CARE_OF);
    let packet = MobilityPacket::parse(&answer[14..]).expect("a mobility packet");
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    let Message::BindingAcknowledgement(acknowledgement) =
        header.message(&CodePoints::default()).expect("a message")
    else {
        panic!("not an acknowledgement");
    };
    let flows =
        acknowledgement
            .options
            .iter()
            .filter_map(|option| match option.expect("a sound option") {
                MobilityOption::FlowIdentification { fid, status, .. } => Some((fid, status)),
                _ => None,
            });
    (acknowledgement.status.0, flows.collect())
}

/// A UDP packet from the correspondent to a port of the mobile node.
fn datagram(port: u16) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 16, 17, 64];
    packet.extend_from_slice(&CORRESPONDENT.octets());
    packet.extend_from_slice(&HOME.octets());
    packet.extend_from_slice(&[0, 53]);
    packet.extend_from_slice(&port.to_be_bytes());
    packet.extend_from_slice(&[0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    frame(&packet)
}

/// Where a packet to this port is tunnelled to, in the order of addresses.
fn tunnelled(rig: &mut Rig, port: u16) -> Vec<Ipv6Addr> {
    rig.cn.push(&datagram(port)).expect("room");
    rig.poll();
    let frames = std::iter::from_fn(|| rig.core.pop());
    let mut ends: Vec<Ipv6Addr> = frames.map(|frame| ends(&frame).2).collect();
    ends.sort_unstable();
    ends
}

/// Two care-of addresses, and what is for port 443 goes to the second.
fn with_a_flow() -> Rig {
    let mut rig = Rig::new();
    let https = to_port(443, &[2]);
    let options = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF), flow(4, &https)];
    let answer = ask(&mut rig, &update(1, 150, &options));
    assert_eq!(answer, (0, vec![(4, 0)]));
    rig
}

#[test]
fn packets_of_two_flows_leave_through_two_tunnels() {
    let mut rig = with_a_flow();
    assert_eq!(tunnelled(&mut rig, 443), [OTHER_CARE_OF]);
    assert_eq!(tunnelled(&mut rig, 80), [CARE_OF]);
}

#[test]
fn the_first_active_flow_binding_that_matches_decides() {
    let mut rig = Rig::new();
    let everything = sub_options(&TrafficSelector::default(), &[3]);
    let (https, both) = (to_port(443, &[2]), to_port(5060, &[2, 3]));
    let options = [
        bid(1, CARE_OF),
        bid(2, OTHER_CARE_OF),
        bid(3, THIRD_CARE_OF),
        flow(4, &https),
        flow(5, &both),
        flow(6, &everything),
    ];
    let all = vec![(4, 0), (5, 0), (6, 0)];
    assert_eq!(ask(&mut rig, &update(1, 150, &options)), (0, all));
    assert_eq!(tunnelled(&mut rig, 443), [OTHER_CARE_OF]);
    let copies = [OTHER_CARE_OF, THIRD_CARE_OF];
    assert_eq!(tunnelled(&mut rig, 5060), copies, "a copy to each");
    assert_eq!(tunnelled(&mut rig, 80), [THIRD_CARE_OF]);

    // Without BID 2 the first is inactive, the second goes to what is left of its BIDs.
    let keep = [[0, 4], [0, 5]];
    let keep = MobilityOption::FlowSummary(FlowIds::new(&keep).expect("FIDs"));
    let gone = [bid(2, OTHER_CARE_OF), keep];
    assert_eq!(ask(&mut rig, &update(2, 0, &gone)), (0, vec![]));
    assert_eq!(tunnelled(&mut rig, 443), [CARE_OF], "the default");
    assert_eq!(tunnelled(&mut rig, 5060), [THIRD_CARE_OF]);
}

/// One store moves everything that goes to a BID.
#[test]
fn a_handoff_of_one_care_of_address_takes_its_flows_along() {
    let mut rig = with_a_flow();
    let keep = [[0, 4]];
    let keep = MobilityOption::FlowSummary(FlowIds::new(&keep).expect("FIDs"));
    let moved = [bid(2, THIRD_CARE_OF), keep];
    assert_eq!(ask(&mut rig, &update(2, 150, &moved)), (0, vec![]));
    assert_eq!(tunnelled(&mut rig, 443), [THIRD_CARE_OF]);
    assert_eq!(tunnelled(&mut rig, 80), [CARE_OF]);
    // What the node had sent before is good for 2 s.
    assert!(arrives(&mut rig, OTHER_CARE_OF));
    rig.pass(2_100_000_000);
    assert!(!arrives(&mut rig, OTHER_CARE_OF));
    assert!(arrives(&mut rig, THIRD_CARE_OF) && arrives(&mut rig, CARE_OF));
}

/// Whether a packet from the mobile node arrives that comes through a tunnel from this care-of address.
fn arrives(rig: &mut Rig, care_of: Ipv6Addr) -> bool {
    let mut packet = vec![0x60, 0, 0, 0, 0, 56, 41, 64];
    packet.extend_from_slice(&care_of.octets());
    packet.extend_from_slice(&ANCHOR.octets());
    packet.extend_from_slice(&[0x60, 0, 0, 0, 0, 16, 17, 64]);
    packet.extend_from_slice(&HOME.octets());
    packet.extend_from_slice(&CORRESPONDENT.octets());
    packet.extend_from_slice(&[0, 53, 0, 53, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    rig.core.push(&frame(&packet)).expect("room");
    rig.poll();
    rig.cn.pop().is_some()
}

#[test]
fn the_node_may_send_from_every_care_of_address() {
    let mut rig = with_a_flow();
    for care_of in [CARE_OF, OTHER_CARE_OF] {
        assert!(arrives(&mut rig, care_of), "{care_of}");
    }
    assert!(!arrives(&mut rig, THIRD_CARE_OF));
}

/// RFC 6089 §4.3: neither the acknowledgement, nor what goes through the tunnel.
#[test]
fn signalling_goes_by_no_flow_binding() {
    let mut config = anchor_config();
    config.refresh_request = Some(std::time::Duration::from_secs(60));
    let mut rig = Rig::with(config, territory());
    let everything = sub_options(&TrafficSelector::default(), &[2]);
    let options = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF), flow(4, &everything)];
    // `ask` sees to it that the answer goes where the update came from.
    assert_eq!(ask(&mut rig, &update(1, 150, &options)), (0, vec![(4, 0)]));
    assert_eq!(tunnelled(&mut rig, 80), [OTHER_CARE_OF]);
    rig.pass(541_000_000_000);
    rig.settle();
    let request = rig.core.pop().expect("a refresh request in the tunnel");
    assert_eq!(ends(&request).2, CARE_OF);
    assert_eq!(rig.core.pop(), None);
}

/// The workers forget what has ended, whatever way it ends.
#[test]
fn care_of_addresses_and_flows_end_with_their_lifetimes() {
    let mut rig = with_a_flow();
    rig.pass(300_000_000_000);
    assert_eq!(
        ask(&mut rig, &update(2, 150, &[bid(1, CARE_OF)])),
        (0, vec![])
    );
    assert_eq!(tunnelled(&mut rig, 443), [CARE_OF], "it was not mentioned");
    assert!(arrives(&mut rig, OTHER_CARE_OF));
    rig.pass(301_000_000_000);
    rig.settle();
    assert!(!arrives(&mut rig, OTHER_CARE_OF), "it has expired");
    assert_eq!(tunnelled(&mut rig, 443), [CARE_OF]);
    assert_eq!(ask(&mut rig, &update(3, 0, &[])), (0, vec![]));
    assert!(tunnelled(&mut rig, 443).is_empty());
}

/// Tunnels of further care-of addresses go by the routes of those.
#[test]
fn further_tunnels_follow_the_routes() {
    let mut rig = with_a_flow();
    let path = |rig: &Rig| {
        let bound = rig.signalling.forwarding().bound(HOME).expect("bound");
        bound.further.last().expect("BID 2").path
    };
    assert_eq!(path(&rig).mtu, 1460);
    let narrow = KernelRoute {
        mtu: Some(1400),
        ..route("2001:db8:b::/48", CN, Some("fe80::c"))
    };
    rig.happen([
        Change::Route(narrow.clone()),
        neighbour(CN, "fe80::c", SERVER_MAC),
    ]);
    rig.settle();
    assert_eq!(path(&rig).mtu, 1360);
    rig.cn.push(&datagram(443)).expect("room");
    rig.poll();
    assert_eq!(
        ends(&rig.cn.pop().expect("by the other port")).2,
        OTHER_CARE_OF
    );
    assert_eq!(tunnelled(&mut rig, 80), [CARE_OF]);
    rig.happen([Change::RouteGone(vec![narrow])]);
    rig.settle();
    assert_eq!(tunnelled(&mut rig, 443), [OTHER_CARE_OF]);
}

/// A narrow path to one care-of address is no matter of the others.
#[test]
fn a_path_mtu_is_learned_for_one_care_of_address() {
    let mut rig = with_a_flow();
    rig.cn.push(&datagram(443)).expect("room");
    rig.poll();
    let sent = rig.core.pop().expect("a tunnel packet").split_off(14);
    let router = "2001:db8:f:1::2".parse().expect("an address");
    let mut message = [0; 1280];
    let error = IcmpError::PacketTooBig { mtu: 1400 };
    let length = write_error(&mut message, &router, &ANCHOR, error, &sent).expect("room");
    rig.core.push(&frame(&message[..length])).expect("room");
    rig.settle();
    let bound = rig.signalling.forwarding().bound(HOME).expect("bound");
    let mtus: Vec<u16> = bound
        .further
        .iter()
        .map(|care_of| care_of.path.mtu)
        .collect();
    assert_eq!((bound.path.mtu, mtus), (1460, vec![1460, 1360]));
    // A handoff of the other one does not forget it.
    let moved = [bid(1, THIRD_CARE_OF)];
    assert_eq!(ask(&mut rig, &update(2, 150, &moved)).0, 0);
    let bound = rig.signalling.forwarding().bound(HOME).expect("bound");
    assert_eq!(bound.further.last().expect("BID 2").path.mtu, 1360);
}

/// Of exact flows there may be more than of rules that packets are compared with, which there may be 32 of.
#[test]
fn exact_flows_are_no_rules_that_count() {
    let mut config = anchor_config();
    config.limits.max_flow_bindings = 100;
    let mut rig = Rig::with(config, territory());
    let exact = |fid: u16| {
        let selector = TrafficSelector {
            source: Some(SelectorRange::one(CORRESPONDENT)),
            source_port: Some(SelectorRange::one(53)),
            destination_port: Some(SelectorRange::one(fid)),
            next_header: Some(SelectorRange::one(17)),
            ..TrafficSelector::default()
        };
        sub_options(&selector, &[2])
    };
    let bids = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF)];
    let mut sequence = 0;
    let mut add = |rig: &mut Rig,
                   keep: u16,
                   fids: std::ops::RangeInclusive<u16>,
                   octets: &dyn Fn(u16) -> Vec<u8>| {
        sequence += 1;
        let kept: Vec<[u8; 2]> = (1..=keep).map(u16::to_be_bytes).collect();
        let sub_options: Vec<(u16, Vec<u8>)> = fids.map(|fid| (fid, octets(fid))).collect();
        let mut options = bids.to_vec();
        options.extend(FlowIds::new(&kept).map(MobilityOption::FlowSummary));
        options.extend(sub_options.iter().map(|(fid, octets)| flow(*fid, octets)));
        let (status, flows) = ask(rig, &update(sequence, 150, &options));
        assert_eq!(status, 0);
        flows
            .into_iter()
            .filter(|(_, status)| *status != 0)
            .collect::<Vec<_>>()
    };
    for last in [20, 40, 60] {
        assert_eq!(add(&mut rig, last - 20, last - 19..=last, &exact), []);
    }
    for port in 1..=60 {
        assert_eq!(tunnelled(&mut rig, port), [OTHER_CARE_OF], "port {port}");
    }
    assert_eq!(tunnelled(&mut rig, 61), [CARE_OF]);
    // What has two ports is compared with each packet, and so is a second flow binding for the same flow.
    let two_ports = |fid: u16| {
        let selector = TrafficSelector {
            destination_port: Some(SelectorRange {
                start: 1_000 + fid,
                end: Some(1_001 + fid),
            }),
            ..TrafficSelector::default()
        };
        sub_options(&selector, &[2])
    };
    assert_eq!(add(&mut rig, 60, 61..=92, &two_ports), []);
    assert_eq!(tunnelled(&mut rig, 1_093), [OTHER_CARE_OF]);
    assert_eq!(add(&mut rig, 92, 93..=93, &two_ports), [(93, 129)]);
    assert_eq!(add(&mut rig, 92, 93..=93, &|_| exact(60)), [(93, 129)]);
    assert_eq!(add(&mut rig, 92, 93..=100, &exact), []);
    assert_eq!(tunnelled(&mut rig, 100), [OTHER_CARE_OF]);
    assert_eq!(add(&mut rig, 100, 101..=101, &exact), [(101, 129)]);
}

/// A limit is that of the binding: what was made without one gets further care-of addresses without, and the other way round.
#[test]
fn further_care_of_addresses_share_the_limit_of_the_binding() {
    let limits = |rate_cap| TunnelLimits {
        rate_cap,
        ..TunnelLimits::default()
    };
    for (before, after) in [(None, Some(1_000_000)), (Some(1_000_000), None)] {
        let mut rig = Rig::new();
        rig.signalling.limit_tunnels(limits(before));
        let https = to_port(443, &[2]);
        let options = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF), flow(4, &https)];
        assert_eq!(ask(&mut rig, &update(1, 150, &options)).0, 0);
        rig.signalling.limit_tunnels(limits(after));
        let more = to_port(5060, &[3]);
        let keep = flow(4, &https);
        let options = [bid(3, THIRD_CARE_OF), keep, flow(5, &more)];
        assert_eq!(ask(&mut rig, &update(2, 150, &options)).0, 0);
        assert_eq!(tunnelled(&mut rig, 443), [OTHER_CARE_OF]);
        assert_eq!(tunnelled(&mut rig, 5060), [THIRD_CARE_OF]);
        assert_eq!(tunnelled(&mut rig, 80), [CARE_OF]);
        // The default moves into another kind of tunnel, the others with it.
        let options = [bid(1, THIRD_CARE_OF), keep, flow(5, &more)];
        assert_eq!(ask(&mut rig, &update(3, 150, &options)).0, 0);
        assert_eq!(tunnelled(&mut rig, 443), [OTHER_CARE_OF]);
        assert_eq!(tunnelled(&mut rig, 80), [THIRD_CARE_OF]);
        let options = [bid(2, CARE_OF), keep, flow(5, &more)];
        assert_eq!(ask(&mut rig, &update(4, 150, &options)).0, 0);
        assert_eq!(tunnelled(&mut rig, 443), [CARE_OF]);
        assert_eq!(rig.signalling.counters().unplaced, 0);
    }
}

/// The segment has room for so many home addresses with several care-of addresses: who asks for more is told.
#[test]
fn what_the_segment_has_no_room_for_is_refused() {
    let config = AnchorConfig {
        limits: Limits {
            max_split_bindings: 0,
            ..Limits::default()
        },
        ..anchor_config()
    };
    let mut rig = Rig::with(config, territory());
    let https = to_port(443, &[1]);
    let options = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF), flow(4, &https)];
    assert_eq!(ask(&mut rig, &update(1, 150, &options)), (4, vec![(4, 0)]));
    assert_eq!(tunnelled(&mut rig, 443), [CARE_OF]);
    assert_eq!(rig.signalling.counters().unplaced, 0);
}

#[test]
fn operators_see_care_of_addresses_and_flows() {
    let mut rig = with_a_flow();
    let pressure = |rig: &Rig| {
        let tables = rig.signalling.forwarding().pressure();
        let table = tables.into_iter().find(|(name, ..)| *name == "flow_sets");
        table.expect("the table")
    };
    assert_eq!(pressure(&rig), ("flow_sets", 1, 1024));
    let (rows, more) = BindingRow::page(&mut rig.signalling, None, None, 10);
    assert!(!more);
    let row = rows.first().expect("a binding");
    let row = row.describe(|port| format!("port{port}"));
    assert_eq!(row.care_of.address, CARE_OF);
    let care_ofs = row.care_ofs.iter();
    let care_ofs: Vec<_> = care_ofs
        .map(|row| (row.bid, row.priority, row.care_of.address))
        .collect();
    assert_eq!(care_ofs, [(1, 10, CARE_OF), (2, 20, OTHER_CARE_OF)]);
    assert_eq!(row.care_ofs[1].care_of.port.as_deref(), Some("port0"));
    assert_eq!(row.care_ofs[1].remaining_seconds, Some(600));
    let flow = row.flows.first().expect("a flow");
    assert_eq!((flow.fid, flow.priority, flow.is_active), (4, 40, true));
    assert_eq!(flow.selector, "destination-port 443 protocol 17");
    assert_eq!(flow.bids, [2]);
    assert_eq!(ask(&mut rig, &update(2, 0, &[bid(2, OTHER_CARE_OF)])).0, 0);
    assert_eq!(pressure(&rig), ("flow_sets", 0, 1024));
}

/// Handoffs, flows and releases without end: nothing of them stays in the segment.
#[test]
fn nothing_is_left_behind_in_the_segment() {
    let mut rig = Rig::new();
    let https = to_port(443, &[2]);
    for round in 0..200_u16 {
        // The workers pass on only so much signalling a second.
        rig.pass(1_000_000_000);
        let sequence = round * 3 + 1;
        let care_of = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 1, round);
        let options = [bid(1, CARE_OF), bid(2, OTHER_CARE_OF), flow(4, &https)];
        assert_eq!(ask(&mut rig, &update(sequence, 150, &options)).0, 0);
        let moved = [bid(2, care_of), flow(4, &https)];
        assert_eq!(ask(&mut rig, &update(sequence + 1, 150, &moved)).0, 0);
        assert_eq!(tunnelled(&mut rig, 443), [care_of], "round {round}");
        assert_eq!(ask(&mut rig, &update(sequence + 2, 0, &[])).0, 0);
    }
    assert_eq!(rig.signalling.counters().unplaced, 0);
}
