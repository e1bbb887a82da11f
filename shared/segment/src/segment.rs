//! Making, opening and sharing a segment.

use crate::control::Control;
use crate::counters::{Counter, CounterSnapshot};
use crate::drop_reason::DropReason;
use crate::error::SegmentError;
use crate::geometry::Geometry;
use crate::layout::{LAYOUT_VERSION, Layout, MAGIC, WORKER_COUNTERS, header};
use crate::mapping::{Mapping, WORD_BYTES};
use crate::quiescence::FIRST_EPOCH;
use crate::reader::Reader;
use crate::role::{Role, Roles};
use crate::sync::{AtomicU64, Ordering};
use crate::view::View;
use crate::writer::Writer;
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::fstatvfs;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// A handle on the shared memory; clones are handles on the same.
#[derive(Clone)]
pub struct Segment {
    view: Arc<View>,
    roles: Arc<Roles>,
}

impl core::fmt::Debug for Segment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Segment")
            .field("geometry", self.geometry())
            .finish_non_exhaustive()
    }
}

impl Segment {
    /// A segment in private memory, for both planes in one process. Its hash seed is random.
    ///
    /// # Errors
    /// [`SegmentError::Geometry`], [`SegmentError::Map`], [`SegmentError::Random`].
    pub fn anonymous(geometry: &Geometry) -> Result<Self, SegmentError> {
        Self::anonymous_with_seed(geometry, random_seed()?)
    }

    /// As [`Segment::anonymous`], with a given hash seed, for runs that have to repeat.
    ///
    /// # Errors
    /// [`SegmentError::Geometry`], [`SegmentError::Map`].
    pub fn anonymous_with_seed(geometry: &Geometry, seed: [u64; 2]) -> Result<Self, SegmentError> {
        geometry.validate()?;
        let layout = Layout::new(geometry);
        let mapping = Mapping::anonymous(layout.words)?;
        initialise(mapping.words(), &layout, seed);
        Ok(Self::new(View::new(mapping, layout), None))
    }

    /// A segment in a new file, on tmpfs or hugetlbfs, with all its memory allocated, readable by this user only. A file
    /// of that name must not exist.
    ///
    /// # Errors
    /// [`SegmentError::Geometry`], [`SegmentError::File`], [`SegmentError::Map`], [`SegmentError::Random`].
    pub fn create(path: impl AsRef<Path>, geometry: &Geometry) -> Result<Self, SegmentError> {
        let path = path.as_ref();
        geometry.validate()?;
        let seed = random_seed()?;
        let layout = Layout::new(geometry);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| file_error("create", path, source))?;
        // On hugetlbfs a file's length is a multiple of its block size, which is the page size there.
        let block = fstatvfs(&file)
            .map_err(|errno| file_error("size", path, errno.into()))?
            .block_size();
        let block = usize::try_from(block).unwrap_or(1).max(1);
        let length = (layout.words * WORD_BYTES).next_multiple_of(block);
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        // Allocated now: a page that the file system can not give later would be a SIGBUS in a worker.
        posix_fallocate(&file, 0, length)
            .map_err(|errno| file_error("allocate", path, errno.into()))?;
        let mapping = Mapping::file(&file, layout.words)?;
        initialise(mapping.words(), &layout, seed);
        Ok(Self::new(View::new(mapping, layout), Some(file)))
    }

    /// A segment that another process, or an earlier life of this one, has made.
    ///
    /// # Errors
    /// [`SegmentError::File`], and one error for each way in which the file may not be what this program expects:
    /// [`SegmentError::Magic`], [`SegmentError::NotReady`], [`SegmentError::Version`], [`SegmentError::Counters`],
    /// [`SegmentError::Geometry`], [`SegmentError::Size`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SegmentError> {
        let path = path.as_ref();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|source| file_error("open", path, source))?;
        let length = file
            .metadata()
            .map_err(|source| file_error("inspect", path, source))?
            .len();
        let header_bytes = (header::LEN * WORD_BYTES) as u64;
        if length < header_bytes {
            return Err(size_error("file", length, header_bytes));
        }
        let layout = check_header(Mapping::file(&file, header::LEN)?.words())?;
        let expected = (layout.words * WORD_BYTES) as u64;
        if length < expected {
            return Err(size_error("file", length, expected));
        }
        let mapping = Mapping::file(&file, layout.words)?;
        Ok(Self::new(View::new(mapping, layout), Some(file)))
    }

    fn new(view: View, file: Option<File>) -> Self {
        let roles = Roles::new(view.layout.geometry.workers, file);
        Self {
            view: Arc::new(view),
            roles,
        }
    }

    /// The sizes of the tables.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.view.layout.geometry
    }

    /// The length of the segment in octets.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.view.layout.words * WORD_BYTES
    }

    /// The one writer. It takes over what an earlier writer has left.
    ///
    /// # Errors
    /// [`SegmentError::Taken`] while another writer lives.
    pub fn writer(&self) -> Result<Writer, SegmentError> {
        let claim = self.roles.claim(Role::Writer)?;
        Ok(Writer::attach(
            Arc::clone(&self.view),
            Arc::clone(&self.roles),
            claim,
        ))
    }

    /// The reader of `worker`, awake. From now on it holds up reclamation until it reports quiescent points, parks or is
    /// dropped.
    ///
    /// # Errors
    /// [`SegmentError::NoSuchWorker`]; [`SegmentError::Taken`] while another reader of this worker lives.
    pub fn reader(&self, worker: u32) -> Result<Reader, SegmentError> {
        let workers = self.geometry().workers;
        if worker >= workers {
            return Err(SegmentError::NoSuchWorker { worker, workers });
        }
        let claim = self.roles.claim(Role::Worker(worker))?;
        Ok(Reader::new(Arc::clone(&self.view), worker, claim))
    }

    /// The control plane's end of all rings.
    ///
    /// # Errors
    /// [`SegmentError::Taken`] while another one lives.
    pub fn control(&self) -> Result<Control, SegmentError> {
        let claim = self.roles.claim(Role::Control)?;
        Ok(Control::new(Arc::clone(&self.view), claim))
    }

    /// The counters of `worker`; all 0 if there is no such worker.
    #[must_use]
    pub fn counters(&self, worker: u32) -> CounterSnapshot {
        read_counters(&self.view, worker)
    }

    /// When the writer last called [`Writer::heartbeat`], in its nanoseconds; 0 if never.
    #[must_use]
    pub fn writer_heartbeat_ns(&self) -> u64 {
        self.view
            .header(header::HEARTBEAT)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }
}

pub(crate) fn read_counters(view: &View, worker: u32) -> CounterSnapshot {
    let Some(block) = view.slice(&view.layout.workers, worker) else {
        return CounterSnapshot::default();
    };
    CounterSnapshot::from_fn(|index| {
        block
            .get(WORKER_COUNTERS + index)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    })
}

fn random_seed() -> Result<[u64; 2], SegmentError> {
    let word = || getrandom::u64().map_err(|error| SegmentError::Random(error.to_string()));
    Ok([word()?, word()?])
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> SegmentError {
    SegmentError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

fn size_error(what: &'static str, found: u64, expected: u64) -> SegmentError {
    SegmentError::Size {
        what,
        found,
        expected,
    }
}

/// Layout version, number of counters, number of drop reasons.
fn version_word() -> u64 {
    let counters = Counter::ALL.len() as u64;
    let drops = DropReason::ALL.len() as u64;
    u64::from(LAYOUT_VERSION) << 32 | counters << 16 | drops
}

/// Writes the header of a zeroed segment, the magic number last.
fn initialise(words: &[AtomicU64], layout: &Layout, seed: [u64; 2]) {
    let set = |at: usize, value: u64, order: Ordering| {
        if let Some(word) = words.get(at) {
            word.store(value, order);
        }
    };
    let Geometry {
        workers,
        home_addresses,
        templates,
        next_hops,
        routes,
        ring_slots,
    } = layout.geometry;
    let geometry = [
        workers,
        home_addresses,
        templates,
        next_hops,
        routes,
        ring_slots,
    ];
    for (offset, value) in geometry.into_iter().enumerate() {
        set(
            header::GEOMETRY + offset,
            u64::from(value),
            Ordering::Relaxed,
        );
    }
    set(header::VERSION, version_word(), Ordering::Relaxed);
    set(header::WORDS, layout.words as u64, Ordering::Relaxed);
    set(header::SEED, seed[0], Ordering::Relaxed);
    set(header::SEED + 1, seed[1], Ordering::Relaxed);
    set(header::EPOCH, FIRST_EPOCH, Ordering::Relaxed);
    set(header::MAGIC, MAGIC, Ordering::Release);
}

/// Checks the header of a segment that somebody else has made, and computes its layout.
fn check_header(words: &[AtomicU64]) -> Result<Layout, SegmentError> {
    let get = |at: usize| words.get(at).map_or(0, |word| word.load(Ordering::Acquire));
    match get(header::MAGIC) {
        MAGIC => {}
        0 => return Err(SegmentError::NotReady),
        found => {
            return Err(SegmentError::Magic {
                found,
                expected: MAGIC,
            });
        }
    }
    let (found, expected) = (get(header::VERSION), version_word());
    if found >> 32 != expected >> 32 {
        return Err(SegmentError::Version {
            found: (found >> 32) as u32,
            expected: LAYOUT_VERSION,
        });
    }
    if found != expected {
        return Err(SegmentError::Counters {
            found_counters: (found >> 16) as u16,
            found_drops: found as u16,
            counters: (expected >> 16) as u16,
            drops: expected as u16,
        });
    }
    let field = |offset: usize| u32::try_from(get(header::GEOMETRY + offset)).unwrap_or(u32::MAX);
    let geometry = Geometry {
        workers: field(0),
        home_addresses: field(1),
        templates: field(2),
        next_hops: field(3),
        routes: field(4),
        ring_slots: field(5),
    };
    geometry.validate()?;
    let layout = Layout::new(&geometry);
    let (found, expected) = (get(header::WORDS), layout.words as u64);
    if found != expected {
        let bytes = |words: u64| words.saturating_mul(WORD_BYTES as u64);
        return Err(size_error("header", bytes(found), bytes(expected)));
    }
    Ok(layout)
}
