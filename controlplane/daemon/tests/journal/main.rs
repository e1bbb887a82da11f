//! The journal, on a real file system

#[path = "../support/journal_file.rs"]
mod journal_file;
mod promises;

use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dhp_proto::anchor::{Kept, KeptBinding, KeptQuarantine, KeptTime, PoolKind, UsedNumber};
use dhp_proto::security_association::MnId;
use dhpd::journal::{Header, Journal, JournalError, Restored, State};
use journal_file::without_the_end;

fn home(last: u16) -> UsedNumber {
    UsedNumber::Home {
        home_address: "2001:db8:1:1::100".parse().unwrap(),
        last,
        newest_timestamp: None,
    }
}

fn association(highest: u16) -> UsedNumber {
    UsedNumber::Association {
        spi: 256,
        highest,
        newest_timestamp: Some(77),
        is_restarted: false,
    }
}

fn dhoa(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xd, 1, 0, 0, 0, last)
}

fn bound(last: u16, care_of: u16) -> Kept {
    Kept::Bound(KeptBinding {
        home_address: dhoa(last),
        kind: PoolKind::Dhoa,
        mn: Arc::new(MnId::nai("mn1@example.net")),
        care_of: Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, care_of),
        ends: Some(KeptTime(9 << 32)),
        kept: KeptTime(u64::from(care_of)),
        changed_by: None,
        link_local: false,
        dedicated: None,
        flows: Box::default(),
        care_ofs: Vec::new(),
        flow_bindings: Vec::new(),
    })
}

fn quarantined(last: u16) -> Kept {
    Kept::Quarantined(KeptQuarantine {
        home_address: dhoa(last),
        mn: Arc::new(MnId::nai("mn1@example.net")),
        ends: KeptTime(9 << 32),
        kept: KeptTime(1),
    })
}

/// A directory, and a path in it where no file is.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    (directory, path)
}

/// What a new start finds.
fn reopen(path: &Path) -> Restored {
    Journal::open(path, &[]).unwrap().1
}

/// In an order that can be compared.
fn addresses(restored: Restored) -> Vec<Kept> {
    let mut addresses = restored.addresses;
    addresses.sort_unstable_by_key(Kept::home_address);
    addresses
}

#[test]
fn after_an_orderly_end_everything_is_as_it_was() {
    let (_directory, path) = place();
    let (mut journal, restored) = Journal::open(&path, &[]).unwrap();
    assert!(!restored.is_known && restored.numbers.is_empty());
    for number in [home(7), association(65_535), home(8)] {
        journal.keep_number(number);
    }
    for kept in [bound(1, 1), bound(2, 1), quarantined(3), bound(1, 2)] {
        journal.keep(kept);
    }
    journal.keep(Kept::Free {
        home_address: dhoa(2),
    });
    drop(journal);
    for _ in 0..3 {
        let mut again = reopen(&path);
        assert!(again.is_known && again.is_complete);
        assert_eq!(
            again.secret, restored.secret,
            "mobile nodes get the same DHoAs"
        );
        assert_eq!(again.restart_counter, restored.restart_counter);
        again
            .numbers
            .sort_by_key(|number| matches!(number, UsedNumber::Association { .. }));
        assert_eq!(again.numbers, [home(8), association(65_535)]);
        assert_eq!(addresses(again), [bound(1, 2), quarantined(3)]);
    }
}

#[test]
fn after_a_crash_numbers_count_as_sixty_four_further_and_once_only() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    journal.keep_number(home(65_500));
    drop(journal);
    for _ in 0..3 {
        without_the_end(&path);
        let restored = reopen(&path);
        assert!(!restored.is_complete);
        assert_eq!(restored.numbers, [home(28)]);
    }
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    journal.keep_number(home(30));
    drop(journal);
    without_the_end(&path);
    assert_eq!(reopen(&path).numbers, [home(94)]);
}

/// Wherever it is cut, what stands whole before the cut is there, and nothing else.
#[test]
fn a_file_that_was_cut_short_says_what_it_said_until_then() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    let beginning = std::fs::read(&path).unwrap().len();
    let steps = [bound(1, 1), bound(1, 2), quarantined(2)];
    let mut ends = Vec::new();
    for step in &steps {
        journal.keep(step.clone());
        wait_until("it is written", || journal.kept() == journal.sent());
        ends.push(std::fs::read(&path).unwrap().len());
    }
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let fresh = Header::new().unwrap();
        let Ok(reading) = State::read(&whole[..len], fresh) else {
            assert!(len < beginning, "{len} octets");
            continue;
        };
        assert!(len >= beginning && !reading.is_complete, "{len} octets");
        let mut left: Vec<Kept> = reading.state.addresses().cloned().collect();
        left.sort_unstable_by_key(Kept::home_address);
        let expected = match ends.iter().filter(|end| len >= **end).count() {
            0 => vec![],
            1 => vec![bound(1, 1)],
            2 => vec![bound(1, 2)],
            _ => vec![bound(1, 2), quarantined(2)],
        };
        assert_eq!(left, expected, "{len} octets");
    }
}

/// What stands behind is another's.
#[test]
fn damage_inside_costs_no_more_than_what_it_hits() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    journal.keep(bound(1, 1));
    wait_until("it is written", || journal.kept() == 1);
    let first = std::fs::read(&path).unwrap().len();
    journal.keep(bound(2, 1));
    journal.keep(bound(1, 2));
    journal.keep(quarantined(3));
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for at in first..first + 80 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let reading = State::read(&damaged, Header::new().unwrap()).unwrap();
        assert!(!reading.is_complete);
        let mut left: Vec<Kept> = reading.state.addresses().cloned().collect();
        left.sort_unstable_by_key(Kept::home_address);
        // The refresh of the first may be another's by now.
        assert_eq!(left, [bound(1, 1), quarantined(3)], "octet {at}");
    }
}

#[test]
fn what_is_forgotten_is_not_restored() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    journal.keep_number(home(7));
    journal.keep(quarantined(1));
    for home_address in ["2001:db8:1:1::100".parse().unwrap(), dhoa(1)] {
        journal.keep_number(UsedNumber::Forgotten { home_address });
    }
    drop(journal);
    let restored = reopen(&path);
    assert!(restored.is_known && restored.numbers.is_empty() && restored.addresses.is_empty());
}

/// They are in the file from its first moment: a stop right after it was begun leaves them, too.
#[test]
fn numbers_that_are_lost_stay_so_until_there_are_new_ones() {
    let (_directory, path) = place();
    let (mut journal, restored) = Journal::open(&path, &[256, 257]).unwrap();
    let begun = std::fs::read(&path).unwrap();
    let lost = [256, 257].map(|spi| UsedNumber::Lost { spi });
    assert_eq!(by_spi(restored), lost);
    let restarted = UsedNumber::Association {
        spi: 256,
        highest: 9,
        newest_timestamp: Some(77),
        is_restarted: true,
    };
    journal.keep_number(restarted);
    drop(journal);
    // One that is configured by now is new.
    let (journal, restored) = Journal::open(&path, &[256, 257, 258]).unwrap();
    assert_eq!(by_spi(restored), [restarted, lost[1]]);
    drop(journal);
    std::fs::write(&path, begun).unwrap();
    let after_a_stop = reopen(&path);
    assert!(after_a_stop.is_known && !after_a_stop.is_complete);
    assert_eq!(by_spi(after_a_stop), lost);
}

fn by_spi(restored: Restored) -> Vec<UsedNumber> {
    let mut numbers = restored.numbers;
    numbers.sort_unstable_by_key(|number| match number {
        UsedNumber::Association { spi, .. } | UsedNumber::Lost { spi } => Some(*spi),
        UsedNumber::Home { .. } | UsedNumber::Forgotten { .. } => None,
    });
    numbers
}

#[test]
fn another_file_is_left_as_it_is() {
    let (_directory, path) = place();
    let mut newer = b"dhpd jnl\x00\x07".to_vec();
    newer.extend([0; 100]);
    for foreign in [vec![0x5a; 100], b"x".to_vec(), newer] {
        std::fs::write(&path, &foreign).unwrap();
        let error = Journal::open(&path, &[]).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains(path.to_str().unwrap()), "{sentence}");
        assert!(sentence.contains("Remedy: "), "{sentence}");
        assert_eq!(std::fs::read(&path).unwrap(), foreign);
    }
    assert!(matches!(
        Journal::open(&path, &[]),
        Err(JournalError::Version { version: 7, .. })
    ));
    // One that somebody has made to set its owner is none.
    std::fs::write(&path, []).unwrap();
    assert!(!reopen(&path).is_known);
}

/// A second dhpd that is started by mistake does not put its file in the place of the first one's.
#[test]
fn a_journal_has_one_owner() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    assert!(matches!(
        Journal::open(&path, &[]),
        Err(JournalError::InUse { .. })
    ));
    // Nor when another file has come to its place.
    for sequence in 0..70_000_u32 {
        journal.keep_number(home((sequence % 65_536) as u16));
    }
    wait_until("it is written", || journal.kept() == journal.sent());
    assert!(matches!(
        Journal::open(&path, &[]),
        Err(JournalError::InUse { .. })
    ));
    drop(journal);
    assert_eq!(reopen(&path).numbers, [home(4463)]);
}

#[test]
fn a_file_of_the_first_format_is_taken_over() {
    let (_directory, path) = place();
    let record = |head: [u8; 4], key: Ipv6Addr| {
        let mut octets = head.to_vec();
        octets.extend(key.octets());
        octets.extend([0; 12]);
        octets.extend(crc32fast::hash(&octets).to_be_bytes());
        octets
    };
    let file = [
        record([1, 0, 0, 1], Ipv6Addr::UNSPECIFIED),
        record([2, 0, 0, 9], "2001:db8:1:1::100".parse().unwrap()),
        record([5, 0, 0, 0], Ipv6Addr::UNSPECIFIED),
    ];
    std::fs::write(&path, file.concat()).unwrap();
    for _ in 0..2 {
        let restored = reopen(&path);
        assert!(restored.is_known && restored.is_complete);
        assert_eq!(restored.numbers, [home(9)]);
    }
}

#[test]
fn nobody_else_can_read_the_secret() {
    let (_directory, path) = place();
    std::fs::write(&path, []).unwrap();
    drop(Journal::open(&path, &[]).unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_journal_does_not_grow_without_bound() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    for sequence in 0..200_000_u32 {
        journal.keep_number(home((sequence % 65_536) as u16));
    }
    drop(journal);
    let len = std::fs::metadata(&path).unwrap().len();
    assert!(len < 28 * 70_000, "{len} octets");
    assert_eq!(reopen(&path).numbers, [home((199_999 % 65_536) as u16)]);
}

/// Nothing counts as kept meanwhile, and nothing is lost.
#[test]
fn a_disk_that_fails_is_tried_again() {
    let (directory, path) = place();
    let path = directory
        .path()
        .join("there")
        .join(path.file_name().unwrap());
    let parent = path.parent().unwrap().to_owned();
    std::fs::create_dir(&parent).unwrap();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    // The next file that it makes has no place.
    std::fs::remove_dir_all(&parent).unwrap();
    for sequence in 0..70_000_u32 {
        journal.keep_number(home((sequence % 65_536) as u16));
    }
    journal.keep(bound(1, 1));
    wait_until("it fails", || journal.is_failing());
    assert!(journal.kept() < journal.sent());
    std::fs::create_dir(&parent).unwrap();
    wait_until("it works again", || journal.kept() == journal.sent());
    assert!(!journal.is_failing());
    drop(journal);
    assert_eq!(addresses(reopen(&path)), [bound(1, 1)]);
}

#[test]
fn who_waits_is_told() {
    let (_directory, path) = place();
    let (mut journal, _) = Journal::open(&path, &[]).unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    journal.tell(move || sender.send(()).unwrap());
    journal.keep(bound(1, 1));
    told.recv_timeout(PATIENCE).expect("told");
    assert_eq!((journal.sent(), journal.kept()), (1, 1));
}

const PATIENCE: Duration = Duration::from_secs(20);

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: waited in vain");
        std::thread::yield_now();
    }
}
