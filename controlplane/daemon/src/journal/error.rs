//! Why a journal cannot be opened

use std::io;
use std::path::{Path, PathBuf};

use super::header::HeaderFault;

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file, or its directory.
    #[error("cannot open the journal {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process writes it.
    #[error("the journal {} is another dhpd's; have `journal` of [signalling] name another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error(
        "{} is no journal of dhpd, or is damaged where it begins; it was left as it is. Remedy: have `journal` of \
         [signalling] name another file, or move this one away. Mobile nodes then have to register anew",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by another dhpd.
    #[error(
        "the journal {} has the format {version}, which this dhpd does not know; it was left as it is. Remedy: run the \
         dhpd that wrote it, or move the file away. Mobile nodes then have to register anew",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The format.
        version: u16,
    },
}

impl JournalError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, error }
    }

    pub(super) fn in_use(path: &Path) -> Self {
        let path = path.to_owned();
        Self::InUse { path }
    }

    pub(super) fn no_journal(path: &Path, fault: HeaderFault) -> Self {
        let path = path.to_owned();
        match fault {
            HeaderFault::Foreign => Self::Foreign { path },
            HeaderFault::Version(version) => Self::Version { path, version },
        }
    }
}
