//! The journal of sequence numbers, so that a recorded Binding Update is refused after a restart (RFC 6275 §15.3)
//!
//! An append-only file of checksummed records. Signalling hands each number to a thread of its own and goes on; the thread
//! writes what has gathered and has it reach the disk (`fdatasync`) before it takes more, so that one write serves many
//! numbers when there are many.
//!
//! What may be lost: the numbers of the write in progress, a few milliseconds, if the process or the machine stops without
//! warning. So numbers that are read from a file that was not closed count as 64 further than they stand there: what was
//! accepted before such a stop is not accepted again, unless a mobile node skipped more than 64 numbers, or sent its very
//! first update, within those milliseconds. A mobile node learns the number by status 135 and goes on from there. After an
//! orderly end nothing is lost, and nobody notices.

mod numbers;
mod record;
mod writer;

use std::io;
use std::path::Path;
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, unbounded};
use dhp_proto::anchor::UsedNumber;
use numbers::Numbers;
use writer::Writer;

/// A journal that is being written. Dropping it writes what there is, and ends the thread.
#[derive(Debug)]
pub struct Journal {
    sender: Option<Sender<UsedNumber>>,
    thread: Option<JoinHandle<()>>,
}

/// What a journal says of the time before.
#[derive(Debug, Default)]
pub struct Restored {
    /// The numbers that were used.
    pub numbers: Vec<UsedNumber>,
    /// Whether there was a journal: without one, any number may have been used before.
    pub is_known: bool,
}

impl Journal {
    /// Opens a journal, or begins one where there is none.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<(Self, Restored)> {
        let octets = match std::fs::read(path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let read = Numbers::read(&octets);
        let is_known = read.is_some();
        let (mut numbers, _, is_complete) = read.unwrap_or_default();
        if !is_complete {
            numbers.guard();
        }
        if !is_known && !octets.is_empty() {
            tracing::warn!(path = %path.display(), "this was no journal of sequence numbers: it begins anew");
        }
        let restored = Restored {
            numbers: numbers.iter().collect(),
            is_known,
        };
        let writer = Writer::create(path, numbers)?;
        let (sender, received) = unbounded();
        let thread = std::thread::Builder::new()
            .name("dhpd-journal".to_owned())
            .spawn(move || writer.run(&received))?;
        let journal = Self {
            sender: Some(sender),
            thread: Some(thread),
        };
        Ok((journal, restored))
    }

    /// Has a number kept. Does not wait for the disk.
    pub fn keep(&self, number: UsedNumber) {
        if let Some(sender) = &self.sender {
            // The thread ends with the sender alone; if it has panicked, the log shows it.
            let _ = sender.send(number);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, the log shows it.
            let _ = thread.join();
        }
    }
}
