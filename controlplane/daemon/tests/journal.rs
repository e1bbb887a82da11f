//! The journal of sequence numbers, on a real file system.

use std::path::Path;

use dhp_proto::anchor::UsedNumber;
use dhpd::journal::{Journal, Restored};

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
    }
}

/// What a new start finds.
fn reopen(path: &Path) -> Restored {
    Journal::open(path).unwrap().1
}

/// As a machine leaves the file that stops without warning.
fn without_the_end(path: &Path) {
    let mut octets = std::fs::read(path).unwrap();
    octets.truncate(octets.len() - 36);
    std::fs::write(path, octets).unwrap();
}

#[test]
fn after_an_orderly_end_the_numbers_are_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    let (journal, restored) = Journal::open(&path).unwrap();
    assert!(!restored.is_known && restored.numbers.is_empty());
    for number in [home(7), association(65_535), home(8)] {
        journal.keep(number);
    }
    drop(journal);
    for _ in 0..3 {
        let mut restored = reopen(&path);
        assert!(restored.is_known);
        restored
            .numbers
            .sort_by_key(|number| matches!(number, UsedNumber::Association { .. }));
        assert_eq!(restored.numbers, [home(8), association(65_535)]);
    }
}

#[test]
fn after_a_crash_they_count_as_sixty_four_further_and_once_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.keep(home(65_500));
    drop(journal);
    for _ in 0..3 {
        without_the_end(&path);
        assert_eq!(reopen(&path).numbers, [home(28)]);
    }
    let (journal, _) = Journal::open(&path).unwrap();
    journal.keep(home(30));
    drop(journal);
    without_the_end(&path);
    assert_eq!(reopen(&path).numbers, [home(94)]);
}

#[test]
fn a_record_that_was_written_in_part_ends_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.keep(home(7));
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for len in 36..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        let restored = reopen(&path);
        assert!(restored.is_known);
        let expected = if len < 72 { vec![] } else { vec![home(71)] };
        assert_eq!(restored.numbers, expected, "{len} octets");
    }
}

#[test]
fn what_is_forgotten_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    let (journal, _) = Journal::open(&path).unwrap();
    journal.keep(home(7));
    let home_address = "2001:db8:1:1::100".parse().unwrap();
    journal.keep(UsedNumber::Forgotten { home_address });
    drop(journal);
    let restored = reopen(&path);
    assert!(restored.is_known && restored.numbers.is_empty());
}

#[test]
fn another_file_is_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    std::fs::write(&path, [0x5a; 100]).unwrap();
    assert!(!reopen(&path).is_known);
    assert!(reopen(&path).is_known, "it has been begun anew");
}

#[test]
fn a_journal_does_not_grow_without_bound() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("numbers");
    let (journal, _) = Journal::open(&path).unwrap();
    for sequence in 0..200_000_u32 {
        journal.keep(home((sequence % 65_536) as u16));
    }
    drop(journal);
    let len = std::fs::metadata(&path).unwrap().len();
    assert!(len < 36 * 70_000, "{len} octets");
    assert_eq!(reopen(&path).numbers, [home((199_999 % 65_536) as u16)]);
}
