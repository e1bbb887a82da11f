//! What a restart knows of the time before

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dhp_proto::anchor::{IdentifierSecret, Kept};
use dhp_wire::codepoints::CodePoints;
use dhp_wire::mobility::{Message, MobilityHeader, MobilityOption};
use dhp_wire::packet::MobilityPacket;
use dhpd::journal::{BootId, Header, Journal, State};

use crate::journal_file::without_the_end;
use crate::rig::*;

const SECOND_NS: u64 = 1_000_000_000;

/// A directory, and a path in it where no file is.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    (directory, path)
}

/// A start with the journal that the one before has left.
fn start(path: &Path) -> Rig {
    let mut rig = Rig::new();
    let (journal, restored) = Journal::open(path, &[]).expect("a journal");
    rig.signalling.keep_state(journal, restored);
    rig
}

/// A start at which these associations' numbers are lost if there is no journal, as `dhpd` does it.
fn start_anew(path: &Path) -> Rig {
    let mut rig = Rig::new();
    let (journal, restored) = Journal::open(path, &[security().spi()]).expect("a journal");
    rig.signalling.keep_state(journal, restored);
    rig
}

/// A start so many seconds later, by a time of day that has been set forward by so many, after a reboot if it is another boot.
fn start_later(path: &Path, later: u64, ahead: u64, boot: Option<BootId>) -> Rig {
    let mut rig = Rig::new();
    rig.pass(later * SECOND_NS);
    rig.set_forward(ahead * SECOND_NS);
    let (journal, mut restored) = Journal::open(path, &[]).expect("a journal");
    restored.boot = boot.unwrap_or(restored.boot);
    rig.signalling.keep_state(journal, restored);
    rig
}

/// The frame that is sent to core0, which may wait for the disk.
fn sent(rig: &mut Rig) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        rig.settle();
        if let Some(frame) = rig.core.pop() {
            return frame;
        }
        assert!(Instant::now() < deadline, "nothing is sent");
        std::thread::yield_now();
    }
}

/// Status and sequence number of the answer to an update.
fn answer(rig: &mut Rig, update: &[u8]) -> (u8, u16) {
    rig.core.push(&frame(update)).expect("room");
    rig.settle();
    let frame = rig.core.pop().expect("an answer, which waits for no disk");
    let packet = MobilityPacket::parse(&frame[14..]).expect("a mobility packet");
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    match header.message(&CodePoints::default()).expect("a message") {
        Message::BindingAcknowledgement(answer) => (answer.status.0, answer.sequence),
        other => panic!("not an acknowledgement: {other:?}"),
    }
}

/// The DHoA that a request gets.
fn granted(rig: &mut Rig, request: &[u8]) -> Ipv6Addr {
    response(rig, request).1.expect("a DHoA")
}

/// Status of the answer to a request, and the DHoA in it.
fn response(rig: &mut Rig, request: &[u8]) -> (u8, Option<Ipv6Addr>) {
    rig.core.push(&frame(request)).expect("room");
    let frame = sent(rig);
    let packet = MobilityPacket::parse(&frame[14..]).expect("a mobility packet");
    let header = MobilityHeader::parse(packet.mh).expect("a mobility header");
    let Ok(Message::Dmip(dmip)) = header.message(&CodePoints::default()) else {
        panic!("no answer");
    };
    let dhoa = dmip.options.iter().find_map(|option| match option {
        Ok(MobilityOption::Dhoa { address, .. }) => Some(address),
        _ => None,
    });
    (dmip.header.status.0, dhoa)
}

/// Where a packet from the correspondent to this address is tunnelled to.
fn tunnelled_to(rig: &mut Rig, home_address: Ipv6Addr) -> Option<Ipv6Addr> {
    rig.cn.push(&downlink(home_address)).expect("room");
    rig.poll();
    let (_, anchor, care_of) = ends(&rig.core.pop()?);
    assert_eq!(anchor, ANCHOR);
    Some(care_of)
}

#[test]
fn a_recorded_update_is_refused_after_a_restart() {
    let (_directory, path) = place();
    let recorded = binding_update(10, CARE_OF);
    assert_eq!(answer(&mut start(&path), &recorded), (0, 10));
    let mut again = start(&path);
    assert_eq!(answer(&mut again, &recorded), (135, 10));
    assert_eq!(
        answer(&mut again, &binding_update(11, OTHER_CARE_OF)),
        (0, 11)
    );
}

/// The file is lost, and more than one start later somebody sends what he recorded before.
#[test]
fn without_a_file_a_recorded_request_is_refused_at_every_later_start() {
    let (_directory, path) = place();
    let recorded = dhoa_request(900, CARE_OF);
    let before = granted(&mut start(&path), &recorded);
    std::fs::remove_file(&path).expect("a journal");
    for is_killed in [false, true, false] {
        let mut rig = start_anew(&path);
        assert_eq!(response(&mut rig, &recorded), (145, None), "not {before}");
        drop(rig);
        if is_killed {
            without_the_end(&path);
        }
    }
    let mut rig = start_anew(&path);
    rig.pass(1_000_000_000);
    let fresh = dhoa_request_at(3, CARE_OF, Some(rig.signalling.now().ntp));
    let (status, dhoa) = response(&mut rig, &fresh);
    assert!(status == 0 && dhoa.is_some(), "{status}");
    drop(rig);
    let mut again = start_anew(&path);
    assert_eq!(response(&mut again, &recorded), (145, None));
    assert_eq!(
        granted(&mut again, &dhoa_request(4, CARE_OF)),
        dhoa.expect("one")
    );
}

/// The mobile node learns a number that it has not sent yet, and goes on from there.
#[test]
fn a_recorded_update_is_refused_after_a_stop_without_warning() {
    let (_directory, path) = place();
    let recorded = binding_update(10, CARE_OF);
    assert_eq!(answer(&mut start(&path), &recorded), (0, 10));
    without_the_end(&path);
    let mut again = start(&path);
    assert_eq!(answer(&mut again, &recorded), (135, 74));
    assert_eq!(answer(&mut again, &binding_update(11, CARE_OF)), (135, 74));
    assert_eq!(answer(&mut again, &binding_update(75, CARE_OF)), (0, 75));
}

#[test]
fn packets_go_through_the_tunnel_without_a_new_update() {
    let (_directory, path) = place();
    let mut rig = start(&path);
    assert_eq!(answer(&mut rig, &binding_update(1, CARE_OF)), (0, 1));
    let dhoa = granted(&mut rig, &dhoa_request(1, CARE_OF));
    assert_eq!(answer(&mut rig, &binding_update(2, OTHER_CARE_OF)), (0, 2));
    drop(rig);
    for _ in 0..2 {
        let mut again = start(&path);
        assert_eq!(tunnelled_to(&mut again, HOME), Some(OTHER_CARE_OF));
        assert_eq!(tunnelled_to(&mut again, dhoa), Some(CARE_OF));
        without_the_end_of(again, &path);
    }
    let mut again = start(&path);
    let asked_again = granted(&mut again, &dhoa_request(200, CARE_OF));
    assert_eq!(asked_again, dhoa, "the same secret");
}

fn without_the_end_of(rig: Rig, path: &Path) {
    drop(rig);
    without_the_end(path);
}

/// What a killed process leaves at the moment at which the mobile node has its answer.
#[test]
fn a_dhoa_is_promised_when_the_disk_has_it() {
    let (_directory, path) = place();
    let mut rig = start(&path);
    let dhoa = granted(&mut rig, &dhoa_request(1, CARE_OF));
    let file = std::fs::read(&path).expect("the journal");
    let fresh = Header {
        secret: IdentifierSecret::new([0; 32]),
        restart_counter: 0,
    };
    let reading = State::read(&file, fresh).expect("a journal");
    let mut kept = reading.state.addresses();
    assert!(
        kept.any(|kept| matches!(kept, Kept::Bound(binding) if binding.home_address == dhoa)),
        "{dhoa}"
    );
}

#[test]
fn without_a_journal_nothing_waits() {
    let mut rig = Rig::new();
    rig.core
        .push(&frame(&dhoa_request(1, CARE_OF)))
        .expect("room");
    rig.settle();
    assert!(rig.core.pop().is_some());
}

/// A restart with another configuration ends what a reload would end, and the journal says so.
#[test]
fn a_mobile_node_that_is_gone_is_released_for_good() {
    let (_directory, path) = place();
    let mut rig = start(&path);
    assert_eq!(answer(&mut rig, &binding_update(1, CARE_OF)), (0, 1));
    let dhoa = granted(&mut rig, &dhoa_request(1, CARE_OF));
    drop(rig);
    let mut config = anchor_config();
    config.security_associations.clear();
    let mut without = Rig::with(config, territory());
    let (journal, restored) = Journal::open(&path, &[]).expect("a journal");
    let counts = without.signalling.keep_state(journal, restored);
    assert_eq!((counts.bindings, counts.ended), (0, 2));
    assert_eq!(tunnelled_to(&mut without, HOME), None);
    drop(without);
    let mut again = Rig::new();
    let (journal, restored) = Journal::open(&path, &[]).expect("a journal");
    let counts = again.signalling.keep_state(journal, restored);
    assert_eq!(
        (counts.bindings, counts.quarantines),
        (0, 1),
        "{dhoa} rests"
    );
}

/// Of two lifetimes of 600 s the second has begun at 5 s.
#[test]
fn setting_the_clock_ends_no_binding_and_makes_none_longer() {
    let (_directory, path) = place();
    let mut rig = start(&path);
    assert_eq!(answer(&mut rig, &binding_update(1, CARE_OF)), (0, 1));
    let dhoa = granted(&mut rig, &dhoa_request(1, CARE_OF));
    rig.pass(5 * SECOND_NS);
    rig.set_forward(3_600 * SECOND_NS);
    assert_eq!(answer(&mut rig, &binding_update(2, CARE_OF)), (0, 2));
    drop(rig);
    let later = |seconds: u64, boot: Option<BootId>| {
        // As it was, for the next start.
        let copy = path.with_extension("copy");
        std::fs::copy(&path, &copy).expect("copied");
        // After a reboot the monotonic clock begins anew; that of the rig shows no less than at its start.
        let (passed, ahead) = match boot {
            None => (seconds, 7_200),
            Some(_) => (0, 3_600 + seconds),
        };
        let mut rig = start_later(&copy, passed, ahead, boot);
        [dhoa, HOME].map(|home_address| tunnelled_to(&mut rig, home_address).is_some())
    };
    for boot in [None, Some(BootId([0xb0; 16]))] {
        assert_eq!(later(10, boot), [true, true], "{boot:?}");
        assert_eq!(later(599, boot), [true, true], "{boot:?}");
        assert_eq!(later(603, boot), [false, true], "{boot:?}");
        assert_eq!(later(606, boot), [false, false], "{boot:?}");
    }
}
