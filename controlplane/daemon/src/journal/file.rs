//! The journal's file: one dhpd has it, and it is whole whenever the machine stops

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::state::State;

/// Whoever reads the secret of the interface identifiers can guess DHoAs.
const MODE: u32 = 0o600;
/// How often a file is looked for that its owner puts another in the place of meanwhile, which is seldom.
const TRIES: usize = 8;

/// A file that nobody else has, as long as it is not dropped.
pub type OwnFile = Flock<File>;

/// Takes the file, or makes an empty one, and reads it. `None`: another process has it.
pub fn take(path: &Path) -> io::Result<Option<(OwnFile, Vec<u8>)>> {
    for _ in 0..TRIES {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(MODE).open(path)?;
        let Some(mut file) = lock(file)? else {
            return Ok(None);
        };
        // Its owner may have put another in its place, and gone.
        let (of, at) = (file.metadata()?, std::fs::metadata(path)?);
        if (of.dev(), of.ino()) == (at.dev(), at.ino()) {
            let mut octets = Vec::new();
            file.read_to_end(&mut octets)?;
            return Ok(Some((file, octets)));
        }
    }
    Ok(None)
}

/// Writes a file beside the old one and puts it in its place.
pub fn replace(path: &Path, state: &State) -> io::Result<OwnFile> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // One that was left may have been another's to read.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(MODE);
    let Some(mut file) = lock(options.open(&beside)?)? else {
        return Err(io::ErrorKind::ResourceBusy.into());
    };
    file.write_all(&state.to_file())?;
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

fn lock(file: File) -> io::Result<Option<OwnFile>> {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Some(file)),
        Err((_, Errno::EAGAIN)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}
