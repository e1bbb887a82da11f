//! The thread that writes the journal

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use dhp_proto::anchor::{Kept, KeptDistrust, UsedNumber};

use super::clock::ClockReading;
use super::file::{OwnFile, replace};
use super::progress::Progress;
use super::record::Record;
use super::state::State;

/// Records that one write takes: what has gathered while the one before went to the disk.
const BATCH: usize = 16_384;
/// Records beyond twice those that are needed, at which the file is written anew.
const SPARE_RECORDS: usize = 65_536;
/// How long after a write that has failed the next is tried: of all that there is, so not too often.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// Something to be kept.
#[derive(Debug)]
pub enum Entry {
    /// A number was used.
    Number(UsedNumber),
    /// A home address is another's, is elsewhere, or is nobody's.
    Address(Kept),
    /// Ends may be later than they stand in the file.
    Distrust(KeptDistrust),
    /// How the journal's clock goes.
    Clock(ClockReading),
}

/// The file and what is in it.
pub struct Writer {
    path: PathBuf,
    file: OwnFile,
    state: State,
    records: usize,
    /// Of the batch in hand.
    octets: Vec<u8>,
    /// Entries that were taken.
    taken: u64,
    progress: Arc<Progress>,
    /// When to try again, as long as the file does not have what `state` has.
    broken_until: Option<Instant>,
}

impl Writer {
    /// A file with this state, in the place of the one there is.
    pub fn create(path: &Path, state: State, progress: Arc<Progress>) -> io::Result<Self> {
        let file = replace(path, &state)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            records: state.records(),
            state,
            octets: Vec::new(),
            taken: 0,
            progress,
            broken_until: None,
        })
    }

    /// Writes what comes, until nobody is there to send.
    pub fn run(mut self, received: &Receiver<Entry>) {
        loop {
            match received.recv_timeout(NEXT_TRY) {
                Ok(first) => {
                    let batch = std::iter::once(first).chain(received.try_iter().take(BATCH - 1));
                    self.keep(batch);
                }
                Err(RecvTimeoutError::Timeout) if self.broken_until.is_some() => {
                    self.keep(std::iter::empty());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut closed = Vec::new();
        Record::Closed.encode(&mut closed);
        // It may end with a record that was written in part.
        let is_whole = match self.broken_until {
            Some(_) => self.rewrite(),
            None => Ok(()),
        };
        let is_closed = is_whole.and_then(|()| {
            self.file.write_all(&closed)?;
            self.file.sync_data()
        });
        if let Err(error) = is_closed {
            tracing::error!(%error, path = %self.path.display(), "the journal is not closed");
        }
    }

    fn keep(&mut self, batch: impl Iterator<Item = Entry>) {
        self.octets.clear();
        let mut records = 0;
        for entry in batch {
            let record = match entry {
                Entry::Number(number) => self.state.use_up(number),
                Entry::Address(kept) => self.state.change(kept),
                Entry::Distrust(distrust) => {
                    self.state.distrust = Some(distrust);
                    Record::Distrusted(distrust)
                }
                Entry::Clock(reading) => {
                    self.state.clock = Some(reading);
                    Record::Clock(reading)
                }
            };
            record.encode(&mut self.octets);
            records += 1;
            self.taken += 1;
        }
        let is_kept = match self.broken_until {
            Some(at) if Instant::now() < at => return,
            Some(_) => self.rewrite(),
            None => self.append(records),
        };
        let was_broken = self.broken_until.is_some();
        match is_kept {
            Ok(()) => {
                self.broken_until = None;
                self.progress.reaches(self.taken);
                if was_broken {
                    tracing::info!("the journal is written again");
                }
            }
            Err(error) => {
                self.broken_until = Some(Instant::now() + NEXT_TRY);
                self.progress.fails();
                if !was_broken {
                    tracing::error!(
                        %error, path = %self.path.display(),
                        "the journal cannot be written: new DHoAs are not confirmed, and what changes is lost with a restart"
                    );
                }
            }
        }
    }

    fn append(&mut self, records: usize) -> io::Result<()> {
        if self.records + records > 2 * self.state.records() + SPARE_RECORDS {
            return self.rewrite();
        }
        self.file.write_all(&self.octets)?;
        self.records += records;
        self.file.sync_data()
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file = replace(&self.path, &self.state)?;
        self.records = self.state.records();
        Ok(())
    }
}
