//! What comes back instead of an answer (RFC 6275 §11.3.5, §11.3.6), and what the home agent sends through its tunnel.

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{
    FallbackReason, FlowProgress, HomeConfig, MnCommand, MnEvent, MobileNodeConfig, Session,
};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{binding_error_status, next_header};
use dhp_wire::ipv6::Ipv6Header;
use dhp_wire::mobility::Builder;
use dhp_wire::packet;

const SECOND: u64 = NANOS_PER_SECOND;
/// "unrecognized Next Header type" and "unrecognized IPv6 option" (RFC 4443 §3.4).
const NEXT_HEADER: u8 = 1;
const OPTION: u8 = 2;
/// Where they point to in a Binding Update with a Home Address option: to the Next Header of the destination options, to the option.
const IN_OPTIONS: u8 = 40;
const AT_OPTION: u8 = 46;
/// And in a message that has nothing before its Mobility Header.
const IN_HEADER: u8 = 6;

fn tunnelled(anchor: Ipv6Addr, to: Ipv6Addr, inner: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(inner.len()).expect("a short packet"),
        next_header: next_header::IPV6,
        hop_limit: 64,
        source: anchor,
        destination: to,
    };
    let mut outer = [0; 40];
    header.emit(&mut outer);
    [&outer[..], inner].concat()
}

fn refresh_request(from: Ipv6Addr, home: Ipv6Addr) -> Vec<u8> {
    let mh = Builder::binding_refresh_request().finish(&from, &home);
    packet::compose(&from, &home, None, None, &mh)
}

fn binding_error(from: Ipv6Addr, home: Ipv6Addr) -> Vec<u8> {
    let mh = Builder::binding_error(binding_error_status::UNKNOWN_BINDING, &home);
    packet::compose(&from, &home, None, None, &mh.finish(&from, &home))
}

fn at_home_agent() -> Node {
    let mut node = Node::new(true);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    node.receive(&sent[0].accept());
    node
}

#[test]
fn what_the_anchor_says_inside_its_tunnel_is_heard() {
    for message in [refresh_request, binding_error] {
        let mut node = at_home_agent();
        let own = message(HA, HOA);
        for packet in [
            tunnelled(DHP, COA, &own),
            tunnelled(HA, COA2, &own),
            tunnelled(HA, COA, &message(DHP, HOA)),
            tunnelled(HA, COA, &message(HA, DHOA)),
        ] {
            let (sent, _) = node.receive(&packet);
            assert!(sent.is_empty(), "{sent:?}");
        }
        let (sent, _) = node.receive(&tunnelled(HA, COA, &own));
        assert_eq!((sent.len(), sent[0].destination), (1, HA));
        assert_eq!(sent[0].home_address, Some(HOA));
        let (again, _) = node.receive(&tunnelled(HA, COA, &own));
        assert!(again.is_empty(), "one update is on its way");
        // However often it is asked for: MAX_UPDATE_RATE.
        node.now = node.now.plus_ns(SECOND);
        let mut updates = 0;
        let mut last = sent[0].clone();
        for _ in 0..20 {
            node.receive(&last.accept());
            let (sent, _) = node.receive(&tunnelled(HA, COA, &own));
            updates += sent.len();
            last = sent.into_iter().next().unwrap_or(last);
        }
        assert_eq!(updates, 3);

        let mut node = Node::with_dhoa();
        let (sent, _) = node.receive(&tunnelled(DHP, COA, &message(DHP, DHOA)));
        assert_eq!((sent.len(), &sent[0].dhoas[..]), (1, &[DHOA][..]));
    }
}

#[test]
fn a_home_agent_that_knows_nothing_of_mobility_gets_no_more_updates_for_a_while() {
    for (code, pointer) in [(NEXT_HEADER, IN_OPTIONS), (OPTION, AT_OPTION)] {
        let mut node = Node::new(true);
        let (sent, _) = node.command(MnCommand::SetCareOf(COA));
        let (none, events) = node.receive(&sent[0].problem(code, pointer));
        assert!(none.is_empty());
        assert_eq!(events, [MnEvent::MobilityRefused { anchor: HA }]);
        let (sent, _) = node.pass(63 * SECOND);
        assert!(sent.is_empty(), "{sent:?}");
        let (sent, _) = node.pass(2 * SECOND);
        assert_eq!(sent.len(), 1);
        let (sent, _) = node.command(MnCommand::SetCareOf(COA2));
        assert_eq!(sent.len(), 1, "elsewhere it is tried at once");
        let (_, events) = node.receive(&sent[0].accept());
        assert!(matches!(&events[..], [MnEvent::Bound { .. }]));
    }
}

#[test]
fn a_home_agent_that_was_there_is_given_up_only_when_it_does_not_come_back() {
    let mut node = at_home_agent();
    let (mut sent, _) = node.command(MnCommand::SetCareOf(COA2));
    for attempt in 1..=2 {
        let (_, events) = node.receive(&sent[0].problem(NEXT_HEADER, IN_OPTIONS));
        assert!(events.is_empty(), "{events:?}");
        (sent, _) = node.pass(attempt * SECOND);
        assert_eq!(sent.len(), 1);
    }
    let (_, events) = node.receive(&sent[0].problem(NEXT_HEADER, IN_OPTIONS));
    assert_eq!(events, [MnEvent::MobilityRefused { anchor: HA }]);
    assert!(node.pass(60 * SECOND).0.is_empty());
}

#[test]
fn an_error_has_to_quote_what_was_sent() {
    let mut node = Node::new(true);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let quotes = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut forged = sent[0].clone();
        change(&mut forged.octets);
        forged.problem(NEXT_HEADER, IN_OPTIONS)
    };
    let wrong = [
        quotes(&|octets| *octets.last_mut().expect("octets") ^= 1),
        quotes(&|octets| octets[39] ^= 1),
        quotes(&|octets| octets.truncate(100)),
        sent[0].problem(0, IN_OPTIONS),
        sent[0].problem(NEXT_HEADER, 0),
        sent[0].problem(OPTION, IN_OPTIONS),
    ];
    for packet in wrong {
        let (_, events) = node.receive(&packet);
        assert!(events.is_empty(), "{events:?}");
    }
    // Routers may change these.
    let changed = quotes(&|octets| {
        (octets[0], octets[1], octets[7]) = (0x6f, 0xff, 1);
    });
    let (_, events) = node.receive(&changed);
    assert_eq!(events, [MnEvent::MobilityRefused { anchor: HA }]);
}

#[test]
fn a_dhp_that_knows_nothing_of_mobility_is_left_at_once() {
    let mut node = Node::new(false);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (requests, _) = node.receive(&reply);
    let (_, events) = node.receive(&requests[0].problem(NEXT_HEADER, IN_HEADER));
    let reason = FallbackReason::NotSupported;
    assert!(matches!(&events[..], [MnEvent::Fallback { reason: told, .. }] if *told == reason));
    assert_eq!(node.progress(), FlowProgress::Fallback);
    assert!(node.pass(10 * SECOND).0.is_empty());
}

#[test]
fn a_dhp_that_was_there_is_silent_when_it_does_not_come_back() {
    let mut node = Node::with_dhoa();
    let (mut sent, _) = node.command(MnCommand::SetCareOf(COA2));
    for attempt in 1..=2 {
        let (_, events) = node.receive(&sent[0].problem(NEXT_HEADER, IN_HEADER));
        assert!(events.is_empty(), "{events:?}");
        (sent, _) = node.pass(attempt * SECOND);
        assert_eq!(sent.len(), 1);
    }
    let (_, events) = node.receive(&sent[0].problem(NEXT_HEADER, IN_HEADER));
    let home_addresses = vec![DHOA];
    let silent = MnEvent::AnchorSilent {
        anchor: DHP,
        home_addresses,
    };
    assert_eq!(
        events[..2],
        [MnEvent::MobilityRefused { anchor: DHP }, silent]
    );
    let (sent, _) = node.pass(60 * SECOND);
    let updates = sent.iter().filter(|sent| !sent.dhoas.is_empty());
    assert_eq!(updates.count(), 0);
}

#[test]
fn where_home_agents_are_discovered_the_next_one_is_tried_at_once() {
    let home = HomeConfig::new(None, HOA);
    let mut node = Node::with_config(MobileNodeConfig {
        home: Some(home),
        ..config(true)
    });
    let kept = dhp_proto::mobile_node::Kept {
        home_agents: vec![DHP, HA],
        ..Default::default()
    };
    node.engine.restore(node.now, kept);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    assert_eq!(sent[0].destination, DHP);
    let (sent, events) = node.receive(&sent[0].problem(NEXT_HEADER, IN_OPTIONS));
    assert_eq!((sent.len(), sent[0].destination), (1, HA));
    assert_eq!(
        events,
        [
            MnEvent::MobilityRefused { anchor: DHP },
            MnEvent::HomeAgentChosen { agent: HA },
        ]
    );
}
