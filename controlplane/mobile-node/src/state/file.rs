//! The file itself: whole whenever the machine stops, and read with suspicion.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// It tells where this node was.
const MODE: u32 = 0o600;
/// More than all that an engine keeps.
const LONGEST: u64 = 8 << 20;

/// Why a state file cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Others may have written it.
    #[error("others may write to it: it has mode {0:04o}")]
    Writable(u32),
    /// It is no regular file, or much too long.
    #[error("it is no file that dhp-mn has written")]
    Foreign,
    /// It has another format than this agent's.
    #[error("it has version {0}, and this agent reads version {expected}", expected = super::record::VERSION)]
    Version(u32),
    /// It is another mobile node's.
    #[error("it belongs to {0}")]
    Owner(String),
    /// It says something impossible.
    #[error("{0}")]
    Content(String),
}

/// Reads the file; `None`: there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let mut options = OpenOptions::new();
    let no_follow = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = match options.read(true).custom_flags(no_follow.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(StateError::Foreign);
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(StateError::Writable(metadata.mode() & 0o7777));
    }
    let mut octets = Vec::new();
    file.take(LONGEST).read_to_end(&mut octets)?;
    Ok(Some(octets))
}

/// Writes the file beside the old one and puts it in its place.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory {
        std::fs::create_dir_all(directory)?;
    }
    let beside = beside(path);
    // One that was left may have been another's to write.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(directory) = directory {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Removes the file, and what was to become it.
pub(super) fn remove(path: &Path) {
    for path in [path.to_owned(), beside(path)] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "cannot remove {}", path.display());
            }
            _ => {}
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("below").join("state.json");
        assert!(matches!(read(&path), Ok(None)));
        for content in ["one", "another"] {
            replace(&path, content.as_bytes()).expect("written");
            assert_eq!(
                read(&path).expect("read").as_deref(),
                Some(content.as_bytes())
            );
        }
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, MODE);
        remove(&path);
        let left = std::fs::read_dir(directory.path().join("below")).expect("a directory");
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn what_others_may_have_written_is_not_believed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.json");
        replace(&path, b"{}").expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).expect("mode set");
        assert!(matches!(read(&path), Err(StateError::Writable(0o620))));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(matches!(read(&link), Err(StateError::Io(_))));
        assert!(matches!(read(directory.path()), Err(StateError::Foreign)));
    }
}
