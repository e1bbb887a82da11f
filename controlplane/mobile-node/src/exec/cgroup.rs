//! A control group (version 2) for one command.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use procfs::process::Process;

/// The group; it is removed with this.
#[derive(Debug)]
pub(super) struct ControlGroup {
    path: PathBuf,
    directory: File,
    /// The group of this process.
    outside: PathBuf,
}

impl ControlGroup {
    /// Makes a group below the root of all, as only root may.
    ///
    /// # Errors
    /// No control groups of version 2 are mounted, or none can be made.
    pub(super) fn create() -> anyhow::Result<Self> {
        let me = Process::myself()?;
        let root = root()?;
        let own = me.cgroups()?.into_iter().find(|group| group.hierarchy == 0);
        let own = own.map_or_else(String::new, |group| group.pathname);
        let outside = root.join(own.trim_start_matches('/'));
        let path = root.join(format!("dhp-mn-exec-{}", std::process::id()));
        fs::create_dir(&path)
            .with_context(|| format!("{}: make a control group", path.display()))?;
        let directory = File::open(&path).with_context(|| path.display().to_string())?;
        Ok(Self {
            path,
            directory,
            outside,
        })
    }

    /// The group's directory, open.
    pub(super) fn directory(&self) -> &File {
        &self.directory
    }

    /// Does something in the group: a process is born in the group of its parent.
    pub(super) fn with<T>(&mut self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        enter(&self.path).with_context(|| format!("{}: enter it", self.path.display()))?;
        let result = work();
        enter(&self.outside).with_context(|| format!("{}: go back", self.outside.display()))?;
        Ok(result)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Processes that the command has left behind keep it.
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("dhp-mn: {}: {error}", self.path.display());
        }
    }
}

/// Where control groups of version 2 are mounted.
///
/// # Errors
/// Nowhere.
pub(super) fn root() -> anyhow::Result<PathBuf> {
    let mounts = Process::myself()?.mountinfo()?;
    mounts
        .into_iter()
        .find(|mount| mount.fs_type == "cgroup2")
        .map(|mount| mount.mount_point)
        .context("no cgroup2 file system is mounted")
}

fn enter(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}
