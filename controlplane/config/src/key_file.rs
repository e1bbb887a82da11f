//! Keys in files of their own, which nobody but their owner may read, change or replace

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use dhp_proto::auth::Key;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::key::{KeyError, from_hex};

/// A file with more has no key in it.
const LONGEST_FILE: u64 = 4096;
/// Set of a directory: in it only its owner may remove or rename a file (`/tmp`).
const STICKY: u32 = 0o1000;

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is something else, such as a directory or a pipe.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// Others may read or change it.
    #[error("{} has mode {mode:04o}: others than its owner may use it", path.display())]
    OpenMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file, its directory or the link to it is another user's.
    #[error("{} belongs to user {owner}", path.display())]
    ForeignOwner {
        /// The file, directory or link.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others may put another file in its place.
    #[error(
        "{} has mode {mode:04o}: others than its owner may replace the key file in it",
        path.display()
    )]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What stands in it is no key.
    #[error("{}: {cause}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: KeyError,
    },
}

impl KeyFileError {
    /// What an operator can do, where a command mends it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::OpenMode { path, .. } => Some(format!("chmod 600 {}", path.display())),
            Self::ForeignOwner { path, .. } => Some(match geteuid().as_raw() {
                0 => format!("chown -h root {}", path.display()),
                user => format!("chown -h {user} {0}, or chown -h root {0}", path.display()),
            }),
            Self::OpenDirectory { path, .. } => Some(format!("chmod go-w {}", path.display())),
            Self::Unreadable { .. } | Self::NoFile(_) | Self::NoKey { .. } => None,
        }
    }
}

/// Reads a key, in hexadecimal digits, from a file of mode 0600 or less that belongs to root or this user, in a directory that
/// only root or this user may change. The same goes for where a symbolic link leads.
///
/// # Errors
/// [`KeyFileError`], never with a digit of the key in it.
pub fn from_file(path: &Path) -> Result<Key, KeyFileError> {
    let unreadable = |cause| KeyFileError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    // A pipe without a writer would be waited for.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    let file = opened.map_err(unreadable)?;
    // Of the opened file, not of the name, which might be another file by then.
    let metadata = file.metadata().map_err(unreadable)?;
    check_file(path, &metadata)?;
    let link = std::fs::symlink_metadata(path).map_err(unreadable)?;
    check_directory_of(path)?;
    if link.is_symlink() {
        check_owner(path, &link)?;
        check_directory_of(&path.canonicalize().map_err(unreadable)?)?;
    }
    let text = read(file).map_err(unreadable)?;
    from_hex(&text).map_err(|cause| KeyFileError::NoKey {
        path: path.to_owned(),
        cause,
    })
}

fn read(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    if !metadata.is_file() {
        return Err(KeyFileError::NoFile(path.to_owned()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenMode {
            path: path.to_owned(),
            mode,
        });
    }
    check_owner(path, metadata)
}

/// The directory that holds the name: who may write there can put another file in its place.
fn check_directory_of(path: &Path) -> Result<(), KeyFileError> {
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let metadata = std::fs::metadata(directory).map_err(|cause| KeyFileError::Unreadable {
        path: directory.to_owned(),
        cause,
    })?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 && mode & STICKY == 0 {
        return Err(KeyFileError::OpenDirectory {
            path: directory.to_owned(),
            mode,
        });
    }
    check_owner(directory, &metadata)
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    let owner = metadata.uid();
    if owner != 0 && owner != geteuid().as_raw() {
        return Err(KeyFileError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const NOBODY: u32 = 65534;

    /// A directory with a good key file, which is what `change` makes of it.
    fn refused(change: impl FnOnce(&Path)) -> Option<KeyFileError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mn1.key");
        std::fs::write(&path, "0f".repeat(32)).expect("written");
        set_mode(&path, 0o600);
        assert_eq!(from_file(&path).expect("a key").octets(), [0x0f; 32]);
        change(&path);
        let error = from_file(&path).err();
        // So that it can be removed.
        set_mode(directory.path(), 0o700);
        error
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode set");
    }

    fn directory(path: &Path) -> &Path {
        path.parent().expect("a directory")
    }

    #[test]
    fn a_key_file_that_others_may_use_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o666] {
            let error = refused(|path| set_mode(path, mode)).expect("refused");
            assert!(
                matches!(&error, KeyFileError::OpenMode { mode: found, .. } if *found == mode),
                "{error}"
            );
            let remedy = error.remedy().expect("a remedy");
            assert!(
                remedy.starts_with("chmod 600 /") && remedy.ends_with("/mn1.key"),
                "{remedy}"
            );
        }
        assert!(refused(|path| set_mode(path, 0o400)).is_none());
    }

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        for mode in [0o770, 0o707, 0o777] {
            let error = refused(|path| set_mode(directory(path), mode)).expect("refused");
            assert!(
                matches!(&error, KeyFileError::OpenDirectory { mode: found, .. } if *found == mode),
                "{error}"
            );
            assert!(
                error
                    .remedy()
                    .expect("a remedy")
                    .starts_with("chmod go-w /")
            );
        }
        // As /tmp is: nobody can replace another's file there.
        assert!(refused(|path| set_mode(directory(path), 0o1777)).is_none());
        assert!(refused(|path| set_mode(directory(path), 0o755)).is_none());
    }

    #[test]
    fn what_is_another_users_is_refused() {
        if !geteuid().is_root() {
            eprintln!("not root: files cannot be given away, nothing was tested");
            return;
        }
        let give_away = |path: &Path| chown(path, Some(NOBODY), None).expect("given away");
        for error in [
            refused(give_away),
            refused(|path| give_away(directory(path))),
        ] {
            let error = error.expect("refused");
            assert!(
                matches!(&error, KeyFileError::ForeignOwner { owner: NOBODY, .. }),
                "{error}"
            );
            assert!(
                error
                    .remedy()
                    .expect("a remedy")
                    .starts_with("chown -h root /")
            );
        }
    }

    #[test]
    fn a_link_is_followed_to_where_others_cannot_write() {
        let elsewhere = tempfile::tempdir().expect("a directory");
        let target = elsewhere.path().join("target.key");
        let link_to_target = |path: &Path| {
            std::fs::rename(path, &target).expect("moved");
            symlink(&target, path).expect("linked");
        };
        assert!(refused(link_to_target).is_none());
        set_mode(elsewhere.path(), 0o777);
        let error = refused(link_to_target).expect("refused");
        assert!(
            matches!(&error, KeyFileError::OpenDirectory { mode: 0o777, .. }),
            "{error}"
        );
        set_mode(elsewhere.path(), 0o700);
        if geteuid().is_root() {
            let error = refused(|path| {
                link_to_target(path);
                std::os::unix::fs::lchown(path, Some(NOBODY), None).expect("given away");
            });
            let error = error.expect("refused");
            assert!(
                matches!(&error, KeyFileError::ForeignOwner { owner: NOBODY, .. }),
                "{error}"
            );
        }
    }

    /// Nor is anything waited for.
    #[test]
    fn what_is_no_file_or_has_no_key_is_refused() {
        let replaced = |make: fn(&Path)| {
            refused(|path| {
                std::fs::remove_file(path).expect("removed");
                make(path);
            })
            .expect("refused")
        };
        let missing = replaced(|_| {});
        assert!(
            matches!(missing, KeyFileError::Unreadable { .. }),
            "{missing}"
        );
        let pipe = replaced(|path| {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        });
        assert!(matches!(pipe, KeyFileError::NoFile(_)), "{pipe}");
        let directory = replaced(|path| std::fs::create_dir(path).expect("a directory"));
        assert!(matches!(directory, KeyFileError::NoFile(_)), "{directory}");
        let cause = refused(|path| std::fs::write(path, "0f0f").expect("written"));
        assert!(matches!(
            cause,
            Some(KeyFileError::NoKey {
                cause: KeyError::TooShort { octets: 2 },
                ..
            })
        ));
    }
}
