//! Flow rules and several care-of addresses (RFC 6089, RFC 6088)

use std::net::Ipv6Addr;

use dhp_segment::{Carried, ExactFlow, ExactRule, FlowRange, FlowRule, FlowSelector, Tunnel};

use crate::appliance::*;
use crate::packets::*;

const FIRST: &str = "2001:db8:a::71";
const SECOND: &str = "2001:db8:b::72";
const THIRD: &str = "2001:db8:a::73";

/// The tunnel of [`HOME`] with another care-of address.
fn tunnel(appliance: &Appliance, care_of: &str) -> Tunnel {
    Tunnel {
        care_of: address(care_of),
        ..appliance
            .writer
            .binding(address(HOME))
            .expect("bound")
            .tunnel()
    }
}

/// Gives [`HOME`] BID 1 at [`FIRST`], BID 2 at [`SECOND`], and these rules.
fn set_rules(appliance: &mut Appliance, rules: &[FlowRule]) {
    let care_ofs = [
        (1, tunnel(appliance, FIRST)),
        (2, tunnel(appliance, SECOND)),
    ];
    assert!(
        appliance
            .writer
            .publish_flows(address(HOME), &care_ofs, rules)
            .expect("room")
    );
}

fn with_rules(rules: &[FlowRule]) -> Appliance {
    let mut appliance = Appliance::new();
    set_rules(&mut appliance, rules);
    appliance
}

fn to(bids: &[u16], selector: FlowSelector) -> FlowRule {
    FlowRule {
        selector,
        bids: bids.to_vec(),
        discard: false,
    }
}

fn source_ports(first: u16, last: u16) -> FlowSelector {
    FlowSelector {
        source_port: Some(FlowRange { first, last }),
        ..FlowSelector::default()
    }
}

fn udp_from_port(port: u16, payload: usize) -> Vec<u8> {
    with_source_port(&udp(CORRESPONDENT, HOME, payload), port)
}

fn with_source_port(packet: &[u8], port: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[40..42].copy_from_slice(&port.to_be_bytes());
    // The sum of words stays what it was: the port was 40,000, and the checksum takes the difference.
    let sum = u16::from_be_bytes([packet[46], packet[47]]);
    let wide = u32::from(sum) + 40_000 + u32::from(!port);
    let folded = (wide & 0xffff) + (wide >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    packet[46..48].copy_from_slice(&(folded as u16).to_be_bytes());
    packet
}

/// Where the tunnel packets for this packet go, in the order sent.
fn exits(appliance: &mut Appliance, packet: &[u8]) -> Vec<Ipv6Addr> {
    appliance
        .pass(CN, packet)
        .iter()
        .map(|(port, outer)| {
            assert_eq!((*port, outer[6]), (CORE, 41));
            assert_eq!(outer[40..], with_hop_limit(packet, 63));
            destination(outer)
        })
        .collect()
}

fn addresses(texts: &[&str]) -> Vec<Ipv6Addr> {
    texts.iter().map(|text| address(text)).collect()
}

#[test]
fn the_first_rule_that_matches_decides_and_ranges_include_their_ends() {
    let mut appliance = with_rules(&[
        to(&[1], source_ports(1000, 2000)),
        to(&[2], source_ports(1500, 3000)),
    ]);
    for (port, exit) in [
        (999, CARE_OF),
        (1000, FIRST),
        (1500, FIRST),
        (2000, FIRST),
        (2001, SECOND),
        (3000, SECOND),
        (3001, CARE_OF),
    ] {
        let found = exits(&mut appliance, &udp_from_port(port, 20));
        assert_eq!(found, addresses(&[exit]), "port {port}");
    }
}

#[test]
fn each_field_of_a_selector_counts() {
    let all = FlowSelector::default();
    let range = |first, last| Some(FlowRange { first, last });
    let one = |text| {
        Some(FlowRange {
            first: address(text),
            last: address(text),
        })
    };
    let packet = with_traffic_class(&udp(CORRESPONDENT, HOME, 20), 46 << 2 | 1);
    let mut esp = raw(CORRESPONDENT, HOME, 50, &[0, 0, 1, 0, 0, 0, 0, 1]);
    esp[1] |= 0x0a;
    esp[2..4].copy_from_slice(&[0xbc, 0xde]);
    let label = |first, last| FlowSelector {
        flow_label: range32(first, last),
        ..all
    };
    let spi = |first, last| FlowSelector {
        spi: range32(first, last),
        ..all
    };
    let cases = [
        (
            &packet,
            FlowSelector {
                source: one(CORRESPONDENT),
                ..all
            },
            true,
        ),
        (
            &packet,
            FlowSelector {
                source: one(STRANGER),
                ..all
            },
            false,
        ),
        (
            &packet,
            FlowSelector {
                destination: one(HOME),
                ..all
            },
            true,
        ),
        (
            &packet,
            FlowSelector {
                destination: one(OTHER_HOME),
                ..all
            },
            false,
        ),
        (
            &packet,
            FlowSelector {
                dscp: range(46, 46),
                ..all
            },
            true,
        ),
        (
            &packet,
            FlowSelector {
                dscp: range(0, 45),
                ..all
            },
            false,
        ),
        (
            &packet,
            FlowSelector {
                next_header: range(17, 17),
                ..all
            },
            true,
        ),
        (
            &packet,
            FlowSelector {
                next_header: range(6, 16),
                ..all
            },
            false,
        ),
        (
            &packet,
            FlowSelector {
                destination_port: Some(FlowRange {
                    first: 80,
                    last: 81,
                }),
                ..all
            },
            true,
        ),
        (
            &packet,
            FlowSelector {
                destination_port: Some(FlowRange {
                    first: 81,
                    last: 90,
                }),
                ..all
            },
            false,
        ),
        (&packet, spi(0, u32::MAX), false),
        (&esp, spi(256, 256), true),
        (&esp, spi(257, 300), false),
        (&esp, label(0xabcde, 0xabcde), true),
        (&esp, label(0, 0xabcdd), false),
        (&esp, source_ports(0, u16::MAX), false),
    ];
    for (number, (packet, selector, matches)) in cases.into_iter().enumerate() {
        let mut appliance = with_rules(&[to(&[1], selector)]);
        let exit = if matches { FIRST } else { CARE_OF };
        assert_eq!(
            exits(&mut appliance, packet),
            addresses(&[exit]),
            "{number}"
        );
    }
}

fn range32(first: u32, last: u32) -> Option<FlowRange<u32>> {
    Some(FlowRange { first, last })
}

#[test]
fn a_copy_goes_to_each_care_of_address_of_the_rule() {
    let mut appliance = with_rules(&[to(&[1, 2, 9], FlowSelector::default())]);
    let found = exits(&mut appliance, &udp(CORRESPONDENT, HOME, 1000));
    assert_eq!(found, addresses(&[FIRST, SECOND]));
    let counted = appliance.counted();
    assert_eq!((counted["flow_copies"], counted["encapsulated"]), (1, 2));
}

/// Found by the reference model of the control plane: RFC 6089 §5.3.6 has a copy for each care-of address, not for each BID.
#[test]
fn two_bids_of_one_care_of_address_get_one_copy() {
    let mut appliance = with_rules(&[to(&[1, 2], FlowSelector::default())]);
    let first = tunnel(&appliance, FIRST);
    let set = appliance.writer.set_care_of(address(HOME), 2, Some(&first));
    assert!(set.expect("room"));
    let found = exits(&mut appliance, &udp(CORRESPONDENT, HOME, 1000));
    assert_eq!(found, addresses(&[FIRST]));
    assert_eq!(appliance.counted().get("flow_copies"), None);
}

/// Found by the fuzzer: each copy used to be answered. Answers never amplify, and the narrowest tunnel is what counts.
#[test]
fn the_source_is_told_once_however_many_copies_there_would_be() {
    let everything = FlowSelector::default;
    let told = |appliance: &mut Appliance, packet: &[u8]| {
        let sent = appliance.pass(CN, packet);
        let [(CN, error)] = &sent[..] else {
            panic!("{sent:?}");
        };
        let (kind, _, word, _) = icmp_error(error);
        (kind, word)
    };
    let mut appliance = with_rules(&[to(&[1, 2], everything())]);
    let last_hop = with_hop_limit(&udp(CORRESPONDENT, HOME, 10), 1);
    assert_eq!(told(&mut appliance, &last_hop), (3, 0));
    let limited = tunnelled(CORRESPONDENT, HOME, &udp(HOME, CORRESPONDENT, 10));
    let limited = with_extension(&limited, 60, &tunnel_limit_header(0));
    assert_eq!(told(&mut appliance, &limited), (4, 44));
    assert_eq!(
        told(&mut appliance, &udp(CORRESPONDENT, HOME, 1452)),
        (2, 1460)
    );

    for narrow in [1, 2] {
        let care_of = [FIRST, SECOND][usize::from(narrow) - 1];
        let tunnel = Tunnel {
            mtu: 1300,
            ..tunnel(&appliance, care_of)
        };
        let mut appliance = with_rules(&[to(&[1, 2], everything())]);
        let home = address(HOME);
        let set = appliance.writer.set_care_of(home, narrow, Some(&tunnel));
        assert!(set.expect("room"));
        let packet = udp(CORRESPONDENT, HOME, 1452);
        assert_eq!(told(&mut appliance, &packet), (2, 1300), "{care_of}");
    }
}

#[test]
fn copies_in_batches_of_1_63_and_64() {
    for packets in [1, 63, 64] {
        let mut appliance = with_rules(&[to(&[1, 2], FlowSelector::default())]);
        for _ in 0..packets {
            appliance.receive(CN, &udp(CORRESPONDENT, HOME, 10));
        }
        while appliance.poll() > 0 {}
        appliance.assert_conserved();
        assert_eq!(appliance.sent().len(), 2 * packets);
    }
}

#[test]
fn without_a_buffer_for_the_copy_the_packet_itself_still_goes() {
    let mut appliance = Appliance::with(Setup {
        frames: 2,
        ..Setup::default()
    });
    set_rules(&mut appliance, &[to(&[1, 2], FlowSelector::default())]);
    // One frame holds the packet and one waits for what the control plane injects.
    appliance.poll();
    let found = exits(&mut appliance, &udp(CORRESPONDENT, HOME, 10));
    assert_eq!(found, addresses(&[SECOND]));
    assert_eq!(appliance.counted()["no_buffer"], 1);
}

#[test]
fn a_rule_may_discard() {
    let discard = FlowRule {
        discard: true,
        ..to(&[], source_ports(7, 7))
    };
    let mut appliance = with_rules(&[discard]);
    assert_eq!(exits(&mut appliance, &udp_from_port(7, 10)), addresses(&[]));
    assert_eq!(appliance.counted()["flow_discarded"], 1);
    let other = exits(&mut appliance, &udp_from_port(8, 10));
    assert_eq!(other, addresses(&[CARE_OF]));
}

#[test]
fn a_changed_rule_and_a_moved_care_of_address_count_from_the_next_packet_on() {
    let mut appliance = with_rules(&[to(&[1], FlowSelector::default())]);
    let packet = udp(CORRESPONDENT, HOME, 10);
    assert_eq!(exits(&mut appliance, &packet), addresses(&[FIRST]));
    let moved = tunnel(&appliance, "2001:db8:b::99");
    let home = address(HOME);
    assert!(appliance.writer.set_care_of(home, 1, Some(&moved)).unwrap());
    assert_eq!(exits(&mut appliance, &packet), [moved.care_of]);
    set_rules(&mut appliance, &[to(&[2], FlowSelector::default())]);
    assert_eq!(exits(&mut appliance, &packet), addresses(&[SECOND]));
    assert!(appliance.writer.publish_flows(home, &[], &[]).unwrap());
    assert_eq!(exits(&mut appliance, &packet), addresses(&[CARE_OF]));
}

#[test]
fn a_rule_without_a_care_of_address_left_is_skipped() {
    let mut appliance = with_rules(&[
        to(&[1], FlowSelector::default()),
        to(&[2], FlowSelector::default()),
    ]);
    let packet = udp(CORRESPONDENT, HOME, 10);
    let home = address(HOME);
    assert!(appliance.writer.set_care_of(home, 1, None).unwrap());
    assert_eq!(exits(&mut appliance, &packet), addresses(&[SECOND]));
    assert!(appliance.writer.set_care_of(home, 2, None).unwrap());
    assert_eq!(exits(&mut appliance, &packet), addresses(&[CARE_OF]));
}

/// First fragment with the ports and later one, of the same packet.
fn fragments() -> [Vec<u8>; 2] {
    let whole = udp_from_port(1000, 1000);
    let mut first = whole.clone();
    first.truncate(40 + 504);
    let mut later = whole[..40].to_vec();
    later.extend(&whole[40 + 504..]);
    [(first, 0, true), (later, 504, false)].map(|(mut piece, offset, more)| {
        let payload = (piece.len() - 40) as u16;
        piece[4..6].copy_from_slice(&payload.to_be_bytes());
        with_extension(&piece, 44, &fragment_header(offset, more))
    })
}

/// The outer destinations of fragments, which are no whole packets to check.
fn fragment_exits(appliance: &mut Appliance, packet: &[u8]) -> Vec<Ipv6Addr> {
    appliance.receive(CN, packet);
    assert_eq!(appliance.poll(), 1);
    appliance.assert_conserved();
    std::iter::from_fn(|| appliance.wires[CORE].pop())
        .map(|frame| destination(&frame[14..]))
        .collect()
}

#[test]
fn a_later_fragment_follows_the_first() {
    let mut appliance = with_rules(&[to(&[1, 2], source_ports(1000, 1000))]);
    let [first, later] = fragments();
    let both = addresses(&[FIRST, SECOND]);
    assert_eq!(fragment_exits(&mut appliance, &first), both);
    appliance.now_ns += 59_000_000_000;
    assert_eq!(fragment_exits(&mut appliance, &later), both);
    appliance.now_ns += 2_000_000_000;
    assert_eq!(fragment_exits(&mut appliance, &later), addresses(&[]));
    assert_eq!(appliance.counted()["fragment_without_first"], 1);
}

#[test]
fn a_later_fragment_alone_is_dropped_only_if_the_rules_look_at_ports() {
    let [first, later] = fragments();
    let mut appliance = with_rules(&[to(&[1], source_ports(1000, 1000))]);
    assert_eq!(fragment_exits(&mut appliance, &later), addresses(&[]));
    assert_eq!(appliance.counted()["fragment_without_first"], 1);
    assert_eq!(fragment_exits(&mut appliance, &first), addresses(&[FIRST]));
    // The rules that decided on the first one are gone.
    set_rules(&mut appliance, &[to(&[2], source_ports(1000, 1000))]);
    assert_eq!(fragment_exits(&mut appliance, &later), addresses(&[]));

    let udp_only = FlowSelector {
        next_header: Some(FlowRange {
            first: 17,
            last: 17,
        }),
        ..FlowSelector::default()
    };
    let mut appliance = with_rules(&[to(&[2], udp_only)]);
    assert_eq!(fragment_exits(&mut appliance, &later), addresses(&[SECOND]));
}

#[test]
fn a_tunnel_may_come_from_any_care_of_address_of_the_binding() {
    let mut appliance = with_rules(&[]);
    let inner = udp(HOME, CORRESPONDENT, 10);
    for care_of in [CARE_OF, FIRST, SECOND] {
        let sent = appliance.pass(CORE, &tunnelled(care_of, ANCHOR, &inner));
        assert!(matches!(&sent[..], [(CN, _)]), "{care_of}: {sent:?}");
    }
    assert!(!appliance.counted().contains_key("previous_care_of"));
    let sent = appliance.pass(CORE, &tunnelled("2001:db8:a::73", ANCHOR, &inner));
    assert!(sent.is_empty());
    assert_eq!(appliance.counted()["tunnel_source_mismatch"], 1);
    // The care-of addresses of one binding are nothing to another.
    let inner = udp(OTHER_HOME, CORRESPONDENT, 10);
    assert!(
        appliance
            .pass(CORE, &tunnelled(FIRST, ANCHOR, &inner))
            .is_empty()
    );
}

/// Of UDP packets from this port of the correspondent.
fn exact(port: u16) -> ExactFlow {
    ExactFlow {
        source: address(CORRESPONDENT),
        next_header: 17,
        source_port: port,
        destination_port: 80,
    }
}

fn exact_to(bids: &[u16], port: u16) -> FlowRule {
    to(bids, exact(port).into())
}

/// Flows beyond what any list holds, each with packets of its own length, between packets for another home address.
#[test]
fn a_thousand_exact_flows_of_one_address_go_to_three_care_of_addresses_and_are_counted() {
    let mut appliance = Appliance::new();
    let care_ofs = [(1, FIRST), (2, SECOND), (3, THIRD)]
        .map(|(bid, care_of)| (bid, tunnel(&appliance, care_of)));
    let bid = |port: u16| 1 + port % 3;
    let rules: Vec<FlowRule> = (1..=1_000)
        .map(|port| exact_to(&[bid(port)], port))
        .collect();
    let home = address(HOME);
    let published = appliance.writer.publish_flows(home, &care_ofs, &rules);
    assert!(published.expect("room"));
    assert_eq!(appliance.writer.flow_count(), 1_000);
    let ports: Vec<u16> = (0..=1_001).chain((1..=1_000).rev()).collect();
    for ports in ports.chunks(45) {
        for port in ports {
            appliance.receive(CN, &udp_from_port(*port, usize::from(*port % 100)));
            appliance.receive(
                CN,
                &udp(CORRESPONDENT, OTHER_HOME, usize::from(*port % 100)),
            );
        }
        while appliance.poll() > 0 {}
        appliance.assert_conserved();
        let mut sent = appliance.sent().into_iter();
        for port in ports {
            let care_of = match port {
                1..=1_000 => address([FIRST, SECOND, THIRD][usize::from(bid(*port)) - 1]),
                _ => address(CARE_OF),
            };
            for expected in [care_of, address(OTHER_CARE_OF)] {
                let (_, outer) = sent.next().expect("a packet");
                assert_eq!(destination(&outer), expected, "port {port}");
                // Order is kept.
                assert_eq!(outer.len(), 40 + 48 + usize::from(*port % 100));
            }
        }
    }
    for port in 1..=1_000 {
        let octets = 2 * (48 + u64::from(port % 100));
        let carried = appliance.writer.flow_carried(home, &exact(port));
        assert_eq!(carried, Some(Carried { packets: 2, octets }), "port {port}");
    }
    let of_home = appliance.writer.carried(home).expect("bound");
    assert_eq!(of_home.packets, 2_002);
    assert!(!appliance.counted().contains_key("flow_copies"));
}

#[test]
fn the_rule_of_an_exact_flow_has_its_place_among_the_others() {
    let mut appliance = with_rules(&[
        exact_to(&[1], 10),
        to(&[2], source_ports(10, 20)),
        exact_to(&[1], 20),
        exact_to(&[1], 30),
        FlowRule {
            discard: true,
            ..exact_to(&[], 40)
        },
        to(&[1, 2], source_ports(25, 50)),
    ]);
    let both: &[&str] = &[FIRST, SECOND];
    for (port, care_ofs) in [
        (10, &[FIRST][..]),
        (11, &[SECOND]),
        (20, &[SECOND]),
        (25, both),
        (30, &[FIRST]),
        (40, &[]),
        (50, both),
        (51, &[CARE_OF]),
    ] {
        let found = exits(&mut appliance, &udp_from_port(port, 20));
        assert_eq!(found, addresses(care_ofs), "port {port}");
    }
    assert_eq!(appliance.counted()["flow_discarded"], 1);
    // What another rule has decided does not count for the flow.
    let home = address(HOME);
    let packets = |port| {
        appliance
            .writer
            .flow_carried(home, &exact(port))
            .unwrap()
            .packets
    };
    assert_eq!([10, 20, 30, 40].map(packets), [1, 0, 1, 1]);
    // Without a care-of address left a rule is skipped, as any other.
    assert!(appliance.writer.set_care_of(home, 1, None).unwrap());
    for (port, care_ofs) in [(10, &[SECOND][..]), (30, &[SECOND]), (40, &[])] {
        let found = exits(&mut appliance, &udp_from_port(port, 20));
        assert_eq!(found, addresses(care_ofs), "port {port}");
    }
}

#[test]
fn a_single_flow_is_set_and_removed_beside_the_others_from_the_next_packet_on() {
    let mut appliance = with_rules(&[exact_to(&[1], 1), to(&[2], source_ports(1, 9))]);
    let home = address(HOME);
    let rule = |port, bids: &[u16], rank| ExactRule {
        flow: exact(port),
        bids: bids.to_vec(),
        discard: false,
        rank,
    };
    let check = |appliance: &mut Appliance, port, care_ofs: &[&str]| {
        let found = exits(appliance, &udp_from_port(port, 20));
        assert_eq!(found, addresses(care_ofs), "port {port}");
    };
    check(&mut appliance, 5, &[SECOND]);
    assert!(
        appliance
            .writer
            .set_flow(home, &rule(5, &[1, 2], 0))
            .unwrap()
    );
    check(&mut appliance, 5, &[FIRST, SECOND]);
    // The list's rule comes first.
    assert!(appliance.writer.set_flow(home, &rule(5, &[1], 1)).unwrap());
    check(&mut appliance, 5, &[SECOND]);
    assert!(appliance.writer.set_flow(home, &rule(20, &[1], 1)).unwrap());
    check(&mut appliance, 20, &[FIRST]);
    let moved = tunnel(&appliance, THIRD);
    assert!(appliance.writer.set_care_of(home, 1, Some(&moved)).unwrap());
    check(&mut appliance, 20, &[THIRD]);
    assert!(appliance.writer.remove_flow(home, &exact(20)));
    assert!(!appliance.writer.remove_flow(home, &exact(20)));
    check(&mut appliance, 20, &[CARE_OF]);
    check(&mut appliance, 1, &[THIRD]);
    // The flow of one address is none of another's, and ends with its binding.
    let other = exits(
        &mut appliance,
        &with_source_port(&udp(CORRESPONDENT, OTHER_HOME, 20), 1),
    );
    assert_eq!(other, addresses(&[OTHER_CARE_OF]));
    let default = tunnel(&appliance, CARE_OF);
    assert!(appliance.writer.remove_binding(home));
    assert_eq!(appliance.writer.flow_count(), 0);
    appliance.writer.publish_binding(home, &default).unwrap();
    check(&mut appliance, 1, &[CARE_OF]);
}

#[test]
fn later_fragments_follow_the_first_one_of_an_exact_flow() {
    let mut appliance = with_rules(&[exact_to(&[1, 2], 1000)]);
    let [first, later] = fragments();
    let both = addresses(&[FIRST, SECOND]);
    assert_eq!(fragment_exits(&mut appliance, &later), addresses(&[]));
    assert_eq!(appliance.counted()["fragment_without_first"], 1);
    assert_eq!(fragment_exits(&mut appliance, &first), both);
    assert_eq!(fragment_exits(&mut appliance, &later), both);
    let carried = appliance.writer.flow_carried(address(HOME), &exact(1000));
    let octets = first.len() as u64;
    assert_eq!(carried, Some(Carried { packets: 1, octets }));
}

#[test]
fn a_packet_from_another_mobile_node_meets_the_exact_flow_too() {
    let mut appliance = Appliance::new();
    let care_ofs = [(1, tunnel(&appliance, FIRST))];
    let flow = ExactFlow {
        source: address(OTHER_HOME),
        ..exact(40_000)
    };
    let rules = [to(&[1], flow.into())];
    let home = address(HOME);
    assert!(
        appliance
            .writer
            .publish_flows(home, &care_ofs, &rules)
            .unwrap()
    );
    let inner = udp(OTHER_HOME, HOME, 10);
    let sent = appliance.pass(CORE, &tunnelled(OTHER_CARE_OF, ANCHOR, &inner));
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(destination(outer), address(FIRST));
    let carried = appliance.writer.flow_carried(home, &flow);
    assert_eq!(carried.map(|carried| carried.packets), Some(1));
}
