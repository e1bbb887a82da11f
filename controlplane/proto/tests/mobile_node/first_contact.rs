//! How many round trips the first contact with a correspondent costs.

use core::net::Ipv6Addr;

use super::support::*;
use dhp_proto::mobile_node::{FlowProgress, Kept, MnCommand, MnEvent, ProvisionedDhp, Session};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{DmipType, status};
use dhp_wire::mobility::MobilityOption;

const SECOND: u64 = NANOS_PER_SECOND;

fn host(site: u16, network: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 0x80)
}

fn demand(correspondent: Ipv6Addr) -> MnCommand {
    MnCommand::Demand {
        correspondent,
        need: Session::SessionLasting.into(),
    }
}

fn covers(dhp: Ipv6Addr, site: u16, prefix_len: u8) -> MobilityOption<'static> {
    MobilityOption::DhpInformation {
        preference: 100,
        load: 0,
        prefix_len,
        address: dhp,
        prefix: Ipv6Addr::new(0x2001, 0xdb8, site, 0, 0, 0, 0, 0),
        path_rtt_us: 0,
    }
}

/// A node with a locator and a care-of address.
fn with_locator() -> Node {
    with_locator_after(Kept::default())
}

/// The same, which goes on with what another has kept.
fn with_locator_after(kept: Kept) -> Node {
    let mut config = config(false);
    config.locators = vec![HA];
    let mut node = Node::with_config(config);
    node.engine.restore(node.now, kept);
    node.command(MnCommand::SetCareOf(COA));
    node
}

/// The message of a kind to a destination.
fn find(sent: &[Sent], kind: DmipType, destination: Ipv6Addr) -> Sent {
    let mut sent_there = sent
        .iter()
        .filter(|message| message.kind == Some(kind) && message.destination == destination);
    let found = sent_there.next().cloned();
    found.unwrap_or_else(|| panic!("no {kind:?} to {destination} in {sent:#?}"))
}

/// The node has had an address of `DHP` for site `c`, and has given it back.
fn after_a_visit(node: &mut Node) {
    let (queries, _) = node.command(demand(host(0xc, 1)));
    let query = find(&queries, DmipType::DhpQuery, HA);
    let (requests, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0xc, 48)]));
    let request = find(&requests, DmipType::DhoaRequest, DHP);
    node.pass(20 * MS);
    node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let (sent, _) = node.pass(310 * SECOND);
    let release = find(&sent, DmipType::BindingUpdate, DHP);
    assert_eq!(release.lifetime, 0);
    node.receive(&release.answer(DHP, 0, 0, &[dhoa(0, 0)]));
}

#[test]
fn the_first_answer_that_names_a_dhp_starts_the_request_at_once() {
    let mut node = with_locator();
    let (queries, _) = node.command(demand(host(0xc, 1)));
    assert_eq!(queries.len(), 2, "to the anycast address and the locator");
    let query = find(&queries, DmipType::DhpQuery, HA);
    // Two DHPs, neither of them measured: nobody waits for that.
    let both = [covers(DHP, 0xc, 48), covers(DHP2, 0xc, 48)];
    let (sent, _) = node.receive(&query.answer(HA, 0, 75, &both));
    let request = find(&sent, DmipType::DhoaRequest, DHP);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (sent, events) = node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(matches!(events[0], MnEvent::AnchorReady { .. }));
    let probe = find(&sent, DmipType::DhpQuery, DHP2);
    assert_eq!(probe.lifetime, 0, "the other one is measured meanwhile");
}

#[test]
fn an_empty_answer_ends_no_wait_for_others() {
    let mut node = with_locator();
    let (queries, _) = node.command(demand(host(0xc, 1)));
    let (sent, events) =
        node.receive(&find(&queries, DmipType::DhpQuery, HA).answer(HA, 0, 75, &[]));
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
    let anycast = queries.iter().find(|query| query.destination != HA);
    let reply = anycast
        .expect("a query")
        .answer(DHP, 0, 75, &[covers(DHP, 0xc, 48)]);
    let (sent, _) = node.receive(&reply);
    find(&sent, DmipType::DhoaRequest, DHP);
}

#[test]
fn a_covered_correspondent_needs_no_query() {
    let mut node = with_locator();
    after_a_visit(&mut node);
    // Told for another network of the site, and for 300 s.
    let (queries, _) = node.command(demand(host(0xc, 1)));
    let query = find(&queries, DmipType::DhpQuery, HA);
    let (requests, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0xc, 48)]));
    assert!(
        requests.is_empty(),
        "it is asked already, since that was plausible: {requests:?}"
    );
    node.command(MnCommand::LoseCareOf);
    node.command(MnCommand::SetCareOf(COA));
    let other = MnCommand::Demand {
        correspondent: host(0xc, 2),
        need: Session::GracefulReplacement.into(),
    };
    let (sent, _) = node.command(other);
    let [request] = &sent[..] else {
        panic!("one request, not {sent:#?}")
    };
    assert_eq!(request.kind, Some(DmipType::DhoaRequest));
    assert_eq!(request.destination, DHP);
}

#[test]
fn a_wide_coverage_serves_at_once_and_a_nearer_dhp_takes_over() {
    let mut node = with_locator();
    let (queries, _) = node.command(demand(host(0xc, 1)));
    let query = find(&queries, DmipType::DhpQuery, HA);
    let (requests, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0, 32)]));
    let request = find(&requests, DmipType::DhoaRequest, DHP);
    node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));

    let (queries, events) = node.command(demand(host(0xcc, 1)));
    assert!(
        matches!(&events[..], [MnEvent::CandidateList { .. },
            MnEvent::AnchorReady { anchor: DHP, home_address: DHOA, serves, .. }]
            if serves.to_string() == "2001:db8:cc::/48"),
        "no round trip at all: {events:?}"
    );
    let query = find(&queries, DmipType::DhpQuery, HA);
    let (requests, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP2, 0xcc, 48)]));
    let request = find(&requests, DmipType::DhoaRequest, DHP2);
    let nearer = MobilityOption::Dhoa {
        status: dhp_wire::codepoints::Status(0),
        fid: 0,
        address: host(0xe, 7),
        lifetime: dhp_wire::mobility::Lifetime(150),
    };
    let (_, events) = node.receive(&request.answer(DHP2, 0, 150, &[nearer]));
    assert!(
        matches!(
            &events[..],
            [
                MnEvent::Moved {
                    from: DHP,
                    to: DHP2,
                    ..
                },
                MnEvent::AnchorReady { anchor: DHP2, .. },
                MnEvent::Bound { .. }
            ]
        ),
        "{events:?}"
    );
    let bindings = &node.engine.status().anchors[0].bindings;
    assert_eq!(bindings[0].home_address, DHOA, "the other site has it");
}

#[test]
fn a_known_dhp_is_asked_while_the_query_is_out() {
    let mut node = with_locator();
    after_a_visit(&mut node);
    let (sent, _) = node.command(demand(host(0xcc, 1)));
    let guess = find(&sent, DmipType::DhoaRequest, DHP);
    let query = find(&sent, DmipType::DhpQuery, HA);
    node.pass(20 * MS);
    let (_, events) = node.receive(&guess.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(
        matches!(
            events[0],
            MnEvent::AnchorReady {
                home_address: DHOA,
                ..
            }
        ),
        "after one round trip: {events:?}"
    );
    let (sent, events) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0, 32)]));
    assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
}

#[test]
fn a_wrong_guess_costs_a_message_and_no_address() {
    let mut node = with_locator();
    after_a_visit(&mut node);
    for site in 0xd0..0xd3 {
        let (sent, _) = node.command(demand(host(site, 1)));
        let guess = find(&sent, DmipType::DhoaRequest, DHP);
        let query = find(&sent, DmipType::DhpQuery, HA);
        let (sent, events) = node.receive(&guess.answer(DHP, status::NOT_COVERED, 0, &[]));
        assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
        node.receive(&query.answer(HA, 0, 75, &[]));
        node.pass(SECOND);
    }
    let (sent, _) = node.command(demand(host(0xd4, 1)));
    assert!(
        sent.iter()
            .all(|message| message.kind == Some(DmipType::DhpQuery)),
        "three were wrong in a row: {sent:?}"
    );
    let elsewhere = Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, 0, 1);
    let (sent, _) = node.command(demand(elsewhere));
    assert!(
        sent.iter()
            .all(|message| message.kind == Some(DmipType::DhpQuery)),
        "nor is it asked for the other end of the world: {sent:?}"
    );
}

#[test]
fn a_better_dhp_that_is_named_wins_over_a_guess_and_the_late_address_goes_back() {
    let mut node = with_locator();
    after_a_visit(&mut node);
    let (sent, _) = node.command(demand(host(0xcc, 1)));
    let guess = find(&sent, DmipType::DhoaRequest, DHP);
    let query = find(&sent, DmipType::DhpQuery, HA);
    let named = [covers(DHP2, 0xcc, 48), covers(DHP, 0, 32)];
    let (sent, _) = node.receive(&query.answer(HA, 0, 75, &named));
    let request = find(&sent, DmipType::DhoaRequest, DHP2);
    let nearer = MobilityOption::Dhoa {
        status: dhp_wire::codepoints::Status(0),
        fid: 0,
        address: host(0xe, 7),
        lifetime: dhp_wire::mobility::Lifetime(150),
    };
    let (_, events) = node.receive(&request.answer(DHP2, 0, 150, &[nearer]));
    assert!(matches!(
        events[0],
        MnEvent::AnchorReady { anchor: DHP2, .. }
    ));
    let (sent, _) = node.receive(&guess.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let release = find(&sent, DmipType::BindingUpdate, DHP);
    assert_eq!((release.lifetime, &release.dhoas[..]), (0, &[DHOA][..]));
    let ready = FlowProgress::Ready {
        anchor: DHP2,
        home_address: host(0xe, 7),
    };
    assert_eq!(node.progress(), ready);
}

fn named(dhp: Ipv6Addr, covers: &[&str]) -> ProvisionedDhp {
    ProvisionedDhp {
        address: dhp,
        covers: covers
            .iter()
            .map(|prefix| prefix.parse().expect("a prefix"))
            .collect(),
    }
}

#[test]
fn a_dhp_of_the_subscription_is_asked_while_the_query_is_out_for_what_it_covers() {
    let mut node = with_locator();
    node.engine.provision(vec![named(DHP, &["2001:db8::/40"])]);
    let elsewhere = Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, 0, 1);
    let (sent, _) = node.command(demand(elsewhere));
    assert!(
        sent.iter()
            .all(|message| message.kind == Some(DmipType::DhpQuery)),
        "{sent:?}"
    );
    let (sent, _) = node.command(demand(host(0xc, 1)));
    let request = find(&sent, DmipType::DhoaRequest, DHP);
    assert!(request.authentic, "its key is derived from its address");
    let query = find(&sent, DmipType::DhpQuery, HA);
    let (_, events) = node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(
        matches!(&events[..], [MnEvent::AnchorReady { serves, .. }, MnEvent::Bound { .. }]
            if serves.to_string() == "2001:db8:c::/48"),
        "after one round trip, for the site: {events:?}"
    );
    node.receive(&query.answer(HA, 0, 75, &[]));
    let (_, events) = node.command(demand(host(0xcc, 1)));
    assert!(
        matches!(
            events[0],
            MnEvent::AnchorReady {
                home_address: DHOA,
                ..
            }
        ),
        "the address is shared, and no round trip at all: {events:?}"
    );
}

#[test]
fn a_dhp_that_may_cover_anything_is_asked_whatever_it_has_refused() {
    let mut node = with_locator();
    node.engine.provision(vec![named(DHP, &[])]);
    for site in 0xd0..0xd5 {
        let (sent, _) = node.command(demand(host(site, 1)));
        let request = find(&sent, DmipType::DhoaRequest, DHP);
        let query = find(&sent, DmipType::DhpQuery, HA);
        let (sent, events) = node.receive(&request.answer(DHP, status::NOT_COVERED, 0, &[]));
        assert!(sent.is_empty() && events.is_empty(), "{sent:?} {events:?}");
        node.receive(&query.answer(HA, 0, 75, &[]));
        node.pass(SECOND);
    }
}

#[test]
fn a_dhp_of_the_subscription_that_is_dead_holds_nothing_up() {
    let mut node = with_locator();
    node.engine.provision(vec![named(DHP, &["2001:db8::/40"])]);
    let (sent, _) = node.command(demand(host(0xc, 1)));
    let query = find(&sent, DmipType::DhpQuery, HA);
    let (sent, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP2, 0xc, 48)]));
    let request = find(&sent, DmipType::DhoaRequest, DHP2);
    let (_, events) = node.receive(&request.answer(DHP2, 0, 150, &[dhoa(0, 150)]));
    assert!(
        matches!(events[0], MnEvent::AnchorReady { anchor: DHP2, .. }),
        "{events:?}"
    );
    let (sent, events) = node.pass(5 * SECOND);
    assert!(
        sent.iter().all(|message| message.destination != DHP) && events.is_empty(),
        "it is asked once: {sent:?} {events:?}"
    );
}

#[test]
fn what_was_learned_of_a_dhp_is_worth_something_after_a_restart() {
    let mut before = with_locator();
    after_a_visit(&mut before);
    let kept = before.engine.kept();
    assert_eq!(kept.clone().without_bindings(), kept);
    let mut node = with_locator_after(kept);
    let (sent, _) = node.command(demand(host(0xcc, 1)));
    let guess = find(&sent, DmipType::DhoaRequest, DHP);
    let (_, events) = node.receive(&guess.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(matches!(
        events[0],
        MnEvent::AnchorReady { anchor: DHP, .. }
    ));
}

#[test]
fn what_is_given_back_is_not_kept() {
    let node = Node::with_dhoa();
    let kept = node.engine.kept();
    assert!(!kept.flows.is_empty() && !kept.anchors[0].dhoas.is_empty());
    let left = kept.clone().without_bindings();
    assert!(left.flows.is_empty() && left.anchors[0].dhoas.is_empty());
    assert_eq!(left.anchors[0].sequence, kept.anchors[0].sequence);
    assert_eq!(left.candidates, kept.candidates);
    assert!(left.outdates(&kept), "it is written");
}

#[test]
fn a_dhp_in_use_is_asked_for_others_until_it_has_named_none_three_times() {
    let mut node = with_locator();
    let (queries, _) = node.command(demand(host(0xc, 1)));
    let query = find(&queries, DmipType::DhpQuery, HA);
    let (requests, _) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0xc, 48)]));
    let request = find(&requests, DmipType::DhoaRequest, DHP);
    node.pass(20 * MS);
    node.receive(&request.answer(DHP, 0, 150, &[dhoa(0, 150)]));
    let elsewhere = |site| Ipv6Addr::new(0x2a00, site, 0, 0, 0, 0, 0, 1);
    let (sent, _) = node.command(demand(elsewhere(1)));
    let query = find(&sent, DmipType::DhpQuery, DHP);
    let other = MobilityOption::DhpInformation {
        preference: 100,
        load: 0,
        prefix_len: 32,
        address: DHP2,
        prefix: elsewhere(1),
        path_rtt_us: 0,
    };
    node.pass(20 * MS);
    let (sent, _) = node.receive(&query.answer(DHP, 0, 75, &[other]));
    find(&sent, DmipType::DhoaRequest, DHP2);
    for site in 2..5 {
        node.pass(SECOND);
        let (sent, _) = node.command(demand(elsewhere(site)));
        let query = find(&sent, DmipType::DhpQuery, DHP);
        node.receive(&query.answer(DHP, 0, 75, &[]));
    }
    node.pass(SECOND);
    let (sent, _) = node.command(demand(elsewhere(5)));
    assert!(
        sent.iter().all(|message| message.destination != DHP),
        "it knows nobody: {sent:?}"
    );
}

#[test]
fn what_is_asked_in_advance_needs_no_query_when_somebody_comes() {
    let mut node = with_locator();
    let foresee = |network| {
        let prefix = format!("2001:db8:c:{network}::/64");
        MnCommand::Foresee(prefix.parse().expect("a prefix"))
    };
    let (first, events) = node.command(foresee(1));
    let (second, _) = node.command(foresee(2));
    assert_eq!((first.len(), second.len()), (2, 0), "one a second");
    assert!(events.is_empty());
    let query = find(&first, DmipType::DhpQuery, HA);
    let (sent, events) = node.receive(&query.answer(HA, 0, 75, &[covers(DHP, 0xc, 48)]));
    assert!(
        sent.is_empty() && events.is_empty(),
        "no address is asked for"
    );
    let (sent, _) = node.pass(3 * SECOND);
    assert!(
        sent.is_empty(),
        "the coverage tells of the other network, too"
    );
    let (sent, _) = node.command(demand(host(0xc, 2)));
    let [request] = &sent[..] else {
        panic!("one request, not {sent:#?}")
    };
    assert_eq!(request.kind, Some(DmipType::DhoaRequest));
}
