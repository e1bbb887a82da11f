//! The journal: bindings, quarantines and sequence numbers in non-volatile storage (RFC 6275 §10.3.1, §15.3)
//!
//! An append-only file of checksummed records, each of which says all that is kept of one home address or number. Signalling
//! hands each change to a thread of its own and goes on; the thread writes what has gathered and has it reach the disk
//! (`fdatasync`) before it takes more, so that one write serves many changes when there are many. A file that has grown to more
//! than twice what is needed is written anew, beside the old one, and put in its place.
//!
//! **What waits for the disk:** the answer that promises a DHoA that the mobile node did not hold before, and what else goes to
//! the same address meanwhile. So no DHoA was ever promised that the file does not know.
//!
//! **What does not wait:** everything else, refreshes and handoffs above all. What may be lost of it is the write in progress, a
//! few milliseconds, if the process is killed or the machine stops. After such a stop, which the missing last record shows,
//!
//! - a handoff may be lost: packets go to the old care-of address until the mobile node sends its next update;
//! - a release may be lost: the binding is served until its lifetime ends, by the file;
//! - a refresh may be lost: the mobile node holds its DHoA longer than the file says. So a DHoA whose binding ends rests until
//!   the longest lifetime, counted from the start, and its quarantine after that have passed, whatever restarts come meanwhile;
//! - numbers may be lost: those that were read count as 64 further than they stand there, so that what was accepted before is not
//!   accepted again, unless a mobile node skipped more than 64 numbers, or sent its very first update, within those
//!   milliseconds. A mobile node learns the number by status 135 and goes on from there.
//!
//! An update costs the control thread 0.8 µs more, of 4.4 µs without a journal (`dhp-bench signalling --parts rings --journal`),
//! and the journal's thread 1 to 1.5 µs, with two records of 16 and 64 octets; a new DHoA waits for one `fdatasync`. In memory the journal has some 200 octets of each address.
//!
//! Where there was no file, the numbers of all associations that are configured are lost, and the new file begins with a record of
//! each that says so. It stands until the association has a number again, over as many starts as that takes; an association that
//! is configured later has no record, and is new.
//!
//! After an orderly end nothing is lost, and nobody notices. Lifetimes run on while the process is down: by the monotonic clock while
//! the machine is up, and over a reboot by the time of day, of which one that was set back makes none longer (`clock`). Damage
//! inside the file, which no stop leaves, costs what is damaged and the refreshes behind it.
//!
//! The file also has the secret that interface identifiers are made of, so that mobile nodes get the same DHoAs as before; nobody
//! but its owner may read it.

mod binding;
mod clock;
mod error;
mod fields;
mod file;
mod header;
mod progress;
mod record;
mod state;
mod version_1;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, unbounded};
use dhp_proto::anchor::{IdentifierSecret, Kept, KeptDistrust, UsedNumber};

pub use binding::Refresh;
pub use clock::{BootId, ClockReading, JournalClock};
pub use error::JournalError;
pub use header::{Header, HeaderFault};
use progress::Progress;
pub use record::Record;
pub use state::{Reading, State};
use writer::{Entry, Writer};

/// A journal that is being written. Dropping it writes what there is, and ends the thread.
#[derive(Debug)]
pub struct Journal {
    sender: Option<Sender<Entry>>,
    /// Entries that were handed over.
    sent: u64,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

/// What a journal says of the time before.
#[derive(Debug)]
pub struct Restored {
    /// The numbers that were used.
    pub numbers: Vec<UsedNumber>,
    /// What is kept of home addresses.
    pub addresses: Vec<Kept>,
    /// Whether there was a journal. Without one, any number may have been used before: `numbers` says of which associations.
    pub is_known: bool,
    /// Whether the last changes are not missing.
    pub is_complete: bool,
    /// Until when a start before that lacked the last changes has not trusted the ends of bindings.
    pub distrust: Option<KeptDistrust>,
    /// How its clock goes; `None`: as the time of day.
    pub clock: Option<ClockReading>,
    /// Which boot this is.
    pub boot: BootId,
    /// What interface identifiers are made of.
    pub secret: IdentifierSecret,
    /// Number of the start since which no binding was lost.
    pub restart_counter: u32,
}

impl Journal {
    /// Opens a journal, or begins one where there is no file, or an empty one: with the numbers of these associations, by their
    /// SPIs, as lost. Nobody else can open it as long as it is not dropped.
    ///
    /// # Errors
    /// [`JournalError`]. A file that is no journal is left as it is.
    pub fn open(path: &Path, associations: &[u32]) -> Result<(Self, Restored), JournalError> {
        let at = |error| JournalError::io(path, error);
        let taken = file::take(path).map_err(at)?;
        // Until another is in its place.
        let (_own_file, octets) = taken.ok_or_else(|| JournalError::in_use(path))?;
        let fresh = Header::new().map_err(|error| at(io::Error::other(error)))?;
        let is_known = !octets.is_empty();
        let reading = if is_known {
            State::read(&octets, fresh).map_err(|fault| JournalError::no_journal(path, fault))?
        } else {
            Reading {
                state: State::without_numbers(fresh, associations),
                is_complete: true,
                lost_octets: 0,
            }
        };
        drop(octets);
        let Reading {
            mut state,
            is_complete,
            lost_octets,
        } = reading;
        if !is_complete {
            state.guard();
            tracing::warn!(path = %path.display(), lost_octets, "the journal was not closed: the last milliseconds may be missing");
        }
        let restored = Restored {
            numbers: state.numbers().collect(),
            addresses: state.addresses().cloned().collect(),
            is_known,
            is_complete,
            distrust: state.distrust,
            clock: state.clock,
            boot: BootId::current().map_err(|error| at(io::Error::other(error)))?,
            secret: state.header.secret,
            restart_counter: state.header.restart_counter,
        };
        let progress = Arc::new(Progress::default());
        let writer = Writer::create(path, state, Arc::clone(&progress)).map_err(at)?;
        let (sender, received) = unbounded();
        let thread = std::thread::Builder::new()
            .name("dhpd-journal".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(at)?;
        let journal = Self {
            sender: Some(sender),
            sent: 0,
            progress,
            thread: Some(thread),
        };
        Ok((journal, restored))
    }

    /// Has a number kept. Does not wait for the disk.
    pub fn keep_number(&mut self, number: UsedNumber) {
        self.send(Entry::Number(number));
    }

    /// Has it kept what is to be kept of a home address now. Does not wait for the disk.
    pub fn keep(&mut self, kept: Kept) {
        self.send(Entry::Address(kept));
    }

    /// Has it kept until when ends are not trusted. Does not wait for the disk.
    pub fn keep_distrust(&mut self, distrust: KeptDistrust) {
        self.send(Entry::Distrust(distrust));
    }

    /// Has it kept how its clock goes. Does not wait for the disk.
    pub fn keep_clock(&mut self, reading: ClockReading) {
        self.send(Entry::Clock(reading));
    }

    fn send(&mut self, entry: Entry) {
        if let Some(sender) = &self.sender {
            self.sent = self.sent.saturating_add(1);
            // The thread ends with the sender alone; if it has panicked, the log shows it.
            let _ = sender.send(entry);
        }
    }

    /// Changes that were handed over so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many of them have reached the disk.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.progress.kept()
    }

    /// Whether the disk takes nothing at present.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.progress.is_failing()
    }

    /// Have someone told, on the journal's thread, whenever more has reached the disk.
    pub fn tell(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.progress.tell(listener);
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
