//! A node that begins again with what another of the same name has kept.

use core::net::Ipv6Addr;
use std::collections::BTreeSet;

use super::support::*;
use dhp_proto::mobile_node::{
    AddressKind, FlowProgress, Kept, MnCommand, MnEvent, RESERVED_NUMBERS, Session, UnboundReason,
};
use dhp_proto::time::NANOS_PER_SECOND;
use dhp_wire::codepoints::{DmipType, status};

const SECOND: u64 = NANOS_PER_SECOND;

/// A node with a home agent, a DHP, and a flow at each; and what it has sent.
fn settled() -> (Node, Vec<Sent>) {
    let mut node = Node::new(true);
    let (mut all, _) = node.command(MnCommand::SetCareOf(COA));
    node.receive(&all[0].acknowledge(0, all[0].sequence, 150));
    node.use_cn(Session::Fixed);
    let (queries, _) = node.use_cn(Session::SessionLasting);
    let (requests, _) = node.receive(&queries[0].answer(DHP, 0, 75, &[dhp_information(DHP, 100)]));
    node.receive(&requests[0].answer(DHP, 0, 150, &[dhoa(0, 150)]));
    all.extend(requests);
    (node, all)
}

/// Another node that goes on with it `after_ns` later, on a clock that begins at 0.
fn restarted(node: &Node, after_ns: u64) -> (Node, Vec<MnEvent>) {
    let past_ns = node.now.mono_ns + after_ns;
    let mut kept = node.engine.kept();
    let earlier = |at: &mut u64| *at = at.saturating_sub(past_ns);
    for binding in kept.home.iter_mut().flat_map(|home| &mut home.binding) {
        binding.expires_ns.iter_mut().for_each(earlier);
    }
    for anchor in &mut kept.anchors {
        for (_, binding) in &mut anchor.dhoas {
            binding.expires_ns.iter_mut().for_each(earlier);
        }
    }
    kept.candidates
        .iter_mut()
        .for_each(|known| earlier(&mut known.expires_ns));
    let mut next = Node::new(true);
    next.now.mono_ns = 0;
    next.engine.restore(next.now, kept);
    let (sent, mut events) = next.use_cn(Session::Fixed);
    let (more, more_events) = next.use_cn(Session::SessionLasting);
    assert!(
        sent.is_empty() && more.is_empty(),
        "there is no care-of address yet"
    );
    events.extend(more_events);
    (next, events)
}

#[test]
fn flows_are_ready_at_once_and_every_binding_is_confirmed_with_the_first_care_of_address() {
    for care_of in [COA, COA2] {
        let (before, _) = settled();
        let (mut node, events) = restarted(&before, 5 * SECOND);
        let ready: Vec<_> = events
            .iter()
            .map(|event| match event {
                MnEvent::AnchorReady {
                    home_address, kind, ..
                } => (*home_address, *kind),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ready, [(DHOA, AddressKind::Dhoa), (HOA, AddressKind::Home)]);
        let (sent, _) = node.command(MnCommand::SetCareOf(care_of));
        let [home, dhp] = &sent[..] else {
            panic!("one update each, not {sent:?}")
        };
        assert_eq!(
            (home.destination, home.alternate_care_of),
            (HA, Some(care_of))
        );
        assert_eq!(
            (dhp.destination, dhp.kind),
            (DHP, Some(DmipType::BindingUpdate))
        );
        assert_eq!((&dhp.dhoas[..], dhp.source), (&[DHOA][..], care_of));
        assert!(dhp.authentic && home.authentic);
        node.receive(&home.acknowledge(0, home.sequence, 150));
        let (_, events) = node.receive(&dhp.answer(DHP, 0, 150, &[dhoa(0, 150)]));
        assert!(
            matches!(&events[..], [MnEvent::Bound { home_addresses, .. }] if *home_addresses == [DHOA])
        );
    }
}

#[test]
fn no_sequence_number_is_used_twice() {
    let (mut before, mut sent) = settled();
    let written = before.engine.kept();
    // Moves that nobody has had time to write down.
    for number in 0..12 {
        before.pass(SECOND);
        let care_of = if number % 2 == 0 { COA2 } else { COA };
        sent.extend(before.command(MnCommand::SetCareOf(care_of)).0);
    }
    assert!(
        !numbers_outdate(&before.engine.kept(), &written),
        "they are written ahead"
    );
    let mut after = Node::new(true);
    after.engine.restore(after.now, written);
    let (updates, _) = after.command(MnCommand::SetCareOf(COA));
    assert_eq!(updates.len(), 2);
    for update in &updates {
        let used: BTreeSet<u16> = sent
            .iter()
            .filter(|earlier| earlier.destination == update.destination)
            .map(|earlier| earlier.sequence)
            .collect();
        assert!(used.len() >= 12, "{used:?}");
        for number in used {
            let ahead = update.sequence.wrapping_sub(number);
            assert!(
                ahead > 0 && ahead <= RESERVED_NUMBERS + 1,
                "{number} {}",
                update.sequence
            );
        }
    }
}

#[test]
fn half_of_the_reserved_numbers_are_left_when_the_state_is_written_again() {
    let (mut node, _) = settled();
    let written = node.engine.kept();
    let number = |kept: &Kept| kept.home.as_ref().map(|home| home.sequence);
    let begun = number(&written).expect("a home agent");
    let mut care_ofs = [COA2, COA].into_iter().cycle();
    while !numbers_outdate(&node.engine.kept(), &written) {
        node.pass(SECOND);
        node.command(MnCommand::SetCareOf(care_ofs.next().expect("two in turn")));
    }
    let used = number(&node.engine.kept())
        .expect("a home agent")
        .wrapping_sub(begun);
    assert!(
        (RESERVED_NUMBERS / 2..RESERVED_NUMBERS).contains(&used),
        "{used}"
    );
}

/// Whether the numbers alone would have a state written.
fn numbers_outdate(now: &Kept, written: &Kept) -> bool {
    let mut numbers = written.clone();
    if let (Some(home), Some(now)) = (&mut numbers.home, &now.home) {
        home.sequence = now.sequence;
    }
    numbers.outdates(written)
}

#[test]
fn what_an_anchor_no_longer_has_ends_as_it_would_have() {
    let (before, _) = settled();
    let (mut node, _) = restarted(&before, SECOND);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let refused = sent[1].answer(DHP, 0, 0, &[dhoa(status::NOT_HOME_AGENT, 0)]);
    let (sent, events) = node.receive(&refused);
    assert!(
        matches!(
            &events[..],
            [
                MnEvent::Unbound {
                    reason: UnboundReason::Refused(status::NOT_HOME_AGENT),
                    ..
                },
                ..
            ]
        ),
        "{events:?}"
    );
    // The directory's answers were kept as well: no query.
    assert_eq!(sent[0].kind, Some(DmipType::DhoaRequest));
}

#[test]
fn what_is_over_is_not_there_and_numbers_go_on_all_the_same() {
    let (before, all) = settled();
    let (mut node, events) = restarted(&before, 700 * SECOND);
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(node.engine.status().anchors[0].bindings, []);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let home = sent
        .iter()
        .find(|sent| sent.destination == HA)
        .expect("an update");
    assert!(home.sequence.wrapping_sub(all[0].sequence) < 1 << 15);
}

#[test]
fn a_state_that_nobody_can_have_kept_changes_nothing() {
    let (before, _) = settled();
    let mut kept = before.engine.kept();
    let nowhere = Ipv6Addr::LOCALHOST;
    if let Some(home) = &mut kept.home {
        home.agent = DHP2;
    }
    for flow in &mut kept.flows {
        flow.address = HOA;
    }
    for anchor in &mut kept.anchors {
        anchor
            .dhoas
            .iter_mut()
            .for_each(|(address, _)| *address = nowhere);
        anchor.releasing = vec![nowhere; 100];
    }
    for known in &mut kept.candidates {
        known.candidate.dhp = nowhere;
    }
    let mut node = Node::new(true);
    node.engine.restore(node.now, kept);
    let (_, events) = node.use_cn(Session::SessionLasting);
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(node.progress(), FlowProgress::Waiting);
    let (sent, _) = node.command(MnCommand::SetCareOf(COA));
    let kinds: Vec<_> = sent.iter().map(|sent| sent.kind).collect();
    assert_eq!(kinds, [None, Some(DmipType::DhpQuery)]);
}
