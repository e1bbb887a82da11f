//! A recorded Binding Update after a restart (RFC 6275 §15.3)

use std::path::Path;

use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Message, MobilityHeader};
use dhp_wire::packet::MobilityPacket;
use dhpd::journal::Journal;

use crate::rig::*;

/// Octets of the record that says that nothing is missing.
const CLOSING_RECORD: usize = 36;

/// A start with the journal that the one before has left.
fn start(path: &Path) -> Rig {
    let mut rig = Rig::new();
    let (journal, restored) = Journal::open(path).expect("a journal");
    rig.signalling.keep_numbers(journal, restored);
    rig
}

/// Status and sequence number of the answer to an update.
fn answer(rig: &mut Rig, update: &[u8]) -> (u8, u16) {
    rig.core.push(&frame(update)).expect("room");
    rig.settle();
    let frame = rig.core.pop().expect("an answer");
    let packet = MobilityPacket::parse(&frame[14..]).expect("a mobility packet");
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    match header.message(&CodePoints::default()).expect("a message") {
        Message::BindingAcknowledgement(answer) => (answer.status.0, answer.sequence),
        other => panic!("not an acknowledgement: {other:?}"),
    }
}

#[test]
fn a_recorded_update_is_refused_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("numbers");
    let recorded = binding_update(10, CARE_OF);
    assert_eq!(answer(&mut start(&path), &recorded), (0, 10));
    let mut again = start(&path);
    assert_eq!(answer(&mut again, &recorded), (135, 10));
    assert_eq!(
        answer(&mut again, &binding_update(11, OTHER_CARE_OF)),
        (0, 11)
    );
}

/// The mobile node learns a number that it has not sent yet, and goes on from there.
#[test]
fn a_recorded_update_is_refused_after_a_stop_without_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("numbers");
    let recorded = binding_update(10, CARE_OF);
    assert_eq!(answer(&mut start(&path), &recorded), (0, 10));
    let mut file = std::fs::read(&path).expect("the journal");
    file.truncate(file.len() - CLOSING_RECORD);
    std::fs::write(&path, file).expect("written");
    let mut again = start(&path);
    assert_eq!(answer(&mut again, &recorded), (135, 74));
    assert_eq!(answer(&mut again, &binding_update(11, CARE_OF)), (135, 74));
    assert_eq!(answer(&mut again, &binding_update(75, CARE_OF)), (0, 75));
}
