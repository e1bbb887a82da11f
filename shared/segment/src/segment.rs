//! Making, opening and sharing a segment.

use crate::control::Control;
use crate::counters::CounterSnapshot;
use crate::error::SegmentError;
use crate::geometry::Geometry;
use crate::header;
use crate::layout::{Layout, WORKER_COUNTERS, header_word};
use crate::mapping::{Mapping, WORD_BYTES};
use crate::reader::Reader;
use crate::role::{Role, Roles};
use crate::sync::Ordering;
use crate::view::View;
use crate::writer::Writer;
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::fstatvfs;
use std::fs::{self, File, OpenOptions};
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
        header::initialise(mapping.words(), &layout, seed);
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
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| file_error("create", path, source))?;
        Self::fill(file, path, geometry, seed).inspect_err(|_| {
            // Half a segment is of no use to anybody; the error to report is the one that made it so.
            let _ = fs::remove_file(path);
        })
    }

    fn fill(
        file: File,
        path: &Path,
        geometry: &Geometry,
        seed: [u64; 2],
    ) -> Result<Self, SegmentError> {
        let layout = Layout::new(geometry);
        let page = page_bytes(&file, path)?;
        let length = (layout.words * WORD_BYTES).next_multiple_of(page);
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        // Allocated now: a page that the file system can not give later would be a SIGBUS in a worker.
        posix_fallocate(&file, 0, length)
            .map_err(|errno| file_error("allocate", path, errno.into()))?;
        let mapping = Mapping::file(&file, layout.words, page)?;
        header::initialise(mapping.words(), &layout, seed);
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
        let header_bytes = (header_word::LEN * WORD_BYTES) as u64;
        if length < header_bytes {
            return Err(header::size_error("file", length, header_bytes));
        }
        let page = page_bytes(&file, path)?;
        let layout = header::check(Mapping::file(&file, header_word::LEN, page)?.words())?;
        let expected = (layout.words * WORD_BYTES) as u64;
        if length < expected {
            return Err(header::size_error("file", length, expected));
        }
        let mapping = Mapping::file(&file, layout.words, page)?;
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

    /// The length of the segment in octets: what it needs when all its tables are full.
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
            .word(header_word::HEARTBEAT)
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

/// The unit that files and mappings of this file system come in: on hugetlbfs a huge page.
fn page_bytes(file: &File, path: &Path) -> Result<usize, SegmentError> {
    let block = fstatvfs(file)
        .map_err(|errno| file_error("inspect", path, errno.into()))?
        .block_size();
    Ok(usize::try_from(block).unwrap_or(1).max(1))
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
