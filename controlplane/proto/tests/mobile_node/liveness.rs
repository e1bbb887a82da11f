//! DHPs that no longer answer, and those that do again.

use super::support::*;
use dhp_proto::mobile_node::{FlowProgress, MnCommand, MnEvent, Session, UnboundReason};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{DmipType, status};

const SECOND: u64 = NANOS_PER_SECOND;

/// Goes to and fro between two networks, a move each 3 s.
fn move_on(node: &mut Node, moves: usize) -> Vec<MnEvent> {
    let mut events = Vec::new();
    for care_of in [COA2, COA].into_iter().cycle().take(moves) {
        for (command, rest) in [
            (MnCommand::LoseCareOf, 50 * MS),
            (MnCommand::SetCareOf(care_of), 2950 * MS),
        ] {
            events.extend(node.command(command).1);
            events.extend(node.pass(rest).1);
        }
    }
    events
}

fn is_silence(event: &MnEvent) -> bool {
    matches!(event, MnEvent::AnchorSilent { anchor: DHP, home_addresses } if home_addresses[..] == [DHOA])
}

#[test]
fn a_node_that_moves_on_all_the_time_leaves_a_dead_dhp_as_soon() {
    let mut node = Node::with_dhoa();
    let events = move_on(&mut node, 5);
    assert!(!events.iter().any(is_silence), "{events:?}");
    let events = move_on(&mut node, 1);
    assert_eq!(events.iter().filter(|event| is_silence(event)).count(), 1);
    assert!(!matches!(node.progress(), FlowProgress::Ready { .. }));
}

#[test]
fn a_node_without_a_network_waits_for_nobody() {
    let mut node = Node::with_dhoa();
    node.command(MnCommand::SetCareOf(COA2));
    node.pass(SECOND);
    node.command(MnCommand::LoseCareOf);
    node.pass(3600 * SECOND / 8);
    let (_, events) = node.command(MnCommand::SetCareOf(COA));
    assert!(!events.iter().any(is_silence), "{events:?}");
}

#[test]
fn each_answer_begins_the_patience_anew() {
    let mut node = Node::with_dhoa();
    move_on(&mut node, 5);
    node.command(MnCommand::LoseCareOf);
    let (updates, _) = node.command(MnCommand::SetCareOf(COA2));
    node.receive(&updates[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    assert!(!move_on(&mut node, 5).iter().any(is_silence));
}

/// A node that stays has nothing to tell a DHP, so it has to ask whether its bindings are there still.
#[test]
fn a_silent_dhp_is_asked_for_its_bindings_until_it_answers() {
    let mut config = config(false);
    config.check_interval_ns = Some(60 * SECOND);
    let mut node = Node::with_config(config);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (requests, _) = node.receive(&reply);
    let for_ever = [dhoa(0, u16::MAX)];
    node.receive(&requests[0].answer(DHP, 0, u16::MAX, &for_ever));

    let (_, events) = node.pass(70 * SECOND);
    assert!(events.iter().any(is_silence), "{events:?}");
    let (sent, _) = node.pass(64 * SECOND);
    let updates: Vec<_> = sent
        .iter()
        .filter(|sent| sent.kind == Some(DmipType::BindingUpdate))
        .collect();
    assert!(updates.len() >= 2, "every 32 s: {updates:?}");

    // It was started again, and knows nothing.
    let refusal = updates[0].answer(
        DHP,
        status::NOT_ASSIGNED,
        0,
        &[dhoa(status::NOT_ASSIGNED, 0)],
    );
    let (sent, events) = node.receive(&refusal);
    let refused = UnboundReason::Refused(status::NOT_ASSIGNED);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, MnEvent::Unbound { reason, .. } if *reason == refused)),
        "{events:?}"
    );
    let query = sent
        .iter()
        .find(|sent| sent.kind == Some(DmipType::DhpQuery));
    let (sent, _) = match query {
        Some(query) => node.receive(&query.answer(DHP, 0, 75, &[dhp_information(DHP, 100)])),
        None => (sent, Vec::new()),
    };
    let request = sent
        .iter()
        .find(|sent| sent.kind == Some(DmipType::DhoaRequest));
    let request = request.expect("the flow comes back at once");
    assert_eq!(
        request.dhoas,
        [DHOA],
        "with the address that its sessions have"
    );
}

/// Any answer says that it is there again; what it says of bindings need not wait for a timer.
#[test]
fn what_a_silent_dhp_is_asked_for_is_asked_again_as_soon_as_it_is_heard() {
    let mut config = config(false);
    config.check_interval_ns = Some(60 * SECOND);
    let mut node = Node::with_config(config);
    node.command(MnCommand::SetCareOf(COA));
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let reply = queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (requests, _) = node.receive(&reply);
    node.receive(&requests[0].answer(DHP, 0, u16::MAX, &[dhoa(0, u16::MAX)]));
    node.pass(69 * SECOND);
    // The flow asks around for another DHP; nobody answers but the silent one, at last.
    let (sent, _) = node.pass(60 * SECOND);
    let query = sent
        .iter()
        .rfind(|sent| sent.kind == Some(DmipType::DhpQuery));
    let reply = query
        .expect("a query")
        .answer(DHP, 0, 75, &[dhp_information(DHP, 100)]);
    let (sent, _) = node.receive(&reply);
    assert!(
        sent.iter()
            .any(|sent| sent.kind == Some(DmipType::BindingUpdate) && sent.dhoas == [DHOA]),
        "{sent:?}"
    );
}
