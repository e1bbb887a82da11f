//! The thread that writes the journal

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crossbeam::channel::Receiver;
use dhp_proto::anchor::UsedNumber;

use super::numbers::Numbers;
use super::record::Record;

/// Records that one write takes: what has gathered while the one before went to the disk.
const BATCH: usize = 4096;
/// Records beyond twice those that are needed, at which the file is written anew.
const SPARE_RECORDS: usize = 65_536;

/// The file and what is in it.
pub struct Writer {
    path: PathBuf,
    file: File,
    numbers: Numbers,
    records: usize,
    /// The file does not have what `numbers` has.
    is_broken: bool,
}

impl Writer {
    /// A file with these numbers, in the place of the one there is.
    pub fn create(path: &Path, numbers: Numbers) -> io::Result<Self> {
        let file = replace(path, &numbers)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            records: numbers.len() + 1,
            numbers,
            is_broken: false,
        })
    }

    /// Writes what comes, until nobody is there to send.
    pub fn run(mut self, received: &Receiver<UsedNumber>) {
        while let Ok(first) = received.recv() {
            let batch = std::iter::once(first).chain(received.try_iter().take(BATCH - 1));
            self.keep(batch);
        }
        let is_closed = self.mend().and_then(|()| {
            self.file.write_all(&Record::Closed.encode())?;
            self.file.sync_data()
        });
        if let Err(error) = is_closed {
            tracing::error!(%error, path = %self.path.display(), "the journal of sequence numbers is not closed");
        }
    }

    fn keep(&mut self, batch: impl Iterator<Item = UsedNumber>) {
        let mut octets = Vec::new();
        let mut records = 0;
        for number in batch {
            let record = Record::Number {
                number,
                is_guarded: false,
            };
            self.numbers.take(record);
            octets.extend(record.encode());
            records += 1;
        }
        let was_broken = self.is_broken;
        let is_kept = if was_broken {
            self.mend()
        } else {
            self.append(&octets, records)
        };
        self.is_broken = is_kept.is_err();
        match is_kept {
            Err(error) if !was_broken => {
                tracing::error!(
                    %error, path = %self.path.display(),
                    "sequence numbers are not kept: after a restart recorded Binding Updates may be accepted"
                );
            }
            Ok(()) if was_broken => tracing::info!("sequence numbers are kept again"),
            _ => {}
        }
    }

    fn append(&mut self, octets: &[u8], records: usize) -> io::Result<()> {
        if self.records + records > 2 * self.numbers.len() + SPARE_RECORDS {
            return self.rewrite();
        }
        self.file.write_all(octets)?;
        self.records += records;
        self.file.sync_data()
    }

    /// Has the file be what it should be. A record that was written in part would end the file for who reads it.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_broken {
            self.rewrite()
        } else {
            Ok(())
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file = replace(&self.path, &self.numbers)?;
        self.records = self.numbers.len() + 1;
        Ok(())
    }
}

/// Writes a file beside the old one and puts it in its place: whenever the machine stops, one of them is whole.
fn replace(path: &Path, numbers: &Numbers) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(&beside)?;
    file.write_all(&numbers.to_file())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}
